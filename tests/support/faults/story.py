"""Traffic of a good and of a worse challenger, and what must come of it: pairs, expiries, vectors and verdicts.

Everything that must come out is computed from the input records alone: which records make a pair by the oracle of
`support.traffic`, their vectors by the scorers offline, the verdict by the gate's fold over those vectors.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dualgate.gate.fold import At, step
from dualgate.processors.scoring.block import Identity, Source, coverage_block
from dualgate.processors.scoring.logic import MigrationScoring, score_pairs
from dualgate.processors.scoring.migrations import close, scoring_of
from dualgate.schemas.migration import MigrationConfig, load_migration
from dualgate.schemas.records import Command, CoverageBlock, LedgerEntry, Migration, Pair, QualityBlock, Query, Response, Unpaired
from dualgate.schemas.settings import PairingTimes
from support.scoring import migration_record, shop
from support.traffic import CODEC, QUERY, START_MS, Expected, Sent, Shape, oracle, sentinels, traffic

GOOD, WORSE = "good", "worse"
WRONG = {GOOD: {"incumbent": 0.6, "challenger": 0.02}, WORSE: {"incumbent": 0.02, "challenger": 0.6}}
"""Rates of wrong answers, so far apart that no order of the pairs changes the verdict."""
RULES = """
dimensions:
  correctness: {null: 0.0, design: 0.2}
  latency: {sla_ms: 200, null: 0.3, design: 0.05, worse_by: 0.2}
  semantic: {null: 0.4, design: 0.7, worse_by: 0.2}
  safety: {null: 0.3, design: 0.05, worse_by: 0.2, classes: {}}
phases:
  calibrating: {pairs: 40}
  shadow: {min_duration: 0s, min_pairs: 60, max_pairs: 4000}
  canary: {share: 0.05, observations: 30, min_duration: 0s}
  rollout: {steps: [0.25, 0.5], observations: 30, min_duration: 0s}
  tail: {observations: 30, min_duration: 0s}
missing: {coverage_floor: 0.5}
"""
Vector = tuple[Any, ...]
"""What the ledger says of one query: the values and states of its dimensions, or why it did not become a pair."""


@dataclass(frozen=True)
class Story:
    """Records in the order of publication, the migrations' configurations, and the times of pairing."""

    records: Sequence[Sent]
    configs: Mapping[str, MigrationConfig]
    times: PairingTimes

    @cached_property
    def expected(self) -> Expected:
        """What pairing must put out."""
        return oracle([self.records], self.times)

    @cached_property
    def vectors(self) -> dict[str, dict[str, Vector]]:
        """By migration and query hash: the vector that the ledger must hold, once."""
        return {name: applied(self._entries(name)) for name in self.configs}

    @cached_property
    def verdicts(self) -> dict[str, str]:
        """By migration: the phase that the gate's fold ends in."""
        return {name: verdict(config, self._entries(name)) for name, config in self.configs.items()}

    def _entries(self, name: str) -> list[LedgerEntry]:
        config = self.configs[name]
        by_note = {(sent.role, sent.key, sent.note): sent for sent in self.records if sent.value is not None}
        pairs = [_pair(key, notes, by_note) for key, notes in sorted(self.expected.pairs.items()) if _of(key) == name]
        lost = [_lost(key, notes, by_note) for key, notes in sorted(self.expected.unpaired.items()) if _of(key) == name]
        identity = Identity(name, 1, config.config_hash)
        scoring = scoring_of(identity, config)
        entries = [LedgerEntry(quality=_block(scoring, first, pairs[first : first + 100])) for first in range(0, len(pairs), 100)]
        close(scoring)
        if lost:
            source = Source("unpaired", 0, 0, len(lost))
            entries.append(LedgerEntry(coverage=coverage_block(identity, source, range(len(lost)), lost, [0] * len(lost))))
        return entries

    def migrations(self) -> list[Migration]:
        """Return what the gate would write when it accepts the configurations."""
        return [migration_record(config) for config in self.configs.values()]


def make_story(folder: Path, n: int, seed: int, times: PairingTimes, shape: Shape, partitions: int) -> Story:
    """Return n queries of both migrations with all faults of the shape, then the end of each partition's windows.

    The files that the migrations name are written to the folder.
    """
    shop(folder, {"g1": "SELECT count(*) FROM ads WHERE account_id = 7"})
    configs = {}
    for name in shape.migrations:
        file = folder / f"{name}.yaml"
        head = f"migration: {name}\nincumbent: incumbent:1\nchallenger: challenger:1\nmode: replay\n"
        files = "scoring: {database: 'sqlite:///shop.sqlite', golden: golden.jsonl, grants: grants.yaml}\n"
        file.write_text(head + files + RULES)
        configs[name] = load_migration(file)
    records = traffic(n, seed, times, shape)
    ends = sentinels(records[-1].time + 5 * times.window_ms, shape.migrations, partitions)
    return Story([_speaking(sent) for sent in [*records, *ends]], configs, times)


def verdict(config: MigrationConfig, entries: Iterable[LedgerEntry]) -> str:
    """Return the phase in which the gate's fold of a migration ends; no time passes on its clock."""
    name = config.spec.migration
    command = Command(
        command_id="start",
        migration_id=name,
        kind="start",
        actor="test",
        reason="fault matrix",
        config=config.to_json(),
        config_hash=config.config_hash,
        issued_at_ms=START_MS,
    )
    state, _ = step(None, name, LedgerEntry(command=command), At(0, 0, START_MS))
    for offset, entry in enumerate(entries, 1):
        state, _ = step(state, name, entry, At(0, offset, START_MS + offset))
    assert state is not None
    return state.phase


def applied(entries: Iterable[LedgerEntry], high_water: bool = True) -> dict[str, Vector]:
    """Return the vectors of one migration by query hash, each row above its source's high-water mark.

    AssertionError where a query counts twice. Without the mark, every row counts: for a test of this very oracle.
    """
    marks: dict[tuple[str, int], int] = {}
    found: dict[str, Vector] = {}
    doubled = 0
    for entry in entries:
        block = entry.quality or entry.coverage
        if block is None:
            continue
        source = (type(block).__name__, block.partition)
        mark = marks.get(source, 0) if high_water else 0
        for row, offset in enumerate(block.offset):
            if offset < mark or (isinstance(block, CoverageBlock) and block.reason[row] == "late"):
                continue
            doubled += block.query_hash[row] in found
            found[block.query_hash[row]] = _vector(block, row)
        marks[source] = max(mark, block.to_offset)
    assert doubled == 0, f"{doubled} of {len(found)} queries count twice on the ledger"
    return found


def _vector(block: QualityBlock | CoverageBlock, row: int) -> Vector:
    if isinstance(block, CoverageBlock):
        return block.reason[row], block.silent_arm[row]
    columns = sorted(block.dimensions.items())
    return tuple((name, c.incumbent[row], c.challenger[row], c.state[row]) for name, c in columns)


def _block(scoring: MigrationScoring, first: int, pairs: Sequence[Pair]) -> QualityBlock:
    source = Source("pairs", 0, first, first + len(pairs))
    return score_pairs(scoring, source, range(first, first + len(pairs)), pairs)


def _of(key: bytes) -> str:
    return key.partition(b"/")[0].decode()


def _pair(key: bytes, notes: Sequence[str | None], by_note: Mapping[Any, Sent]) -> Pair:
    parts = _parts(key, notes, by_note)
    return Pair(query=parts[0], incumbent=parts[1], challenger=parts[2], rerun=parts[3])


def _lost(key: bytes, told: tuple[str, str | None, str | None, str | None], by_note: Mapping[Any, Sent]) -> Unpaired:
    """Return the record of a query that did not become a pair; only the query and the reason matter to the ledger."""
    reason, *_ = told
    query = next(sent for (role, of, _), sent in by_note.items() if role == QUERY and of == key)
    silent = {"no_challenger": "challenger", "no_incumbent": "incumbent"}.get(reason)
    record = CODEC.decode(Query, query.value)
    fields: dict[str, Any] = {"reason": reason, "silent_arm": silent, "query": record}
    return Unpaired(migration_id=record.migration_id, query_id=record.query_id, **fields)


def _parts(key: bytes, notes: Sequence[str | None], by_note: Mapping[Any, Sent]) -> list[Any]:
    kinds = (Query, Response, Response, Response)
    return [
        None if note is None else CODEC.decode(kind, by_note[role, key, note].value)
        for role, (kind, note) in enumerate(zip(kinds, notes, strict=True))
    ]


def _speaking(sent: Sent) -> Sent:
    """Give a record what scoring needs: a caller and a golden answer, SQL that is right or wrong; its note tells it apart."""
    if sent.role == QUERY:
        query = replace(CODEC.decode(Query, sent.value), context={"caller": "account-7"}, golden_id="g1")
        return replace(sent, value=CODEC.encode(query))
    response = CODEC.decode(Response, sent.value)
    wrong = random.Random(f"{sent.note}/{response.arm}").random() < WRONG[response.migration_id][response.arm]
    sql = f"SELECT count(*) FROM ads WHERE account_id = 7 AND title {'=' if wrong else '<>'} '{sent.note}'"
    response = replace(response, output=sql, agent_version=f"{response.arm}:1")
    return replace(sent, value=CODEC.encode(response), note=sql)
