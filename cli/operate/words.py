"""A migration's state and decisions in words and tables, from the documents that --json prints."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dualgate.cli.output import table
from dualgate.sinks.report.words import possible

Document = Mapping[str, Any]

COLUMNS = ("dimension", "status", "n", "estimate", "interval", "log e / threshold", "p", "worse: log e / threshold")


def status(document: Document) -> RenderableType:
    """Return the whole status: head, what is waited for, the dimensions, the last decision."""
    lines = [Text(line) for line in status_lines(document)]
    shown: list[RenderableType] = [Text(headline(document), style="bold"), *lines]
    if document["dimensions"]:
        shown += [Text(), dimensions(document["dimensions"])]
    return Group(*shown)


def headline(document: Document) -> str:
    """Return phase and share in one line."""
    if document["phase"] is None:
        return f"{document['migration_id']}: no such migration, no gate has accepted a start of it"
    flags = _flags(document, ", PAUSED", ", rolling back")
    where = f"epoch {document['epoch']}, sequence {document['sequence']}, {document['n_pairs']:,} pairs"
    return f"{document['migration_id']}: {document['phase']}{flags}, {_share(document)} ({where})"


def _share(document: Document) -> str:
    """Return whom the challenger serves now: nobody, whatever was commanded, once the lease has run out."""
    share = f"{document['live_share']:.0%}"
    return (
        f"LEASE RAN OUT: the incumbent serves everyone (commanded: {share})"
        if _lapsed(document)
        else f"challenger serves {share}"
    )


def _lapsed(document: Document) -> bool:
    left_ms = document["lease_left_ms"]
    return bool(document["live_share"]) and left_ms is not None and left_ms < 0


def _flags(document: Document, paused: str, rolling_back: str) -> str:
    return (paused if document["paused"] else "") + (rolling_back if document["rolling_back"] else "")


def status_lines(document: Document) -> list[str]:
    """Return the lines under the headline."""
    lines = []
    if document["incumbent"]:
        lines.append(f"{document['incumbent']} → {document['challenger']}, configuration {document['config_hash']}")
    if document["waiting_for"]:
        lines.append(waiting(document))
    if document["routers"]:
        lines.append(routers(document["routers"], document["last_update_ms"] + document["age_ms"]))
    if off := [name for name, each in document["dimensions"].items() if each["status"] == "off"]:
        lines.append(f"not measured at all (off in the migration file): {', '.join(off)}")
    lines += document["guards"]
    if document["mode"] == "replay":
        lines.append("mode replay: no check of the assignment, the archive obeyed other commands")
    lines.append(f"last update {age(document['age_ms'])} ago{lease(document['lease_left_ms'])}")
    lines += clock(document["clock_ahead_ms"])
    if last := document["last_decision"]:
        lines.append(f"last decision: {decided(last)}")
    lines += [f"operators: {commanded(each)}" for each in document["operators"] if each != last]
    return lines


def waiting(document: Document) -> str:
    """Return what is waited for; where that is nothing, what an operator can do."""
    words = f"waiting for {document['waiting_for']}"
    over = document["waiting_for"].startswith("nothing: ") and document["phase"] != "COMPLETED"
    return f"{words} is the end, unless an operator gives retry or another start" if over else words


def commanded(decision: Document) -> str:
    """Return when who gave which command, and what came of it."""
    when = datetime.fromtimestamp(decision["ledger_clock_ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{when} {decision['actor']}: {decision['rule']} {decision['outcome']}: {decision['reason']}"


def lease(left_ms: int | None) -> str:
    """Return what the lease means for routers now."""
    if left_ms is None:
        return ""
    if left_ms < 0:
        return f"; the lease ran out {age(-left_ms)} ago: routers serve the incumbent (does a gate run?)"
    return f"; the lease runs for {age(left_ms)} more"


def clock(ahead_ms: int) -> list[str]:
    """Return what a ledger's clock that is ahead means: the broker's clock was set forward, and perhaps back again."""
    if not ahead_ms:
        return []
    goes_on = "until then no lease is renewed and routers serve the incumbent, then it goes on by itself"
    return [f"THE LEDGER'S CLOCK IS {age(ahead_ms)} AHEAD of this one (was the broker's clock set?): {goes_on}"]


def routers(told: Document, now_ms: int) -> str:
    """Return how many routers follow, and the names of those that do not, with the command that they obey."""
    silent = f", {told['silent']} silent beyond the lease" if told["silent"] else ""
    if not (told["following"] or told["silent"] or told["n_behind"]):
        return "routers: none has acknowledged a command"
    text = f"routers: {told['following']} follow{silent}"
    behind = [
        f"{each['router_id']} (obeys {each['epoch']}/{each['sequence']}, heard {age(max(0, now_ms - each['heard_ms']))} ago)"
        for each in told["behind"]
    ]
    behind += [f"{told['n_behind'] - len(behind)} more"] if told["n_behind"] > len(behind) else []
    return f"{text}; NOT FOLLOWING: {', '.join(behind)}" if behind else text


def decided(decision: Document) -> str:
    """Return a decision in one line."""
    moved = decision["from_phase"] != decision["to_phase"]
    move = f"{decision['from_phase']} → {decision['to_phase']}, " if moved and decision["from_phase"] else ""
    outcome = f" {decision['outcome']}" if decision["outcome"] else ""
    return f"{move}{decision['rule']}{outcome}: {decision['reason']} (pair {decision['n_pairs']:,})"


def dimensions(document: Document) -> Table:
    """Return the table of the dimensions."""
    made = table(COLUMNS, [_row(name, each) for name, each in document.items()])
    for column in made.columns[:2]:
        column.no_wrap, column.overflow = True, "fold"  # whole words on a narrow terminal: the numbers take two lines
    return made


def _row(name: str, each: Document) -> list[object]:
    if each["status"] == "off":
        return [name, "off", *[None] * (len(COLUMNS) - 2)]
    low, high = each["interval"] or (None, None)
    if each["interval"] and name != "latency":  # a relative latency has no unit that bounds it
        low, high = map(possible, each["interval"])
    return [
        name,
        each["status"],
        f"{each['n']:,}",
        None if each["estimate"] is None else f"{each['estimate']:.4f}",
        None if low is None else f"{low:.4f} … {high:.4f}",
        f"{each['log_e']:.2f} / {each['threshold']:.2f}",
        f"{each['p_value']:.2g}",
        f"{each['log_e_worse']:.2f} / {each['worse_threshold']:.2f}",
    ]


def overview(documents: Iterable[Document]) -> Table:
    """Return several migrations, a row each."""
    columns = ("migration", "phase", "share", "pairs", "waiting for", "last update")
    rows = [
        (
            d["migration_id"],
            (d["phase"] or "never started") + _flags(d, " (paused)", " (rolling back)"),
            "0% (lease ran out)" if _lapsed(d) else f"{d['live_share']:.0%}",
            f"{d['n_pairs']:,}",
            d["waiting_for"],
            f"{age(d['age_ms'])} ago",
        )
        for d in documents
    ]
    return table(columns, rows)


def age(ms: int) -> str:
    """Return a duration in its two greatest units."""
    seconds = ms // 1000
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    if seconds < 86_400:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3600} h"
