"""Pairing workers with slots: killed at exact points, and doubled; every query still comes out exactly once."""

import signal
from pathlib import Path

import pytest

from dualgate.processors.runtime.points import PAIRING
from support.faults.stage import stage

pytestmark = pytest.mark.kafka


def test_killed_at_every_point(kafka: str, prefix: str, tmp_path: Path) -> None:
    """kill -9 at each point of the work in turn, with a slot: the next process takes over at once, nothing is lost or doubled."""
    with stage(kafka, prefix, tmp_path, BATCH="150") as run:
        run.publish()
        run.start("scoring")
        for n, point in enumerate(PAIRING):
            doomed = run.start("pairing", f"{point}:{1 if point == 'assigned' else 2 + n % 2}", "0")
            run.ends(doomed, -signal.SIGKILL)
        run.start("pairing", slot="0")
        run.await_all()
        run.finish()


def test_of_two_processes_with_one_slot_the_older_gives_way(kafka: str, prefix: str, tmp_path: Path) -> None:
    """It stops with a StateError that names the slot; the newer goes on, and nothing is lost or doubled."""
    with stage(kafka, prefix, tmp_path) as run:
        older = run.start("pairing", slot="0")
        run.assigned(1)
        run.start("pairing", slot="0")
        run.assigned(2)
        run.start("scoring")
        run.publish()
        run.await_all()
        run.ends(older, 1)
        run.finish()
        assert "one live process a slot" in run.log.read_text()
