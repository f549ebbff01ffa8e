"""What a monitor is made from: bets, alarm levels, shares of the false-alarm budget, the discordance of a paired signal."""

from __future__ import annotations

import math

from scipy.stats import beta

SPREAD = (0.25, 0.5, 1.0, 2.0)
"""Bets as multiples of the one that is best for the design shift: a quarter to twice the design shift is found fast."""


def alarm_level(n_observations: int, p_false_alarm: float) -> int:
    """Return A = N / p, rounded up: e-SR alarms falsely within N observations with a probability of at most p."""
    if n_observations < 1:
        raise ValueError(f"n_observations {n_observations!r}, accepted: at least 1")
    _probability("p_false_alarm", p_false_alarm)
    return math.ceil(n_observations / p_false_alarm)


def mixture_bets(best_bet: float, bet_ceiling: float) -> tuple[float, ...]:
    """Return best_bet x {.25, .5, 1, 2}, each at most .9 of the bet that could lose everything (`bet_limit`)."""
    for name, bet in (("best_bet", best_bet), ("bet_ceiling", bet_ceiling)):
        if not (math.isfinite(bet) and bet > 0.0):
            raise ValueError(f"{name} {bet!r}, accepted: positive and finite")
    return tuple(min(best_bet * factor, 0.9 * bet_ceiling) for factor in SPREAD)


def bernoulli_bet(rate: float, worse_rate: float) -> float:
    """Return (p1 - p0) / (p0 (1 - p0)), the growth-optimal bet for a bad event of rate p0 that rises to p1."""
    if not (math.isfinite(rate) and math.isfinite(worse_rate) and 0.0 < rate < worse_rate <= 1.0):
        raise ValueError(f"need 0 < rate < worse_rate <= 1, got {rate!r} and {worse_rate!r}")
    return (worse_rate - rate) / (rate * (1.0 - rate))


def discordance_upper(n_discordant: int, n_pairs: int, confidence: float = 0.9) -> float:
    """Return the upper confidence bound of P(the arms differ) (Clopper and Pearson, 1934)."""
    if not 0 <= n_discordant <= n_pairs or n_pairs < 1:
        raise ValueError(f"need 0 <= n_discordant <= n_pairs and n_pairs >= 1, got {n_discordant} and {n_pairs}")
    _probability("confidence", confidence)
    return 1.0 if n_discordant == n_pairs else float(beta.ppf(confidence, n_discordant + 1, n_pairs - n_discordant))


def spend(p_false_alarm: float, n_steps: int) -> tuple[float, ...]:
    """Return each step's share of a false-alarm budget; the shares sum to it, so the union bound holds.

    Step i has a share of i: in later steps a bad answer reaches more users. Tightening is honest only this way: a threshold
    shrunk by a factor spends a budget that nobody has counted.
    """
    _probability("p_false_alarm", p_false_alarm)
    if n_steps < 1:
        raise ValueError(f"n_steps={n_steps!r} must be at least 1")
    return tuple(p_false_alarm * step / sum(range(1, n_steps + 1)) for step in range(1, n_steps + 1))


def _probability(name: str, value: float) -> None:
    if not (math.isfinite(value) and 0.0 < value < 1.0):
        raise ValueError(f"{name} {value!r}, accepted: strictly between 0 and 1")
