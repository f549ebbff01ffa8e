"""Findings on this gate beside its rivals, and beside its own form without the paired live signal."""

from collections.abc import Iterator

from dualgate.lab.evaluate.events import EVENTS, REGRESSIONS
from dualgate.lab.evaluate.figures import Figures, Finding, listed, plain
from dualgate.lab.evaluate.goals import OURS

UNPAIRED, CANARY = "dualgate_unpaired_live", "canary"


def paired_signal(f: Figures) -> Iterator[Finding]:
    """What the paired live signal buys and costs."""
    stricter, ours = (f.streams("stricter_judge", "false_rollback", name) for name in (UNPAIRED, OURS))
    good = f.streams("accuracy_improvement", "false_rollback", UNPAIRED)
    better = f.value("stricter_judge", "false_rollback") < f.value("stricter_judge", "false_rollback", UNPAIRED)
    yield Finding(
        better,
        "The paired live signal keeps shifts of the traffic from becoming alarms.",
        "With the same shadow phase, then charts on what users were served against the incumbent's rates of before "
        f"(`{UNPAIRED}`), {stricter} streams with a judge that grows stricter end in a false rollback, and {good} of the "
        f"good challenger's; with pairs {ours}.",
    )
    later = f.known([e for e in EVENTS if EVENTS[e].onset_day], "detected", OURS, UNPAIRED)
    slower = [e for e in later if f.value(e, "bad_answers_seen") > f.value(e, "bad_answers_seen", UNPAIRED)]
    if not slower:
        return
    found = {e: (f.value(e, "detected"), f.value(e, "detected", UNPAIRED)) for e in slower}
    told = [f"{plain(e)} {ours:.0%} against {other:.0%}" for e, (ours, other) in found.items() if other - ours >= 0.1]
    apart = f" Found much less often, in so many of the streams: {listed(told)}." if told else ""
    yield Finding(
        None,
        "It pays for its calm with speed.",
        f"In {len(slower)} of {len(later)} events that begin later users see more bad answers with pairs than with charts on "
        "served answers, since a difference of two arms is noisier than one arm against a rate that is taken as known "
        f"(*Later onsets*).{apart}",
    )


def canary(f: Figures) -> Iterator[Finding]:
    """96 % against 58 %, and the combined event."""
    regressions = f.known(REGRESSIONS, "detected_before_impact", CANARY)
    strict, loose = (
        sum(f.value(e, m, CANARY) for e in regressions) / len(regressions)
        for m in ("detected_before_impact", "detected_before_wide_impact")
    )
    yield Finding(
        None,
        "The canary's 58 % can exist only in a loose reading.",
        f"Strictly (any user saw an answer of the event) a canary learns from what users see: here {strict:.0%}. If what its "
        f"5 % of the users saw does not count, it reaches {loose:.0%}: it sees about "
        f"{f.value('accuracy_improvement', 'pairs_to_verdict', CANARY):,.0f} answers in its seven days at this traffic, too "
        "few for four points of right answers.",
    )
    caught = f.value("combined", "detected", CANARY)
    yield Finding(
        caught <= 0.5,
        "The combined event is missed by the canary.",
        f"It turns it away in {f.streams('combined', 'detected', CANARY)} streams, by latency, after users saw it; this gate "
        f"in {f.streams('combined', 'detected_before_impact')}, before.",
    )


def all_users(f: Figures) -> Iterator[Finding]:
    """When everybody is on the challenger, beside the rivals."""
    own = f.value("accuracy_improvement", "days_to_all_users")
    sooner = [
        f"{name} {f.value('accuracy_improvement', 'days_to_all_users', name):.1f}"
        for name in f.rivals()
        if f.of("accuracy_improvement", "days_to_all_users", name)
        and f.value("accuracy_improvement", "days_to_all_users", name) < own
    ]
    if sooner:
        yield Finding(
            False,
            "All users are reached later than by rivals.",
            f"{own:.1f} days against {listed(sooner)}: four live phases of paired observations follow the verdict. That is a "
            "choice of the migration file, and what finds the later onsets.",
        )


def later(f: Figures) -> Iterator[Finding]:
    """What begins only while users are served."""
    events = f.known([e for e in EVENTS if EVENTS[e].onset_day], "detected", OURS, CANARY)
    seldom = [f"{plain(e)} {f.streams(e, 'detected')}" for e in events if f.value(e, "detected") < 0.5]
    late = (
        f" Found in fewer than half of the streams before the log ends: {listed(seldom)}. A class with a ceiling of its own "
        "has no live monitor, and the paired chart for rare events has a small budget."
    )
    fewer = [e for e in events if f.value(e, "bad_answers_seen") < f.value(e, "bad_answers_seen", CANARY)]
    yield Finding(
        len(fewer) == len(events),
        "Users see fewer bad answers of a later onset than with the canary.",
        f"So in {len(fewer)} of {len(events)} events; they do see some (*Later onsets* has delay and number of each)."
        + (late if seldom else ""),
    )


def peeking(f: Figures) -> Iterator[Finding]:
    """A/B tests that are looked at every day."""
    wrong = {
        name: f.value("equal", "false_rollback", name) + f.value("equal", "false_promotion", name)
        for name in ("ab_peeked", "ab_fixed")
    }
    yield Finding(
        wrong["ab_peeked"] > wrong["ab_fixed"],
        "Peeking is as bad as they say.",
        "An A/B test that is looked at every day comes to a wrong verdict (harm claimed, or promoted) in "
        f"{wrong['ab_peeked']:.0%} of the streams of an equal challenger, looked at once as planned in "
        f"{wrong['ab_fixed']:.0%}.",
    )
