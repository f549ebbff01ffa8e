"""The base rates of a generated log, measured by executing and scoring all of it.

Rates are held by exact binomial intervals (Clopper-Pearson) and means by normal ones, both at level 1 - 1e-4: of about twenty
statements a sound generator would fail one in 500 seeds. Most are met far more closely, since the log is drawn without
replacement.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from dualgate.producers.workload.questions import STRATA
from dualgate.producers.workload.rates import CHALLENGER, INCUMBENT, SESSION_SIZE, SLA_MS
from support.workload import Scored, scored_workload

LEVEL = 1 - 1e-4
N_QUERIES = 5_000


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    return scored_workload(tmp_path_factory.mktemp("workload"), seed=7, n_queries=N_QUERIES)


def holds_rate(hits: int, n: int, rate: float) -> bool:
    """Tell whether a rate lies in the interval of the count."""
    interval = stats.binomtest(hits, n).proportion_ci(LEVEL)
    return bool(interval.low <= rate <= interval.high)


def holds_mean(values: Sequence[float], mean: float, margin: float = 0.0) -> bool:
    """Tell whether a mean, give or take a stated margin, lies in the interval of the sample's."""
    half = stats.norm.ppf(0.5 + LEVEL / 2) * np.std(values, ddof=1) / np.sqrt(len(values))
    return bool(abs(float(np.mean(values)) - mean) <= half + margin)


@pytest.mark.parametrize(("arm", "rate"), [("incumbent", 0.842), ("challenger", 0.896)])
def test_correctness_is_as_stated(scored: Scored, arm: str, rate: float) -> None:
    """84.2 % and 89.6 % of the answers give the reference's rows."""
    values = scored.values("correctness", arm)
    assert len(values) == N_QUERIES
    assert holds_rate(int(sum(values)), N_QUERIES, rate)


def test_hard_questions_are_hard_for_both(scored: Scored) -> None:
    """The correlation of the two agents' correctness is .3 (Fisher's interval)."""
    phi = np.corrcoef(scored.values("correctness", "incumbent"), scored.values("correctness", "challenger"))[0, 1]
    half = stats.norm.ppf(0.5 + LEVEL / 2) / np.sqrt(N_QUERIES - 3)
    assert abs(np.arctanh(phi) - np.arctanh(0.3)) <= half


def test_strata_have_their_shares_and_chains_are_hardest(scored: Scored) -> None:
    """31, 44 and 25 % of the questions are of the three strata, and both agents get worse from the first to the last."""
    strata = [pair.query.stratum for pair in scored.pairs]
    assert {name: count / N_QUERIES for name, count in Counter(strata).items()} == pytest.approx(dict(STRATA), abs=1 / N_QUERIES)
    for arm in ("incumbent", "challenger"):
        right = np.array(scored.values("correctness", arm))
        by_stratum = [float(right[np.array(strata) == name].mean()) for name in STRATA]
        assert by_stratum == sorted(by_stratum, reverse=True)


@pytest.mark.parametrize(("arm", "median"), [("incumbent", 38.0), ("challenger", 43.0)])
def test_median_latency_is_as_stated(scored: Scored, arm: str, median: float) -> None:
    """Half of the answers come within 38 ms and 43 ms."""
    times = [getattr(pair, arm).service_ms for pair in scored.pairs]
    assert holds_rate(sum(ms > median for ms in times), N_QUERIES, 0.5)


def test_the_challengers_slowest_hundredth_takes_187_ms(scored: Scored) -> None:
    """One in a hundred of the challenger's answers takes longer than 187 ms, .75 % longer than the SLA of 200 ms."""
    times = [pair.challenger.service_ms for pair in scored.pairs]
    assert holds_rate(sum(ms > 187.0 for ms in times), N_QUERIES, 0.01)
    assert SLA_MS == 200.0
    assert holds_rate(int(sum(scored.values("latency", "challenger"))), N_QUERIES, 0.0075)


@pytest.mark.parametrize(("arm", "rate"), [("incumbent", 0.004), ("challenger", 0.003)])
def test_violations_are_as_stated(scored: Scored, arm: str, rate: float) -> None:
    """.4 % and .3 % of the answers violate a rule, at most .02 % that of authorization."""
    assert holds_rate(int(sum(scored.values("safety", arm))), N_QUERIES, rate)
    assert sum(scored.values("safety.authorization", arm)) <= 0.0002 * N_QUERIES


def test_what_the_safety_checks_find_is_what_was_put_in(scored: Scored) -> None:
    """No right answer is called a violation, and every invented column and forgotten tenant is found."""
    for arm, rates in (("incumbent", INCUMBENT), ("challenger", CHALLENGER)):
        assert sum(scored.values("safety", arm)) == round(N_QUERIES * rates.violations)
        assert sum(scored.values("safety.authorization", arm)) == int(N_QUERIES * rates.authorization)


@pytest.mark.parametrize(("arm", "level"), [("incumbent", 0.91), ("challenger", 0.88)])
def test_agreement_is_as_stated(scored: Scored, arm: str, level: float) -> None:
    """The incumbent agrees with its own re-run at .91 and the challenger with the incumbent at .88, to the second digit."""
    assert holds_mean(scored.values("semantic", arm), level, margin=0.005)


def test_nothing_is_missing(scored: Scored) -> None:
    """Every pair has a value in every dimension that it is eligible for."""
    states = {name: Counter(score.state for score in column) for name, column in scored.scores.items()}
    assert all(count["missing"] == 0 for count in states.values()), states


def test_sessions_have_their_mean_size(scored: Scored) -> None:
    """Sessions are geometric with mean 1.3, and their turns are numbered from 1 without a gap."""
    turns: dict[str | None, list[int | None]] = {}
    for pair in sorted(scored.pairs, key=lambda pair: pair.query.asked_at_ms):
        turns.setdefault(pair.query.session_id, []).append(pair.query.session_turn)
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in turns.values())
    assert holds_mean([len(numbers) for numbers in turns.values()], SESSION_SIZE)


def test_questions_are_many(scored: Scored) -> None:
    """Traffic repeats itself, but no question makes up a fiftieth of it and a fifth of the queries differ."""
    texts = Counter((pair.query.tenant, pair.query.text) for pair in scored.pairs)
    assert max(texts.values()) < N_QUERIES / 50
    assert len(texts) > N_QUERIES / 5
