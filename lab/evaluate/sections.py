"""The sections of the report that are told from the lives: strategies, events, times, pairs, impact."""

from collections.abc import Mapping, Sequence
from typing import Any

from dualgate.lab.evaluate.events import EVENTS, REGRESSIONS
from dualgate.lab.evaluate.goals import OURS, STUDY_PAIRS, WINDOW_DAYS, Told, fixed_samples
from dualgate.lab.evaluate.tables import Curves, Section, Table, number, percent
from dualgate.schemas.migration import MigrationSpec


def about(document: Mapping[str, Any]) -> Section:
    """Return what was run."""
    log, plan, shape = document["log"], document["plan"], document["shape"]
    twice = [event for event in plan["twice"] if event in plan["events"]]
    more = f", twice as many of {', '.join(twice)}" if twice else ""
    words = (
        f"{plan['repetitions']} streams an event{more} (seed {plan['seed']}), each of {shape['n_queries']:,} queries in "
        f"{shape['days']} days by {shape['users']} users; every strategy meets the same streams.",
        f"The log has {log['queries']:,} queries with real SQL, executed and scored: right answers "
        f"{log['incumbent_correct']:.1%} (incumbent),  {log['challenger_correct']:.1%} (challenger); over the SLA "
        f"{log['incumbent_over_sla']:.2%}, {log['challenger_over_sla']:.2%}; agreement {log['incumbent_semantic']:.3f}, "
        f"{log['challenger_semantic']:.3f}; violations {log['incumbent_violations']:.2%}, {log['challenger_violations']:.2%}.",
    )
    rows = [(name, told["source"], told["settings"]) for name, told in document["sources"].items()]
    return Section("What was run", words, (Table("Strategies", ("name", "source", "settings"), rows),))


def by_event(strategies: Told, spec: MigrationSpec) -> Section:
    """Return a table an event: what each strategy made of it."""
    tables = []
    for event in EVENTS:
        if event not in strategies.get(OURS, {}).get("events", {}):
            continue
        columns = _columns(event)
        rows = [
            (name, *(_cell(found["events"][event], measure) for measure in columns.values()))
            for name, found in strategies.items()
            if event in found["events"]
        ]
        tables.append(Table(f"{event}: {EVENTS[event].words}", ("strategy", *columns), rows))
    words = (
        "*Before any user saw it* is impact told strictly: no user got an answer of the event. *Beyond 5 %* is told "
        "loosely: what a canary's share of users saw does not count. Bad answers are answers of the event that users were "
        "served.",
        f"Shadowing costs the mirrored answers times the file's price of one, {spec.cost.per_query:g} {spec.cost.currency}.",
    )
    return Section("Event by event", words, tables)


_SHARES = (
    "promoted",
    "stopped",
    "detected",
    "detected_before_impact",
    "detected_before_wide_impact",
    "false_rollback",
    "false_promotion",
)


def _columns(event: str) -> dict[str, str]:
    found = EVENTS[event]
    if found.good:
        return {
            "promoted": "promoted", "false rollback": "false_rollback", "days to the verdict": "days_to_verdict",
            "days to all users": "days_to_all_users", "pairs": "pairs_to_verdict", "mirrored": "mirrored",
        }  # fmt: skip
    if found.worse:
        before = {"false rollback before it": "false_rollback"} if found.onset_day else {}
        return {
            "promoted": "promoted", **before, "detected": "detected", "before any user saw it": "detected_before_impact",
            "or beyond 5 %": "detected_before_wide_impact", "bad answers seen": "bad_answers_seen",
            "days of impact": "impact_days", "days to the stop": "days_to_stop", "mirrored": "mirrored",
        }  # fmt: skip
    return {
        "promoted (falsely)": "false_promotion", "false rollback": "false_rollback", "stopped": "stopped",
        "days to the stop": "days_to_stop", "mirrored": "mirrored",
    }  # fmt: skip


def _cell(measures: Mapping[str, Any], name: str) -> str:
    told = measures.get(name)
    return percent(told) if name in _SHARES else number(told, 1 if "days" in name else 0)


def later(strategies: Told) -> Section:
    """Return delay and bad answers seen for later onsets, beside the canary's."""
    events = [e for e in EVENTS if EVENTS[e].onset_day and e in strategies.get(OURS, {}).get("events", {})]
    rows = []
    for event in events:
        for name in (OURS, "dualgate_unpaired_live", "canary"):
            told = strategies[name]["events"][event]
            cells = (percent(told.get("detected")), number(told.get("days_to_stop"), 1), number(told.get("bad_answers_seen")))
            rows.append((event, name, *cells))
    words = (
        "The challenger is good until the day named, and mostly serves users by then. The canary's window of seven days has "
        "ended before: it sees nothing of it.",
    )
    columns = ("event", "strategy", "detected", "days from the onset", "bad answers seen")
    return Section("Later onsets", words, (Table("", columns, rows),))


def pairs_by_dimension(strategies: Told, spec: MigrationSpec) -> Section:
    """Return pairs to decision by dimension beside the study's, with the fixed sample of each."""
    fixed = fixed_samples(spec)
    told = strategies[OURS]["events"].get("accuracy_improvement", {})
    readings = {
        "correctness": "credible: a superiority test of +5.4 points at the arms' correlation of .3",
        "semantic": "credible as non-inferiority: the level against .86, not .88 against .91",
        "safety": "possible only for a ceiling of about 1.4 %: with none violating in 489 pairs p = .996^489 = .14 at .4 %",
        "latency": "the study: no rejection, which is absence of evidence; here: shown below the ceiling of 2 %",
    }
    rows = [
        (
            name, number(told.get(f"pairs_to_decision_{name}")), str(STUDY_PAIRS.get(name, "-")),
            f"{max(n for key, n in fixed.items() if key.split('.')[0] == name):,.0f}", reading,
        )
        for name, reading in readings.items()
    ]  # fmt: skip
    columns = (
        "dimension",
        "pairs to decision here",
        "in the study",
        "fixed sample here",
        "reading under which the study's can hold",
    )
    words = (
        "Units (first turns) until a dimension's own condition first held, the study's challenger; calibrating pairs included.",
    )
    return Section("Pairs to decision by dimension", words, (Table("", columns, rows),))


def study(strategies: Told) -> Section:
    """Return the published study's headline figures beside what was measured."""
    strict, loose = (_over_regressions(strategies, OURS, m) for m in ("detected_before_impact", "detected_before_wide_impact"))
    canary = [_over_regressions(strategies, "canary", m) for m in ("detected_before_impact", "detected_before_wide_impact")]
    good = strategies[OURS]["events"].get("accuracy_improvement", {})
    equal = strategies[OURS]["events"].get("equal", {})
    days = good.get("days_to_verdict")
    against = "-" if not days else f"{number(days, 1)} days: {days['estimate'] / WINDOW_DAYS - 1:+.0%}"
    impact = [_over_regressions(strategies, name, "impact_days") for name in (OURS, "canary")]
    combined = strategies["canary"]["events"].get("combined", {}).get("detected")
    rows = [
        ("regressions detected before any user impact", "96 %", f"strictly {_share(strict)}, loosely {_share(loose)}"),
        ("the same, seven-day canary", "58 %", f"strictly {_share(canary[0])}, loosely {_share(canary[1])}"),
        ("time to safe migration against the fixed window", "-41 %", against),
        ("false alarms", "< 4 %", percent(equal.get("false_rollback"))),
        (
            "days of user impact of a regression",
            "near 0 against 2.3",
            f"{impact[0]:.2f} against {impact[1]:.1f} until the log's end",
        ),
        ("the combined event is missed by the canary", "yes", f"detected by it in {percent(combined)}"),
    ]
    words = ("Means over the study's five regressions, present from the start.",)
    return Section("The study's figures", words, (Table("", ("figure", "study", "here"), rows),))


def _over_regressions(strategies: Told, name: str, measure: str) -> float:
    told = [
        strategies[name]["events"][event][measure]["estimate"] for event in REGRESSIONS if event in strategies[name]["events"]
    ]
    return sum(told) / len(told) if told else float("nan")


def _share(value: float) -> str:
    return f"{value:.1%}"


def chart_values(strategies: Told, measure: str, events: Sequence[str]) -> dict[str, list[float | None]]:
    """Return a measure of each strategy over events, for the bars of the page."""
    return {
        name: [found["events"].get(event, {}).get(measure, {}).get("estimate") for event in events]
        for name, found in strategies.items()
    }


def window(strategies: Told, spec: MigrationSpec, document: Mapping[str, Any]) -> Section:
    """Return by how much the verdict comes before or after a fixed window, by traffic: a window is in days, evidence in pairs."""
    good = strategies[OURS]["events"].get("accuracy_improvement", {}).get("pairs_to_verdict")
    shape = document["shape"]
    if not good:
        return Section("When the verdict comes before a seven-day window")
    per_day = shape["n_queries"] / shape["session_size"] / shape["days"]
    least = spec.phases.shadow.min_duration_ms / 86_400_000
    rows, found = [], []
    for times in TRAFFIC:
        days = max(least, good["estimate"] / (times * per_day))
        found.append(days)
        pairs = f"{WINDOW_DAYS * times * per_day:,.0f}"
        rows.append((f"{times:g}", f"{times * per_day:,.0f}", pairs, f"{days:.1f}", f"{days / WINDOW_DAYS - 1:+.0%}"))
    enough = good["estimate"] / (per_day * WINDOW_DAYS * (1 - 0.41))
    words = (
        f"Computed from the mean of {good['estimate']:,.0f} pairs and the file's least duration ({least:g} days). The "
        f"study's -41 % needs {enough:.1f} times this log's traffic: only where the window holds far more pairs than the "
        "tests need is it too long.",
    )
    columns = ("traffic, times this log's", "units a day", "units in seven days", "days to the verdict", "against seven days")
    lines = {"to the verdict": (TRAFFIC, found), "the window": (TRAFFIC, [WINDOW_DAYS] * len(TRAFFIC))}
    curve = Curves("Days by traffic", "traffic, times this log's", "days", lines, log_x=True)
    return Section("When the verdict comes before a seven-day window", words, (Table("", columns, rows),), (curve,))


TRAFFIC = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
