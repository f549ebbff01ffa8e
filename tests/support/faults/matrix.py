"""The matrix: kill -9, SIGTERM, SIGSTOP beyond the session; pairing, scoring, broker; at commit, in mid-batch, in a rebalance."""

import os
import random
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path

from dualgate.cli.broker import LocalBroker
from support.faults.stage import Outcome, Stage, stage

HOWS = ("kill", "term", "stop")
ACTORS = ("pairing", "scoring", "broker")
MOMENTS = ("commit", "mid-batch", "rebalance")
POINTS = {
    ("pairing", "commit"): "offsets",
    ("pairing", "mid-batch"): "produced",
    ("scoring", "commit"): "scored",
    ("scoring", "mid-batch"): "sent",
}
"""Where the worker is hit; in a rebalance it is at its second assignment, which a second worker brings about."""


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix; with a slot the worker is a static member and its successor takes its place at once."""

    how: str
    actor: str
    moment: str

    @property
    def slot(self) -> str:
        """Static for some, dynamic for others; a zombie beside its successor must not have the same slot."""
        static = (HOWS.index(self.how) + MOMENTS.index(self.moment)) % 2 == 0 and self.how != "stop"
        return "0" if static else ""

    def __str__(self) -> str:
        return f"{self.how}-{self.actor}-{self.moment}"


CELLS = tuple(Cell(*cell) for cell in product(HOWS, ACTORS, MOMENTS))


def quick(seed: int) -> list[Cell]:
    """Return a slice of three cells: each way, each actor and each moment once."""
    ways, moments = random.Random(seed).choice(list(product(permutations(HOWS), permutations(MOMENTS))))
    return [Cell(how, actor, moment) for how, actor, moment in zip(ways, ACTORS, moments, strict=True)]


def play(cell: Cell, servers: str) -> Outcome:
    """Run a cell on a broker (one of its own where the broker is hit) and compare with the oracle."""
    prefix = f"f{uuid.uuid4().hex[:10]}."
    with (
        tempfile.TemporaryDirectory(prefix="dualgate-faults-") as folder,
        LocalBroker() if cell.actor == "broker" else nullcontext() as own,
        stage(own.bootstrap_servers if own else servers, prefix, Path(folder), seed=CELLS.index(cell)) as run,
    ):
        if own:
            _hit_broker(run, cell, own)
        else:
            _hit_worker(run, cell)
        run.await_all()
        return run.finish()


def _hit_worker(run: Stage, cell: Cell) -> None:
    run.publish(0.5)
    other = "scoring" if cell.actor == "pairing" else "pairing"
    run.start(other)
    doomed = _doomed(run, cell.actor, cell.moment, cell.how, cell.slot)
    if cell.how == "stop":
        run.stops(doomed)
        _replace(run, cell)
        run.wake(doomed)
    else:
        run.ends(doomed, -signal.SIGKILL if cell.how == "kill" else 0)
        _replace(run, cell)
    run.publish()


def _doomed(run: Stage, kind: str, moment: str, how: str, slot: str) -> "subprocess.Popen[bytes]":
    """Start a worker that hits itself; in a rebalance, let a second one join when the first has begun."""
    if moment != "rebalance":
        return run.start(kind, f"{POINTS[kind, moment]}:2:{how}", slot)
    doomed = run.start(kind, f"assigned:2:{how}", slot)
    run.has_begun(kind)
    run.start(kind, slot="1" if slot else "")
    return doomed


def _replace(run: Stage, cell: Cell) -> None:
    if cell.moment != "rebalance":  # there, a second worker is present already
        run.start(cell.actor, slot=cell.slot)


def _hit_broker(run: Stage, cell: Cell, broker: LocalBroker) -> None:
    """Hold a pairing worker still at the moment, hit the broker, let the worker go on into the outage, and end that."""
    run.publish(0.5)
    run.start("scoring")
    held = _doomed(run, "pairing", cell.moment, "stop", "")
    run.stops(held)
    if cell.how == "stop":
        os.kill(broker.pid, signal.SIGSTOP)
        run.wake(held)
        os.kill(broker.pid, signal.SIGCONT)
    else:
        _down(broker, cell.how)
        held.send_signal(signal.SIGCONT)
        broker.start()
    run.publish()


def _down(broker: LocalBroker, how: str) -> None:
    if how == "kill":
        broker.kill()
    else:
        broker.stop()


def chosen(full: bool, seed: int) -> Sequence[Cell]:
    """Return the whole matrix or the slice of a seed."""
    return CELLS if full else quick(seed)
