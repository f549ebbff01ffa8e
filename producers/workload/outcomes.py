"""Which answers of the log are right, wrong or violations, drawn without replacement before anything is asked."""

from dataclasses import dataclass

import numpy as np

from dualgate.producers.workload.agents import AUTHORIZATION, HALLUCINATION, RIGHT, WRONG
from dualgate.producers.workload.draws import Floats, Ints, exact_labels, exact_normals, joint_shares, lognormal_mixture
from dualgate.producers.workload.questions import STRATA
from dualgate.producers.workload.rates import (
    CHALLENGER,
    CORRELATION,
    INCUMBENT,
    LATENCY_CORRELATION,
    LATENCY_SHIFT,
    RERUN_CORRELATION,
    AgentRates,
)

ARMS = ("incumbent", "challenger", "rerun")
NAMES = tuple(STRATA)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """A row a query: its stratum (index into `NAMES`), and per arm the kind and the latency of the answer."""

    stratum: Ints
    kinds: dict[str, Ints]
    service_ms: dict[str, Floats]


def draw_outcomes(rng: np.random.Generator, n: int) -> Outcomes:
    """Draw what is to come out for n queries."""
    stratum = exact_labels(rng, n, list(STRATA.values()))
    right = {arm: np.zeros(n, dtype=bool) for arm in ARMS}
    for s, name in enumerate(NAMES):
        rows = np.flatnonzero(stratum == s)
        p, q = INCUMBENT.correct_in(name), CHALLENGER.correct_in(name)
        first, second = _correlated(rng, rows, p, q, CORRELATION)
        right["incumbent"][first], right["challenger"][second] = True, True
        right["rerun"][_again(rng, rows, right["incumbent"][rows], p)] = True
    rates = {"incumbent": INCUMBENT, "challenger": CHALLENGER, "rerun": INCUMBENT}
    kinds = {arm: _kinds(rng, right[arm], rates[arm]) for arm in ARMS}
    return Outcomes(stratum, kinds, _latencies(rng, stratum, rates))


def _correlated(rng: np.random.Generator, rows: Ints, p: float, q: float, phi: float) -> tuple[Ints, Ints]:
    cell = exact_labels(rng, len(rows), joint_shares(p, q, phi))
    return rows[cell <= 1], rows[(cell == 0) | (cell == 2)]


def _again(rng: np.random.Generator, rows: Ints, right: np.typing.NDArray[np.bool_], p: float) -> Ints:
    """Return the rows whose re-run is right, given whose first answer was."""
    both, first, second, neither = joint_shares(p, p, RERUN_CORRELATION)
    found = []
    for given, yes, no in ((True, both, first), (False, second, neither)):
        chosen = rows[right == given]
        found.append(chosen[exact_labels(rng, len(chosen), (yes / (yes + no), no / (yes + no))) == 0])
    return np.concatenate(found)


def _kinds(rng: np.random.Generator, right: np.typing.NDArray[np.bool_], rates: AgentRates) -> Ints:
    """Return the kinds of an arm's answers: violations are among the wrong ones, authorization never above its rate."""
    n = len(right)
    kinds = np.where(right, RIGHT, WRONG)
    wrong = rng.permutation(np.flatnonzero(~right))
    n_violations, n_authorization = round(n * rates.violations), int(n * rates.authorization + 1e-9)
    kinds[wrong[:n_violations]] = HALLUCINATION
    kinds[wrong[:n_authorization]] = AUTHORIZATION
    return kinds


def _latencies(rng: np.random.Generator, stratum: Ints, rates: dict[str, AgentRates]) -> dict[str, Floats]:
    """Return service times in ms; a part of each query's is common to the arms."""
    n, rho = len(stratum), LATENCY_CORRELATION
    common = rng.standard_normal(n)
    found = {}
    for arm in ARMS:
        mu, sigma = lognormal_mixture(rates[arm], STRATA)
        z = np.sqrt(rho) * common + np.sqrt(1 - rho) * rng.standard_normal(n)
        log_ms = np.empty(n)
        for s, name in enumerate(NAMES):
            rows = stratum == s
            log_ms[rows] = mu + LATENCY_SHIFT[name] + sigma * exact_normals(z[rows])
        found[arm] = np.asarray(np.round(np.exp(log_ms), 3), dtype=np.float64)
    return found
