"""How the two agents write. The chances are set so that agreement, measured by the semantic scorer on answers that are both
right, averages .91 between the incumbent's answer and its re-run, and .88 between the challenger's and the incumbent's.
"""

from collections.abc import Mapping

from dualgate.producers.workload.agents import Agent
from dualgate.producers.workload.forms import FORMS
from dualgate.producers.workload.rates import Habits
from dualgate.producers.workload.sql import CHOICES, Style

_INCUMBENT = Agent(Style(alias=1), Habits(dict.fromkeys(CHOICES, 0.04), dict.fromkeys(FORMS, 0.106), 0.1))
_CHALLENGER = Agent(Style(alias=1, span=1), Habits(dict.fromkeys(CHOICES, 0.04), dict.fromkeys(FORMS, 0.193), 0.12))
AGENTS: Mapping[str, Agent] = {"incumbent": _INCUMBENT, "challenger": _CHALLENGER, "rerun": _INCUMBENT}
