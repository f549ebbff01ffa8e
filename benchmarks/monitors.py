"""Live monitors in blocks beside the same charts in plain Python floats; exact thresholds beside a dense chain.

python -m benchmarks.monitors [--json]
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from benchmarks.side_by_side import Measurement, processor_seconds, ratio, report

from dualgate.gate.decide import entered
from dualgate.gate.observations import Rows
from dualgate.gate.phases import SHADOW, TAIL
from dualgate.gate.state import MigrationState
from dualgate.gate.stats.cusum import bernoulli_law, cusum_threshold, reference_fraction
from dualgate.gate.stats.lattice import IntArray
from dualgate.gate.stats.monitor import MonitorSpec, plan_paired_monitor, start_monitor, update_monitor, update_monitor_many
from dualgate.gate.stats.run_length import StepLaw, run_lengths
from dualgate.gate.walk import walk
from dualgate.gate.watched import begun
from dualgate.lab.characteristics.whole_gate import default_file
from dualgate.lab.simulate.life import Life
from dualgate.lab.simulate.pairs import draw
from dualgate.lab.simulate.runs import job_of
from dualgate.lab.simulate.scenario import Scenario

BLOCK, BLOCKS, SIGNALS = 2000, 5, 5


def _streams(rng: np.random.Generator) -> list[IntArray]:
    return [rng.choice(3, BLOCK * BLOCKS, p=[0.07, 0.86, 0.07]) for _ in range(SIGNALS)]


def _in_blocks(spec: MonitorSpec, streams: list[IntArray]) -> None:
    for codes in streams:
        state = start_monitor(spec)
        for start in range(0, codes.size, BLOCK):
            state, _ = update_monitor_many(spec, state, codes[start : start + BLOCK])


def _one_at_a_time(spec: MonitorSpec, streams: list[IntArray]) -> None:
    for codes in streams:
        state = start_monitor(spec)
        for code in codes[:BLOCK].tolist():
            state = update_monitor(spec, state, code)


def _plain_floats(spec: MonitorSpec, streams: list[IntArray]) -> None:
    """The textbook recursions, one observation at a time, with neither exactness nor a state that can be stored."""
    k, h, bets, level = float(spec.cusum.reference), spec.cusum.threshold, spec.esr.bets, spec.esr.alarm_level
    for codes in streams:
        c, m, alarms = 0.0, [0.0] * len(bets), 0
        for code in codes.tolist():
            x = 1.0 - code
            c = max(0.0, c + x - k)
            m = [(each + 1.0) * (1.0 + bet * x) for each, bet in zip(m, bets, strict=True)]
            alarms += c >= h or sum(m) / len(m) >= level


def _dense_arl(law: StepLaw, limit: int) -> float:
    move = np.zeros((limit, limit))
    for step, probability in zip(law.steps, law.probabilities, strict=True):
        to = np.maximum(np.arange(limit) + step, 0)
        inside = np.flatnonzero(to < limit)
        np.add.at(move, (inside, to[inside]), probability)
    return float(np.linalg.solve(np.eye(limit) - move, np.ones(limit))[0])


def _everything() -> tuple[MigrationState, list[Rows]]:
    """Return the default file's gate at the beginning of the tail, and blocks of the study's challenger for it."""
    job = job_of(default_file(), Scenario(), None, live=True)
    life = Life(job.state, job.pair_ms, live=True)
    life.state = replace(life.state, phase=SHADOW)
    batches = draw(Scenario(), {"all": 1.0}, "query", np.random.default_rng(2), BLOCK)
    state, _, _ = walk(life.state, life.rows(next(batches)).part(0, 1000))
    watched = entered(begun(state), TAIL)
    life.state = watched
    return watched, [life.rows(next(batches)) for _ in range(BLOCKS)]


def _walked(state: MigrationState, blocks: list[Rows]) -> None:
    """Fold blocks through the gate's rules with all processes and monitors, each after the one before."""
    for rows in blocks:
        state, _, _ = walk(state, rows)


def main() -> None:
    """Measure and print."""
    spec = plan_paired_monitor(0.15, 0.0, 0.04, 12_000, 0.002, 0.004)
    streams = _streams(np.random.default_rng(1))
    n = BLOCK * BLOCKS
    ours = Measurement("dualgate", n / processor_seconds(lambda: _in_blocks(spec, streams)), "vectors of five signals/s")
    single = Measurement(
        "dualgate, one at a time", BLOCK / processor_seconds(lambda: _one_at_a_time(spec, streams), 1), ours.unit
    )
    plain = Measurement("plain Python floats", n / processor_seconds(lambda: _plain_floats(spec, streams)), ours.unit)
    reference = reference_fraction(0.158, 0.02)
    law = bernoulli_law(0.158, reference)
    limit = cusum_threshold(0.158, 0.02, 1000).limit
    threshold = Measurement(
        "dualgate, exact threshold at ARL 20,000", 1e3 * processor_seconds(lambda: cusum_threshold(0.158, 0.02, 20_000)), "ms"
    )
    banded = Measurement("dualgate, one ARL of 1,400 states", 1e3 * processor_seconds(lambda: run_lengths(law, limit)), "ms")
    dense = Measurement("dense chain, one ARL of 1,400 states", 1e3 * processor_seconds(lambda: _dense_arl(law, limit), 1), "ms")
    state, blocks = _everything()
    whole = Measurement(
        "dualgate, the gate's walk with everything", n / processor_seconds(lambda: _walked(state, blocks)), "vectors/s"
    )
    ratios = [
        ratio("speed in blocks over plain floats", ours, plain),
        ratio("speed in blocks over one at a time", ours, single),
        ratio("time of a dense chain over ours", dense, banded),
    ]
    report([ours, whole, single, plain, threshold, banded, dense], ratios, __doc__ or "")


if __name__ == "__main__":
    main()
