"""Consumed messages as runs: one for each partition of the batch, in columns; ends of partitions beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError

from dualgate.processors.pairing.records import QUERY
from dualgate.processors.pairing.runs import Run
from dualgate.processors.runtime.faults import error_of
from dualgate.schemas.topics import RERUN_HEADER

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(slots=True)
class Batch:
    """What one call of consume() brought: runs by group number, and the next offset of each partition read to its end."""

    runs: list[tuple[int, Run]] = field(default_factory=list)
    read: set[Place] = field(default_factory=set)
    ends: dict[Place, int] = field(default_factory=dict)


def sort_out(messages: Iterable[Any], roles: Mapping[str, int], slot: bool = False) -> Batch:
    """Return the batch of consumed messages; raises the error that one of them stands for. slot: the process has one."""
    batch = Batch()
    by_place: dict[Place, list[Any]] = {}
    for message in messages:
        place = (message.topic(), message.partition())
        error = message.error()
        if error is None:
            held = by_place.get(place)
            if held is None:
                by_place[place] = [message]
            else:
                held.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            batch.ends[place] = message.offset()
        else:
            raise error_of(error, f"reading {place[0] or 'the input topics'}: {error.str()}", slot)
    for place, held in by_place.items():
        run = _run(roles[place[0]], held)
        batch.runs.append((place[1], run))
        batch.read.add(place)
        if batch.ends.get(place, -1) <= run.offsets[-1]:
            batch.ends.pop(place, None)
    return batch


def _run(role: int, messages: Sequence[Any]) -> Run:
    return Run(
        role,
        [message.offset() for message in messages],
        [message.timestamp()[1] for message in messages],
        [message.key() for message in messages],
        [message.value() for message in messages],
        [_awaits_rerun(message.headers()) for message in messages] if role == QUERY else (),
    )


def _awaits_rerun(headers: Iterable[tuple[str, bytes]] | None) -> bool:
    return headers is not None and any(name == RERUN_HEADER for name, _ in headers)
