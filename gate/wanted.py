"""How many observations of each dimension a phase asks for: what one pair tells of a dimension is no watch over it.

CALIBRATING asks for its pairs, a live phase for its observations, each times the planned share of pairs that are eligible (a
semantic score needs two right answers). Of a live phase no dimension is asked for more than Wald's bound on the pairs that its
design needs (as `min_pairs: auto` of SHADOW is). SHADOW asks for evidence, not for a count. What is monitored by its paired
difference must have shown one in the phase: without re-runs of the incumbent a level of semantics is scored, and not watched.
A pair that a rater has rated is an observation once its line has counted it; calibrating does not wait for labels, since no bet
of a rated correctness is fixed from them.
"""

import math
from functools import lru_cache

import numpy as np

from dualgate.gate import phases
from dualgate.gate.admission import eligible_shares
from dualgate.gate.hypotheses import hypotheses
from dualgate.gate.observations import SCORED, Rows, observed
from dualgate.gate.rated_rows import DIMENSION, is_rated
from dualgate.gate.state import PHASE, MigrationState, parsed
from dualgate.gate.stats import DimensionSpec, sprt_plan
from dualgate.gate.stats.lattice import MISSING, IntArray

SEEN, PAIRED = f"{PHASE}observed.", "'s paired difference"


def observations(state: MigrationState) -> dict[str, int]:
    """Return how many observations of each dimension the phase asks for; nothing of a phase that does not count them."""
    shares = eligible_shares(state.specs)
    if state.phase == phases.CALIBRATING:
        fixed = [name for name in state.on if not (name == DIMENSION and is_rated(state.specs))]
        return {name: math.ceil(shares.get(name, 1.0) * state.plan.calibrating) for name in fixed}
    if not phases.is_live(state.phase):
        return {}
    n, needed = phases.observations(state.spec, state.phase), _needed(state.config)
    least = {name: min(math.ceil(shares.get(name, 1.0) * n), needed.get(name, n)) for name in state.on}
    return least | {f"{name}{PAIRED}": 1 for name in _watched(state)}


@lru_cache(maxsize=64)
def _needed(config: str) -> dict[str, int]:
    """Return Wald's bound for each dimension, the greatest of its hypotheses; none where a design cannot be planned."""
    spec, found = parsed(config).spec, dict[str, int]()
    for each in hypotheses(spec, single=True):
        try:
            n = math.ceil(_wald(each, spec.errors.promote, spec.errors.miss))
        except ValueError:
            continue
        found[each.dimension] = max(n, found.get(each.dimension, 0))
    return found


def _wald(spec: DimensionSpec, alpha: float, beta: float) -> float:
    return sprt_plan(spec.accept.lattice.values, spec.law, spec.accept.null, alpha, beta).wald_n_h1


def seen(state: MigrationState, name: str) -> int:
    """Return the observations of a dimension that count for the phase so far."""
    return state.counters.get(SEEN + name, 0)


def along(state: MigrationState, rows: Rows) -> dict[str, IntArray]:
    """Return the observations of each dimension after each row; what came during a re-entry is no progress of a live phase."""
    there = observed(rows) & (not (phases.is_live(state.phase) and state.reentry))
    counts = {name: there & (fate == SCORED) for name, fate in rows.fate.items()}
    if rows.taken is not None:
        counts[DIMENSION] = there & rows.taken
    blocks = {s.name: block for s, block in zip(state.specs, rows.blocks, strict=True)}
    counts |= {f"{name}{PAIRED}": there & (blocks[name].worse != MISSING) for name in _watched(state)}
    return {name: np.asarray(seen(state, name) + np.cumsum(each)) for name, each in counts.items()}


def _watched(state: MigrationState) -> list[str]:
    """Return the dimensions whose own paired difference has a monitor."""
    return [name for name in state.on if name in state.monitors]


def unpaired(state: MigrationState) -> str:
    """Return in words which observations of the phase had no paired difference, that no monitor saw; nothing where all had."""
    told = [(name, seen(state, name), seen(state, f"{name}{PAIRED}")) for name in _watched(state)]
    return "".join(
        f"; {n - paired} of {n} observations of {name} had no paired difference" for name, n, paired in told if paired < n
    )


def short(state: MigrationState) -> list[str]:
    """Return in words, with both numbers, of which dimensions the phase has too few observations."""
    told = {name: (seen(state, name), n) for name, n in observations(state).items()}
    return [f"observations of {name}: {has} of {n}" for name, (has, n) in told.items() if has < n]
