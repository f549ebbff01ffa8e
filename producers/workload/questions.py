"""Questions that advertisers ask, with the plan that answers each: templates in three strata, filled by a generator."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dualgate.producers.workload import chains, joins, singles
from dualgate.producers.workload.parameters import Parameters
from dualgate.producers.workload.plan import Plan
from dualgate.producers.workload.sql import Style, render

STRATA: Mapping[str, float] = {"single": 0.31, "join": 0.44, "chain": 0.25}
"""Share of each stratum: look-ups in one table, aggregations over joins, chains of steps."""

Template = Callable[[Parameters], tuple[str, Plan]]
TEMPLATES: Mapping[str, Sequence[Template]] = {
    "single": singles.TEMPLATES,
    "join": joins.TEMPLATES,
    "chain": chains.TEMPLATES,
}


@dataclass(frozen=True, slots=True)
class Question:
    """A question of one account, the plan of its right answer and the reference query; `key` is its own alone."""

    key: str
    stratum: str
    account: int
    text: str
    plan: Plan
    golden: str


def ask(rng: np.random.Generator, stratum: str, account: int) -> Question:
    """Draw a question of a stratum for an account."""
    templates = TEMPLATES[stratum]
    template = templates[int(rng.integers(len(templates)))]
    text, plan = template(Parameters(rng, account))
    return Question(f"{template.__name__}/{account}/{text}", stratum, account, text, plan, render(plan, Style()))
