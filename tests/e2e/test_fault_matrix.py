"""A slice of the fault matrix by real processes on a real broker; `make faults` runs all of it."""

import os
import signal
from pathlib import Path

import pytest

from dualgate.schemas.records import LedgerEntry
from dualgate.schemas.topics import LEDGER
from support.faults.matrix import Cell, play, quick
from support.faults.special import SPECIALS
from support.faults.stage import Stage, of_migration, stage
from support.faults.story import applied
from support.pairing_kafka import read_all
from support.traffic import CODEC

pytestmark = pytest.mark.kafka

SEED = int(os.environ.get("DUALGATE_FAULTS_SEED", "1"))
# Always among them: the zombie whose commit may still succeed, for which the consumer must be read_committed.
CELLS = sorted({*quick(SEED), Cell("stop", "pairing", "commit")}, key=str)
QUICK_SPECIALS = ("archive-replayed-twice", "one-migration-poisoned", "topic-made-anew", "scaled-out-and-in")


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_nothing_is_lost_or_doubled(kafka: str, cell: Cell) -> None:
    """Pairs, expiries and vectors are there once each, and the verdicts are those of an undisturbed run, as the oracle says."""
    assert play(cell, kafka).queries > 0


@pytest.mark.parametrize("name", QUICK_SPECIALS)
def test_nothing_is_lost_or_doubled_beyond_the_matrix(kafka: str, name: str) -> None:
    """The same of bad input, topics and workers that come and go; where going on would be wrong, the worker stops and says so."""
    SPECIALS[name](kafka)


def test_the_matrix_finds_a_broken_high_water_mark(kafka: str, prefix: str, tmp_path: Path) -> None:
    """A pairing worker that commits no H settles queries again after a kill, and the comparison says how many."""
    with stage(kafka, prefix, tmp_path, n=1_200, BREAK="high-water") as run:  # of 12 batches, so that the ninth has pairs
        run.publish(0.9)
        run.start("scoring")
        run.ends(run.start("pairing", "committed:9:kill", "0"), -signal.SIGKILL)
        run.start("pairing", slot="0")
        run.publish()
        run.await_all()
        with pytest.raises(AssertionError, match=r"0 lost, [1-9]\d* doubled, 0 invented"):
            run.finish()


def test_without_the_ledgers_high_water_mark_rows_count_twice(kafka: str, prefix: str, tmp_path: Path) -> None:
    """A scoring worker killed before its commit sends rows again: what drops them is the mark, and the oracle would notice."""
    with stage(kafka, prefix, tmp_path) as run:
        run.publish()
        run.start("pairing")
        run.ends(run.start("scoring", "scored:2:kill"), -signal.SIGKILL)
        run.start("scoring")
        run.await_all()
        assert run.finish().again > 0
        entries = [CODEC.decode(LedgerEntry, message.value()) for message in read_all(kafka, prefix + LEDGER)]
        with pytest.raises(AssertionError, match=r"[1-9]\d* of \d+ queries count twice"):
            again(run, entries)


def again(run: Stage, entries: list[LedgerEntry]) -> None:
    """Count every row of every migration, as if the ledger's reader kept no mark."""
    for name in run.story.configs:
        applied(of_migration(name, entries), high_water=False)
