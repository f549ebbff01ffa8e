"""What leads from where to where: the one table of rules that the fold evaluates and that docs/phases.md is made from."""

from dataclasses import dataclass

from dualgate.gate import phases

LIVE = "live"
"""Stands for every phase in which users see the challenger and evidence is still gathered."""
NEXT, BEFORE, SAME = "the next phase", "the step before", "the same phase"


@dataclass(frozen=True, slots=True)
class Transition:
    """A rule by name, the phase (or LIVE) in which it is evaluated, where it leads, and its condition in words."""

    rule: str
    source: str
    target: str
    words: str


_WORSE = "a dimension is shown worse than the incumbent by its degradation e-process"
_ALARM = "a monitor (CUSUM or e-SR) of a paired difference is in alarm"

RULES: tuple[Transition, ...] = (
    Transition("worse", phases.CALIBRATING, phases.REJECTED_WORSE, _WORSE),
    Transition(
        "incumbent",
        phases.CALIBRATING,
        phases.INCONCLUSIVE,
        "the incumbent is beyond a boundary of the file, or tells too little to fix bets",
    ),
    Transition(
        "calibrated",
        phases.CALIBRATING,
        phases.SHADOW,
        "the calibrating pairs are complete, in each dimension: bets are fixed from them",
    ),
    Transition(
        "horizon",
        phases.CALIBRATING,
        phases.INCONCLUSIVE,
        "the calibrating pairs and max_pairs more were counted, and of a dimension there are too few observations still",
    ),
    Transition("worse", phases.SHADOW, phases.REJECTED_WORSE, _WORSE),
    Transition("accepted", phases.SHADOW, NEXT, "every dimension that is on is accepted, and every condition below holds"),
    Transition("futile", phases.SHADOW, phases.REJECTED_FUTILE, "a hypothesis is shown below its design"),
    Transition("horizon", phases.SHADOW, phases.INCONCLUSIVE, "max_pairs were counted without a verdict"),
    Transition("worse", LIVE, phases.ROLLED_BACK, _WORSE),
    Transition("spent", LIVE, phases.ROLLED_BACK, f"an error budget is exhausted and {_ALARM} (on_exhausted)"),
    Transition("alarm", LIVE, phases.ROLLED_BACK, _ALARM),
    Transition("returned", LIVE, BEFORE, "after a retreat: an observation has come (not while paused or held)"),
    Transition("reentered", LIVE, SAME, "after a lapsed lease: one step's duration at the share of the step before is over"),
    Transition("watched", LIVE, NEXT, "the observations of the phase were counted, in each dimension, and every condition holds"),
)

CONDITIONS: tuple[tuple[str, str], ...] = (
    ("not paused", "no operator has paused the migration"),
    ("not held", "no source topic was made anew under it, and a monitor could be planned for the live phases"),
    ("approved", "an operator has approved a phase that asks for it, as the last condition"),
    ("long enough", "the phase has lasted its least duration on the evidence clock (mode live: never ahead of the ledger's)"),
    (
        "covered",
        "every dimension's coverage is at its floor or above in the phase and in each stratum of it, and not 0 in the phase",
    ),
    ("heard", "an observation has come since the last silence, and within missing.hold_after"),
    ("not lapsed", "the lease has not run out since the last step without the challenger having re-entered"),
    ("within budget", "no error budget is exhausted and no burn-rate alarm stands"),
    ("labelled", "no pair of a rated correctness waits for its label for longer than scoring.rater.label_due"),
    ("checked", "no check holds: assignment, strata, queries (are pairs of the strata mirrored), live latency with queueing"),
)
"""What a larger share needs beside evidence; the failing of any of them waits and never rolls back."""

TIME: tuple[tuple[str, str], ...] = (
    ("no observation for missing.hold_after", "silence: no larger share before the next observation"),
    ("no observation for missing.retreat_after in a live phase", "retreat: the share is 0 until an observation comes"),
    (
        "the lease was not renewed in time in a live phase (mode: live)",
        "lapsed: routers serve the incumbent; the next tick commands the share of the step before, until reentered",
    ),
    ("a source topic is another one than before", "held until an operator's retry: no larger share"),
)
"""What the passing of time and our own faults do; the phase is kept."""


def of(phase: str) -> tuple[Transition, ...]:
    """Return the rules of a phase in their priority; none of a phase that is over."""
    source = LIVE if phases.is_live(phase) else phase
    return tuple(each for each in RULES if each.source == source)
