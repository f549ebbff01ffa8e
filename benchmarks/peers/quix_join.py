"""The join by Quix Streams: two interval joins in its state store with changelog, exactly once. SERVERS PREFIX N"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

from quixstreams import Application
from told import CHALLENGERS, INCUMBENTS, QUERIES, Told

WINDOW_MS, SKEW_MS = 20_000, 5_000


def main(servers: str, prefix: str, n: int) -> None:
    """Join until n records are read."""
    told = Told(n)
    app = Application(
        broker_address=servers,
        consumer_group=f"{prefix}quix-join",
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        state_dir=tempfile.mkdtemp(prefix="quix-join-"),
        loglevel="ERROR",
    )

    def source(name: str) -> Any:
        topic = app.topic(prefix + name, key_deserializer="bytes", value_deserializer="bytes")

        def text(value: bytes) -> str:
            told.read()
            return value.decode("latin-1")  # its store keeps JSON

        return app.dataframe(topic).apply(text)

    span: dict[str, Any] = {"backward_ms": SKEW_MS, "forward_ms": WINDOW_MS, "grace_ms": WINDOW_MS + SKEW_MS}

    def whole(left: str, right: str) -> str:
        told.joined += 1
        return left + right

    both = source(QUERIES).join_interval(source(INCUMBENTS), on_merge=lambda left, right: left + right, **span)
    joined = both.join_interval(source(CHALLENGERS), on_merge=whole, **span)
    out = app.topic(f"{prefix}joined.quix", key_serializer="bytes", value_serializer="bytes")
    joined.apply(lambda text: text.encode("latin-1")).to_topic(out)
    app.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
