"""What a pairing worker tells of itself."""

import json

import pytest

from dualgate.processors.pairing.metrics import COUNTS, TRANSACTION_MS, Reporter
from dualgate.processors.pairing.records import Outputs
from dualgate.processors.runtime.dead_letters import dead_letter
from support.pairing_sim import TIMES, Simulation
from support.traffic import Shape, traffic


def test_every_count_has_a_meaning() -> None:
    """Rough traffic with re-used ids brings about counts, each of which is declared."""
    sim = Simulation()
    counts: dict[str, int] = {}
    shape = Shape(gap_ms=20, delay_ms=600, missing=0.2, late=0.2, twice=0.3, rerun=0.3, orphans=0.1)
    for sent in traffic(300, 1, TIMES, shape):
        sim.publish(sent)
        sim.read(sent.role, 1)
        sim.group.advance(sim.out)
        for name, n in sim.out.counts.items():
            counts[name] = counts.get(name, 0) + n
        sim.commit()
    assert {"late", "no_challenger", "duplicate_answers"} <= counts.keys() <= COUNTS.keys()


def test_totals_are_of_what_was_committed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each transaction adds its outputs, its counts and its class of time; a line of JSON tells them."""
    reporter = Reporter()
    out = Outputs(pairs=[(b"m/q", b"", 0)], read={"m": 3})
    out.count("late", 2)
    for seconds in (0.005, 0.010, 0.5, 60.0):
        reporter.committed([out], seconds)
    reporter.look({"queries": 7}, [], set())
    reporter.report()
    told = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (told["events"], told["pairs"], told["counts"], told["lag"]) == (12, 4, {"late": 8}, {"queries": 7})
    assert told["transaction_ms_classes"] == [2, 0, 0, 0, 1, 0, 0, 1]
    assert len(told["transaction_ms_classes"]) == len(TRANSACTION_MS) + 1
    assert told["transaction_ms_max"] == 60_000.0


def test_a_migration_over_its_budget_is_held_and_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Its dead letters are counted on, no other migration is touched."""
    reporter = Reporter()
    bad = dead_letter(("queries", 0, 0), 0, b"m/q", b"x", reason="bad", worker="w", migration_id="m")
    reporter.committed([Outputs(dead=[bad] * 103, read={"m": 103, "n": 50})], 0.1)
    assert list(reporter.held) == ["m"]
    assert capsys.readouterr().err.count('"held": "m"') == 1
    assert reporter.dead_letters == 103


def test_a_transaction_that_fails_adds_nothing_but_itself() -> None:
    """What is not committed is not counted: the next owner counts it."""
    reporter = Reporter()
    with reporter.transaction([Outputs(pairs=[(b"m/q", b"", 0)], read={"m": 3})]):
        pass
    with pytest.raises(OSError, match="gone"), reporter.transaction([Outputs(pairs=[(b"m/r", b"", 0)])]):
        raise OSError("gone")
    assert (reporter.pairs, reporter.transactions, reporter.transactions_failed) == (1, 1, 1)
    assert reporter.events_by_migration == {"m": 3}


def test_a_scrape_reads_one_moment() -> None:
    """What other threads see is the state of a look, whatever is added meanwhile; T is the least of the groups."""
    sim = Simulation()
    for sent in traffic(50, 1, TIMES, Shape()):
        sim.publish(sent)
        sim.read(sent.role, 1)
    sim.group.advance(sim.out)
    reporter = Reporter()
    reporter.tick(lambda: {"queries": 1}, [sim.group], {("queries", 0)})
    seen = reporter.last
    reporter.committed([sim.out], 0.1)
    reporter.tick(lambda: {"queries": 2}, [], set())
    assert (reporter.last, seen.lag, seen.paused, seen.groups) == (seen, {"queries": 1}, 1, (0,))
    assert seen.expired_through_ms == dict(sim.group.expired()) != {}
