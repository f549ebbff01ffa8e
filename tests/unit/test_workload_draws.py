"""Draws without replacement meet their rates exactly, in a random order."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from dualgate.producers.workload.arrivals import START, arrivals
from dualgate.producers.workload.draws import exact_counts, exact_labels, exact_normals, joint_shares, lognormal_mixture
from dualgate.producers.workload.outcomes import ARMS, draw_outcomes
from dualgate.producers.workload.questions import STRATA
from dualgate.producers.workload.rates import CHALLENGER, INCUMBENT, LATENCY_SHIFT, N_DAYS


@given(st.integers(0, 10_000), st.lists(st.floats(0.01, 1), min_size=1, max_size=6))
def test_counts_sum_up_and_are_nearest(n: int, weights: list[float]) -> None:
    """Counts sum to n, and each is within one of its share."""
    shares = [weight / sum(weights) for weight in weights]
    counts = exact_counts(n, shares)
    assert sum(counts) == n
    assert all(abs(count - n * share) < 1 + 1e-6 for count, share in zip(counts, shares, strict=True))


def test_labels_come_in_random_order() -> None:
    """Another generator gives another order of the same labels."""
    one, other = (exact_labels(np.random.default_rng(seed), 100, (0.3, 0.7)) for seed in (1, 2))
    assert Counter(one.tolist()) == Counter(other.tolist()) == {0: 30, 1: 70}
    assert (one != other).any()


@pytest.mark.parametrize(("p", "q", "phi"), [(0.84, 0.9, 0.3), (0.5, 0.5, 0.0), (0.7, 0.7, 0.75)])
def test_joint_shares_have_the_margins_and_the_correlation(p: float, q: float, phi: float) -> None:
    """The four cells sum to one, give both margins and the correlation."""
    both, first, second, neither = joint_shares(p, q, phi)
    assert both + first + second + neither == pytest.approx(1)
    assert both + first == pytest.approx(p)
    assert both + second == pytest.approx(q)
    assert (both - p * q) / np.sqrt(p * (1 - p) * q * (1 - q)) == pytest.approx(phi)


def test_normals_keep_their_order_and_get_exact_quantiles() -> None:
    """Ranks stay, and the median and the tails are those of the normal law."""
    z = np.random.default_rng(1).normal(size=1001)
    exact = exact_normals(z)
    assert (np.argsort(exact) == np.argsort(z)).all()
    assert np.median(exact) == pytest.approx(0, abs=1e-9)
    assert (exact > 2.3263).sum() == 10


@pytest.mark.parametrize("rates", [INCUMBENT, CHALLENGER])
def test_the_latency_law_has_the_agents_median_and_exceedance(rates: object) -> None:
    """The mixture over strata has the stated median and share beyond the SLA; the challenger's 99th percentile is 187 ms."""
    assert rates in (INCUMBENT, CHALLENGER)
    agent = INCUMBENT if rates is INCUMBENT else CHALLENGER
    mu, sigma = lognormal_mixture(agent, STRATA)

    def over(ms: float) -> float:
        return float(sum(w * ndtr((mu + LATENCY_SHIFT[s] - np.log(ms)) / sigma) for s, w in STRATA.items()))

    assert over(agent.median_ms) == pytest.approx(0.5, abs=1e-9)
    assert over(200.0) == pytest.approx(agent.over_sla, abs=1e-9)
    if agent is CHALLENGER:
        assert over(187.0) == pytest.approx(0.01, abs=2e-4)


def test_outcomes_meet_the_rates_within_one_query_a_stratum() -> None:
    """Right answers, violations and authorization violations are as many as the rates say."""
    n = 12_000
    outcomes = draw_outcomes(np.random.default_rng(1), n)
    for arm, rates in (("incumbent", INCUMBENT), ("challenger", CHALLENGER)):
        counts = Counter(outcomes.kinds[arm].tolist())
        assert abs(counts[0] - n * rates.correct) <= len(STRATA)
        assert counts[2] + counts[3] == round(n * rates.violations)
        assert counts[3] <= n * rates.authorization
    assert set(outcomes.kinds) == set(outcomes.service_ms) == set(ARMS)


def test_arrivals_are_in_order_and_sessions_belong_to_one_account() -> None:
    """Queries come in the order of their times within the stated days; turns follow one another in their session."""
    found = arrivals(np.random.default_rng(1), 3000)
    times = [arrival.asked_at_ms for arrival in found]
    assert len(found) == 3000
    assert times == sorted(times)
    assert times[0] >= START.timestamp() * 1000
    assert times[-1] < START.timestamp() * 1000 + (N_DAYS + 1) * 86_400_000
    sessions: dict[int, list[tuple[int, int]]] = {}
    for arrival in found:
        sessions.setdefault(arrival.session, []).append((arrival.turn, arrival.account))
    assert all([turn for turn, _ in turns] == list(range(1, len(turns) + 1)) for turns in sessions.values())
    assert all(len({account for _, account in turns}) == 1 for turns in sessions.values())


def test_nights_are_quiet() -> None:
    """Between one and five o'clock there are fewer queries than between nine and thirteen."""
    hours = [arrival.asked_at_ms // 3_600_000 % 24 for arrival in arrivals(np.random.default_rng(1), 5000)]
    assert sum(9 <= hour < 13 for hour in hours) > 5 * sum(1 <= hour < 5 for hour in hours)
