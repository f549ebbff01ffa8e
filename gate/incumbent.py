"""Is the incumbent itself beyond a boundary of the file? Then no challenger can be measured by it, and CALIBRATING refuses.

Only absolute boundaries can be passed: the ceiling of a rate, a level. The calibrating pairs tell it once, by the betting test
of "not beyond" for each such hypothesis, all at LEVEL together: an incumbent inside its boundaries is refused with at most that
chance. The evidence is a sum of integers over counts, so it is the same on every machine and in every order.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from dualgate.gate.observations import ABSOLUTE, Rows
from dualgate.gate.stats import DimensionSpec, log_threshold
from dualgate.gate.stats.dimension import Counts, add_counts
from dualgate.gate.stats.fixed_point import MICRO
from dualgate.gate.stats.lattice import MISSING
from dualgate.gate.stats.process import Process, bet_limit

LEVEL = 0.05
_PARTS = (0.02, 0.1, 0.5)

Seen = Mapping[str, Counts]
"""What the incumbent's own answers observed, by hypothesis, on the scale of acceptance."""


def advanced(seen: Seen, rows: Rows) -> dict[str, Counts]:
    """Return the incumbent's counts with these rows in them."""
    made = dict(seen)
    for name, codes in rows.incumbent.items():
        thousandths = rows.thousandths
        there = codes != MISSING
        keys, times = np.unique(codes[there] * 1001 + thousandths[there], return_counts=True)
        more = {divmod(int(k), 1001): int(n) for k, n in zip(keys, times, strict=True)}
        made[name] = add_counts(made.get(name, ()), more)
    return dict(sorted(made.items()))


def beyond(specs: Sequence[DimensionSpec], seen: Seen) -> list[tuple[DimensionSpec, float, float]]:
    """Return the hypotheses beyond whose boundary the incumbent is shown to be: (hypothesis, log e, threshold)."""
    tested = [(s, seen[s.name]) for s in specs if s.measure in ABSOLUTE and seen.get(s.name)]
    limit = log_threshold(LEVEL, max(1, len(tested)))
    told = [(spec, _log_e(spec, counts), limit) for spec, counts in tested]
    return [each for each in told if each[1] >= limit]


def mean(spec: DimensionSpec, counts: Counts) -> float:
    """Return the incumbent's own rate or level as it is reported, weighted by sampling probabilities."""
    weights = [n * 1000 / thousandths for _, thousandths, n in counts]
    values = [float(spec.accept.lattice.value(code)) for code, _, _ in counts]
    found = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
    return spec.report_offset + spec.report_sign * found


def _log_e(spec: DimensionSpec, counts: Counts) -> float:
    accept = spec.accept
    limit = bet_limit(accept.lattice, accept.null, -1, accept.min_probability)
    bets = tuple(round(part * limit, 9) for part in _PARTS)
    test = Process(accept.lattice, accept.null, -1, bets, min_probability=accept.min_probability)
    sums = list(test.zeros())
    for code, thousandths, n in counts:
        sums = [s + n * step for s, step in zip(sums, test.increments(code, thousandths), strict=True)]
    return test.log_e_micro(tuple(sums)) / MICRO
