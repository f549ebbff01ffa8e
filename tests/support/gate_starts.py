"""Where walks of the gate begin: each phase and each flag beside it, reached by the fold itself from a start on."""

from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import event
from hypothesis import strategies as st

from dualgate.gate.state import MigrationState
from dualgate.gate.vigil import budgets
from support.gate import EQUAL, GOOD, HOUR_MS, WORSE, Ledger, constant, drawn
from support.gate_walks import act, guarded

LIVE = ("CANARY", "ROLLOUT(0.25)", "ROLLOUT(0.5)", "TAIL")
LATE_SHADOW = "SHADOW at its end"
"""All of a verdict is there but the last pairs that the phase asks for."""
RUNNING = ("CALIBRATING", "SHADOW", LATE_SHADOW, *LIVE)
Start = tuple[str, str, str]
"""Mode, phase, flag."""


def _lapsed(ledger: Ledger) -> None:
    ledger.time_ms += 61_000
    act(ledger, ("ack", 0, 0))


def _enough_and_lapsed(ledger: Ledger) -> None:
    """Observe all that a phase asks for while it is paused, and then let the lease run out."""
    ledger.order("pause")
    for seed in range(6):
        ledger.pairs(drawn(20, seed + 500, **GOOD))
    ledger.tick(61_000)


def _spend(ledger: Ledger) -> None:
    """Answer so many queries of a live phase wrongly that its budget is spent before any monitor is in alarm, if there is one."""
    for _ in range(30):
        spent = ledger.state_.spent.get("correctness")
        if not ledger.state_.planned or (spent and budgets(ledger.state_)["correctness"].exhausted(spent)):
            return
        ledger.pairs(constant(1, correctness=(1.0, 0.0, "scored"), semantic=(None, None, "not_eligible")))


FLAGS: dict[str, Callable[[Ledger], Any]] = {
    "nothing": lambda _: None,
    "paused": lambda ledger: ledger.order("pause"),
    "held": lambda ledger: act(ledger, ("other lineage", 1, 0)),
    "silent": lambda ledger: ledger.tick(40 * 60_000),
    "retreated": lambda ledger: ledger.tick(7 * HOUR_MS),
    "lapsed": _lapsed,
    "back after a lapse": lambda ledger: ledger.tick(61_000),
    "enough, and back after a lapse": _enough_and_lapsed,
    "budget spent": _spend,
}
starts = st.tuples(st.sampled_from(["replay", "live"]), st.sampled_from(RUNNING), st.sampled_from(list(FLAGS)))
live_starts = st.tuples(st.sampled_from(["replay", "live"]), st.sampled_from(LIVE), st.sampled_from(list(FLAGS)))


@cache
def walked(mode: str, phase: str) -> Ledger:
    """Return a ledger in a phase. The gate ticks all along, so that no lease runs out."""
    ledger = Ledger(guarded(mode)).start()
    for seed in range(200):
        late = ledger.state_.phase == "SHADOW" and ledger.state_.n_counted >= 760
        if ledger.state_.phase == phase or (late and phase == LATE_SHADOW):
            return ledger
        ledger.pairs(drawn(20, seed, **GOOD))
        ledger.tick(0)
    raise AssertionError(f"still {ledger.state_.phase}")


@cache
def _standing(start: Start) -> Ledger:
    mode, phase, flag = start
    ledger = walked(mode, phase).copy()
    FLAGS[flag](ledger)
    return ledger


def in_phase(phase: str, mode: str = "replay", flag: str = "nothing") -> Ledger:
    """Return a copy of a ledger in a phase, with a flag beside it."""
    return _standing((mode, phase, flag)).copy()


def standing(start: Start) -> Ledger:
    """Return a copy of the ledger at a start, and note where it stands."""
    mode, phase, flag = start
    ledger = in_phase(phase, mode, flag)
    note(ledger, "begins in")
    return ledger


def flags(state: MigrationState) -> list[str]:
    """Return the flags beside a state's phase."""
    told = {"paused": state.paused, "held": state.held, "silent": state.silent, "retreated": state.retreated}
    told |= {state.reentry or "": state.reentry, "rolling back": state.withdrawal}
    told |= {"spent": any(each.exhausted(state.spent[n]) for n, each in budgets(state).items() if n in state.spent)}
    return [name for name, is_so in told.items() if is_so]


def note(ledger: Ledger, when: str) -> None:
    """Tell hypothesis where a walk stands (pytest --hypothesis-show-statistics)."""
    for name in (ledger.state_.phase, *flags(ledger.state_)):
        event(f"{when} {name}")


ENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "COMPLETED": ("TAIL", GOOD),
    "ROLLED_BACK": ("CANARY", WORSE),
    "REJECTED(worse)": ("CALIBRATING", {"wrong": (0.05, 0.9)}),
    "REJECTED(futile)": ("SHADOW", EQUAL),
    "INCONCLUSIVE": ("CALIBRATING", {"slow": (0.9, 0.9)}),
}
"""Ends, the phase each is reached from, and by which pairs."""


@cache
def _over(mode: str, end: str) -> Ledger:
    phase, how = ENDS.get(end, ("CANARY", GOOD))
    ledger = in_phase(phase, mode)
    if end == "ABORTED":
        ledger.order("abort")
    for seed in range(200):
        if not ledger.state_.active:
            break
        ledger.pairs(drawn(20, seed + 1000, **how))
        ledger.tick(0)
    assert ledger.state_.phase == end, (ledger.state_.phase, ledger.last.reason)
    return ledger


def over(end: str, mode: str) -> Ledger:
    """Return a copy of a ledger that has come to an end."""
    return _over(mode, end).copy()
