"""What a new owner begins with: whole groups of partitions, their committed positions, each checked against its topic."""

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import TopicPartition

from dualgate.processors.pairing.positions import Position, decode
from dualgate.processors.runtime.clients import check_within, watermarks
from dualgate.schemas.errors import StateError

_ON_PURPOSE = "reset the consumer group on purpose, or use another topic prefix"


def group_numbers(partitions: Sequence[TopicPartition], topics: Sequence[str], n_partitions: int) -> list[int]:
    """Return the numbers of the assigned groups; StateError where the assignment cuts one, or topics have grown."""
    of_topic = {topic: sorted(p.partition for p in partitions if p.topic == topic) for topic in topics}
    numbers = of_topic[topics[0]]
    if any(other != numbers for other in of_topic.values()):
        raise StateError(f"the assignment cuts groups of partitions: {of_topic}; all members must use the range assignor")
    if any(number >= n_partitions for number in numbers):
        raise StateError(f"partitions were added to the traffic topics ({numbers}): keys are no longer where their pairs are")
    return numbers


def group_start(consumer: Any, number: int, places: Sequence[TopicPartition], lineages: Mapping[str, str]) -> list[Position]:
    """Return the committed positions of a group, by role; StateError where some of its partitions have none.

    A broker drops the offsets of a deleted topic: one of the topics was made anew.
    """
    fresh = [place.topic for place in places if not place.metadata]
    if fresh and len(fresh) < len(places):
        raise StateError(
            f"group {number} has committed positions, but not in {', '.join(fresh)}: made anew? Going on would pair "
            f"old queries with new answers: {_ON_PURPOSE}"
        )
    return [_position(consumer, place, lineages[place.topic]) for place in places]


def _position(consumer: Any, place: TopicPartition, lineage: str) -> Position:
    """Return a partition's start; StateError unless it is the topic of old, and low <= offset <= H <= high."""
    if not place.metadata:  # nothing committed yet, or set by an operator's tool
        return Position(place.offset, place.offset, lineage)
    position = decode(place.offset, place.metadata)
    check_lineage(place.topic, position.lineage, lineage)
    low, high = watermarks(consumer, place)
    check_within(place.topic, place.partition, low, position.handled, high)
    return position


def check_lineage(topic: str, known: str, present: str) -> None:
    """Raise StateError where a topic is not the one that was read before, though it has its name."""
    if known != present:
        raise StateError(
            f"{topic} was topic {known} and is {present} now: made anew. Going on would pair old queries with new answers, or "
            f"pass records over: {_ON_PURPOSE}"
        )
