"""Random ledgers of a rated migration: pairs, and verdicts that come early, late, again, of another epoch or of nobody's pair."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import takewhile

import numpy as np
from hypothesis import strategies as st

from dualgate.gate.fold import Output
from dualgate.schemas.records import Label, LedgerEntry
from support.gate import EASY, Ledger, config, with_phases
from support.gate_starts import FLAGS, LIVE
from support.gate_walks import Action, act
from support.rated import RATER, Rated, block, traffic, verdicts

RIGHT = {"better": (0.5, 0.95), "equal": (0.8, 0.8), "worse": (0.95, 0.4)}
NOISE = ("again", "again, the other word", "of the epoch before", "of the epoch to come", "of no epoch", "of nobody's pair")
"""Verdicts that nothing may come of: `of no epoch` only in a later epoch than the first."""
ORDERS = ("pause", "resume", "resume", "approve", "retry", "abort", "rollback")

seeds = st.integers(0, 10_000)
pairs = st.tuples(st.sampled_from(["better", "better", "better", *RIGHT, "unrated"]), st.integers(5, 30), seeds)
labels = st.tuples(st.sampled_from(["label", "label", "label some", "labelled ahead"]), st.integers(1, 30), seeds)
noise = st.tuples(st.sampled_from(NOISE), st.integers(1, 6), seeds)
others = st.one_of(
    st.tuples(st.sampled_from(["missing", "silent", "no_challenger"]), st.integers(1, 3), st.integers(0, 10_000)),
    st.tuples(st.just("tick"), st.sampled_from([1_000, 25_000, 90_000, 11 * 60_000, 7 * 3_600_000]), st.just(0)),
    st.tuples(st.sampled_from(ORDERS), st.just(0), st.just(0)),
)
chaos = st.lists(st.one_of(pairs, pairs, labels, labels, labels, noise, noise, others), min_size=8, max_size=22)
better = st.tuples(st.sampled_from(["better", "labelled ahead"]), st.integers(20, 30), seeds)
label = st.tuples(st.just("label"), st.just(0), seeds)
renewed = st.tuples(st.sampled_from(["tick", "resume", "approve"]), st.just(1_000), st.just(0))
onward = st.lists(st.one_of(better, better, label, label, labels, noise, renewed), min_size=10, max_size=22)
rated_walks = st.one_of(chaos, onward)
rated_starts = st.tuples(
    st.sampled_from(["replay", "live"]),
    st.sampled_from(["CALIBRATING", "SHADOW", *LIVE]),
    st.sampled_from([flag for flag in FLAGS if flag != "budget spent"]),  # a rated correctness has no budget
    st.booleans(),
)
"""Mode, phase, flag, and whether the epoch is the second."""


@dataclass
class RatedWalk:
    """A ledger of a rated migration, what was drawn and said in its epoch by a count of our own, and which entries are noise."""

    ledger: Ledger
    made: int = 0
    drawn: list[Rated] = field(default_factory=list)
    sent_ms: dict[str, int] = field(default_factory=dict)
    given: list[Label] = field(default_factory=list)
    noise: set[int] = field(default_factory=set)

    def copy(self) -> "RatedWalk":
        """Return a walk that goes on from here by itself."""
        kept = replace(self, ledger=self.ledger.copy(), drawn=list(self.drawn), sent_ms=dict(self.sent_ms))
        return replace(kept, given=list(self.given), noise=set(self.noise))

    @property
    def said(self) -> set[tuple[str, str]]:
        """The answers (query, arm) of this epoch that people have judged."""
        return {(each.query_hash, each.arm) for each in self.given}

    @property
    def wanted(self) -> list[Rated]:
        """The drawn pairs of which a verdict is wanting."""
        return [pair for pair in self.drawn if not self.judged(pair)]

    def judged(self, pair: Rated) -> bool:
        """Tell whether people have judged both answers of a pair."""
        return {(pair.name, "incumbent"), (pair.name, "challenger")} <= self.said

    @property
    def countable(self) -> int:
        """How many drawn pairs are labelled, and none before them is not."""
        return len(list(takewhile(self.judged, self.drawn)))

    def act(self, action: Action) -> list[Output]:
        """Append what an action stands for; return what it put out."""
        kind, n, seed = action
        rng, before, epoch = np.random.default_rng(seed), len(self.ledger.outputs), self.ledger.state_.migration.epoch
        if kind in RIGHT or kind == "unrated":
            self._send(self._made(kind, n, rng))
        elif kind == "labelled ahead":
            made = self._made("better", n, rng)
            self._label(verdicts(made))
            self._send(made)
        elif kind in ("label", "label some"):
            wanted = list(verdicts(self.wanted))
            order = rng.permutation(len(wanted)).tolist()
            self._label(wanted[i] for i in order[: len(order) if kind == "label" else n])
        elif kind in NOISE:
            self._disturb(kind, n, rng)
        else:
            act(self.ledger, action)
        if self.ledger.state_.migration.epoch != epoch:
            self.drawn, self.given = [], []
        return self.ledger.outputs[before:]

    def _made(self, kind: str, n: int, rng: np.random.Generator) -> list[Rated]:
        made = traffic(rng, n, RIGHT.get(kind, RIGHT["better"]), first=self.made)
        self.made += n
        return [replace(pair, said=None, drawn=False) for pair in made[:2]] + made[2:] if kind == "unrated" else made

    def _send(self, made: list[Rated]) -> None:
        before = self.ledger.state_
        drawn = [pair for pair in made if pair.drawn] if before.active else []
        self.ledger.append(LedgerEntry(quality=block(self.ledger, made)))
        after = self.ledger.state_
        more = {name: after.counters.get(name, 0) - before.counters.get(name, 0) for name in ("labels.drawn", "other_lineage")}
        if before.spec.mode == "live" and after.phase_sequence != before.phase_sequence:
            # What follows a step in its block was routed before it, and is of no phase.
            drawn = drawn[: more["labels.drawn"]]
        if more["other_lineage"]:  # of a topic that is held, or that an operator has given up
            drawn = []
        self.drawn += drawn
        self.sent_ms |= {pair.name: self.ledger.time_ms for pair in drawn}

    def _label(self, labels: Iterator[Label]) -> None:
        for each in labels:
            said = replace(each, epoch=self.ledger.state_.migration.epoch)
            self.ledger.append(LedgerEntry(label=said))
            self.given.append(said)

    def _disturb(self, kind: str, n: int, rng: np.random.Generator) -> None:
        epoch = self.ledger.state_.migration.epoch
        known = self.given[-6:] if kind.startswith("again") else [*verdicts(self.wanted)]
        if kind == "of nobody's pair":
            known = [*verdicts([Rated(f"nobody{i}", (0, 1), (0, 1), drawn=True) for i in range(n)])]
        if not known or (kind == "of no epoch" and epoch == 1):
            return
        epochs = {"of the epoch before": epoch - 1, "of the epoch to come": epoch + 1, "of no epoch": None}
        for i in rng.integers(0, len(known), n).tolist():
            flipped = known[i].verdict if kind == "again" else 1 - known[i].verdict
            self.noise.add(len(self.ledger.entries))
            self.ledger.append(LedgerEntry(label=replace(known[i], verdict=flipped, epoch=epochs.get(kind, epoch))))


@cache
def _walked(mode: str, phase: str, again: bool) -> RatedWalk:
    lasts = {"min_duration": "1h" if mode == "replay" else "5s"}
    quick = with_phases(shadow={"min_pairs": 200, "max_pairs": 900}, canary=lasts)
    given = config(dimensions=EASY, mode=mode, phases=quick, scoring={"rater": RATER | {"label_due": "10m"}})
    walk = RatedWalk(Ledger(given).start())
    if again:
        walk.ledger.order("abort")
        walk.ledger.order("retry")
    for seed in range(400):
        if walk.ledger.state_.phase == phase:
            return walk
        for kind in ("better", "label", "tick"):
            walk.act((kind, 20 if kind == "better" else 0, seed))
    raise AssertionError(f"still {walk.ledger.state_.phase}: {walk.ledger.last.reason}")


@cache
def _standing(mode: str, phase: str, flag: str, again: bool) -> RatedWalk:
    walk = _walked(mode, phase, again).copy()
    FLAGS[flag](walk.ledger)
    return walk


def rated_standing(start: tuple[str, str, str, bool]) -> RatedWalk:
    """Return a copy of the walk at a start."""
    return _standing(*start).copy()
