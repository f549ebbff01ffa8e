"""Whether a starting gate may trust what it remembers: its table against the ledger it is of, and against what it has commanded.

Outputs are delivered before the table is written. So a table that has applied the entry of a command knows that command; one
that does not has lost records, and going on from it would decide from half of the evidence. A table that is behind is no fault:
the ledger is folded on from where it stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from dualgate.gate.table import Book
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import RecordError, StateError, TransientError
from dualgate.schemas.records import RoutingCommand
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import DECISIONS, LEDGER

TIMEOUT_S = 30.0
Order = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """What stands on the broker: the ledger's first offset and the next to be written, the highest command of each migration."""

    low: int
    end: int
    commands: Mapping[str, RoutingCommand]


def distrust(book: Book, found: Found) -> str:
    """Return why the table cannot be trusted, with both numbers; nothing where it can."""
    if book.applied >= found.end:
        return f"the table has applied ledger offset {book.applied}, the ledger ends at {found.end - 1}: it was cut or made anew"
    if found.low > book.applied + 1:
        return f"the ledger begins at offset {found.low}, the table has applied {book.applied}: entries between are not there"
    try:
        known = {state.migration_id: _order(state.last_command) for state in book.states()}
    except StateError as error:
        return str(error)
    for name, command in sorted(found.commands.items()):
        if command.ledger_offset <= book.applied and known.get(name, (0, 0)) < _order(command):
            told, held = _words(_order(command)), _words(known[name]) if name in known else "nothing of it"
            return (
                f"the table has applied ledger offset {book.applied} and knows {held}, but {name} was given command {told} at "
                f"offset {command.ledger_offset}: records of the table are lost"
            )
    return ""


def _order(command: RoutingCommand) -> Order:
    return command.epoch, command.sequence


def _words(order: Order) -> str:
    return f"{order[0]}/{order[1]}"


def look(settings: Settings, codec: Codec) -> Found:
    """Read what stands on the broker now; TransientError where it does not answer."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": settings.name("gate-trust"),  # librdkafka wants a name; no group is joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 2,
        }
    )
    try:
        low, end = consumer.get_watermark_offsets(TopicPartition(settings.topic_prefix + LEDGER, 0), timeout=TIMEOUT_S)
        return Found(low, end, _commands(consumer, settings, codec))
    except KafkaException as failure:
        raise TransientError(f"{settings.bootstrap_servers} does not tell its ledger: {failure.args[0].str()}") from None
    finally:
        consumer.close()


def _commands(consumer: Consumer, settings: Settings, codec: Codec) -> dict[str, RoutingCommand]:
    topic, found = settings.topic_prefix + DECISIONS, dict[str, RoutingCommand]()
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    while (message := consumer.poll(TIMEOUT_S)) is not None:
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            return found
        if error is not None:
            raise KafkaException(error)
        try:
            command = codec.decode(RoutingCommand, message.value())
        except RecordError:  # somebody else's; routers do not obey it either
            continue
        held = found.get(command.migration_id)
        if held is None or _order(held) <= _order(command):
            found[command.migration_id] = command
    raise TransientError(f"{topic} was not read to its end within {TIMEOUT_S:.0f} s")
