"""What the demo shows while it runs: a live table on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dualgate.cli.demo.watch import Seen
from dualgate.cli.output import err
from dualgate.schemas.migration import MigrationSpec
from dualgate.schemas.records import DimensionEvidence
from dualgate.sinks.report.words import measure_of

BAR = 22
LINE_EVERY_S = 3.0
STYLES = {"accepted": "green", "worse": "red", "rejected": "red", "missing": "red", "off": "red"}


class Screen:
    """Shows steps as lines and the run as a live table (on a terminal) or a line now and then."""

    def __init__(self, spec: MigrationSpec, n_queries: int, console: Console | None = None) -> None:
        self._spec, self._n_queries = spec, n_queries
        self._console = console or err()
        self._live: Live | None = None
        self._began = time.monotonic()
        self._line_at, self._phase = 0.0, ""

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, seen: Seen, *, last: bool = False) -> None:
        """Show where the run stands."""
        passed = max(time.monotonic() - self._began, 1e-3)
        if self._live is not None:
            self._live.update(picture(self._spec, self._n_queries, seen, passed), refresh=True)
        elif last or seen.phase != self._phase or passed - self._line_at >= LINE_EVERY_S:
            self._line_at, self._phase = passed, seen.phase
            self._console.print(line(self._spec, self._n_queries, seen, passed), markup=False)


def line(spec: MigrationSpec, n_queries: int, seen: Seen, passed_s: float) -> str:
    """Return one line: phase, pairs, rate, and each dimension's evidence against its threshold."""
    told = [f"{name} {_of(_evidence(seen).get(name))}" for name in spec.dimensions.on]
    rate = f"{seen.n_scored / passed_s:,.0f} pairs/s"
    return f"{passed_s:5.1f} s  {seen.phase:<14} {seen.n_scored:>6,} of {n_queries:,} pairs  {rate:>13}  " + "  ".join(told)


def picture(spec: MigrationSpec, n_queries: int, seen: Seen, passed_s: float) -> RenderableType:
    """Return the live picture: where the migration is, and each dimension against its boundaries."""
    head = Text.assemble(
        ("  " + seen.phase, "bold cyan"),
        f"   challenger serves {_share(seen):.0%}   {seen.n_scored:,} of {n_queries:,} pairs   ",
        (f"{seen.n_scored / passed_s:,.0f} pairs/s", "bold"),
        f"   {passed_s:.1f} s",
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="dim")
    for title in ("dimension", "status", "good enough", "futile", "worse", "estimate", "units"):
        table.add_column(title)
    for name in spec.dimensions.on:
        table.add_row(*_row(spec, name, _evidence(seen).get(name)))
    waiting = "" if seen.snapshot is None else seen.snapshot.waiting_for
    lines = [Text(f"  waiting for {waiting}" if waiting and not seen.final else "", style="dim")]
    if seen.decisions:
        made = seen.decisions[-1]
        lines.append(Text(f"  last decision, at pair {made.n_pairs:,}: {made.reason}", style="dim"))
    if seen.n_dead:
        lines.append(Text(f"  {seen.n_dead:,} dead letters: {seen.dead_reason}", style="bold red"))
    return Group(head, Text(""), table, Text(""), *lines)


def _row(spec: MigrationSpec, name: str, evidence: DimensionEvidence | None) -> list[RenderableType]:
    measure = measure_of(spec, name)
    if evidence is None or measure is None:
        return [name, Text("no data yet", "dim"), _bar(0.0), "", "", "", "0"]
    return [
        name,
        Text(evidence.status, STYLES.get(evidence.status, "yellow")),
        Text.assemble(_bar(_ratio(evidence.log_e, evidence.threshold)), f" {evidence.log_e:6.2f} / {evidence.threshold:.2f}"),
        f"{evidence.log_e_futility:6.2f} / {evidence.futility_threshold:.2f}",
        f"{evidence.log_e_worse:6.2f} / {evidence.worse_threshold:.2f}",
        "" if evidence.estimate is None else measure.write(evidence.estimate),
        f"{evidence.n:,}",
    ]


def _evidence(seen: Seen) -> dict[str, DimensionEvidence]:
    if seen.snapshot is not None:
        return seen.snapshot.dimensions
    return seen.decisions[-1].dimensions if seen.decisions else {}


def _share(seen: Seen) -> float:
    commands = [d.routing_command for d in seen.decisions if d.routing_command]
    return commands[-1].live_share if commands else 0.0


def _of(evidence: DimensionEvidence | None) -> str:
    return "-" if evidence is None else f"{evidence.log_e:.2f}/{evidence.threshold:.2f}"


def _ratio(log_e: float, threshold: float) -> float:
    return min(1.0, max(0.0, log_e / threshold)) if threshold > 0 else 0.0


def _bar(ratio: float) -> Text:
    full = round(ratio * BAR)
    return Text.assemble(("█" * full, "green" if ratio >= 1 else "yellow"), ("░" * (BAR - full), "dim"))
