"""Latency: does an answer take longer than the SLA; errors and time-outs do, whatever was measured."""

from collections.abc import Sequence

from dualgate.processors.scoring.context import ScoringContext
from dualgate.processors.scoring.protocol import Columns, Score, not_eligible
from dualgate.schemas.records import Pair, Response


class Latency:
    """Scores every pair by `service_ms`; queueing at low priority is not the agent's fault."""

    name = "latency"
    version = "2"
    columns = ("latency",)

    def score(self, pairs: Sequence[Pair], context: ScoringContext, _earlier: Columns) -> Columns:
        """Return 1.0 an arm that is over the SLA, else 0.0; the milliseconds are in the block's arm columns."""
        latency = context.dimensions.latency
        if latency is None:
            return {self.name: [not_eligible("off")] * len(pairs)}
        return {self.name: [_score(pair, latency.sla_ms) for pair in pairs]}


def _score(pair: Pair, sla_ms: float) -> Score:
    if pair.challenger.status == "shed" or pair.incumbent.status == "shed":
        return not_eligible("shed before the agent saw it")
    return Score(_exceeds(pair.incumbent, sla_ms), _exceeds(pair.challenger, sla_ms))


def _exceeds(response: Response, sla_ms: float) -> float:
    return float(response.status in ("error", "timeout") or response.service_ms > sla_ms)
