"""An archived log joined into pairs in event-time order, by the rules and the code of the live pairing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from dualgate.processors.pairing.records import QUERY, Output, Outputs, Writer
from dualgate.processors.pairing.window import Window
from dualgate.schemas.archive import Archived
from dualgate.schemas.codec import HEADER_SIZE, Codec
from dualgate.schemas.errors import ConfigError, RecordError
from dualgate.schemas.records import Pair, Unpaired
from dualgate.schemas.settings import PairingTimes
from dualgate.schemas.topics import INPUTS, split_key

BATCH = 2_000
Traffic = tuple[int, int, bytes, bytes, bool]
"""Time, role, key, body, and whether a re-run is awaited."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What a log holds of one migration: pairs in the order in which they became whole, and what did not become one.

    Both are records as they would stand on `pairs` and `unpaired`: key, value and timestamp. `composed` names what of the
    log nobody has recorded, such as latencies.
    """

    pairs: list[Output] = field(default_factory=list)
    unpaired: list[Output] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    composed: frozenset[str] = frozenset()


def join(
    lines: Iterable[Archived], migration_id: str, times: PairingTimes, codec: Codec | None = None, name: str = "the log"
) -> Joined:
    """Join a migration's queries and answers; ConfigError, with the log's name, where it holds none of its queries."""
    codec, others, composed = codec or Codec(), dict[str, int](), set[str]()
    traffic = sorted(_traffic(lines, migration_id, others, composed), key=lambda each: each[:2])
    if not any(role == QUERY for _, role, _, _, _ in traffic):
        held = ", ".join(f"{name} ({n:,} records)" for name, n in sorted(others.items())) or "no traffic at all"
        raise ConfigError(f"{name} holds no query of migration {migration_id}; it holds {held}")
    out = _joined(traffic, times, codec)
    return Joined(out.pairs, sorted(out.unpaired, key=lambda each: each[2]), out.counts, others, frozenset(composed))


def _traffic(lines: Iterable[Archived], migration_id: str, others: dict[str, int], composed: set[str]) -> Iterator[Traffic]:
    for line in lines:
        if line.topic not in INPUTS:
            continue
        key = _key(line)
        name = split_key(key)[0]
        if name != migration_id:
            others[name] = others.get(name, 0) + 1
            continue
        role = INPUTS.index(line.topic)
        rerun = role == QUERY and bool(line.value.get("rerun"))
        if told := (line.value.get("context") or {}).get("composed"):
            composed.update(told.split(","))
        yield line.timestamp_ms, role, key, line.avro()[HEADER_SIZE:], rerun


def _key(line: Archived) -> bytes:
    key = None if line.key is None else line.key.encode()
    try:
        split_key(key)
    except RecordError as error:
        raise ConfigError(f"{line.where}: {error}") from None
    return key or b""


def _joined(traffic: list[Traffic], times: PairingTimes, codec: Codec) -> Outputs:
    """Feed a window in event-time order; time moves between batches and, at the end, past everything."""
    out = Outputs()
    window = Window(times, Writer(codec.header(Pair), codec.header(Unpaired)))
    for start in range(0, len(traffic), BATCH):
        batch = traffic[start : start + BATCH]
        for role, records in groupby(batch, key=lambda each: each[1]):
            _feed(window, role, list(records), out)
        window.move(batch[-1][0] // times.grain_ms * times.grain_ms, out)
    end_ms = traffic[-1][0] + times.window_ms + times.skew_ms + 2 * times.grain_ms
    window.move(end_ms // times.grain_ms * times.grain_ms, out)
    return out


def _feed(window: Window, role: int, records: list[Traffic], out: Outputs) -> None:
    at, keys, bodies = [r[0] for r in records], [r[2] for r in records], [r[3] for r in records]
    if role == QUERY:
        window.queries(keys, at, bodies, [r[4] for r in records], out)
    else:
        window.answers(role, keys, at, bodies, out)
