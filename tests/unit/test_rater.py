"""The rater's e-process: values by hand, late labels, versions, bounds on what waits, and what is refused."""

import json
import math
from fractions import Fraction

import pytest

from dualgate.gate.stats.ppi import attenuated_null, corrected, log_increment, power_tuned, predictable_bet, worst
from dualgate.gate.stats.rater import add_label, add_pair, close_round, full, overdue
from dualgate.gate.stats.rater_state import RaterSpec, RaterState

SPEC = RaterSpec(null=0.0, shift=0.05, round_size=4, max_open_rounds=2)


def drawn(query: str, probability: float = 0.1, now_ms: int = 0) -> tuple[str, float, int]:
    return query, probability, now_ms


def label(state: RaterState, query: str, incumbent: int, challenger: int) -> RaterState:
    """Both verdicts of one drawn pair."""
    return add_label(SPEC, add_label(SPEC, state, query, "incumbent", incumbent), query, "challenger", challenger)


def test_corrected_value_by_hand() -> None:
    """z = eta R + (Y - eta R) / pi, in thousandths rounded down in the direction of the evidence."""
    assert corrected(1, None, 600, 1000, 1) == 600
    assert corrected(1, 1, 600, 100, 1) == 600 + 4000
    assert corrected(1, -1, 600, 100, 1) == 600 - 16000
    assert corrected(1, 0, 500, 300, 1) == math.floor(500 - 500 / 0.3)
    assert corrected(1, 0, 500, 300, -1) == math.floor(-500 + 500 / 0.3)
    assert corrected(0, None, 900, 1000, 1) == 0


def test_corrected_value_is_unbiased_for_any_rater() -> None:
    """The mean of z over the draw is Y, up to the rounding: whatever R and eta are."""
    for rater in (-1, 0, 1):
        for verdict in (-1, 0, 1):
            for eta in (0, 333, 1000):
                mean = 0.3 * corrected(rater, verdict, eta, 300, 1) + 0.7 * corrected(rater, None, eta, 300, 1)
                assert 1000 * verdict - 1 <= mean <= 1000 * verdict + 1e-9


def test_the_bet_never_loses_everything() -> None:
    """The bet is at most .9 over the largest loss that z, rounded, can bring, in both directions."""
    for eta in (0, 500, 1000):
        for direction, null in ((1, 0.0), (1, -0.03), (-1, 0.0), (-1, 0.02)):
            bet = predictable_bet(0.5, null, direction, 0.0, eta, 100)
            lowest = min(corrected(r, y, eta, 100, direction) for r in (-1, 0, 1) for y in (-1, 0, 1))
            assert 1 + bet * (lowest / 1000 - direction * null) >= 0.1 - 1e-6
    assert worst(0, 100) == Fraction(-10)
    assert power_tuned(3, 4) == 750
    assert power_tuned(-3, 4) == 0
    assert power_tuned(0, 0) == 0


def test_a_round_waits_for_its_labels() -> None:
    """Nothing is applied before the last label of the round, however many pairs came since."""
    state = RaterState()
    for rater, draw in ((1, None), (1, drawn("q1")), (0, None), (-1, drawn("q2")), (1, None)):
        state = add_pair(SPEC, state, "r1", rater, draw)
    assert (state.n, state.log_e_nano, len(state.rounds)) == (0, 0, 2)
    state = label(state, "q1", 0, 1)
    assert state.n == 0
    state = label(state, "q2", 1, 1)
    assert (state.n, state.n_labels, len(state.rounds)) == (4, 2, 1)
    assert state.log_e_nano != 0
    assert (state.sum_yr, state.sum_rr) == (1, 2)


def test_the_round_is_the_sum_of_its_increments() -> None:
    """In the first round eta is 0, so only labelled pairs bring evidence: log(1 + bet Y / pi) each."""
    state = RaterState()
    for rater, draw in ((1, drawn("q1")), (1, None), (0, None), (0, drawn("q2", 0.2))):
        state = add_pair(SPEC, state, "r1", rater, draw)
    state = label(label(state, "q2", 1, 0), "q1", 0, 1)
    bet = predictable_bet(0.05, 0.0, 1, 0.15 / 0.1, 0, 100)
    assert state.log_e_nano == sum(log_increment(bet, z, 0.0, 1) for z in (10_000, -5_000))
    assert state.log_e == pytest.approx(math.log(1 + 10 * bet) + math.log(1 - 5 * bet), abs=2e-6)


def test_rounds_apply_in_order() -> None:
    """A later round that is complete waits for the one before it."""
    state = RaterState()
    for i in range(8):
        state = add_pair(SPEC, state, "r1", 1, drawn("q1") if i == 0 else drawn("q5") if i == 4 else None)
    state = label(state, "q5", 0, 1)
    assert (state.n, len(state.rounds)) == (0, 2)
    assert label(state, "q1", 0, 1).n == 8


def test_rater_versions_are_never_mixed() -> None:
    """Another version closes the round, and learns its own eta from nothing."""
    state = add_pair(SPEC, RaterState(), "r1", 1, drawn("q1"))
    state = label(state, "q1", 0, 1)
    state = add_pair(SPEC, state, "r2", 1, drawn("q2"))
    assert (state.n, state.rater_version, state.sum_rr) == (1, "r1", 1)
    assert [r.rater_version for r in state.rounds] == ["r2"]
    state = close_round(SPEC, label(state, "q2", 1, 1))
    assert (state.rater_version, state.sum_yr, state.sum_rr) == ("r2", 0, 1)


def test_what_waits_is_bounded() -> None:
    """When all rounds are open and full a pair is refused and counted, and a label makes room again."""
    state = RaterState()
    for i in range(8):
        state = add_pair(SPEC, state, "r1", 0, drawn(f"q{i}"))
    assert full(SPEC, state, "r1")
    refused = add_pair(SPEC, state, "r1", 1, drawn("q9"))
    assert (refused.n_refused, refused.rounds) == (1, state.rounds)
    for i in range(4):
        refused = label(refused, f"q{i}", 1, 1)
    assert not full(SPEC, refused, "r1")


def test_labels_past_their_deadline_hold_and_are_not_dropped() -> None:
    """An overdue label is named until it comes; its round is never applied without it."""
    state = close_round(SPEC, add_pair(SPEC, RaterState(), "r1", 1, drawn("q1", now_ms=1000)))
    assert overdue(state, 1500, 600) == ()
    assert overdue(state, 2000, 600) == ("q1",)
    assert state.n == 0
    done = label(state, "q1", 1, 1)
    assert overdue(done, 2000, 600) == ()
    assert done.n == 1


def test_repeated_and_unknown_labels_change_nothing() -> None:
    """The first verdict stands; a second one, and one for a pair that is not waiting, are counted."""
    state = add_pair(SPEC, RaterState(), "r1", 1, drawn("q1"))
    once = add_label(SPEC, state, "q1", "challenger", 1)
    twice = add_label(SPEC, once, "q1", "challenger", 0)
    assert twice.rounds == once.rounds
    assert add_label(SPEC, twice, "q7", "challenger", 0).n_unknown_labels == 2
    assert close_round(SPEC, RaterState()) == RaterState()


def test_snapshot_round_trip() -> None:
    """State and specification come back from JSON as they were, open rounds included."""
    state = RaterState()
    for i in range(6):
        state = add_pair(SPEC, state, "r1", i % 3 - 1, drawn(f"q{i}") if i % 2 else None)
    state = add_label(SPEC, state, "q1", "incumbent", 1)
    assert RaterState.from_json(json.loads(json.dumps(state.to_json()))) == state
    assert RaterSpec.from_json(json.loads(json.dumps(SPEC.to_json()))) == SPEC


def test_p_value_is_that_of_the_greatest_evidence() -> None:
    """The anytime p-value uses the greatest e-value so far, also after the evidence has sunk."""
    state = RaterState()
    for i, (incumbent, challenger) in enumerate([(0, 1)] * 40 + [(1, 0)] * 20):
        state = label(add_pair(SPEC, state, "r1", 1, drawn(f"q{i}")), f"q{i}", incumbent, challenger)
    assert state.best_micro / 1e6 > state.log_e
    assert state.p_value == pytest.approx(math.exp(-state.best_micro / 1e6), rel=1e-6)
    assert RaterState().p_value == 1.0


@pytest.mark.parametrize(
    "broken",
    [
        lambda: RaterSpec(null=0.0, shift=0.05, direction=0),
        lambda: RaterSpec(null=math.nan, shift=0.05),
        lambda: RaterSpec(null=0.0, shift=0.0),
        lambda: RaterSpec(null=0.0, shift=0.05, discordance=math.nan),
        lambda: RaterSpec(null=0.0, shift=0.05, least_probability=0.0),
        lambda: RaterSpec(null=0.0, shift=0.05, round_size=0),
        lambda: RaterSpec.from_json({"version": 9}),
        lambda: RaterState.from_json({"version": 9}),
        lambda: add_pair(SPEC, RaterState(), "r1", 2),
        lambda: add_pair(SPEC, RaterState(), "r1", 1, ("q", 0.05, 0)),
        lambda: add_pair(SPEC, RaterState(), "r1", 1, ("q", 1.5, 0)),
        lambda: add_pair(SPEC, RaterState(), "r1", 1, ("q", math.nan, 0)),
        lambda: add_label(SPEC, RaterState(), "q", "both", 1),
        lambda: add_label(SPEC, RaterState(), "q", "incumbent", 2),
        lambda: attenuated_null(0.1, 0.8),
        lambda: attenuated_null(-0.03, 0.0),
    ],
)
def test_refused(broken: object) -> None:
    """Impossible specifications, ratings, probabilities and verdicts are errors."""
    assert callable(broken)
    with pytest.raises(ValueError):
        broken()


def test_attenuated_boundary() -> None:
    """A raw rater with Youden index .8 sees a loss of 3 points as 2.4."""
    assert attenuated_null(-0.03, 0.8) == pytest.approx(-0.024)
