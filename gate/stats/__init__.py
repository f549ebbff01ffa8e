"""The statistics of the gate: pure functions on numbers, with errors as ValueError.

The engine: `correctness_spec` and its siblings fix the bets of one hypothesis, `initial` is its state, `update` folds one pair
and `update_many` a block, `gate_path` and `alarm_path` find the pair at which a decision is due.
"""

from dualgate.gate.stats.bets import bet_mixture, gro_bet, growth, least_favourable, log_e_process
from dualgate.gate.stats.block import Block, Trace, encode_block, update_many
from dualgate.gate.stats.boundaries import (
    accept_threshold,
    accepted_dimensions,
    alarm_path,
    futility_threshold,
    gate_path,
    log_threshold,
    rank_thresholds,
    wald_futility,
)
from dualgate.gate.stats.cusum import CusumThreshold, cusum_threshold
from dualgate.gate.stats.dimension import (
    DimensionSpec,
    DimensionState,
    current_p_value,
    initial,
    log_e_accept,
    log_e_futility,
    log_e_worse,
    p_value,
    p_value_worse,
    update,
)
from dualgate.gate.stats.interval import Interval, estimate, interval, worse_interval
from dualgate.gate.stats.lattice import MISSING, Lattice, lattice
from dualgate.gate.stats.multiplicity import bonferroni, closed_e_mean, gate_accepts, holm, hommel, iut, simes
from dualgate.gate.stats.plan import Horizon, HypothesisPlan, SprtPlan, calibration_pairs, horizon, sprt_plan
from dualgate.gate.stats.process import Process
from dualgate.gate.stats.sampling import drawn_turn, first_turns, quantised_probability, sampling_plan, session_means
from dualgate.gate.stats.specs import (
    ALL,
    SamplingPlan,
    correctness_spec,
    latency_spec,
    median_latency_spec,
    refit,
    relative_latency_spec,
    safety_class_spec,
    safety_difference_spec,
    safety_spec,
    semantic_difference_spec,
    semantic_level_spec,
)

__all__ = [
    "ALL",
    "MISSING",
    "Block",
    "CusumThreshold",
    "DimensionSpec",
    "DimensionState",
    "Horizon",
    "HypothesisPlan",
    "Interval",
    "Lattice",
    "Process",
    "SamplingPlan",
    "SprtPlan",
    "Trace",
    "accept_threshold",
    "accepted_dimensions",
    "alarm_path",
    "bet_mixture",
    "bonferroni",
    "calibration_pairs",
    "closed_e_mean",
    "correctness_spec",
    "current_p_value",
    "cusum_threshold",
    "drawn_turn",
    "encode_block",
    "estimate",
    "first_turns",
    "futility_threshold",
    "gate_accepts",
    "gate_path",
    "gro_bet",
    "growth",
    "holm",
    "hommel",
    "horizon",
    "initial",
    "interval",
    "iut",
    "latency_spec",
    "lattice",
    "least_favourable",
    "log_e_accept",
    "log_e_futility",
    "log_e_process",
    "log_e_worse",
    "log_threshold",
    "median_latency_spec",
    "p_value",
    "p_value_worse",
    "quantised_probability",
    "rank_thresholds",
    "refit",
    "relative_latency_spec",
    "safety_class_spec",
    "safety_difference_spec",
    "safety_spec",
    "sampling_plan",
    "semantic_difference_spec",
    "semantic_level_spec",
    "session_means",
    "simes",
    "sprt_plan",
    "update",
    "update_many",
    "wald_futility",
    "worse_interval",
]
