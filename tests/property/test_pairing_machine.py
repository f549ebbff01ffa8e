"""Pairing crashes anywhere and is built again: what comes out is what the oracle says, each once."""

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dualgate.processors.pairing.logic import GroupLogic
from dualgate.processors.pairing.records import ROLES, Outputs
from dualgate.processors.pairing.window import Window
from support.pairing_sim import TIMES, Simulation, compare, make_group
from support.traffic import CHALLENGER, INCUMBENT, RERUN, START_MS, Shape, answer, query, sentinels, traffic

MIGRATIONS = ("m", "n")
NAMES = ("a", "b", "c", "d")


class PairingMachine(RuleBasedStateMachine):
    """Records are published in time order, read in any interleaving, committed and crashed upon at any point."""

    @initialize()
    def begin(self) -> None:
        """Nothing is published yet."""
        self.sim = Simulation()
        self.time = START_MS
        self.asked: dict[tuple[str, str], int] = {}
        self.n = 0

    @rule(ms=st.sampled_from((0, 1, 49, 50, 51, 250, 251, 1_000, 1_001, 3_000)))
    def time_passes(self, ms: int) -> None:
        """The producers' clocks go on."""
        self.time += ms

    @rule(migration=st.sampled_from(MIGRATIONS), name=st.sampled_from(NAMES), rerun=st.booleans())
    def ask(self, migration: str, name: str, rerun: bool) -> None:
        """A query, or its repeat within the window; an id that is older gets a successor: an id lives once."""
        generation = self.time // (10 * TIMES.window_ms)
        unique = f"{name}{generation}"
        first = self.asked.setdefault((migration, unique), self.time)
        if self.time - first <= TIMES.window_ms:
            self.n += 1
            self.sim.publish(query(unique, self.time, migration, rerun, f"{self.n}"))

    @rule(
        migration=st.sampled_from(MIGRATIONS), name=st.sampled_from(NAMES), role=st.sampled_from((INCUMBENT, CHALLENGER, RERUN))
    )
    def answer(self, migration: str, name: str, role: int) -> None:
        """An answer: in range, early, late, repeated, or to no query at all."""
        self.n += 1
        generation = self.time // (10 * TIMES.window_ms)
        self.sim.publish(answer(role, f"{name}{generation}", self.time, migration, f"{self.n}"))

    @rule(role=st.sampled_from(ROLES), n=st.integers(1, 5))
    def read(self, role: int, n: int) -> None:
        """One partition is read on."""
        self.sim.read(role, n)

    @rule()
    def commit(self) -> None:
        """A batch ends."""
        self.sim.commit()

    @rule()
    def crash(self) -> None:
        """The worker dies with whatever it has not committed."""
        self.sim.crash()

    @invariant()
    def nothing_is_doubled(self) -> None:
        """No query is ever settled twice."""
        if hasattr(self, "sim"):
            _, times_settled = self.sim.found()
            assert max(times_settled.values(), default=0) <= 1

    def teardown(self) -> None:
        """When all is read and over, the oracle's result is there, whatever happened before."""
        if hasattr(self, "sim"):
            self.sim.end()
            compare(self.sim.expected(), *self.sim.found())
            assert self.sim.group.sizes()[:2] == (0, 0)


TestPairingMachine = PairingMachine.TestCase
TestPairingMachine.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def torn(seed: int, kind: type[GroupLogic] = GroupLogic, crash: float = 0.05, disorder_ms: int = 0) -> Simulation:
    """Return a simulation that ran through seeded traffic with crashes at random points, to its end."""
    rng = random.Random(seed)
    sim = Simulation(partial(make_group, kind=kind))
    shape = Shape(
        gap_ms=20, delay_ms=600, missing=0.1, late=0.1, early=0.1, twice=0.1, rerun=0.2, orphans=0.05, migrations=MIGRATIONS
    )
    records = traffic(300, seed, TIMES, shape)
    for sent in sorted(records, key=lambda s: s.time + rng.randrange(disorder_ms + 1)):
        sim.publish(sent)
    while any(sim.next[role] < len(sim.logs[role]) for role in ROLES):
        for _ in range(rng.randrange(1, 4)):
            sim.read(rng.choice(ROLES), rng.randrange(1, 60))
        if rng.random() < crash:
            sim.crash()
        sim.commit()
        if rng.random() < crash:
            sim.crash()
    sim.end()
    return sim


@pytest.mark.parametrize("seed", range(12))
def test_a_torn_run_gives_what_the_oracle_says(seed: int) -> None:
    """Larger traffic with all faults at once and crashes at random points gives the oracle's result."""
    sim = torn(seed)
    assert sim.crashes > 0
    compare(sim.expected(), *sim.found())


@pytest.mark.parametrize("seed", range(6))
def test_disorder_never_loses_or_doubles(seed: int) -> None:
    """Where timestamps of a partition go backwards, every query still comes out exactly once."""
    sim = torn(seed, disorder_ms=800)
    expected, (_, times_settled) = sim.expected(), sim.found()
    assert set(times_settled) == expected.pairs.keys() | expected.unpaired.keys()
    assert set(times_settled.values()) == {1}


class OneWindowBack(Window):
    """The obvious rule: read again what is younger than one window."""

    def bounds(self) -> tuple[int | None, int | None]:
        """Return T - W for all."""
        return (None, None) if self.expired is None else (self.expired - TIMES.window_ms,) * 2


class OldestWaiting(Window):
    """Another obvious rule: read again from the oldest record that waits."""

    def bounds(self) -> tuple[int | None, int | None]:
        """Return the time of the oldest query or answer that waits."""
        waiting = [entry[0] for entry in self._open.values()]
        waiting += [time for held in self._waiting.values() for answers in held.keys.values() for time, _ in answers]
        return (min(waiting, default=1 << 60),) * 2


class Hasty(Window):
    """An answer that no query has asked for yet is told as late at once."""

    def answers(self, role: int, keys: Sequence[bytes], times: Sequence[int], bodies: Sequence[bytes], out: Outputs) -> None:
        """Tell what has no query."""
        super().answers(role, keys, times, bodies, out)
        for key in list(self._waiting[role].keys):
            for time, body in self._waiting[role].keys.pop(key):
                self._settler.late(role, key, time, body, out)


class Forgetful(GroupLogic):
    """H alone is committed: what was open is not built again."""

    def _offset(self, role: int) -> int:
        return self._handled[role]


class WithoutT(GroupLogic):
    """T is not taken from the metadata: what was closed is open again."""

    def _finish_rebuild(self, now_ms: int, out: Outputs) -> None:
        self._stored = {}
        super()._finish_rebuild(now_ms, out)


@pytest.mark.parametrize("rule", [OneWindowBack, OldestWaiting, Hasty, Forgetful, WithoutT])
def test_the_oracle_finds_every_simpler_rule_wrong(rule: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each simpler rule loses, doubles or misjudges something in a torn run; so a pass above says something."""
    if issubclass(rule, Window):
        monkeypatch.setattr("dualgate.processors.pairing.logic.Window", rule)
    kind = rule if issubclass(rule, GroupLogic) else GroupLogic
    failures = 0
    for seed in range(8):
        sim = torn(seed, kind)
        try:
            compare(sim.expected(), *sim.found())
        except AssertionError:
            failures += 1
    assert failures > 0


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_an_archive_replayed_twice_settles_nothing_twice(seed: int, over: bool) -> None:
    """What comes again, at once or after the migration has ended and its ids were forgotten, is dropped or told as late.

    Crashes before and in the midst of the second replay change nothing: F is committed with T.
    """
    sim = torn(seed)
    once = sim.expected()
    if over:
        sim.now_ms += 3 * TIMES.window_ms
        sim.see_ends()
        sim.commit()
        assert sim.group.sizes()[2] == 0
    sim.crash()
    logs = [list(log) for log in sim.logs]
    for sent in sorted((sent for log in logs for sent in log), key=lambda s: s.time):
        sim.publish(sent)
    rng = random.Random(seed)
    while any(sim.next[role] < len(sim.logs[role]) for role in ROLES):
        sim.read(rng.choice(ROLES), 40)
        sim.commit()
        if rng.random() < 0.05:
            sim.crash()
        sim.see_ends()
        sim.now_ms += 500
    sim.end()
    got, times_settled = sim.found()
    assert (got.pairs, got.unpaired) == (once.pairs, once.unpaired)
    assert set(times_settled.values()) == {1}


@pytest.mark.parametrize("crash", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(6))
def test_an_archive_that_comes_twice_at_once_settles_nothing_twice(seed: int, crash: float) -> None:
    """Both copies lie in the logs before any is read: each query is settled once, whichever partition is read first.

    T stands between the copies then, so that some queries are older than F whose own repeats are not.
    """
    rng = random.Random(seed)
    sim = Simulation()
    archive = traffic(300, seed, TIMES, Shape(gap_ms=20, delay_ms=600, missing=0.1, twice=0.3, migrations=MIGRATIONS))
    for sent in archive:
        sim.publish(sent)
    once = sim.expected()
    for sent in [*archive, *sentinels(archive[-1].time + 5 * TIMES.window_ms, MIGRATIONS, 1)]:
        sim.publish(sent)
    while any(sim.next[role] < len(sim.logs[role]) for role in ROLES):
        sim.read(rng.choice(ROLES), 40)
        sim.commit()
        if rng.random() < crash:
            sim.crash()
    sim.end()
    got, times_settled = sim.found()
    assert set(times_settled.values()) == {1}
    assert (got.pairs.items() >= once.pairs.items(), got.unpaired.items() >= once.unpaired.items()) == (True, True)
