"""Notices a client that has lost its broker for good while others find it.

librdkafka forgets every address it knows when a broker says that the cluster has no brokers, as Apache Kafka does for a moment
while it ends in order (librdkafka issue 5301; measured with 2.16.0). Told so again while it looks for its group's coordinator,
the client never asks again: it reads nothing for ever, with no error. Only another client helps.
"""

import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException

from dualgate.processors.runtime.clients import make_admin
from dualgate.schemas.errors import TransientError
from dualgate.schemas.settings import Settings

QUIET_S = 10.0
"""Silence after which a client is asked whether it finds its broker: one small request in this time, where nothing comes.

The answer waits behind the client's open fetch, half a second at most: nothing to an idle worker, much to one that is idle on
this topic alone.
"""
ANSWER_S = 5.0


class Hearing:
    """Whether a client that hears nothing could hear anything."""

    def __init__(
        self,
        settings: Settings,
        client: Any,
        topic: str,
        other: Callable[[Settings], Any] = make_admin,
        quiet_s: float | None = None,
    ) -> None:
        self._settings, self._client, self._topic, self._other = settings, client, topic, other
        self._quiet_s = QUIET_S if quiet_s is None else quiet_s
        self._heard_s = time.monotonic()

    def tick(self, heard: bool) -> None:
        """Say after each reading whether anything came.

        TransientError where the client finds no broker and a new one does. While the broker is away for all, nothing happens:
        an outage is waited for.
        """
        now_s = time.monotonic()
        if not heard and now_s - self._heard_s < self._quiet_s:
            return
        self._heard_s = now_s
        if heard or self._finds(self._client):
            return
        if self._finds(self._other(self._settings)) and not self._finds(self._client):
            raise TransientError(
                f"nothing was heard of {self._topic} for {self._quiet_s:.0f} s: this client no longer finds "
                f"{self._settings.bootstrap_servers}, a new one does"
            )

    def _finds(self, client: Any) -> bool:
        try:
            return bool(client.list_topics(self._topic, timeout=ANSWER_S).brokers)
        except KafkaException:
            return False
