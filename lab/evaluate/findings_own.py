"""Findings on this gate itself: what it turns away, with how many pairs, and where its question ends."""

from collections.abc import Iterator

from dualgate.lab.evaluate.events import EVENTS, REGRESSIONS
from dualgate.lab.evaluate.figures import Figures, Finding, listed, plain
from dualgate.lab.evaluate.goals import FALSE_ROLLBACK, OUTSIDE, WINDOW_DAYS, fixed_samples, least

FROM_START = (*REGRESSIONS, "compounding", "silent_on_hard")


def before_impact(f: Figures) -> Iterator[Finding]:
    """Regressions from the start: nobody sees them."""
    events = f.known(FROM_START, "detected_before_impact")
    missed = [event for event in events if f.value(event, "detected_before_impact") < 1]
    harm = [f.value(event, "shown_worse") for event in events]
    pairs = [f"{plain(e)} {f.value(e, 'pairs_to_stop'):,.0f}" for e in events if f.of(e, "pairs_to_stop")]
    words = (
        f"In every stream of {listed([plain(e) for e in events])} the challenger was turned away before a user got an answer "
        "of it."
        if not missed
        else "Before a user got an answer of it, it was turned away in "
        + listed([f"{f.streams(e, 'detected_before_impact')} streams of {plain(e)}" for e in events])
        + "."
    )
    if "bursty_hallucination" in missed:
        words += " In some streams the bursts do not come while the shadow phase looks (*Where there was nothing to see*)."
    verdict = "Mostly the verdict is *not as good as planned* (futility), which claims less than *worse* and takes fewer pairs"
    if sum(harm) / len(harm) > 0.5:
        verdict = "Mostly the verdict is *worse*"
    holds = all(f.value(event, "detected_before_impact") >= 0.99 for event in events)
    words += f" {verdict} (harm is claimed in {sum(harm) / len(harm):.0%}). Pairs it took: {listed(pairs)}."
    yield Finding(holds, "Nobody sees a regression that is there from the start.", words)


def rare(f: Figures) -> Iterator[Finding]:
    """Rare events: what stops them is no proof of harm, as long as it takes fewer pairs than any proof would."""
    bounds = {"bursty_hallucination": least(0.015, 0.006, 0.0025, 0.1), "authorization": least(0.011, 0.006, 0.0025, 0.1)}
    took = {event: f.value(event, "pairs_to_stop") for event in bounds}
    fewer = [f"{plain(e)} {took[e]:,.0f} where proof of harm takes {bounds[e]:,.0f}" for e in bounds if took[e] < bounds[e]]
    if fewer:
        yield Finding(
            None,
            "Rare events are turned away with fewer pairs than any test needs to prove harm.",
            f"On average {listed(fewer)} (*The least pairs that any test needs*; hallucination even without bursts). What "
            "stops them is futility, which claims less, and the ceiling of the authorization class.",
        )


def false_alarms(f: Figures) -> Iterator[Finding]:
    """False rollbacks and promotions where the assumptions hold."""
    for measure, most, what in (
        ("false_rollback", FALSE_ROLLBACK, "false rollback of a challenger that is not worse (yet)"),
        ("false_promotion", 0.05, "false promotion"),
    ):
        rates = {e: f.value(e, measure) for e in f.known([e for e in EVENTS if e not in OUTSIDE], measure)}
        over = [f"{plain(e)} {f.streams(e, measure)}" for e, rate in rates.items() if rate > most]
        some = [f"{plain(e)} {f.streams(e, measure)}" for e, rate in rates.items() if 0 < rate <= most]
        words = f"In none of {len(rates)} events is the share greater" + (f"; it is above 0 in {listed(some)}." if some else ".")
        if not some and not over:
            words = f"There was none in any stream of {len(rates)} events."
        if over:
            words = f"It is greater in {listed(over)} (of {len(rates)} events)."
        yield Finding(not over, f"At most {most:.0%} {what} where the assumptions hold.", words)


def savings(f: Figures) -> Iterator[Finding]:
    """Pairs against the fixed sample of the slowest dimension, good and bad told apart."""
    n, pairs = f.slowest(), f.value("accuracy_improvement", "pairs_to_verdict")
    together = max(fixed_samples(f.spec, f.spec.errors.miss / 4).values())
    yield Finding(
        pairs / n - 1 <= -0.15,
        "A good challenger takes 15 to 35 % fewer pairs than the fixed sample of the slowest dimension.",
        f"{pairs:,.0f} against {n:,.0f}: {pairs / n - 1:+.0%}; calibrating pairs and the least number of pairs (the plan's "
        f"own) are in it. Against a fixed sample whose four tests together have the power of 90 % ({together:,.0f}): "
        f"{pairs / together - 1:+.0%}.",
    )
    saved = {e: f.value(e, "pairs_to_stop") / n - 1 for e in REGRESSIONS}
    short = [e for e in saved if saved[e] > -0.5]
    told = listed([f"{plain(e)} {value:+.0%}" for e, value in saved.items()])
    yield Finding(
        not short,
        "Bad challengers take 50 to 75 % fewer pairs.",
        f"Against the same fixed sample: {told}."
        + (f" Less than half is saved at {listed([plain(e) for e in short])}." if short else ""),
    )


def window(f: Figures) -> Iterator[Finding]:
    """The study's -41 % against a seven-day window."""
    pairs, days = (f.value("accuracy_improvement", m) for m in ("pairs_to_verdict", "days_to_verdict"))
    stops = [f"{plain(e)} {f.value(e, 'days_to_stop') / WINDOW_DAYS - 1:+.0%}" for e in REGRESSIONS]
    yield Finding(
        days / WINDOW_DAYS - 1 <= -0.41,
        "-41 % against a seven-day window.",
        f"The good challenger's verdict takes {pairs:,.0f} pairs, {days:.1f} days at this log's traffic: "
        f"{days / WINDOW_DAYS - 1:+.0%}. A window is in days, evidence in pairs, so the saving is as great as the window is "
        "too long (*When the verdict comes before a seven-day window* says at which traffic). Bad challengers are stopped "
        f"before it: {listed(stops)}.",
    )


def by_dimension(f: Figures) -> Iterator[Finding]:
    """Pairs to decision beside 312, 614 and 489."""
    own = {name: f.value("accuracy_improvement", f"pairs_to_decision_{name}") for name in ("correctness", "semantic", "safety")}
    theirs = {"correctness": 312, "semantic": 614, "safety": 489}
    more = [name for name in own if own[name] > theirs[name]]
    yield Finding(
        not more,
        "312, 614 and 489 pairs to decision.",
        f"Here {listed([f'{own[name]:,.0f} ({name})' for name in own])}: 300 calibrating pairs are set aside, the plan is "
        "made for +3 points and not for +5.4, a mixture of nine bets needs no plan but more pairs, and Holm's first level "
        "is stricter. 489 pairs for safety fit a ceiling of about 1.4 %, not the .4 % that the study names: with none "
        "violating in 489, p = .996^489 = .14.",
    )


def outage(f: Figures) -> Iterator[Finding]:
    """A provider's outage of both arms."""
    promoted = f.value("outage", "promoted")
    rolled = [
        f"{name} {f.streams('outage', 'false_rollback', name)}"
        for name in f.rivals()
        if f.value("outage", "false_rollback", name)
    ]
    yield Finding(
        promoted >= 0.9 and f.value("outage", "false_rollback") <= FALSE_ROLLBACK,
        "A provider's outage costs a good challenger time and nothing else.",
        f"Twelve hours in which neither arm answers: promoted in {f.streams('outage', 'promoted')} streams, rolled back in "
        f"{f.streams('outage', 'false_rollback')}. Pairs to which neither agent answered are no evidence; the shadow phase "
        "waits until its "
        "coverage is back at the floor." + (f" Rolled back by rivals: {listed(rolled)}." if rolled else ""),
    )


def traps(f: Figures) -> Iterator[Finding]:
    """Where the question is another one than the file asks."""
    gain = f.of("near_duplicates", "gain_where_promoted")
    better = f" Where it was promoted, it gave {gain['estimate']:+.1%} more right answers on its own stream." if gain else ""
    yield Finding(
        f.value("near_duplicates", "false_promotion") <= 0.05,
        "Near-duplicates: thirty in a hundred queries are copies of twenty.",
        f"An agent that is equal over all questions is promoted in {f.streams('near_duplicates', 'false_promotion')} "
        f"streams.{better} Twenty recorded answers weigh so much that one agent *is* better on such a stream, and the gate "
        "speaks of the traffic that it sees. `unit: first` keeps one query a session, not one a text; the gate has no unit "
        "by text, since the evidence holds hashes of ids and no text. A log for `backtest` can have each text once.",
    )
    fooled = [name for name in f.rivals() if f.value("partial_judge", "false_promotion", name) > 0.5]
    yield Finding(
        f.value("partial_judge", "false_promotion") <= 0.05,
        "A judge that comes to favour the challenger.",
        f"An equal one is promoted in {f.streams('partial_judge', 'false_promotion')} streams, and in most by {len(fooled)} "
        f"of {len(f.rivals())} rivals. Nothing that only reads the judge can see it; human labels on a sample can.",
    )
    yield Finding(
        f.value("worse_in_one_stratum", "promoted") <= 0.05,
        "Worse in one stratum, better over all.",
        f"Promoted in {f.streams('worse_in_one_stratum', 'promoted')} streams: the file asks about the average, and strata "
        "are held to their coverage alone. Who must not lose a group of users gives it a migration of its own (the same "
        "agents, only its queries): both must pass before all users are moved.",
    )
