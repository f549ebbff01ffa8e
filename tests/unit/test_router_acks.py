"""Acknowledgements: at a change, else once in ten seconds; no count lost, none told twice."""

from dualgate.schemas.records import AckCount, RoutingAck
from dualgate.sinks.router.acks import AckBook
from support.routing import MIGRATION, command


def book() -> AckBook:
    return AckBook(MIGRATION, "router-1")


def only(acks: list[RoutingAck]) -> RoutingAck:
    (ack,) = acks
    return ack


def test_nothing_is_acknowledged_before_a_command() -> None:
    """A router that obeys nothing yet reports nothing."""
    assert book().due(None, 0, 0.0) == []


def test_at_a_change_at_once_and_else_once_in_ten_seconds() -> None:
    """A new sequence is reported when it is obeyed; the same one again only after ten seconds."""
    held = book()
    assert held.due(command(1), 0, 0.0)
    assert not held.due(command(1), 0, 9_999.0)
    assert held.due(command(2), 0, 9_999.0)
    assert not held.due(command(2), 0, 19_998.0)
    assert held.due(command(2), 0, 19_999.0)


def test_counts_are_those_since_the_last_one() -> None:
    """Each query is told once, by stratum, arm and whether it was mirrored; those before any command with the first."""
    held = book()
    held.count(None, "multi", "challenger", True)
    for sampled in (True, False):
        held.count((1, 1), "multi", "challenger", sampled)
    assert only(held.due(command(1), 5, 0.0)).counts == [
        AckCount(stratum="multi", arm="challenger", sampled=False, count=1),
        AckCount(stratum="multi", arm="challenger", sampled=True, count=2),
    ]
    assert only(held.due(command(2), 6, 1.0)).counts == []


def test_a_change_closes_the_command_before_with_its_own_counts() -> None:
    """What the old command routed is told of the old one, first; the new one begins with nothing."""
    held = book()
    held.due(command(1), 0, 0.0)
    held.count((1, 1), "all", "challenger", True)
    closing, opening = held.due(command(2), 1, 1.0)
    assert (closing.sequence, [cell.count for cell in closing.counts]) == (1, [1])
    assert (opening.sequence, opening.counts) == (2, [])


def test_counts_of_a_lost_acknowledgement_come_back() -> None:
    """What was not delivered is told by the next one, of the command that routed it."""
    held = book()
    held.count((1, 1), "all", "incumbent", True)
    held.restore(only(held.taken(command(1), 0)))
    held.count((1, 1), "all", "incumbent", True)
    lost, _ = held.taken(command(2), 1)
    assert (lost.sequence, lost.counts) == (1, [AckCount(stratum="all", arm="incumbent", sampled=True, count=2)])
