"""Acknowledgements: at a change, else once in ten seconds; no count lost, none told twice."""

from dualgate.schemas.records import AckCount
from dualgate.sinks.router.acks import AckBook
from support.routing import MIGRATION, command


def book() -> AckBook:
    return AckBook(MIGRATION, "router-1")


def test_nothing_is_acknowledged_before_a_command() -> None:
    """A router that obeys nothing yet reports nothing."""
    assert book().due(None, 0, 0.0) is None


def test_at_a_change_at_once_and_else_once_in_ten_seconds() -> None:
    """A new sequence is reported when it is obeyed; the same one again only after ten seconds."""
    held = book()
    assert held.due(command(1), 0, 0.0) is not None
    assert held.due(command(1), 0, 9_999.0) is None
    assert held.due(command(2), 0, 9_999.0) is not None
    assert held.due(command(2), 0, 19_998.0) is None
    assert held.due(command(2), 0, 19_999.0) is not None


def test_counts_are_those_since_the_last_one() -> None:
    """Each query is told once, by stratum, arm and whether it was mirrored."""
    held = book()
    for sampled in (True, True, False):
        held.count("multi", "challenger", sampled)
    first = held.due(command(1), 5, 0.0)
    assert first is not None
    assert first.counts == [
        AckCount(stratum="multi", arm="challenger", sampled=False, count=1),
        AckCount(stratum="multi", arm="challenger", sampled=True, count=2),
    ]
    second = held.due(command(2), 6, 1.0)
    assert second is not None
    assert second.counts == []


def test_counts_of_a_lost_acknowledgement_come_back() -> None:
    """What was not delivered is told by the next one."""
    held = book()
    held.count("all", "incumbent", True)
    lost = held.taken(command(1), 0)
    held.count("all", "incumbent", True)
    held.restore(lost.counts)
    assert held.taken(command(1), 1).counts == [AckCount(stratum="all", arm="incumbent", sampled=True, count=2)]
