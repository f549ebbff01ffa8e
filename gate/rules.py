"""The rules of each phase, evaluated after every unit: where on its paths does one fire?

Of rules that fire at one unit the first counts: worse, then accepted, then futile, then the horizon. Nothing but a positive
verdict with every condition held leads to a larger share; a pause, a hold or a missing approval only ever stops that.
"""

from dataclasses import dataclass

import numpy as np

from dualgate.gate import phases, rated, transitions
from dualgate.gate.paths import Paths, lasted
from dualgate.gate.state import MigrationState
from dualgate.gate.stats.multiplicity import BoolArray


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by name, where it leads, and whether it holds after each unit."""

    name: str
    to_phase: str
    holds: BoolArray


def rules(paths: Paths, *, approved: bool = False) -> list[Rule]:
    """Return the rules of the state's phase that can fire, in the priority of the table."""
    phase, found = paths.state.phase, []
    for each in transitions.of(phase):
        holds = _holds(each.rule, paths, approved)
        if holds is not None:
            found.append(Rule(each.rule, _target(paths.state, each.target), holds))
    return found


def _target(state: MigrationState, target: str) -> str:
    """Return the phase that a target of the table stands for."""
    if target == transitions.NEXT:
        return phases.following(state.spec, state.phase)
    if target == transitions.BEFORE:
        return phases.before(state.spec, state.phase)
    return state.phase if target == transitions.SAME else target


def _holds(rule: str, paths: Paths, approved: bool) -> BoolArray | None:
    """Return where a rule holds; None where it cannot fire in this state."""
    state = paths.state
    away = state.retreated or bool(state.reentry)
    match rule:
        case "worse":
            return paths.alarms
        case "calibrated":
            return np.asarray((paths.n_phase >= state.plan.calibrating) & paths.sufficient)
        case "futile":
            return np.asarray(paths.futile.any(axis=0))
        case "horizon" if state.phase == phases.CALIBRATING:
            return np.asarray((paths.n_phase >= state.plan.calibrating_at_most) & ~paths.sufficient)
        case "horizon":
            return np.asarray((paths.n_counted >= state.plan.max_pairs) & ~paths.accepted)
        case "alarm" if paths.watch:
            return np.asarray(np.logical_or.reduce(list(paths.watch.values())))
        case "spent" if paths.watch and state.spec.error_budget.on_exhausted == "rollback_with_alarm" and paths.stops.exhausted:
            alarm = np.logical_or.reduce(list(paths.watch.values()))
            return np.asarray(alarm & np.logical_or.reduce(list(paths.stops.exhausted.values())))
        case "returned" if state.retreated:
            return _returned(paths)
        case "reentered" if state.reentry == "back" and not state.retreated:
            return _reentered(paths)
        case "accepted" | "watched" if not away:
            return advance(paths, approved)
    return None


def _returned(paths: Paths) -> BoolArray:
    """Return where evidence is back after a retreat: a larger share, so a pause or a hold stops it."""
    stopped = paths.state.paused or bool(paths.state.held)
    return np.asarray((paths.n_seen > 0) & (not stopped))


def _reentered(paths: Paths) -> BoolArray:
    """Return where the step before has been walked again for its least duration, under every condition of a larger share."""
    state = paths.state
    if state.paused or state.held:
        return np.zeros(len(paths.clock_ms), dtype=bool)
    least = phases.min_duration_ms(state.spec, phases.before(state.spec, state.phase))
    return np.asarray(lasted(paths.clock_ms, state.reentry_ms, least) & _steady(paths) & (paths.n_seen > 0))


def _steady(paths: Paths) -> BoolArray:
    """Return where nothing but evidence is wanted: it is covered, something is heard, no budget, check or late label stops it."""
    heard = (paths.n_seen > 0) | (not unheard(paths.state))
    return np.asarray(paths.covered & heard & paths.stops.clear & (not rated.late(paths.state)))


def unheard(state: MigrationState) -> bool:
    """Tell whether no observation came for missing.hold_after; a gate that was down has had no tick that says so."""
    return state.silent or state.ledger_clock_ms - state.last_evidence_ms >= state.spec.missing.hold_after_ms


def advance(paths: Paths, approved: bool) -> BoolArray:
    """Return where every condition of the next phase holds; after a silence nothing goes on before the first observation."""
    state = paths.state
    unapproved = not approved and phases.needs_approval(state.spec, phases.following(state.spec, state.phase))
    if state.paused or state.held or unapproved:
        return np.zeros(len(paths.clock_ms), dtype=bool)
    if state.phase == phases.SHADOW:
        enough = paths.accepted
    else:
        enough = np.asarray((paths.n_phase >= phases.observations(state.spec, state.phase)) & paths.sufficient)
    return np.asarray(enough & paths.long_enough & _steady(paths))


def first(found: list[Rule]) -> tuple[int, Rule] | None:
    """Return the earliest unit (0-based) at which a rule holds, and the rule; of several at one unit the first in order."""
    hits = [(int(np.argmax(rule.holds)), i) for i, rule in enumerate(found) if rule.holds.any()]
    if not hits:
        return None
    at, which = min(hits)
    return at, found[which]
