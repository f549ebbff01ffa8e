"""An operator's command: written to the ledger, and the gate's answer waited for on `evidence`."""

import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import typer
from confluent_kafka import Producer
from rich.console import Console

from dualgate.cli.operate.options import actor
from dualgate.cli.operate.reading import Found, Reader
from dualgate.cli.output import emit, say
from dualgate.processors.runtime.clients import producer_config
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import RecordError, TransientError
from dualgate.schemas.migration import MigrationConfig
from dualgate.schemas.records import Command, CommandKind, DecisionRecord, EvidenceRecord, LedgerEntry
from dualgate.schemas.registry import codec_for
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import EVIDENCE, LEDGER

DELIVERY_S = 10.0
EXIT_CODES = {"applied": 0, "unchanged": 0, "published": 0, "refused": 2, "unanswered": 1}
"""The exit code of each outcome."""
ONWARD = ("approve", "resume")
"""Commands that a transition may have waited for."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A command that stands in the ledger, and the gate's answer where one came."""

    command: Command
    partition: int
    offset: int
    waited_s: float | None
    answer: DecisionRecord | None = None
    then: DecisionRecord | None = None
    """The transition that only waited for this command."""

    @property
    def outcome(self) -> str:
        """Return applied, unchanged or refused by the gate; published where none was waited for; else unanswered."""
        if self.answer is not None:
            return self.answer.outcome or "applied"
        return "published" if self.waited_s is None else "unanswered"

    def document(self) -> dict[str, Any]:
        """Return what --json prints."""
        answer, last = self.answer, self.then or self.answer
        routing = last and last.routing_command
        return {
            "migration_id": self.command.migration_id,
            "command": self.command.kind,
            "command_id": self.command.command_id,
            "actor": self.command.actor,
            "outcome": self.outcome,
            "reason": answer.reason if answer else None,
            "from_phase": answer.from_phase if answer else None,
            "phase": last.to_phase if last else None,
            "epoch": last.epoch if last else None,
            "sequence": last.sequence if last else None,
            "live_share": routing.live_share if routing else None,
            "config_hash": self.command.config_hash,
            "ledger": {"partition": self.partition, "offset": self.offset},
        }

    def words(self) -> str:
        """Return one line that says what changed."""
        head = f"{self.command.migration_id}: {self.command.kind}"
        where = f"offset {self.offset} of the ledger"
        if self.outcome == "published":
            return f"{head} stands at {where}; not waited for"
        if self.answer is None:
            return (
                f"{head}: no gate answered within {self.waited_s:g} s; the command stands at {where} and takes effect when a "
                f"gate runs (dualgate worker gate); then `dualgate status {self.command.migration_id}` shows it"
            )
        return f"{head} {self.outcome}: {self.answer.reason}{_change(self.then or self.answer)}"


def _change(answer: DecisionRecord) -> str:
    if answer.outcome == "refused":
        return ""
    moved = f"{answer.from_phase} → {answer.to_phase}" if answer.from_phase != answer.to_phase else answer.to_phase
    share = f", challenger serves {answer.routing_command.live_share:.0%}" if answer.routing_command else ""
    return f" [{moved}{share}]" if moved else ""


def order(kind: CommandKind, migration_id: str, reason: str, config: MigrationConfig | None = None) -> Command:
    """Return a command of this user, now."""
    return Command(
        command_id=str(uuid.uuid4()),
        migration_id=migration_id,
        kind=kind,
        actor=actor(),
        reason=reason,
        config=None if config is None else config.to_json(),
        config_hash=None if config is None else config.config_hash,
        issued_at_ms=time.time_ns() // 1_000_000,
    )


def send(command: Command, settings: Settings, timeout_s: float | None) -> Sent:
    """Write a command to the ledger and wait for the gate's answer (None: do not wait); TransientError without a broker."""
    codec = codec_for(settings.schema_registry_url)
    with Reader(settings, (LEDGER, EVIDENCE), from_now=True) as reader:
        partition, offset = _publish(command, settings, codec)
        sent = Sent(command, partition, offset, timeout_s)
        if timeout_s is None:
            return sent
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = reader.poll()
            answer = answer_in(found, command.command_id, codec)
            if answer is not None:
                # Both are published together: one more look is enough for the one that came a moment later.
                then = following(answer, [*found, *reader.poll()] if command.kind in ONWARD else [], codec)
                return Sent(command, partition, offset, timeout_s, answer, then)
        return sent


def answer_in(found: Iterable[Found], command_id: str, codec: Codec) -> DecisionRecord | None:
    """Return the decision on a command among records; what cannot be read is no answer."""
    return next((each for each in _decisions(found, codec) if each.command_id == command_id), None)


def following(answer: DecisionRecord, found: Iterable[Found], codec: Codec) -> DecisionRecord | None:
    """Return the transition that a command has let happen: it stands at the same entry of the ledger."""
    place = (answer.migration_id, answer.ledger_partition, answer.ledger_offset)
    same = (e for e in _decisions(found, codec) if (e.migration_id, e.ledger_partition, e.ledger_offset) == place)
    return next((each for each in same if each.kind == "transition"), None)


def _decisions(found: Iterable[Found], codec: Codec) -> Iterator[DecisionRecord]:
    for each in found:
        if each.topic != EVIDENCE:
            continue
        try:
            decision = codec.decode(EvidenceRecord, each.value).decision
        except RecordError:
            continue
        if decision is not None:
            yield decision


def _publish(command: Command, settings: Settings, codec: Codec) -> tuple[int, int]:
    """Write to the ledger and return the place; TransientError where the broker does not take it in time."""
    told: list[tuple[Any, Any]] = []
    own = {"message.timeout.ms": int(DELIVERY_S * 1000), "linger.ms": 0, "log_level": 2}  # errors are told by us, once
    config = producer_config(settings, settings.name("operate")) | own
    producer = Producer(config)
    producer.produce(
        settings.topic_prefix + LEDGER,
        codec.encode(LedgerEntry(command=command)),
        command.migration_id,
        on_delivery=lambda error, message: told.append((error, message)),
    )
    producer.flush(DELIVERY_S + 1)
    if not told or told[0][0] is not None:
        why = told[0][0].str() if told else "no answer"
        raise TransientError(
            f"{command.kind} of {command.migration_id}: {settings.bootstrap_servers} did not take it within "
            f"{DELIVERY_S:.0f} s ({why}); it is safe to repeat"
        )
    return told[0][1].partition(), told[0][1].offset()


def carry_out(command: Command, settings: Settings, wait_s: float | None, json: bool) -> None:
    """Send a command, tell what came of it, and end with its exit code."""
    if wait_s is not None:
        say(f"{command.kind} of {command.migration_id} as {command.actor} to {settings.bootstrap_servers}")
    sent = send(command, settings, wait_s)
    code = EXIT_CODES[sent.outcome]

    def human(console: Console) -> None:
        console.print(sent.words(), markup=False)

    emit(sent.document(), json, human)
    if json and code:
        say(sent.words())
    raise typer.Exit(code)
