"""How a query or an answer stands on its topic: topic, time and headers. Replay and the publisher do the same."""

from collections.abc import Mapping

from dualgate.schemas.records import Query, Response
from dualgate.schemas.topics import (
    QUERIES,
    RERUN_HEADER,
    RESPONSES_CHALLENGER,
    RESPONSES_INCUMBENT,
    RESPONSES_RERUN,
)

Headers = list[tuple[str, str | bytes | None]]


def topic_of(record: Query | Response, rerun: bool = False) -> str:
    """Return the topic of a record; a re-run is the incumbent's second answer."""
    if isinstance(record, Query):
        return QUERIES
    if rerun:
        return RESPONSES_RERUN
    return RESPONSES_INCUMBENT if record.arm == "incumbent" else RESPONSES_CHALLENGER


def timestamp_of(record: Query | Response) -> int:
    """Return the time of a record in epoch milliseconds: when the query was asked, when the answer was there."""
    if isinstance(record, Query):
        return record.asked_at_ms
    return record.started_at_ms + round(record.service_ms)


def headers_of(topic: str, value: Mapping[str, object]) -> Headers:
    """Return the headers of a record's plain form: pairing learns from them, without decoding, to await a re-run."""
    return [(RERUN_HEADER, b"1")] if topic == QUERIES and value.get("rerun") else []
