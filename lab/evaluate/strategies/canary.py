"""The study's baseline: 5 % of users for seven days, then everyone, unless a population metric of theirs is worse."""

from dualgate.lab.evaluate.strategies.base import Ended, finish
from dualgate.lab.evaluate.strategies.unpaired import METRICS, seen
from dualgate.lab.evaluate.traffic import Traffic

_Z = 1.645


class Canary:
    """A fixed window on a share of users, judged once at its end; what comes after it nobody watches."""

    name = "canary"
    source = "the published study's baseline: 5 % canary, fixed seven-day window, population metrics"

    def __init__(self, share: float = 0.05, days: float = 7.0) -> None:
        self.share, self.days = share, days
        self.settings = (
            f"{share:.0%} of users for {days:g} days; wrong, over the SLA and violations against the other users', "
            "each at one-sided 5 %, variance between users"
        )

    def run(self, traffic: Traffic) -> Ended:
        """Serve the window, judge, and go all the way or back."""
        found = seen([traffic.serve(self.days, self.share)])
        worse = [m for m in METRICS if (found.z_worse(m) or 0.0) > _Z]
        decided = traffic.now_ms
        finish(traffic, 0.0 if worse else 1.0)
        n = int(found.challenger.sum())
        return Ended("stopped" if worse else "promoted", f"worse: {', '.join(worse)}" if worse else "nothing worse", decided, n)
