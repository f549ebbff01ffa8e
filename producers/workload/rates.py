"""The base rates that a generated log is made for. They are those of the published study that the workload follows.

Rates are met by *drawing without replacement*: of n queries exactly round(n · rate) have the property, and which ones is
random. Measured on the executed log they hold to within one query, where independent draws would miss by their sampling error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dualgate.producers.workload.questions import STRATA

N_QUERIES = 12_000
N_DAYS = 45
SESSION_SIZE = 1.3
"""Mean number of turns of a session; sizes are geometric."""
SLA_MS = 200.0

CORRELATION = 0.28
"""Of the two agents' correctness within a stratum: hard questions are hard for both. About .3 over all strata."""
RERUN_CORRELATION = 0.75
"""Of the correctness of the incumbent's answer and of its re-run."""
LATENCY_CORRELATION = 0.5
"""Of the two agents' log latency within a stratum."""
LATENCY_SHIFT: Mapping[str, float] = {"single": -0.25, "join": 0.0, "chain": 0.30}
"""What a stratum adds to log latency."""


@dataclass(frozen=True, slots=True)
class AgentRates:
    """What is true of one agent over all its answers.

    `easier` gives the correctness of the strata but the last, whose rate follows from the whole. Latency is lognormal within a
    stratum, with the same spread in each; median and exceedance of the SLA are those of the mixture.
    """

    correct: float
    easier: Mapping[str, float]
    violations: float
    authorization: float
    median_ms: float
    over_sla: float

    def correct_in(self, stratum: str) -> float:
        """Return the share of right answers in a stratum."""
        if stratum in self.easier:
            return self.easier[stratum]
        return (self.correct - sum(STRATA[s] * p for s, p in self.easier.items())) / STRATA[stratum]


INCUMBENT = AgentRates(0.842, {"single": 0.93, "join": 0.845}, 0.004, 0.0002, 38.0, 0.0055)
CHALLENGER = AgentRates(0.896, {"single": 0.955, "join": 0.9}, 0.003, 0.0002, 43.0, 0.0075)


@dataclass(frozen=True, slots=True)
class Habits:
    """How much an agent's writing varies.

    Chances that a choice of style is made anew, that a form is applied to the plan, and that a step of the trace is told anew.
    """

    style: Mapping[str, float] = field(default_factory=dict)
    forms: Mapping[str, float] = field(default_factory=dict)
    trace: float = 0.0
