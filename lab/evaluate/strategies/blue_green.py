"""Blue-green: a smoke test on mirrored queries, everyone at once, and a day of analysis after the switch."""

from dualgate.lab.evaluate.strategies.base import Ended, finish
from dualgate.lab.evaluate.strategies.thresholds import limits
from dualgate.lab.evaluate.traffic import Traffic


class BlueGreen:
    """Pre-promotion analysis on some queries, then the switch; post-promotion analysis may switch back."""

    name = "blue_green"
    source = "argoproj/argo-rollouts docs/features/analysis.md: BlueGreen pre- and post-promotion analysis"
    settings = (
        "100 mirrored queries before the switch, 24 hours of analysis after it in windows of 6 hours, failureLimit 0; "
        "conditions the 97.5 % quantile of a window at the incumbent's known rates"
    )

    def run(self, traffic: Traffic) -> Ended:
        """Test, switch, watch for a day."""
        tried = traffic.mirror(100)
        right = float((tried.challenger.correct == 1).mean())
        allowed = limits(traffic.baseline, 100)
        if 1 - right > allowed.wrong:
            finish(traffic, 0.0)
            return Ended("stopped", f"smoke test: {right:.0%} right", int(tried.at_ms[-1]), len(tried))
        switched = begin = (traffic.now_ms - traffic.began_ms) / 86_400_000
        n = len(tried)
        for k in range(1, 5):
            served = traffic.serve(begin + 0.25 * k, 1.0)
            n += len(served)
            failed = limits(traffic.baseline, len(served) or 10).failed(served)
            if failed:
                decided = traffic.now_ms
                finish(traffic, 0.0)
                return Ended("stopped", f"post-promotion: {', '.join(failed)}", decided, n)
        finish(traffic, 1.0)
        return Ended("promoted", "post-promotion analysis passed", traffic.began_ms + round(switched * 86_400_000), n)
