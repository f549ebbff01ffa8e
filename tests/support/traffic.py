"""Traffic for pairing and the oracle that says, from the input records alone, what must come out of it."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from dualgate.schemas.codec import Codec
from dualgate.schemas.records import Query, Response
from dualgate.schemas.settings import PairingTimes
from dualgate.schemas.topics import traffic_key

CODEC = Codec()
START_MS = 1_600_000_000_000
QUERY, INCUMBENT, CHALLENGER, RERUN = range(4)


@dataclass(frozen=True, slots=True)
class Sent:
    """One input record as it stands on its topic; role is that of the topic; note tells copies of one record apart.

    A partition of -1 is the one that the key belongs to.
    """

    role: int
    time: int
    key: bytes
    value: bytes | None
    rerun: bool = False
    note: str = ""
    partition: int = -1


def query(name: str, time: int, migration: str = "m", rerun: bool = False, note: str = "") -> Sent:
    """Return a query's record; the note is its text."""
    record = Query(query_id=name, migration_id=migration, asked_at_ms=time, text=note, rerun=rerun)
    return Sent(QUERY, time, traffic_key(migration, name), CODEC.encode(record), rerun, note)


def answer(role: int, name: str, time: int, migration: str = "m", note: str = "") -> Sent:
    """Return an answer's record; the note is its output."""
    record = Response(
        query_id=name,
        migration_id=migration,
        arm="challenger" if role == CHALLENGER else "incumbent",
        agent_version="v",
        output=note,
        service_ms=1.0,
        started_at_ms=time,
    )
    return Sent(role, time, traffic_key(migration, name), CODEC.encode(record), False, note)


@dataclass(frozen=True, slots=True)
class Shape:
    """What goes wrong in generated traffic, as shares of the queries; times in milliseconds of record time."""

    gap_ms: int = 20
    delay_ms: int = 1_500
    missing: float = 0.03
    late: float = 0.02
    early: float = 0.02
    twice: float = 0.03
    rerun: float = 0.1
    orphans: float = 0.01
    migrations: Sequence[str] = ("m",)


@dataclass(slots=True)
class Traffic:
    """Records in time order (each partition's log is in order then) and the last time among them."""

    records: list[Sent] = field(default_factory=list)

    def sorted(self) -> list[Sent]:
        """Return the records in time order."""
        return sorted(self.records, key=lambda sent: sent.time)


def traffic(n: int, seed: int, times: PairingTimes, shape: Shape = Shape()) -> list[Sent]:
    """Return n queries and their answers in time order, with repeats, late, early, missing and orphaned ones among them."""
    rng = random.Random(seed)
    made = Traffic()
    for i in range(n):
        _one(made, rng, f"q{i:07d}", START_MS + i * shape.gap_ms, times, shape)
    return made.sorted()


def _one(made: Traffic, rng: random.Random, name: str, time: int, times: PairingTimes, shape: Shape) -> None:
    migration = shape.migrations[rng.randrange(len(shape.migrations))]
    rerun = rng.random() < shape.rerun
    add = made.records.append
    if rng.random() < shape.orphans:
        add(answer(rng.choice((INCUMBENT, CHALLENGER)), f"o{name}", time, migration, "orphan"))
    add(query(name, time, migration, rerun, f"{name}.0"))
    if rng.random() < shape.twice:
        add(query(name, time + rng.randrange(times.window_ms), migration, rerun, f"{name}.1"))
    for role in (INCUMBENT, CHALLENGER, *((RERUN,) if rerun else ())):
        if rng.random() < shape.missing:
            continue
        at = time + rng.randrange(1, shape.delay_ms)
        if rng.random() < shape.late:
            at = time + times.window_ms + rng.randrange(1, times.window_ms)
        elif rng.random() < shape.early:
            at = time - rng.randrange(0, times.skew_ms + 1)
        add(answer(role, name, at, migration, f"{name}.{role}.0"))
        if rng.random() < shape.twice:
            add(answer(role, name, at + rng.randrange(times.window_ms), migration, f"{name}.{role}.1"))


def sentinels(time: int, migrations: Sequence[str], partitions: int) -> list[Sent]:
    """Return a whole pair of each migration in each partition, at a time that ends every window before it."""
    return [
        replace(sent, partition=number)
        for number in range(partitions)
        for migration in migrations
        for sent in _whole(f"end{number}", time, migration)
    ]


def _whole(name: str, time: int, migration: str) -> list[Sent]:
    answers = [answer(role, name, time, migration, f"{name}.{role}") for role in (INCUMBENT, CHALLENGER, RERUN)]
    return [query(name, time, migration, rerun=True, note=name), *answers]


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come out: notes of the records that each pair and each unpaired query is made of, and of each late answer."""

    pairs: dict[bytes, tuple[str, str, str, str | None]]
    unpaired: dict[bytes, tuple[str, str | None, str | None, str | None]]
    late: list[tuple[bytes, int, str]]


def oracle(logs: Iterable[Sequence[Sent]], times: PairingTimes) -> Expected:
    """Return what must come out of the logs (each in offset order, timestamps not going backwards).

    Written from the rules and not from the code: an id lives once, so its first query in the log is its query; of each
    role the first answer in range belongs to it; every answer out of range is late, and so is any without a query.
    """
    asked: dict[bytes, Sent] = {}
    answers: dict[bytes, list[Sent]] = {}
    for log in logs:
        for sent in log:
            if sent.value is None:
                continue  # what cannot be read is a dead letter
            if sent.role == QUERY:
                asked.setdefault(sent.key, sent)
            else:
                answers.setdefault(sent.key, []).append(sent)
    expected = Expected({}, {}, [])
    for key in asked.keys() | answers.keys():
        _expect(key, asked.get(key), answers.get(key, []), times, expected)
    expected.late.sort()
    return expected


def _expect(key: bytes, asked: Sent | None, answers: list[Sent], times: PairingTimes, expected: Expected) -> None:
    first: dict[int, str] = {}
    for sent in answers:
        if asked is None or not -times.skew_ms <= sent.time - asked.time <= times.window_ms:
            expected.late.append((key, sent.role, sent.note))
        else:
            first.setdefault(sent.role, sent.note)
    if asked is None:
        return
    rerun = first.get(RERUN) if asked.rerun else None
    if INCUMBENT in first and CHALLENGER in first:
        expected.pairs[key] = (asked.note, first[INCUMBENT], first[CHALLENGER], rerun)
    else:
        arms = (first.get(INCUMBENT), first.get(CHALLENGER))
        reason = {(True, True): "no_answer", (False, True): "no_challenger", (True, False): "no_incumbent"}[
            (arms[0] is None, arms[1] is None)
        ]
        expected.unpaired[key] = (reason, *arms, rerun)
