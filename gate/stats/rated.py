"""The hypothesis of a correctness that an automatic rater tells, corrected by human labels on a sample: bets on z of `ppi`.

z has the mean of the paired difference whatever the rater is worth, so it is observed like any other difference: on a lattice,
with fixed bets, a null, a design and a tolerated loss. Its bets are fixed from the plan and never from calibrating pairs, whose
labels may come late. Futility is tested against a design a quantum lower, since z is rounded down.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np

from dualgate.gate.stats import ppi
from dualgate.gate.stats.dimension import Counts, DimensionSpec
from dualgate.gate.stats.fixed_point import probability_thousandths
from dualgate.gate.stats.lattice import FloatArray, Lattice, lattice
from dualgate.gate.stats.specs import ALL, SamplingPlan, accept_futility, futility_of, worse_of

RATED = "rated"
LEAST_PROBABILITY = 0.04
"""Of drawing a label: below it single labels weigh so much that bets must be tiny, and z has too many values."""
PRIOR = 50
SENSITIVITY, SPECIFICITY, RIGHT = 0.95, 0.85, 0.85
"""What a plan expects of a rater and of the incumbent: it sets bets and the expected length, and no error probability."""


def signal_lattice(probability: float) -> Lattice:
    """Return the values that z may take at a label probability: exact tenths where 1 / probability is whole, else thousandths.

    Raises ValueError below LEAST_PROBABILITY or above 1.
    """
    if not LEAST_PROBABILITY <= probability <= 1:
        raise ValueError(f"label probability {probability!r}, accepted: {LEAST_PROBABILITY} to 1")
    thousandths = probability_thousandths(probability)
    whole = ppi.THOUSAND % thousandths == 0
    bound = math.ceil(-ppi.worst(ppi.STEPS, thousandths))
    return lattice(-float(max(1, bound)), float(max(1, bound)), 0.1 if whole else 0.001)


def rated_spec(null: float, design: float, worse_by: float, probability: float, *, sampling: SamplingPlan = ALL) -> DimensionSpec:
    """Return the spec of correctness by a rater: superiority where null >= 0, non-inferiority below."""
    if not -1 < null < design < 1:
        raise ValueError(f"correctness: null {null!r} and design {design!r}, accepted: -1 < null < design < 1")
    if not 0 <= worse_by < 1:
        raise ValueError(f"worse_by {worse_by!r}, accepted: in [0, 1)")
    signal, spread = signal_lattice(probability), min(1.0, max(0.15, 3 * abs(design)))
    law = signal_law(design, spread, probability)
    accept, _ = accept_futility(signal, null, design, law, sampling)
    loss = -min(worse_by + design - null, (1 + worse_by) / 2)
    worse = worse_of(signal, -worse_by, signal_law(loss, min(1.0, max(spread, 1.25 * abs(loss))), probability), sampling)
    futility = futility_of(signal, null, design - signal.quantum * (signal.quantum < 0.1), law, sampling)
    return DimensionSpec("correctness", "correctness", RATED, design, accept, futility, worse, law=tuple(law.tolist()))


def signal_law(mean: float, discordance: float, probability: float) -> FloatArray:
    """Return the planned law of z, shape (lattice.size,), where the arms differ with `discordance` and by `mean`.

    The rater is the plan's on both arms, and its weight the best for it, in tenths.
    """
    better, worse = (discordance + mean) / 2, (discordance - mean) / 2
    right = max(worse, min(RIGHT, 1 - better))
    truth = {(0, 1): better, (1, 0): worse, (1, 1): right - worse, (0, 0): 1 - right - better}
    joint: dict[tuple[int, int], float] = {}
    for ((i, c), p), (said_i, said_c) in product(truth.items(), product((0, 1), repeat=2)):
        key = (c - i, said_c - said_i)
        joint[key] = joint.get(key, 0.0) + p * _says(said_i, i) * _says(said_c, c)
    agreement = sum(y * r * p for (y, r), p in joint.items()) / sum(r * r * p for (_, r), p in joint.items())
    weight = min(ppi.STEPS, max(0, math.floor(agreement * ppi.STEPS)))
    signal, thousandths = signal_lattice(probability), probability_thousandths(probability)
    law = np.zeros(signal.size)
    for (y, r), p in joint.items():
        law[ppi.position(signal, ppi.corrected(r, None, weight, thousandths, 1))] += p * (1 - probability)
        law[ppi.position(signal, ppi.corrected(r, y, weight, thousandths, 1))] += p * probability
    return np.asarray(law / law.sum())


def watched_law(spec: DimensionSpec, seen: Counts, probability: float) -> FloatArray:
    """Return the law of z that a chart is planned from: what was seen, and PRIOR pairs as the plan expects them.

    seen: (position, sampling probability in thousandths, how often). Few labels tell little of z's spread, and none may leave a
    chart without a limit.
    """
    planned = signal_law(0.0, min(1.0, max(0.15, 3 * abs(spec.design))), probability)
    law = PRIOR * planned
    for code, thousandths, n in seen:
        law[code] += n * ppi.THOUSAND / thousandths
    return np.asarray(law / law.sum())


def _says(said: int, right: int) -> float:
    says_right = SENSITIVITY if right else 1 - SPECIFICITY
    return says_right if said else 1 - says_right


def without_law(spec: DimensionSpec) -> DimensionSpec:
    """Return the spec as a state keeps it: the planned law of z is long, and nothing looks at it once bets are fixed."""
    return replace(spec, law=()) if spec.measure == RATED else spec
