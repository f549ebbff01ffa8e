"""A backtest: start the migration, feed the gate's fold what the log says, and tell the story."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from dualgate.gate.evidence import snapshot
from dualgate.gate.fold import At, Output, step
from dualgate.gate.hypotheses import hypotheses
from dualgate.gate.state import MigrationState
from dualgate.lab.backtest.asking import Asking, Hear, Heard
from dualgate.lab.backtest.blocks import Blocks
from dualgate.lab.backtest.gaps import Gaps, Told, lines
from dualgate.lab.backtest.join import Joined, join
from dualgate.lab.backtest.labels import of_epochs, with_labels
from dualgate.lab.backtest.sessions import by_session
from dualgate.processors.scoring.migrations import close, open_migration
from dualgate.schemas.archive import Archived, read_archive
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationConfig
from dualgate.schemas.records import Command, EvidenceRecord, Label, LedgerEntry, Migration
from dualgate.schemas.settings import PairingTimes, load_settings
from dualgate.schemas.topics import INPUTS, LEDGER, MIGRATIONS
from dualgate.sinks.archive import read_topic
from dualgate.sinks.report import Story, sentence, summary
from dualgate.sinks.report.guards import label_lines

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a backtest found: its story, what did not count, by reason, and why observations have no score, by dimension."""

    story: Story
    counts: Mapping[str, int] = field(default_factory=dict)
    dead_reasons: tuple[str, ...] = ()
    missing: Told = field(default_factory=dict)
    heard: Heard | None = None
    """What a rater said, where one was asked."""

    def document(self) -> dict[str, Any]:
        """Return what `dualgate backtest --json` prints."""
        told = {"sentence": sentence(self.story), "counts": dict(self.counts), "dead_reasons": list(self.dead_reasons)}
        rater = None if self.heard is None else asdict(self.heard)
        return summary(self.story) | told | {"missing_reasons": self.missing, "rater": rater}

    def reported(self) -> Story:
        """Return the story with what has no score and why among its notes."""
        return replace(self.story, notes=(*self.story.notes, *(f"Not scored: {line}." for line in lines(self.missing))))


class Ledger:
    """The ledger of a backtest: entries get their places and the gate's fold takes them in one after another.

    Its clock stands, but for a millisecond an entry: no time passes while a log is read, so no lease runs out and no
    silence is counted. The evidence clock is in the entries.
    """

    def __init__(self, migration_id: str, start_ms: int) -> None:
        self._migration_id, self._start_ms = migration_id, start_ms
        self._state: MigrationState | None = None
        self._offset = 0
        self.evidence: list[EvidenceRecord] = []

    def append(self, entry: LedgerEntry) -> list[Output]:
        """Take in an entry and return what the gate puts out."""
        at = At(0, self._offset, self._start_ms + self._offset)
        self._state, outputs = step(self._state, self._migration_id, entry, at, closed=True)
        self._offset += 1
        self.evidence += [output.record for output in outputs if isinstance(output.record, EvidenceRecord)]
        return outputs

    def end(self) -> list[EvidenceRecord]:
        """Return the evidence with a last snapshot, of the moment at which the log ends."""
        last = [] if self._state is None else [snapshot(self._state, 0, self._offset, None)]
        return self.evidence + last


def backtest(
    config: MigrationConfig,
    log: Path,
    tell: Tell = lambda *_: None,
    times: PairingTimes | None = None,
    labels: Sequence[Label] = (),
    hear: Hear = lambda _: None,
) -> Backtest:
    """Decide a migration on an archived log, in event-time order; ConfigError where log and configuration do not fit.

    labels: what people said of pairs that a rater has rated, besides those that an archive's ledger holds. hear: is told how far
    a rater is, while it is asked; TransientError where nothing that it says can be used.
    """
    times = times or PairingTimes.of(load_settings({}))
    joined = join(_lines(log), config.spec.migration, times, name=str(log))
    said, n_others = of_epochs(labels, _archived_labels(log, config.spec.migration), archived_epochs(log, config))
    ledger = Ledger(config.spec.migration, _begin_ms(joined))
    scoring = open_migration(_accepted(ledger.append(_start(config, joined)), ledger))
    asking = Asking(hear)
    gaps = Gaps([hypothesis.name for hypothesis in hypotheses(config.spec)])
    try:
        blocks = Blocks(scoring, joined, times, lambda n_done: tell(n_done, len(joined.pairs)), asking)
        entries = gaps.over(blocks.entries())
        units = by_session(entries) if config.spec.unit.by == "session" else entries
        for entry in with_labels(units, said):
            ledger.append(entry)
    finally:
        close(scoring)
    counts = {**joined.counts, **blocks.counts, "unpaired": len(joined.unpaired)}
    counts |= {"labels.other_epoch": n_others} if n_others else {}
    evidence = ledger.end()
    heard = asking.heard() if asking.heard().asked else None
    notes = [*_notes(joined), *rated_note(config, evidence), *_unusable(heard)]
    story = Story.of(config, evidence, len(joined.pairs), notes)
    return Backtest(story, counts, tuple(sorted({letter.reason for letter in blocks.dead})), gaps.told(), heard)


def _lines(log: Path) -> Iterator[Archived]:
    """Yield the traffic of a log, or of the folder that `dualgate archive` writes."""
    if not log.is_dir():
        yield from read_archive(log)
        return
    for topic in INPUTS:
        yield from read_topic(log, topic)


def _archived_labels(log: Path, migration_id: str) -> Iterator[Label]:
    """Yield the verdicts on the ledger of an archive's folder."""
    for line in read_topic(log, LEDGER) if log.is_dir() else ():
        label: Label | None = line.record().label if line.key == migration_id and line.value.get("label") else None
        if label is not None:
            yield label


def archived_epochs(log: Path, config: MigrationConfig) -> set[int]:
    """Return the epochs of an archive's folder that compared the versions of the configuration."""
    spec = config.spec
    lines = read_topic(log, MIGRATIONS) if log.is_dir() else ()
    found = (line.record() for line in lines if line.key == spec.migration)
    known = (each for each in found if isinstance(each, Migration))  # what could not be decoded is a dead letter in its place
    return {m.epoch for m in known if (m.incumbent_version, m.challenger_version) == (spec.incumbent, spec.challenger)}


def _start(config: MigrationConfig, joined: Joined) -> LedgerEntry:
    command = Command(
        command_id="backtest",
        migration_id=config.spec.migration,
        kind="start",
        actor="backtest",
        reason="backtest of an archived log",
        config=config.to_json(),
        config_hash=config.config_hash,
        issued_at_ms=_begin_ms(joined),
    )
    return LedgerEntry(command=command)


def _accepted(outputs: list[Output], ledger: Ledger) -> Migration:
    """Return the configuration as the gate accepted it; ConfigError with the gate's words where it did not."""
    for output in outputs:
        if isinstance(output.record, Migration):
            return output.record
    refusals = [record.decision.reason for record in ledger.evidence if record.decision is not None]
    raise ConfigError(f"the gate did not accept the migration: {'; '.join(refusals) or 'it gave no reason'}")


def _begin_ms(joined: Joined) -> int:
    return min(at for _, _, at in joined.pairs + joined.unpaired)


def rated_note(config: MigrationConfig, evidence: Sequence[EvidenceRecord]) -> list[str]:
    """Return by whom correctness was rated, and how people's labels stand beside that."""
    rater, last = config.spec.scoring.rater, next((each.snapshot for each in reversed(evidence) if each.snapshot), None)
    if rater is None or last is None or "correctness" not in config.spec.dimensions.on:
        return []
    told = "; ".join(label_lines(last.counters)) or "labels: no pair was drawn"
    return [
        f"Correctness is rated by {rater.model} {rater.version} and corrected by people's labels. {told[0].upper()}{told[1:]}."
    ]


def _unusable(heard: Heard | None) -> list[str]:
    if heard is None or not heard.unusable:
        return []
    return [f"{heard.unusable:,} of {heard.rated:,} ratings were unusable, the first: {heard.first_reason}."]


def _notes(joined: Joined) -> Iterator[str]:
    if joined.composed:
        yield f"Composed, not recorded: {', '.join(sorted(joined.composed))}. What is said about them is about the model."
    if joined.others:
        others = ", ".join(f"{name} ({n:,} records)" for name, n in sorted(joined.others.items()))
        yield f"The log also holds other migrations, which were left out: {others}."
