"""The check that every valid procedure passes must fail on those that are known to be invalid."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from dualgate.lab.characteristics import rivals
from dualgate.lab.characteristics.baselines import estimated_null
from dualgate.lab.characteristics.densities import NEVER, Setting, plugged_in
from dualgate.lab.characteristics.events import LOOKS, false_acceptance
from dualgate.lab.characteristics.families import evidence, false_claims, gate_family, simes_as_gate
from dualgate.lab.characteristics.invalid import drifting
from dualgate.lab.characteristics.raters import INCUMBENT, LENIENT, accepted_at
from dualgate.lab.characteristics.rows import exceeds
from dualgate.lab.characteristics.sampling_models import DESIGNS, NULL, SESSIONS, regimes, session_passages, strata_passages
from dualgate.lab.characteristics.single_tests import ALPHA, paired

Bools = npt.NDArray[np.bool_]
NULL_PAIRS = paired(0.842, 0.842, 0.5)


def _naive_kde() -> Bools:
    rng = np.random.default_rng(201)
    return np.array([plugged_in(Setting(0.10), rng)["naive, open-ended"] < NEVER for _ in range(400)])


INVALID: dict[str, Callable[[], Bools]] = {
    "McNemar looked at every pair": lambda: rivals.peeked_mcnemar(rivals.draws(NULL_PAIRS, 500, 2000, 202)) < rivals.NEVER,
    "mixture SPRT with a running variance": lambda: (
        rivals.one_sided_msprt(x := rivals.draws(NULL_PAIRS, 2000, 2000, 203), 0.054, rivals.running_variance(x)) < rivals.NEVER
    ),
    "plugged-in densities": _naive_kde,
    "plugged-in baseline": lambda: estimated_null(0.86, 300, 800, 204)[0],
    "every query of a session": lambda: session_passages(SESSIONS[0], NULL, 3000, 600, 205)["per query"] <= 3000,
    "bet divided by the design effect": lambda: (
        session_passages(SESSIONS[0], NULL, 3000, 600, 206)["bet / design effect"] <= 3000
    ),
    "unweighted strata": lambda: strata_passages(DESIGNS[3], "null", 4000, 400, 207, weighted=False).accepted,
    "unweighted Neyman sampling": lambda: strata_passages(DESIGNS[4], "null", 4000, 1200, 208, weighted=False).accepted,
    "bets learned under drift": lambda: drifting(600, 209)[1],
    "uncorrected claims": lambda: false_claims(0.0, 600, 210)["none"],
    "Simes as a gate": lambda: simes_as_gate(evidence(gate_family(("null", "design", "design", "good")), 0.0, 60, 211)),
    "a long-run mean where regimes switch": lambda: regimes(0.06, 300, 212),
    "bursts, latched": lambda: false_acceptance(0.015, LOOKS[0], 250, 213),
    "a rater that favours the challenger": lambda: (
        accepted_at("rater only", LENIENT, INCUMBENT, 0.0, 0.054, 0.1, 200, 6000, 214) <= 6000
    ),
    "rates corrected by 300 labels": lambda: (
        accepted_at("Rogan-Gladen, plug-in 300", LENIENT, INCUMBENT, 0.0, 0.054, 0.1, 400, 6000, 215) <= 6000
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_the_check_fails_on(name: str) -> None:
    """A procedure that is not valid is found above alpha by the same exact test of level 1e-4."""
    assert exceeds(INVALID[name](), ALPHA)
