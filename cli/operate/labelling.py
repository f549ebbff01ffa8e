"""People's verdicts on a broker: which pairs wait for one, what people are shown of them, and the verdicts onto the ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import Producer

from dualgate.cli.operate.reading import Found, Reader
from dualgate.cli.operate.verifying import line_of
from dualgate.gate.fold import At, migration_of, step
from dualgate.gate.labels import epoch_of
from dualgate.gate.line import Row
from dualgate.gate.state import MigrationState
from dualgate.processors.runtime.clients import producer_config
from dualgate.processors.scoring.block import hash_of
from dualgate.producers.labels import ARMS, PLACES, hidden
from dualgate.schemas.errors import ConfigError, RecordError, TransientError
from dualgate.schemas.records import Arm, Label, LedgerEntry, Pair
from dualgate.schemas.registry import codec_for
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import LEDGER, PAIRS

DELIVERY_S = 10.0
MAX_SHOWN = 4_000
"""Characters of a result that a person is shown, as many as the rater."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One answer that a person is to look at; which arm gave it is not told. Texts are None where `pairs` keeps them no more."""

    query_hash: str
    answer: str
    waits_ms: int
    epoch: int
    query_id: str | None = None
    question: str | None = None
    text: str | None = None
    result: str | None = None


def state_of(migration_id: str, settings: Settings) -> MigrationState:
    """Return a migration as the ledger makes it; ConfigError where the ledger does not know it or nothing rates it."""
    codec, state = codec_for(settings.schema_registry_url), None
    with Reader(settings, (LEDGER,)) as reader:
        lines = [line_of(found, codec) for found in reader.to_ends()]
    for line in lines:
        try:
            if line.entry is not None and migration_of(line.entry) == migration_id:
                state, _ = step(state, migration_id, line.entry, At(line.partition, line.offset, line.time_ms))
        except RecordError:
            continue
    if state is None:
        entries = [line.entry for line in lines if line.entry is not None]
        known = ", ".join(sorted({e.command.migration_id for e in entries if e.command and e.command.kind == "start"})) or "none"
        raise ConfigError(f"there is no migration {migration_id} on {settings.bootstrap_servers}; known: {known}")
    if state.line is None:
        raise ConfigError(f"{migration_id}: its file names no scoring.rater, so no label is wanted")
    return state


def wanted(state: MigrationState, settings: Settings) -> list[Wanted]:
    """Return the answers that wait for a verdict, in the order in which they stop the line."""
    assert state.line is not None
    rows = state.line.waiting if state.active else ()
    pairs = _pairs(state.migration_id, {row.query_hash for row in rows}, settings) if rows else {}
    return [each for row in rows for each in _shown(row, state, pairs.get(row.query_hash))]


def _pairs(migration_id: str, hashes: set[str], settings: Settings) -> dict[str, Pair]:
    codec, prefix, found = codec_for(settings.schema_registry_url), f"{migration_id}/", dict[str, Pair]()

    def mine(record: Found) -> bool:
        key = record.key or ""
        return key.startswith(prefix) and hash_of(migration_id, key.removeprefix(prefix)) in hashes

    with Reader(settings, (PAIRS,)) as reader:
        for record in reader.to_ends(mine):
            try:
                pair = codec.decode(Pair, record.value)
            except RecordError:
                continue
            found[hash_of(migration_id, pair.query.query_id)] = pair
    return found


def _shown(row: Row, state: MigrationState, pair: Pair | None) -> list[Wanted]:
    """Return what is to be looked at of a pair: the answers without a verdict, in the order of a hash."""
    shown = []
    for place, arm in zip(PLACES, hidden(row.query_hash), strict=True):
        if row.said[ARMS.index(arm)] is not None:
            continue
        bare = Wanted(row.query_hash, place, state.ledger_clock_ms - row.drawn_at_ms, state.migration.epoch)
        shown.append(_answer(bare, arm, pair))
    return shown


def _answer(bare: Wanted, arm: Arm, pair: Pair | None) -> Wanted:
    if pair is None:
        return bare
    given = pair.incumbent if arm == "incumbent" else pair.challenger
    result = None if given.result is None else given.result[:MAX_SHOWN]
    return replace(bare, query_id=pair.query.query_id, question=pair.query.text, text=given.output, result=result)


def unknown(labels: Iterable[Label], state: MigrationState) -> list[str]:
    """Return the queries of verdicts that no pair in the line waits for, each once."""
    waiting = {row.query_hash for row in state.line.waiting} if state.line is not None and state.active else set()
    return list(dict.fromkeys(label.query_hash for label in labels if label.query_hash not in waiting))


def of_others(labels: Iterable[Label], state: MigrationState) -> int:
    """Return how many verdicts are on answers of another epoch than the present one, and so count for nothing."""
    return sum(epoch_of(label) != state.migration.epoch for label in labels)


def publish(labels: Sequence[Label], settings: Settings) -> None:
    """Write verdicts to the ledger in their order; TransientError with how many a broker did not take (it is safe to repeat)."""
    codec, failed = codec_for(settings.schema_registry_url), list[Any]()
    own = {"message.timeout.ms": int(DELIVERY_S * 1000), "log_level": 2}
    producer = Producer(producer_config(settings, settings.name("label")) | own)
    for label in labels:
        producer.produce(
            settings.topic_prefix + LEDGER,
            codec.encode(LedgerEntry(label=label)),
            label.migration_id,
            on_delivery=lambda error, _message: failed.append(error) if error is not None else None,
        )
        producer.poll(0)
    left = producer.flush(DELIVERY_S + 1) + len(failed)
    if left:
        why = f" ({failed[0].str()})" if failed else ""
        raise TransientError(
            f"{settings.bootstrap_servers} did not take {left} of {len(labels)} verdicts{why}; it is safe to publish all again"
        )
