"""One group of pairing with no broker: logs, a worker that reads, commits and crashes as it is told, and what came out."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from dualgate.processors.pairing.clocks import Patience
from dualgate.processors.pairing.logic import GroupLogic
from dualgate.processors.pairing.positions import Position, decode, encode
from dualgate.processors.pairing.records import ROLES, Outputs
from dualgate.processors.pairing.runs import Run
from dualgate.schemas.records import Pair, Response, Unpaired
from dualgate.schemas.settings import PairingTimes
from support.traffic import CODEC, Expected, Sent, oracle

TIMES = PairingTimes(window_ms=1_000, skew_ms=250, grain_ms=50)
PATIENCE = Patience(idle_ms=5_000, lead_ms=2_000, crowd=0)
MakeGroup = Callable[[Sequence[Position], int], GroupLogic]


def make_group(start: Sequence[Position], now_ms: int, kind: type[GroupLogic] = GroupLogic) -> GroupLogic:
    """Return the fold under test."""
    return kind(0, TIMES, PATIENCE, CODEC, start, now_ms)


class Simulation:
    """A worker over four logs. What it commits is kept; what it has not committed is lost in a crash."""

    def __init__(self, make: MakeGroup = make_group) -> None:
        self._make = make
        self.logs: list[list[Sent]] = [[] for _ in ROLES]
        self.now_ms = 0
        self.committed: list[tuple[int, str]] = [(0, "")] * len(ROLES)
        self.pairs: list[tuple[bytes, bytes, int]] = []
        self.unpaired: list[tuple[bytes, bytes, int]] = []
        self.dead: list[Any] = []
        self.crashes = 0
        self._begin()

    def _begin(self) -> None:
        start = [decode(offset, text) if text else Position(offset, offset) for offset, text in self.committed]
        self.next = [position.offset for position in start]
        self.out = Outputs()
        self.group = self._make(start, self.now_ms)

    def publish(self, sent: Sent) -> None:
        """Append a record to its role's log."""
        self.logs[sent.role].append(sent)

    def read(self, role: int, n: int) -> int:
        """Handle the next records of a role unless it is paused; return how many."""
        if role in self.group.paused():
            return 0
        first = self.next[role]
        records = self.logs[role][first : first + n]
        if records:
            offsets = list(range(first, first + len(records)))
            keys, values = [r.key for r in records], [r.value for r in records]
            self.next[role] += len(records)
            run = Run(role, offsets, [r.time for r in records], keys, values, [r.rerun for r in records])
            self.group.handle(run, self.now_ms, self.out)
        return len(records)

    def see_ends(self) -> None:
        """Tell the group which partitions are read to their end."""
        for role in ROLES:
            if self.next[role] == len(self.logs[role]):
                self.group.at_end(role, self.next[role], self.now_ms, self.out)

    def commit(self) -> None:
        """End the batch: move T, keep output and positions together."""
        self.group.advance(self.out)
        if self.group.has_changed():
            self.committed = [(position.offset, encode(position)) for position in self.group.positions()]
            for offset, text in self.committed:
                assert 0 <= offset <= decode(offset, text).handled
            self.pairs += self.out.pairs
            self.unpaired += self.out.unpaired
            self.dead += self.out.dead
        self.out = Outputs()

    def crash(self) -> None:
        """Lose the memory and begin again from what is committed."""
        self.crashes += 1
        self._begin()

    def drain(self) -> None:
        """Read everything in batches."""
        while True:
            n = sum(self.read(role, 50) for role in ROLES)
            self.see_ends()
            self.commit()
            if n == 0:
                if all(self.next[role] == len(self.logs[role]) for role in ROLES):
                    return
                self.now_ms += PATIENCE.idle_ms  # what a paused partition waits for has fallen silent

    def end(self) -> None:
        """Read everything, then let enough time pass that nothing waits."""
        self.drain()
        self.now_ms += TIMES.window_ms + PATIENCE.idle_ms
        self.see_ends()
        self.commit()

    def found(self) -> tuple[Expected, Counter[bytes]]:
        """Return what was committed in the oracle's form, and how often each query was settled."""
        result, times_settled = Expected({}, {}, []), Counter[bytes]()
        for key, value, _ in self.pairs:
            pair = CODEC.decode(Pair, value)
            times_settled[key] += 1
            rerun = pair.rerun.output if pair.rerun else None
            result.pairs[key] = (pair.query.text, pair.incumbent.output, pair.challenger.output, rerun)
        for key, value, _ in self.unpaired:
            collect(key, CODEC.decode(Unpaired, value), result, times_settled)
        result.late.sort()
        return result, times_settled

    def expected(self) -> Expected:
        """Return what the oracle says of the logs."""
        return oracle(self.logs, TIMES)


def collect(key: bytes, unpaired: Unpaired, result: Expected, times_settled: Counter[bytes]) -> None:
    """Add an unpaired record to the result."""
    given: Sequence[Response | None] = (unpaired.incumbent, unpaired.challenger, unpaired.rerun)
    notes = [None if response is None else response.output for response in given]
    assert key == f"{unpaired.migration_id}/{unpaired.query_id}".encode()
    if unpaired.reason == "late":
        parts = [None if unpaired.query is None else unpaired.query.text, *notes]
        role = next(i for i, note in enumerate(parts) if note is not None)
        result.late.append((key, role, str(parts[role])))
    else:
        times_settled[key] += 1
        result.unpaired[key] = (unpaired.reason, notes[0], notes[1], notes[2])


def compare(expected: Expected, got: Expected, times_settled: Counter[bytes]) -> None:
    """Fail with counts unless every query came out exactly once, as the oracle says, and every late answer once."""
    wanted = expected.pairs.keys() | expected.unpaired.keys()
    lost = wanted - times_settled.keys()
    doubled = [key for key, n in times_settled.items() if n > 1]
    invented = times_settled.keys() - wanted
    counts = f"{len(lost)} lost, {len(doubled)} doubled, {len(invented)} invented"
    assert counts == "0 lost, 0 doubled, 0 invented", counts
    assert {k: v for k, v in got.pairs.items() if expected.pairs.get(k) != v} == {}
    assert {k: v for k, v in got.unpaired.items() if expected.unpaired.get(k) != v} == {}
    assert Counter(got.late) == Counter(expected.late)
