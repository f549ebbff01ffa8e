"""The routing table: sticky, growing, and the incumbent on doubt."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualgate.schemas.records import RoutingCommand
from dualgate.sinks.router.table import RoutingTable
from support.routing import MIGRATION, command

NOW = 1_000_000
KEYS = [f"user-{i}" for i in range(20_000)]


def table(*commands: RoutingCommand, now_ms: int = NOW, mono_ms: float = 0.0) -> RoutingTable:
    held = RoutingTable(MIGRATION)
    for each in commands:
        held = held.apply(each, now_ms, mono_ms)
    return held


def on_challenger(share: float, salt: str = "salt") -> set[str]:
    held = table(command(live_share=share, salt=salt))
    return {key for key in KEYS if held.route(key, 0.0) == "challenger"}


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_the_share_of_keys_on_the_challenger_is_the_commanded_one(share: float) -> None:
    """Of 20,000 keys the commanded share is on the challenger, within four standard errors."""
    assert len(on_challenger(share)) == pytest.approx(20_000 * share, abs=4 * math.sqrt(20_000 * share * (1 - share)))


def test_nobody_at_share_zero_and_everybody_at_share_one() -> None:
    """The ends are exact: no key at 0, every key at 1."""
    assert on_challenger(0.0) == set()
    assert on_challenger(1.0) == set(KEYS)


def test_who_is_on_the_challenger_stays_there_as_the_share_grows() -> None:
    """The keys at 5 % are among those at 25 %, and those among the ones at 50 %."""
    assert on_challenger(0.05) < on_challenger(0.25) < on_challenger(0.5)


def test_another_salt_chooses_other_keys() -> None:
    """Two migrations do not put the same users at risk: their choices overlap no more than by chance."""
    both = on_challenger(0.05, "one") & on_challenger(0.05, "two")
    assert len(both) == pytest.approx(50, abs=4 * math.sqrt(50))


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_any_text_is_a_key_and_growing_holds_for_any_two_shares(key: str, one: float, two: float) -> None:
    """A key on the challenger at the smaller of two shares is on it at the greater."""
    low, high = sorted((one, two))
    at_low = table(command(live_share=low)).route(key, 0.0)
    assert at_low == "incumbent" or table(command(live_share=high)).route(key, 0.0) == "challenger"


def test_without_a_command_the_incumbent_serves() -> None:
    """A router that has heard nothing serves the incumbent, mirrors nothing and says so."""
    held = table()
    assert held.route("user", 0.0) == "incumbent"
    assert held.shadow("user", "all", 0.0) is None
    assert "no command" in held.state(NOW, 0.0).reason


def test_the_lease_runs_from_the_issue_of_the_command() -> None:
    """A command issued 20 s ago with a lease of 60 s is valid for 40 s more, then the incumbent serves."""
    held = table(command(live_share=1.0), now_ms=NOW + 20_000, mono_ms=500.0)
    assert held.route("user", 40_499.0) == "challenger"
    assert held.route("user", 40_500.0) == "incumbent"
    assert held.shadow("user", "all", 40_500.0) is None
    state = held.state(NOW + 60_000, 40_500.0)
    assert (state.share, state.commanded_share, state.lease_age_ms, state.lease_left_ms) == (0.0, 1.0, 60_000, 0)
    assert "lease of 60000 ms ran out" in state.reason


def test_a_command_from_the_future_is_valid_for_one_lease_only() -> None:
    """Where our wall clock is an hour behind the broker's, the lease still ends one lease after it was heard."""
    held = table(command(live_share=1.0), now_ms=NOW - 3_600_000)
    assert held.route("user", 59_999.0) == "challenger"
    assert held.route("user", 60_000.0) == "incumbent"


def test_a_command_without_a_lease_never_ends() -> None:
    """A COMPLETED migration keeps the challenger whatever becomes of the gate."""
    held = table(command(live_share=1.0, lease_ms=None), now_ms=NOW + 10**12)
    assert held.route("user", 1e15) == "challenger"
    assert held.state(NOW, 0.0).lease_left_ms is None


@pytest.mark.parametrize(
    "stale",
    [
        command(epoch=2, sequence=2, live_share=1.0),
        command(epoch=2, sequence=3, live_share=1.0),
        command(epoch=1, sequence=99, live_share=1.0),
        command(epoch=9, sequence=99, live_share=1.0, migration_id="another"),
    ],
    ids=["lower-sequence", "repeat", "lower-epoch", "other-migration"],
)
def test_what_is_stale_or_foreign_is_ignored(stale: RoutingCommand) -> None:
    """A zombie's command, a repeat and another migration's command leave the table as it is."""
    held = table(command(epoch=2, sequence=3, live_share=0.0))
    assert held.apply(stale, NOW, 0.0) is held


def test_a_new_epoch_counts_its_sequence_from_the_start() -> None:
    """A higher epoch wins although its sequence is lower."""
    held = table(command(sequence=9, epoch=1), command(sequence=1, epoch=2, live_share=0.0))
    assert held.state(NOW, 0.0).epoch == 2


def test_a_renewal_prolongs_the_lease_and_changes_nothing_else() -> None:
    """The same (epoch, sequence) with a later issue renews; an older renewal is ignored; another share is not obeyed."""
    held = table(command(live_share=0.25))
    renewed = held.apply(command(live_share=1.0, issued_at_ms=NOW + 30_000), NOW + 30_000, 30_000.0)
    assert renewed.state(NOW + 30_000, 30_000.0).share == 0.25
    assert renewed.valid(89_999.0)
    assert not renewed.valid(90_000.0)
    assert renewed.apply(command(issued_at_ms=NOW + 10_000), NOW + 31_000, 31_000.0) is renewed


def test_mirrors_are_drawn_by_stratum_with_the_commanded_probability() -> None:
    """A stratum with its own share uses it, the others use `all`, and a stratum at 0 is not mirrored."""
    held = table(command(shadow_share={"all": 1.0, "rare": 0.2, "never": 0.0}))
    assert held.shadow("user", "common", 0.0) == 1.0
    drawn = [held.shadow(key, "rare", 0.0) for key in KEYS]
    assert set(drawn) == {0.2, None}
    assert sum(p is not None for p in drawn) == pytest.approx(4_000, abs=4 * math.sqrt(20_000 * 0.2 * 0.8))


def test_a_stratum_at_zero_does_not_fall_back_to_all() -> None:
    """Share 0 means never mirrored, not 'as the others'."""
    held = table(command(shadow_share={"all": 1.0, "never": 0.0}))
    assert held.shadow("user", "never", 0.0) is None


def test_mirrors_are_drawn_independently_of_the_serving_arm() -> None:
    """Half mirrored and half on the challenger leaves a quarter in each cell, within four standard errors."""
    held = table(command(live_share=0.5, shadow_share={"all": 0.5}))
    both = sum(held.route(k, 0.0) == "challenger" and held.shadow(k, "all", 0.0) is not None for k in KEYS)
    assert both == pytest.approx(5_000, abs=4 * math.sqrt(20_000 * 0.25 * 0.75))


@pytest.mark.parametrize("share", [math.nan, math.inf, -0.1, 1.5])
def test_a_share_that_is_none_is_not_obeyed(share: float) -> None:
    """The command before stands; one that broke the thread would keep the router from hearing of a rollback after it."""
    held = table(command(1, 0.05))
    assert held.apply(command(2, share), NOW, 0.0) is held
    assert held.apply(command(2, 0.05, shadow_share={"all": share}), NOW, 0.0) is held
    assert held.apply(command(3, 0.0), NOW, 0.0).order == (1, 3)
