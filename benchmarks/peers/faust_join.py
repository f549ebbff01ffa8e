"""The join by Faust: one agent a topic, a table of what waits with its changelog, at least once. SERVERS PREFIX N"""

from __future__ import annotations

import sys
from typing import Any

import faust
from told import CHALLENGERS, INCUMBENTS, QUERIES, TOPICS, Told


def main(servers: str, prefix: str, n: int) -> None:
    """Join until n records are read."""
    told = Told(n)
    app = faust.App(
        f"{prefix}faust-join",
        broker=f"kafka://{servers}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_partitions=4,
    )
    raw: dict[str, Any] = {"key_type": bytes, "key_serializer": "raw", "value_type": bytes, "value_serializer": "raw"}
    out = app.topic(f"{prefix}joined.faust", **raw)
    waiting = app.Table("waiting", partitions=4, key_type=str, value_type=list)

    async def take(stream: Any, role: int) -> None:
        async for key, value in stream.items():
            name = key.decode()
            entry = list(waiting.get(name) or (None, None, None))
            entry[role] = value.decode("latin-1")
            if None in entry:
                waiting[name] = entry
            else:
                waiting.pop(name, None)
                await out.send(key=key, value="".join(entry).encode("latin-1"))
                told.joined += 1
            told.read()

    def agent(role: int, topic: str) -> None:
        async def run(stream: Any) -> None:
            await take(stream, role)

        run.__name__ = f"join{role}"
        app.agent(app.topic(prefix + topic, **raw), name=f"join{role}")(run)

    assert TOPICS == (QUERIES, INCUMBENTS, CHALLENGERS)
    for role, topic in enumerate(TOPICS):
        agent(role, topic)
    faust.Worker(app, loglevel="ERROR").execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
