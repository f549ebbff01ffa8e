"""Three ways for pairing workers to share groups of partitions: do topics stay together, how long takes a change, what moves?

python -m benchmarks.pairing_membership [--json]

Bare consumers with the workers' settings on the four input topics, eight groups: from one member to four, each of the four
restarted in turn, and back to one. *Cut* are assignments in which a group's topics are apart: a worker stops at the first one.
*Taken from members that stayed* are groups that must be built again though their owner was not touched.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any

from benchmarks.side_by_side import Measurement, report
from confluent_kafka import Consumer, TopicPartition

from dualgate.cli.broker import LocalBroker
from dualgate.cli.topic_admin import create_topics
from dualgate.processors.runtime.clients import consumer_config
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import INPUTS

N_GROUPS = 8
WAYS = ("classic protocol", "classic protocol, static members", "KIP-848")


class Member:
    """A consumer in a thread of its own, and the groups that it owns."""

    def __init__(self, config: dict[str, Any], topics: list[str]) -> None:
        self.owned: set[int] = set()
        self.cut, self.taken = 0, 0
        self._incremental = "group.protocol" in config
        self._over = threading.Event()
        self._consumer: Any = Consumer(config)
        self._consumer.subscribe(topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def leave(self) -> None:
        """Leave the group."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            self._consumer.poll(0.1)
        self._consumer.close()

    def _assigned(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        self.owned |= self._whole(partitions)
        (consumer.incremental_assign if self._incremental else consumer.assign)(partitions)

    def _revoked(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        gone = self._whole(partitions)
        self.owned -= gone
        if not self._over.is_set():
            self.taken += len(gone)
        if self._incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    def _whole(self, partitions: Iterable[TopicPartition]) -> set[int]:
        topics: dict[int, int] = {}
        for place in partitions:
            topics[place.partition] = topics.get(place.partition, 0) + 1
        self.cut += sum(n != len(INPUTS) for n in topics.values())
        return set(topics)


class Share:
    """Members of one consumer group that share the groups of partitions in one way."""

    def __init__(self, settings: Settings, way: str) -> None:
        self._settings, self._way, self._name = settings, way, uuid.uuid4().hex
        self._topics = [settings.topic_prefix + name for name in INPUTS]
        self.members: list[Member] = []
        self._ended: list[Member] = []

    def grow(self, n: int) -> None:
        """Let members join until there are so many."""
        self.members += [self._member(slot) for slot in range(len(self.members), n)]

    def shrink(self, n: int) -> None:
        """Let the last ones leave until there are so many."""
        while len(self.members) > n:
            self._leave(self.members.pop())

    def restart(self, slot: int) -> None:
        """End a member and start it again."""
        self._leave(self.members[slot])
        self.members[slot] = self._member(slot)

    def settle(self) -> float:
        """Wait until every group has one owner and all members as many groups; return how long that took."""
        began = time.perf_counter()
        fair = [N_GROUPS // len(self.members)] * len(self.members)
        while [len(member.owned) for member in self.members] != fair or len(self._owned()) != N_GROUPS:
            time.sleep(0.02)
        return time.perf_counter() - began

    def told(self, name: str) -> int:
        """Return the sum of a count over all members that ever were."""
        return sum(getattr(member, name) for member in (*self.members, *self._ended))

    def _owned(self) -> set[int]:
        return set().union(*(member.owned for member in self.members))

    def _leave(self, member: Member) -> None:
        member.leave()
        self._ended.append(member)

    def _member(self, slot: int) -> Member:
        config = consumer_config(self._settings, self._name, f"{self._name}-{slot}" if "static" in self._way else None)
        config["auto.offset.reset"] = "earliest"  # the worker gives positions itself
        if self._way == "KIP-848":
            for name in ("partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"):
                config.pop(name)  # the broker says how, and in which times
            config |= {"group.protocol": "consumer", "group.remote.assignor": "range"}
        return Member(config, self._topics)


def measure(settings: Settings, way: str) -> list[Measurement]:
    """Return what each change took in one way."""
    share = Share(settings, way)
    share.grow(1)
    share.settle()
    share.grow(4)
    out = share.settle()
    before, restarts = share.told("taken"), []
    for slot in range(4):
        share.restart(slot)
        restarts.append(share.settle())
    rolled = share.told("taken") - before
    share.shrink(1)
    back = share.settle()
    taken = share.told("taken")
    share.shrink(0)
    return [
        Measurement(f"{way}: cut", share.told("cut"), "groups"),
        Measurement(f"{way}: one to four", out, "s"),
        Measurement(f"{way}: a restart of four, the mean", sum(restarts) / 4, "s"),
        Measurement(f"{way}: four to one", back, "s"),
        Measurement(f"{way}: taken by four restarts", rolled, "groups"),
        Measurement(f"{way}: taken in all", taken, "groups"),
    ]


def main() -> None:
    """Each way in turn on one broker."""
    with LocalBroker() as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap_servers, topic_prefix=f"bench{uuid.uuid4().hex[:8]}.")
        create_topics(settings.bootstrap_servers, settings.topic_prefix, N_GROUPS)
        measured = [each for way in WAYS for each in measure(settings, way)]
    report(measured, [], __doc__ or "")


if __name__ == "__main__":
    main()
