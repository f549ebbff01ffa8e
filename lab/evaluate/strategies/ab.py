"""The A/B test: half of the users, a number of answers planned beforehand, one proper look (or, wrongly, one every day)."""

from scipy.special import ndtri

from dualgate.lab.evaluate.strategies.base import Ended, finish
from dualgate.lab.evaluate.strategies.unpaired import METRICS, Seen, seen
from dualgate.lab.evaluate.traffic import Served, Traffic

ALPHA, POWER = 0.05, 0.9
CEILINGS = {"over": 0.02, "violation": 0.010}
"""As the workload's migration file has them."""


def planned(p: float, gain: float) -> int:
    """Return answers per group for a one-sided test of two rates (Fleiss, Levin, Paik 2003, section 4.2, no correction)."""
    q = p + gain
    spread = p * (1 - p) + q * (1 - q)
    return int((float(ndtri(1 - ALPHA) + ndtri(POWER)) ** 2) * spread / gain**2) + 1


class AbTest:
    """Better at 5 % in right answers and below both ceilings: promote; worse in any of three at 5 % together: stop.

    Peeked: looked at every day, each test at 5 %, as one who stops at the first significant day does.
    """

    source = "textbook: two proportions, sample size fixed beforehand, users as clusters"

    def __init__(self, peeked: bool = False, gain: float = 0.03) -> None:
        self.name = "ab_peeked" if peeked else "ab_fixed"
        self._peeked, self._gain = peeked, gain
        look = "looked at every day, and stopped at the first significant day" if peeked else "looked at once"
        self.settings = f"50 % of users; answers planned for +{gain:.0%} at power {POWER:g}; {look}; variance between users"

    def run(self, traffic: Traffic) -> Ended:
        """Serve halves until the planned number is there."""
        wanted = 2 * planned(traffic.baseline.correct, self._gain)
        stretches: list[Served] = []
        day = 0
        while not traffic.over and sum(map(len, stretches)) < wanted:
            day += 1
            stretches.append(traffic.serve(day, 0.5))
            if self._peeked and (found := _decision(seen(stretches), final=False)):
                return _end(traffic, found, stretches)
        return _end(traffic, _decision(seen(stretches), final=True) or ("stopped", "not shown better", False), stretches)


Found = tuple[str, str, bool]


def _decision(found: Seen, final: bool) -> Found | None:
    """Return the verdict, its reason, and whether it claims harm; None where nothing is significant yet."""
    limit = float(ndtri(1 - ALPHA))
    harm = float(ndtri(1 - ALPHA / len(METRICS))) if final else limit
    worse = [m for m in METRICS if (found.z_worse(m) or 0.0) > harm]
    if worse:
        return "stopped", f"worse: {', '.join(worse)}", True
    below = all(_below(found, metric, ceiling, limit) for metric, ceiling in CEILINGS.items())
    if (found.z_worse("wrong") or 0.0) < -limit and below:
        return "promoted", "better", False
    return ("stopped", "not shown better", False) if final else None


def _below(found: Seen, metric: str, ceiling: float, limit: float) -> bool:
    """Tell whether a rate is shown below its ceiling; without a bad answer the rule of three stands in for the error."""
    rate = found.rate(metric, True)
    if rate is None:
        return False
    upper = rate.mean + limit * rate.se if rate.mean else 3.0 / rate.n
    return upper < ceiling


def _end(traffic: Traffic, found: Found, stretches: list[Served]) -> Ended:
    verdict, reason, harm = found
    decided, n = traffic.now_ms, sum(map(len, stretches))
    finish(traffic, 1.0 if verdict == "promoted" else 0.0)
    return Ended("promoted" if verdict == "promoted" else "stopped", reason, decided, n, claims_worse=harm)
