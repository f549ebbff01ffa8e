"""Coverage by stratum: a challenger that only answers the easy queries must not pass.

Strata are the queries' own words, so their number is bounded: the first MOST of a migration have names of their own, the rest
are one. A stratum with few eligible queries is judged together with the other small ones.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from dualgate.gate.observations import MISSING, NOT_ELIGIBLE, SCORED, SILENT, Rows
from dualgate.gate.rated_rows import DIMENSION
from dualgate.gate.stats.lattice import IntArray
from dualgate.gate.stats.multiplicity import BoolArray

MOST, LONGEST = 31, 100
OTHERS = "(others)"
SMALL, STRAY = 20, 1
"""Eligible queries of a phase below which a stratum is judged with the other small ones; losses there that are none."""
_PPM = 1_000_000

Counts = Mapping[str, tuple[int, ...]]
"""A stratum's eligible and lost queries in this phase, two numbers a dimension that is on."""


def named(known: Sequence[str], strata: Iterable[str]) -> tuple[str, ...]:
    """Return the names with those of more queries, in the order in which they came."""
    names = list(known)
    for stratum in map(_short, strata):
        if stratum not in names and len(names) <= MOST:
            names.append(OTHERS if len(names) == MOST else stratum)
    return tuple(names)


def codes(names: Sequence[str], strata: Sequence[str]) -> IntArray:
    """Return each query's place among the names."""
    place = {name: i for i, name in enumerate(names)}
    return np.array([place.get(_short(s), len(names) - 1) for s in strata], dtype=np.int64)


def _short(stratum: str) -> str:
    """Return a name that the state can hold: a service may have put a whole question there."""
    return stratum if len(stratum) <= LONGEST else f"{stratum[: LONGEST - 1]}…"


def advanced(counts: Counts, names: Sequence[str], rows: Rows) -> dict[str, tuple[int, ...]]:
    """Return the counts after these rows."""
    made = dict(counts)
    for code in np.unique(rows.stratum).tolist():
        here = rows.stratum == code
        fates = _fates(rows).values()
        more = [n for fate in fates for n in (int((here & _eligible(fate)).sum()), int((here & _lost(fate)).sum()))]
        before = made.get(names[code], (0,) * len(more))
        made[names[code]] = tuple(a + b for a, b in zip(before, more, strict=True))
    return dict(sorted(made.items()))


def covered(counts: Counts, names: Sequence[str], rows: Rows, floor: float) -> BoolArray:
    """Return where every stratum's coverage of every dimension is at the floor or above, after each row."""
    held = np.ones(len(rows), dtype=bool)
    for i, fate in enumerate(_fates(rows).values()):
        if (fate == SCORED).all() and not any(each[2 * i + 1] for each in counts.values()):
            continue
        eligible, lost = _running(counts, names, rows, fate, i)
        held &= _enough(eligible, lost, floor)
    return held


def short(counts: Counts, on: Sequence[str], floor: float) -> list[tuple[str, str, int, int]]:
    """Return the (dimension, stratum, scored, eligible) that are below the floor now, the small ones together."""
    found = []
    for i, name in enumerate(on):
        eligible = np.array([each[2 * i] for each in counts.values()], dtype=np.int64)
        lost = np.array([each[2 * i + 1] for each in counts.values()], dtype=np.int64)
        small = eligible < SMALL
        told = [(s, int(e), int(m)) for s, e, m in zip(counts, eligible, lost, strict=True) if e >= SMALL]
        found += [(name, s, e - m, e) for s, e, m in told if not _passes(e, m, floor)]
        rest, gone = int(eligible[small].sum()), int(lost[small].sum())
        if gone > STRAY and not _passes(rest, gone, floor):
            found.append((name, _together(counts, small), rest - gone, rest))
    return found


def _together(counts: Counts, small: BoolArray) -> str:
    names = [name for name, is_small in zip(counts, small, strict=True) if is_small]
    return names[0] if len(names) == 1 else f"{len(names)} small strata together"


def _fates(rows: Rows) -> dict[str, IntArray]:
    """Return what became of each dimension; of a stratum a pair is told once its rater has spoken, whether or not it was drawn.

    Its label comes later and by no stratum, so beside what is lost nothing would be scored.
    """
    if rows.rated is None:
        return rows.fate
    own = rows.fate[DIMENSION]
    return rows.fate | {DIMENSION: np.where(rows.rated.told & (own == NOT_ELIGIBLE), SCORED, own)}


def _eligible(fate: IntArray) -> BoolArray:
    return np.asarray(fate != NOT_ELIGIBLE)


def _lost(fate: IntArray) -> BoolArray:
    return np.asarray((fate == MISSING) | (fate == SILENT))


def _running(counts: Counts, names: Sequence[str], rows: Rows, fate: IntArray, i: int) -> tuple[IntArray, IntArray]:
    """Return eligible and lost queries of each stratum after each row, shape (strata, n)."""
    both = []
    for which, column in ((_eligible(fate), 2 * i), (_lost(fate), 2 * i + 1)):
        here = (rows.stratum[None, :] == np.arange(len(names))[:, None]) & which
        before = np.array([counts[name][column] if name in counts else 0 for name in names], dtype=np.int64)
        both.append(before[:, None] + np.cumsum(here, axis=1))
    return both[0], both[1]


def _enough(eligible: IntArray, lost: IntArray, floor: float) -> BoolArray:
    large = eligible >= SMALL
    each = ~large | _passes(eligible, lost, floor)
    rest, rest_lost = np.where(large, 0, eligible).sum(axis=0), np.where(large, 0, lost).sum(axis=0)
    return np.asarray(each.all(axis=0) & ((rest_lost <= STRAY) | _passes(rest, rest_lost, floor)))


def _passes(eligible: IntArray | int, lost: IntArray | int, floor: float) -> BoolArray:
    return np.asarray((eligible - lost) * _PPM >= round(floor * _PPM) * eligible)
