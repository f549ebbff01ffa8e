"""Many runs of a simulated migration, over several processes, and their summary.

Each run has its own seed, spawned from the one given, so the result does not depend on how many processes share the work.
"""

import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import binomtest

from dualgate.gate import phases
from dualgate.gate.admission import admit
from dualgate.gate.commands import obey
from dualgate.gate.decide import At
from dualgate.gate.state import MigrationState
from dualgate.lab.simulate.life import Life, Outcome
from dualgate.lab.simulate.pairs import draw
from dualgate.lab.simulate.scenario import Scenario
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import HOUR_MS, MigrationConfig, MigrationSpec
from dualgate.schemas.records import Command

VERDICTS = ("completed", "promoted", "rejected", "rolled_back", "aborted", "inconclusive", "undecided")
"""Aborting is an operator's; no simulated run is."""

_FIRST_BATCH, _CHUNK = 1000, 5


@dataclass(frozen=True, slots=True)
class Job:
    """What every run shares: the migration as the gate has begun it, the law of pairs, and how many of them there are."""

    state: MigrationState
    scenario: Scenario
    limit: int
    live: bool
    pair_ms: float


def job_of(
    spec: MigrationSpec, scenario: Scenario, limit: int | None, *, live: bool = False, pairs_per_hour: float | None = None
) -> Job:
    """Return what the runs of a migration file share; ConfigError where it cannot be simulated.

    limit: pairs that are there, None for as many as a whole life takes. live: walk on through canary, rollout and tail; else a
    run ends when the shadow phase accepts. pairs_per_hour: sampled pairs that count; with it minimum durations bind.
    """
    config = MigrationConfig(spec, "", {}).to_json()
    specs, _ = admit(config)
    if any(s.measure in ("relative", "median") for s in specs):
        raise ConfigError("latency measure relative and median_sla_ms cannot be simulated; accepted: exceedance")
    missing = {s.name.split(".")[1] for s in specs if "." in s.name} - set(scenario.classes)
    if missing:
        raise ConfigError(f"the scenario has no rate for the classes {sorted(missing)}; accepted: one under classes for each")
    state = _begun(spec, config)
    longest_ms = max(phases.min_duration_ms(spec, phase) for phase in phases.order(spec))
    pair_ms = longest_ms + 1 if pairs_per_hour is None else HOUR_MS / pairs_per_hour
    return Job(state, scenario, _whole_life(state, pair_ms) if limit is None else limit, live, pair_ms)


def _begun(spec: MigrationSpec, config: str) -> MigrationState:
    start = Command(
        command_id="simulate", migration_id=spec.migration, kind="start", actor="simulate", reason="", config=config,
        config_hash="", issued_at_ms=0,
    )  # fmt: skip
    state, _ = obey(None, start, At(0, 0, 0))
    assert state is not None, "an admitted configuration starts"
    return replace(state, strata=("all",))


def _whole_life(state: MigrationState, pair_ms: float) -> int:
    """Return pairs for every phase at its longest, the live ones at thrice what they ask for: an error budget may hold a step."""
    live = [phase for phase in phases.order(state.spec) if phases.is_live(phase)]
    least = {phase: int(phases.min_duration_ms(state.spec, phase) / pair_ms) for phase in live}
    waiting = int(phases.min_duration_ms(state.spec, phases.SHADOW) / pair_ms)
    asked = sum(max(phases.observations(state.spec, phase), least[phase]) for phase in live)
    return state.plan.calibrating + max(state.plan.max_pairs, waiting) + 3 * asked


def run_one(job: Job, seed: np.random.SeedSequence) -> Outcome:
    """Return the outcome of one run."""
    spec = job.state.spec
    size = min(_FIRST_BATCH, job.limit + 1)
    batches = draw(job.scenario, spec.shadow_sampling, spec.unit.by, np.random.default_rng(seed), size)
    own = np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 1)))
    return Life(job.state, job.pair_ms, job.live, rng=own).run((batch for batch in batches if len(batch)), job.limit)


def _run_some(job: Job, seeds: list[np.random.SeedSequence]) -> list[Outcome]:
    return [run_one(job, seed) for seed in seeds]


def run_many(job: Job, runs: int, seed: int, processes: int | None = None) -> Iterator[Outcome]:
    """Yield the outcomes of all runs, in order; processes default to the machine's cores."""
    seeds = np.random.SeedSequence(seed).spawn(runs)
    workers = min(processes or os.cpu_count() or 1, runs)
    if workers == 1:
        yield from (run_one(job, s) for s in seeds)
        return
    size = max(1, min(_CHUNK, runs // (4 * workers)))
    parts = [seeds[i : i + size] for i in range(0, runs, size)]
    with ProcessPoolExecutor(workers, initializer=_leave_interrupts_to_the_parent) as pool:
        try:
            for some in pool.map(_run_some, [job] * len(parts), parts):
                yield from some
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the fraction of each final verdict (exact 95 % binomial interval), of each reason, and the pairs used.

    accepted: the runs whose shadow phase accepted, whatever came of them once users saw the challenger.
    """
    n = len(outcomes)
    verdicts, reasons = Counter(o.verdict for o in outcomes), Counter((o.verdict, o.reason) for o in outcomes)
    accepted = [o.accepted for o in outcomes if o.accepted is not None]
    return {
        "runs": n,
        "verdicts": {name: _fraction(verdicts[name], n) for name in VERDICTS},
        "accepted": _fraction(len(accepted), n),
        "reasons": {f"{verdict}: {reason}": _fraction(k, n) for (verdict, reason), k in sorted(reasons.items())},
        "pairs": _pairs([o.pairs for o in outcomes]),
        "pairs_by_verdict": {v: _pairs([o.pairs for o in outcomes if o.verdict == v]) for v in VERDICTS if verdicts[v]},
        "pairs_to_acceptance": _pairs(accepted) if accepted else None,
    }


def _fraction(k: int, n: int) -> dict[str, float]:
    ci = binomtest(k, n).proportion_ci(0.95)
    return {"fraction": k / n, "low": float(ci.low), "high": float(ci.high), "n": k}


def _pairs(pairs: Sequence[int]) -> dict[str, float]:
    values = np.array(pairs)
    return {"mean": float(values.mean()), "median": float(np.median(values)), "q90": float(np.quantile(values, 0.9))}
