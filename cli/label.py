"""`dualgate label`: people's verdicts on the pairs of a rated migration, and which pairs wait for one."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.operate.options import Id, actor, checked_id
from dualgate.cli.output import Json, emit, say, table
from dualgate.schemas.errors import ConfigError

if TYPE_CHECKING:
    from dualgate.cli.operate.labelling import Wanted
    from dualgate.schemas.records import Label

SHOWN = 60


def register(root: typer.Typer) -> None:
    """Add the command to the root."""
    root.command("label")(run)


def run(
    migration_id: Id,
    wanted: Annotated[bool, typer.Option("--wanted", help="List the answers that wait for a verdict, first first.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="With --wanted: write them to a CSV file with an empty column verdict.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Publish the verdicts of a CSV or JSON-lines file.")] = None,
    query: Annotated[str | None, typer.Option("--query", help="One pair: its query_id (or --hash).")] = None,
    query_hash: Annotated[str | None, typer.Option("--hash", help="One pair: its query_hash, as --wanted prints it.")] = None,
    incumbent: Annotated[str | None, typer.Option("--incumbent", help="Is the incumbent's answer right or wrong.")] = None,
    challenger: Annotated[str | None, typer.Option("--challenger", help="Is the challenger's answer right or wrong.")] = None,
    who: Annotated[str | None, typer.Option("--who", help="Who says so; you@host unless given, or named in the file.")] = None,
    epoch: Annotated[
        int | None, typer.Option("--epoch", min=1, help="The epoch whose answers were judged, where a row names none.")
    ] = None,
    bootstrap_servers: Servers = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Publish people's verdicts on the pairs that were drawn for a label, or list which wait.

    A person sees the question, an answer and its result, never whose answer it is: `--wanted --out FILE` writes them, `--file
    FILE` reads them back with the column verdict filled in (right or wrong; a row left empty is not filled in yet). The first
    verdict on an answer stands, so publishing a file again changes nothing. A verdict counts in its epoch of the migration only:
    the file names it, and one pair's is the present one unless --epoch says another.

    Example: `dualgate label sql-agent-v7 --wanted --out wanted.csv`, then `dualgate label sql-agent-v7 --file wanted.csv`
    """
    checked_id(migration_id)
    one = [name for name, value in (("--query", query), ("--hash", query_hash)) if value is not None]
    if wanted + (file is not None) + bool(one) != 1 or len(one) > 1:
        raise ConfigError("label wants one of --wanted, --file FILE, or --query ID (or --hash) with --incumbent and --challenger")
    if out is not None and not wanted:
        raise ConfigError("--out goes with --wanted")
    if epoch is not None and wanted:
        raise ConfigError("--epoch goes with --file, --query or --hash; --wanted lists the present epoch's")
    settings = cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
    from dualgate.cli.operate import labelling

    if wanted:
        state = labelling.state_of(migration_id, settings)
        over = None if state.active else state.phase
        _show(labelling.wanted(state, settings), over, out, json)
        return
    labels, blank = _given(migration_id, file, query, query_hash, (incumbent, challenger), who or actor(), epoch)
    state = labelling.state_of(migration_id, settings)
    if file is None:
        labels = [replace(each, epoch=state.migration.epoch if epoch is None else epoch) for each in labels]
    labelling.publish(labels, settings)
    others = labelling.of_others(labels, state), state.migration.epoch
    unknown = labelling.unknown(labels, state)
    document = {"migration_id": migration_id, "published": len(labels), "not_filled_in": blank, "not_waited_for": unknown}
    document |= {"other_epoch": others[0]}
    names, over = [query or each for each in unknown], None if state.active else state.phase
    emit(document, json, lambda console: told(console, document, names, others[1], over))


def _given(
    migration_id: str,
    file: Path | None,
    query: str | None,
    query_hash: str | None,
    said: tuple[str | None, str | None],
    who: str,
    epoch: int | None,
) -> tuple[list["Label"], int]:
    from dualgate.processors.scoring.block import hash_of
    from dualgate.producers.labels import ARMS, read_labels, verdict_of
    from dualgate.schemas.records import Label

    if file is not None:
        found = read_labels(file, migration_id, who, epoch)
        if not found.labels:
            raise ConfigError(f"{file}: no row has a verdict ({found.blank} are not filled in)")
        return list(found.labels), found.blank
    chosen = query_hash or hash_of(migration_id, query or "")
    verdicts = [(arm, verdict_of(text, f"--{arm}")) for arm, text in zip(ARMS, said, strict=True)]
    labels = [
        Label(migration_id=migration_id, query_hash=chosen, arm=arm, verdict=verdict, who=who)
        for arm, verdict in verdicts
        if verdict is not None
    ]
    if not labels:
        raise ConfigError("no verdict: give --incumbent right|wrong, --challenger right|wrong, or both")
    return labels, 0


def told(
    console: Console, document: Mapping[str, Any], unknown: Sequence[str], epoch: int, over: str | None = None
) -> None:  # fmt: skip
    """Print what was published, and what of it counts for nothing.

    unknown: the names of queries that nothing waits for; epoch: the present one; over: the phase of a migration that has ended.
    """
    name, others = document["migration_id"], document["other_epoch"]
    rest = f"; {document['not_filled_in']} rows are not filled in" if document["not_filled_in"] else ""
    console.print(f"{name}: {document['published']} verdicts were written to the ledger{rest}", markup=False)
    if others:
        rule = f"the present one is {epoch}; a row that names none is of the first, unless --epoch says another"
        console.print(f"{others} verdicts are on answers of another epoch and do not count ({rule})", markup=False)
    if over:
        console.print(f"{name} is {over}: no verdict counts any more", markup=False)
    elif unknown:
        names = ", ".join(unknown[:5]) + (" …" if len(unknown) > 5 else "")
        console.print(
            f"no verdict is waited for on {len(unknown)} of the queries, which are labelled already, not drawn, or misspelt: "
            f"{names}. What was said of them changes nothing, unless the query comes later and is drawn; "
            f"dualgate label {name} --wanted lists what is waited for",
            markup=False,
        )


def _show(found: list["Wanted"], over: str | None, out: Path | None, json: bool) -> None:
    if out is not None:
        _write(out, found)
        why = f" (the migration is {over})" if over else ""
        say(f"{len(found)} answers to look at{why}: {out}; fill in the column verdict (right or wrong)")
        for line in lacking(found):
            say(line)
        if not json:
            return
    documents = [asdict(each) for each in found]

    def human(console: Console) -> None:
        if not found:
            console.print(f"no pair waits for a label{f': the migration is {over}' if over else ''}", markup=False)
            return
        columns = ("query", "answer", "waits", "question", "text")
        console.print(table(columns, [_row(each) for each in found]))
        console.print(f"{len(found)} answers wait; --out FILE writes them whole, with a column for the verdict")
        for line in lacking(found):
            console.print(line, markup=False)

    emit({"wanted": documents}, json, human)


def lacking(found: Sequence["Wanted"]) -> Iterator[str]:
    """Yield what a person will not find in a row, and what that means: an empty cell is not an empty answer."""
    gone = sum(each.question is None for each in found)
    bare = sum(each.result is None for each in found) - gone
    if bare:
        yield (
            f"{bare} of them have no result: the agent mirrored none with its answer (`result` of a response), which is not an "
            "empty result. The rater saw none either; judge the text, or execute it yourself"
        )
    if gone:
        yield (
            f"{gone} of them have no text: the topic pairs keeps them no more. Look them up by query_hash in your own log; a row "
            "left empty stays wanted"
        )


def _row(each: "Wanted") -> list[Any]:
    from dualgate.cli.operate.words import age

    texts = [None if text is None else " ".join(text.split())[:SHOWN] for text in (each.question, each.text)]
    return [each.query_id or each.query_hash, each.answer, age(max(0, each.waits_ms)), *texts]


def _write(path: Path, found: list["Wanted"]) -> None:
    from dualgate.cli.operate.labelling import Wanted

    names = [f.name for f in fields(Wanted)]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*names, "verdict"])
        writer.writerows([*(getattr(each, name) for name in names), ""] for each in found)
