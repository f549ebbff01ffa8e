"""The log of a workload: queries and answers as records, in the order of their times."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dualgate.producers.workload.agents import Agent, Answer
from dualgate.producers.workload.arrivals import Arrival, arrivals
from dualgate.producers.workload.database import account_name
from dualgate.producers.workload.execution import Executor
from dualgate.producers.workload.outcomes import ARMS, NAMES, Outcomes, draw_outcomes
from dualgate.producers.workload.questions import Question, ask
from dualgate.schemas.records import Query, Response
from dualgate.schemas.topics import QUERIES, RESPONSES_CHALLENGER, RESPONSES_INCUMBENT, RESPONSES_RERUN, traffic_key

MIGRATION, DATABASE = "sql-agent-v7", "ads"
VERSIONS = {"incumbent": "sql-agent:v6", "challenger": "sql-agent:v7", "rerun": "sql-agent:v6"}
TOPICS = {"incumbent": RESPONSES_INCUMBENT, "challenger": RESPONSES_CHALLENGER, "rerun": RESPONSES_RERUN}
_QUEUE_MS = {"incumbent": 1.5, "challenger": 20.0, "rerun": 20.0}
"""Mean wait for a free agent; shadow work has a low priority."""
_PRICES = {"incumbent": (3e-6, 15e-6), "challenger": (2.5e-6, 12.5e-6), "rerun": (3e-6, 15e-6)}
"""Of a token in and out, in USD."""
_TRIES = 200

Tell = Callable[[int], None]
Line = tuple[str, str, int, Any]
"""Topic, key, timestamp, record."""


@dataclass(slots=True)
class Log:
    """Lines in the order of their times, and the reference query of each golden id."""

    lines: list[Line] = field(default_factory=list)
    golden: dict[str, str] = field(default_factory=dict)


def make_log(rng: np.random.Generator, n_queries: int, agents: Mapping[str, Agent], executor: Executor, tell: Tell) -> Log:
    """Ask n questions of all agents and record what they say; `tell` hears how many are done."""
    outcomes = draw_outcomes(rng, n_queries)
    log, golden_ids = Log(), _Numbers()
    for i, arrival in enumerate(arrivals(rng, n_queries)):
        question, answers = _asked(rng, outcomes, i, arrival, agents, executor)
        golden_id = golden_ids.of(question.key)
        if i % 100 == 99:
            tell(i + 1)
        log.golden.setdefault(golden_id, question.golden)
        query = _query(i, arrival, question, golden_id)
        log.lines.append((QUERIES, _key(query), query.asked_at_ms, query))
        for arm, answer in answers.items():
            response = _response(rng, query, arm, answer, float(outcomes.service_ms[arm][i]))
            at = round(query.asked_at_ms + response.queue_ms + response.service_ms)
            log.lines.append((TOPICS[arm], _key(query), at, response))
    log.lines.sort(key=lambda line: line[2])  # stable: a query stays before its answers
    return log


class _Numbers:
    """Numbers questions in the order of their first appearance."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, key: str) -> str:
        return self._known.setdefault(key, f"g{len(self._known):05d}")


def _key(query: Query) -> str:
    return traffic_key(query.migration_id, query.query_id).decode()


def _asked(
    rng: np.random.Generator, outcomes: Outcomes, i: int, arrival: Arrival, agents: Mapping[str, Agent], executor: Executor
) -> tuple[Question, dict[str, Answer]]:
    """Draw questions until one has an answer in the database and lets each agent be as right or wrong as it is to be."""
    stratum = NAMES[outcomes.stratum[i]]
    for _ in range(_TRIES):
        question = ask(rng, stratum, arrival.account)
        if _has_answer(question, executor):
            answers = _answers(rng, {arm: int(outcomes.kinds[arm][i]) for arm in ARMS}, question, agents, executor)
            if answers is not None:
                return question, answers
    raise RuntimeError(f"no question of stratum {stratum} for account {arrival.account} in {_TRIES} draws")


def _has_answer(question: Question, executor: Executor) -> bool:
    return any(value not in (None, 0) for row in executor.run(question.golden).rows for value in row)


def _answers(
    rng: np.random.Generator, kinds: Mapping[str, int], question: Question, agents: Mapping[str, Agent], executor: Executor
) -> dict[str, Answer] | None:
    found = {}
    for arm, kind in kinds.items():
        answer = agents[arm].answer(question, kind, executor, rng)
        if answer is None:
            return None
        found[arm] = answer
    return found


def _query(i: int, arrival: Arrival, question: Question, golden_id: str) -> Query:
    caller = account_name(arrival.account)
    return Query(
        query_id=f"q{i:06d}",
        migration_id=MIGRATION,
        session_id=f"s{arrival.session:06d}",
        session_turn=arrival.turn,
        tenant=caller,
        asked_at_ms=arrival.asked_at_ms,
        text=question.text,
        context={"dialect": "sqlite", "database": DATABASE, "caller": caller},
        stratum=question.stratum,
        rerun=True,
        golden_id=golden_id,
    )


def _response(rng: np.random.Generator, query: Query, arm: str, answer: Answer, service_ms: float) -> Response:
    queue_ms = round(float(rng.exponential(_QUEUE_MS[arm])), 3)
    tokens_in = 900 + len(query.text) // 4
    tokens_out = len(answer.sql) // 3 + 12 * len(answer.trace)
    price_in, price_out = _PRICES[arm]
    return Response(
        query_id=query.query_id,
        migration_id=query.migration_id,
        arm="challenger" if arm == "challenger" else "incumbent",
        agent_version=VERSIONS[arm],
        lane="live" if arm == "incumbent" else "shadow",
        output=answer.sql,
        result=answer.result.as_json(),
        trace=answer.trace,
        queue_ms=queue_ms,
        service_ms=service_ms,
        started_at_ms=query.asked_at_ms + round(queue_ms),
        cost=round(tokens_in * price_in + tokens_out * price_out, 8),
        usage={"input_tokens": tokens_in, "output_tokens": tokens_out},
    )
