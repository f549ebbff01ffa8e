"""Are the strata of the pairs those of the queries? By stratum: what routers say they mirrored, and what came of it.

A query that is lost on the way to its pair (the shadow path sheds it, a mirror leaves it out) leaves no row that says so. So each
acknowledgement's mirrored queries are held against the rows that arrived since the one before, by a betting test within a phase,
and a stratum of which nothing at all arrives holds at once.

Of n queries told and m arrived, E = prod p(told) / r(told) prod q(arrived) / r(arrived), r = (n p + m q) / (n + m), has an
expectation of at most 1 if both are drawn from one law, whatever p and q are fixed before them (Turner, Ly and Gruenwald, 2024:
two-sample e-variables). p is the law told so far in the phase, q the same with those strata thinned that arrived too seldom.
Where told and arrived are the same queries, equally many, E is at most 1 for sure (r*r >= p q).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from dualgate.gate import checks, phases, strata
from dualgate.gate.state import MigrationState
from dualgate.gate.stats.fixed_point import increment
from dualgate.schemas.records import AckCount

Mirrored = Mapping[str, tuple[int, int, int, int]]
"""By stratum: queries told and arrived that were tested, and those told and arrived since."""

ALL = "all"
"""The name of queries whose router, or whose log, knows no strata: they are compared with none."""
_SELDOM, _THINNED = 2, 4
"""A stratum that arrives with less than half of its share is looked for with a quarter of it."""


def compared(state: MigrationState) -> bool:
    """Tell whether the phase is one in which routers' words count: users may come to see more of the challenger after it."""
    return state.spec.mode == "live" and (phases.is_live(state.phase) or state.phase == phases.SHADOW)


def of_phase(state: MigrationState, sequence: int | None) -> bool:
    """Tell whether a command of this phase routed it."""
    return sequence is not None and state.phase_sequence <= sequence <= state.last_command.sequence


def told(state: MigrationState, counts: Iterable[AckCount]) -> MigrationState:
    """Return the state after a router's counts under a command of this phase; what came since the last ones is tested."""
    more: dict[str, int] = {}
    for cell in counts:
        if cell.sampled and cell.count:
            more[cell.stratum] = more.get(cell.stratum, 0) + cell.count
    state = _added(state, more, 2)
    return _tested(state) if more else state


def arrived(state: MigrationState, by_stratum: Mapping[str, int]) -> MigrationState:
    """Return the state after rows that a command of this phase routed, pairs or not."""
    return _added(state, by_stratum, 3)


def _added(state: MigrationState, more: Mapping[str, int], place: int) -> MigrationState:
    more = {stratum: n for stratum, n in more.items() if stratum != ALL}
    names = strata.named(state.strata, sorted(more))
    made = dict(state.mirrored)
    for code, n in zip(strata.codes(names, list(more)).tolist(), more.values(), strict=True):
        counts = list(made.get(names[code], (0, 0, 0, 0)))
        counts[place] += n
        made[names[code]] = (counts[0], counts[1], counts[2], counts[3])
    return replace(state, strata=names, mirrored=dict(sorted(made.items())))


def _tested(state: MigrationState) -> MigrationState:
    """Return the state with what is new tested, once there is something of both."""
    rows = list(state.mirrored.values())
    if not (sum(row[2] for row in rows) and sum(row[3] for row in rows)):
        return state
    steps = _log_e(rows)
    cap = checks.cap()
    sums = (max(checks.LEAST, min(cap, (state.checks.get(checks.QUERIES) or (0,))[0] + steps)),)
    merged = {name: (a + c, b + d, 0, 0) for name, (a, b, c, d) in state.mirrored.items()}
    return replace(state, mirrored=merged, checks=dict(sorted({**state.checks, checks.QUERIES: sums}.items())))


def _log_e(rows: Sequence[tuple[int, int, int, int]]) -> int:
    """Return the log e-value of what is new in nano-nats, floored for each stratum."""
    n_told, n_arrived = sum(row[0] for row in rows), sum(row[1] for row in rows)
    seldom = [_SELDOM * b * n_told < a * n_arrived for a, b, _, _ in rows]
    if not any(seldom):
        return 0
    p = [2 * a + 1 for a, _, _, _ in rows]
    q = [each * (1 if thin else _THINNED) for each, thin in zip(p, seldom, strict=True)]
    n, m = sum(row[2] for row in rows), sum(row[3] for row in rows)
    total = 0
    for (_, _, c, d), p_own, q_own in zip(rows, p, q, strict=True):
        a, b = p_own * sum(q), q_own * sum(p)
        mean = n * a + m * b
        total += c * _log_ratio(a * (n + m), mean) + d * _log_ratio(b * (n + m), mean)
    return total


def _log_ratio(numerator: int, denominator: int) -> int:
    return increment(1.0, Decimal(numerator) / Decimal(denominator) - 1)


def absent(state: MigrationState) -> list[tuple[str, int]]:
    """Return the strata of which nothing had arrived in the phase at the last acknowledgement, with their mirrored queries.

    Small ones are judged together. What came since then waits for the next one, so that block cuts change nothing.
    """
    counts = {name: (a, b) for name, (a, b, _, _) in state.mirrored.items()}
    found = [(name, n) for name, (n, came) in counts.items() if n >= strata.SMALL and not came]
    small = [(n, came) for n, came in counts.values() if n < strata.SMALL]
    n, came = sum(n for n, _ in small), sum(came for _, came in small)
    return found + ([("the small strata together", n)] if n >= strata.SMALL and not came else [])


def holds(state: MigrationState) -> bool:
    """Tell whether the strata of the pairs are shown to be others than those of the queries."""
    return bool(absent(state)) or checks.log_e(state.checks.get(checks.QUERIES, ())) >= checks.threshold()


def words(state: MigrationState) -> list[str]:
    """Return in words, with both numbers, which strata hold the phase."""
    found = [f"rows of {name}: 0 of {n:,} mirrored queries have come" for name, n in absent(state)]
    if checks.log_e(state.checks.get(checks.QUERIES, ())) < checks.threshold():
        return found
    n, m = (sum(row[i] for row in state.mirrored.values()) for i in (0, 1))
    seldom = [(name, a, b) for name, (a, b, _, _) in state.mirrored.items() if _SELDOM * b * n < a * m]
    return found + [f"rows of {name}: {b:,} of {m:,}, of its queries {a:,} of {n:,}" for name, a, b in seldom]
