"""Betting tests that hold a step: are queries assigned as commanded, answered alike in every stratum, and served in time?

A fourth, whether the pairs are of the strata of the queries, stands in queries. Each is an e-process within a phase: on a
faultless migration the chance that it ever holds the phase is at most LEVEL (Ville's inequality). The present value counts, and
what is beyond the threshold is capped, so a check whose fault is mended lets go; a capped supermartingale is one still. A check
never rolls anything back.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

import numpy as np

from dualgate.gate.stats import log_threshold
from dualgate.gate.stats.fixed_point import MICRO, NANO, increment, mixture_micro
from dualgate.gate.stats.lattice import BINARY, IntArray
from dualgate.gate.stats.multiplicity import BoolArray
from dualgate.gate.stats.process import Process, bet_limit

LEVEL = 1 / 300
"""Chance a phase that a check holds a migration without fault."""
ASSIGNMENT, STRATA, LATENCY, QUERIES = "assignment", "strata", "live latency", "queries"
Sums = tuple[int, ...]
Mapped = Mapping[str, Sums]

TOLERANCE = 0.05
"""Users are assigned, and some ask more than others: the share of queries may differ by half of the share, at most this."""
_PARTS = (0.05, 0.25, 0.8)
_SILENT, _OTHERWISE = Decimal("0.10"), Decimal("0.01")
"""Losses in a stratum and outside it that the test of strata is best at."""
_ROOM = 5 * NANO
LEAST = -(1 << 62)
"""Sums stay within 64 bits."""


def threshold(parts: int = 1) -> float:
    """Return the log e-value at which a check of so many parts holds."""
    return log_threshold(LEVEL, parts)


def cap(parts: int = 1) -> int:
    """Return where the sums of a check of so many parts are held, nano-nats: a little above its threshold."""
    return int(threshold(parts) * NANO) + _ROOM


@lru_cache(maxsize=64)
def _process(null: float, direction: int) -> Process:
    limit = bet_limit(BINARY, null, direction)
    return Process(BINARY, null, direction, tuple(round(part * limit, 9) for part in _PARTS))


def log_e(sums: Sums) -> float:
    """Return the log e-value of a check, floored to 1e-6; 0 before any evidence."""
    return int(mixture_micro(np.array(sums, dtype=np.int64)[:, None], (1,) * len(sums))[0]) / MICRO if sums else 0.0


def _capped(start: Sums, steps: IntArray, parts: int) -> IntArray:
    """Return running sums, shape (bets, n), each held at a little above the threshold: the reflected walk, without a loop."""
    limit = cap(parts)
    begun = np.array(start or (0,) * len(steps), dtype=np.int64)[:, None]
    sums = begun + np.cumsum(steps, axis=1)
    over = np.maximum.accumulate(np.maximum(sums - limit, 0), axis=1)
    return np.asarray(sums - over)


def _holds(sums: IntArray, parts: int) -> BoolArray:
    return np.asarray(mixture_micro(sums, (1,) * len(sums)) / MICRO >= threshold(parts))


def slow(start: Sums, null: float, late: IntArray) -> tuple[IntArray, BoolArray]:
    """Return the sums and where the check holds, over rows: late is 1 over the SLA, 0 within, -1 no live answer.

    The null is that the challenger's live answers pass the SLA, queueing included, with at most the file's null.
    """
    sums = _capped(start, _process(null, 1).increments_many(late, np.full(len(late), 1000, dtype=np.int64)), 1)
    return sums, _holds(sums, 1)


@lru_cache(maxsize=1)
def _block_increments() -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the increment of a block of one query in a stratum and one outside: [lost inside][lost outside].

    With P_in, P_out the alternative and P_0 their mean, p_in(y) p_out(y') / (p_0(y) p_0(y')) has an expectation of at most 1
    wherever both are lost with one and the same probability (Turner, Ly and Gruenwald, 2024: two-sample e-variables).
    """
    middle = (_SILENT + _OTHERWISE) / 2

    def part(p: Decimal, lost: int) -> Decimal:
        return p / middle if lost else (1 - p) / (1 - middle)

    table = [[increment(1.0, part(_SILENT, a) * part(_OTHERWISE, b) - 1) for b in (0, 1)] for a in (0, 1)]
    return (table[0][0], table[0][1]), (table[1][0], table[1][1])


def unequal(
    start: Mapped, waiting: tuple[int, int] | None, codes: IntArray, lost: BoolArray, names: Sequence[str], parts: int
) -> tuple[dict[str, IntArray], BoolArray]:
    """Return the sums of each stratum after each row, and where the check holds: is a query lost alike in every stratum?

    Rows are taken two by two, in their order; two of different strata are one observation for each of them. waiting is the
    row before this block that has no partner yet, as (stratum, lost).
    """
    ahead = 0 if waiting is None else 1
    if waiting is not None:
        codes, lost = np.append(waiting[0], codes), np.append(bool(waiting[1]), lost)
    pairs = len(codes) // 2
    a, b = codes[: 2 * pairs : 2], codes[1 : 2 * pairs : 2]
    ya, yb = lost[: 2 * pairs : 2].astype(np.int64), lost[1 : 2 * pairs : 2].astype(np.int64)
    table, ends = np.array(_block_increments()), 2 * np.arange(pairs) + 1 - ahead
    n, found = len(codes) - ahead, {}
    holds = np.zeros(n, dtype=bool)
    for code in np.unique(codes).tolist() if pairs else ():
        steps = np.zeros((1, n), dtype=np.int64)
        inside, outside = (a == code) & (b != code), (b == code) & (a != code)
        steps[0, ends] = np.where(inside, table[ya, yb], 0) + np.where(outside, table[yb, ya], 0)
        found[names[code]] = _capped(start.get(f"{STRATA}.{names[code]}", ()), steps, parts)
        holds |= _holds(found[names[code]], parts)
    for name, sums in start.items():
        if name.startswith(f"{STRATA}.") and name.removeprefix(f"{STRATA}.") not in found:
            holds |= log_e(sums) >= threshold(parts)
    return found, holds


def tolerated(share: float) -> tuple[float, float]:
    """Return between which shares of queries the observed one may lie where `share` of the users is commanded."""
    room = min(share / 2, TOLERANCE) if share < 1 else TOLERANCE
    return share - room, min(share + room, 1.0)


def assigned(start: Mapped, share: float, n_challenger: int, n: int) -> dict[str, Sums]:
    """Return the sums of the assignment check after a router's counts: n queries, n_challenger of them for the challenger."""
    low, high = tolerated(share)
    told = {"above": (high, 1), "below": (low, -1)}
    made = {}
    for name, (null, direction) in told.items():
        if not 0 < null < 1:
            continue
        process, key = _process(null, direction), f"{ASSIGNMENT}.{name}"
        hit, other = process.increments(1, 1000), process.increments(0, 1000)
        limit = cap(2)
        before = start.get(key) or process.zeros()
        made[key] = tuple(
            max(LEAST, min(limit, s + n_challenger * h + (n - n_challenger) * o))
            for s, h, o in zip(before, hit, other, strict=True)
        )
    return made


def misassigned(checks: Mapped) -> bool:
    """Tell whether the observed share is shown to be another than the commanded one."""
    return any(log_e(checks.get(f"{ASSIGNMENT}.{side}", ())) >= threshold(2) for side in ("above", "below"))
