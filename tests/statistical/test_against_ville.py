"""An independent implementation on the same streams: the package ville (test only)."""

import numpy as np
import numpy.typing as npt
import pytest
import ville

from dualgate.gate.stats import bet_mixture, log_e_process
from dualgate.gate.stats.lattice import TERNARY
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics.passage import log_e_paths
from dualgate.lab.characteristics.rows import exceeds
from support.pair_laws import paired_law

GRID = 4000


def _ours(x: npt.NDArray[np.float64], p0: float) -> npt.NDArray[np.float64]:
    """The uniform mixture over all alternatives p1, as fixed bets (p1 - p0) / (p0 (1 - p0)) on x and on 1 - x."""
    p1 = (np.arange(GRID) + 0.5) / GRID
    up, down = p1[p1 > p0], p1[p1 < p0]
    variance = p0 * (1 - p0)
    rising = log_e_process(x, p0, ((up - p0) / variance).tolist()) + np.log(len(up) / GRID)
    falling = log_e_process(1 - x, 1 - p0, ((p0 - down) / variance).tolist()) + np.log(len(down) / GRID)
    return np.asarray(np.logaddexp(rising, falling))


@pytest.mark.parametrize(("p0", "p"), [(0.5, 0.5), (0.5, 0.7), (0.05, 0.1), (0.99, 0.996)])
def test_a_mixture_of_all_bets_is_the_beta_binomial_e_process(p0: float, p: float) -> None:
    """A fine uniform mixture of fixed bets on a Bernoulli stream is ville's beta-binomial e-process, after every observation."""
    x = (np.random.default_rng(3).random(400) < p).astype(float)
    theirs = ville.BernoulliTest(p0).fit(x).log_e_values_
    assert _ours(x, p0) == pytest.approx(theirs, abs=2e-3)


def test_both_keep_the_level_and_ours_is_faster() -> None:
    """On the same 300 streams of a null both reject by at most alpha; under the design the nine fixed bets need fewer pairs."""
    rng, n = np.random.default_rng(5), 1200
    nine = Process(TERNARY, 0.0, 1, bet_mixture(0.458, 1.0))
    found = {}
    for name, law in (("null", paired_law(0.842, 0.842, 0.5)), ("design", paired_law(0.842, 0.896, 0.5))):
        codes = rng.choice(3, size=(300, n), p=law)
        ours = log_e_paths(nine, codes) >= np.log(20)
        theirs = np.array([_their_path(stream) for stream in codes - 1.0]) >= np.log(20)
        found[name] = (ours, theirs)
    for hits in found["null"]:
        assert not exceeds(hits.any(axis=1), 0.05)
    ours, theirs = (np.where(h.any(axis=1), h.argmax(axis=1), n).mean() for h in found["design"])
    assert ours < theirs


def _their_path(stream: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(ville.BettingTest(0.0, bounds=(-1.0, 1.0), alternative="greater").fit(stream).log_e_values_)
