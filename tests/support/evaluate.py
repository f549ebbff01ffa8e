"""Traffic made by hand for tests of the strategies: independent users, rates of bad answers by arm."""

from dataclasses import dataclass

import numpy as np

from dualgate.lab.evaluate.traffic import DAY_MS, Arm, Baseline, Bools, Queries, Traffic


@dataclass(frozen=True, slots=True)
class Rates:
    """What an arm's answers are like."""

    correct: float = 0.842
    over: float = 0.0055
    violation: float = 0.004
    semantic: float = 0.91


def traffic(
    seed: int, challenger: Rates, incumbent: Rates | None = None, n: int = 6000, days: float = 30.0, users: int = 600,
    silence: float = 0.0,
) -> Traffic:  # fmt: skip
    """Return a stream of single-turn sessions at even distances whose answers are independent; the challenger may be silent."""
    incumbent = incumbent or Rates()
    rng = np.random.default_rng(seed)
    at_ms = (np.arange(n) * days * DAY_MS / n).astype(np.int64)
    user = rng.integers(0, users, n)
    queries = Queries(at_ms, user, np.arange(n), np.ones(n, dtype=np.int64), np.zeros(n, dtype=np.int64), rng.random(users)[user])
    arms = [arm(rates, n, rng) for rates in (incumbent, challenger)]
    if silence:
        arms[1] = hushed(arms[1], rng.random(n) < silence)
    both = (arms[0].correct == 1) & (arms[1].correct == 1)
    baseline = Baseline(incumbent.correct, incumbent.over, incumbent.violation, 2000)
    return Traffic(queries, arms[0], arms[1], both, baseline)


def arm(rates: Rates, n: int, rng: np.random.Generator) -> Arm:
    """Return n answers."""

    def drawn(p: float) -> np.typing.NDArray[np.float64]:
        return (rng.random(n) < p).astype(float)

    over, violation = drawn(rates.over), drawn(rates.violation)
    semantic = np.clip(rng.normal(rates.semantic, 0.1, n), 0, 1).round(2).astype(np.float64)
    ms = np.where(over == 1, 300.0, rng.lognormal(3.7, 0.5, n).clip(max=199))
    return Arm(drawn(rates.correct), over, ms, violation, np.zeros(n), semantic, np.ones(n, dtype=bool))


def hushed(arm: Arm, silent: Bools) -> Arm:
    """Return answers of which some never came."""
    nothing = {name: np.where(silent, np.nan, getattr(arm, name)) for name in Arm.__slots__ if name != "answered"}
    return Arm(**nothing, answered=~silent)
