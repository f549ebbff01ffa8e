"""Published systems with known truth: the gate's verdict over many orders, and its pairs beside the fixed-sample test's."""

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from dualgate.gate.evidence import dimensions
from dualgate.gate.state import MigrationState
from dualgate.gate.stats import sprt_plan
from dualgate.gate.stats.laws import ternary
from dualgate.lab.evaluate.measures import mean
from dualgate.lab.evaluate.pool import Floats, read_pairs
from dualgate.lab.evaluate.strategies.dualgate import Gate, started
from dualgate.lab.evaluate.tables import Section, Table, number
from dualgate.lab.evaluate.traffic import Arm, Baseline, Queries, Traffic
from dualgate.processors.scoring.block import Identity
from dualgate.processors.scoring.logic import score_batch
from dualgate.processors.scoring.migrations import close, scoring_of
from dualgate.processors.scoring.protocol import Score
from dualgate.producers.compose import RateProfile, arrival_times, read_rates
from dualgate.producers.imports import import_predictions
from dualgate.schemas.migration import MigrationConfig, load_migration

PAIRS = (
    ("gpt4_fewshot", "dinsql_gpt4", "better"),
    ("codes_1b", "codes_3b", "better"),
    ("dailsql_gpt4", "dailsql_gpt4_sc", "equal"),
    ("dtssql_deepseek", "dtssql_mistral", "worse"),
)
RESAMPLED = 8_000
"""Queries drawn with replacement for the whole gate: 972 questions are too few for its rare events."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the scorers said of every question, both arms."""

    incumbent: Arm
    challenger: Arm

    @property
    def difference(self) -> Floats:
        """Paired differences of correctness."""
        return np.asarray(self.challenger.correct - self.incumbent.correct)


def available() -> Path | None:
    """Return the folder of the published data, None where DUALGATE_DATA does not name one."""
    folder = Path(os.environ.get("DUALGATE_DATA", ""))
    whole = (folder / "spider" / "spider_dev_paired.jsonl").is_file() and (folder / "arrivals" / "servegen_10min.csv").is_file()
    return folder if whole else None


def scored(config: MigrationConfig, log: Path) -> Scores:
    """Execute and score every pair of a log once."""
    pairs = read_pairs(config, log)
    scoring = scoring_of(Identity(config.spec.migration, 1, config.config_hash), config)
    columns = score_batch(scoring, pairs)
    close(scoring)

    def values(name: str, arm: str) -> Floats:
        found: list[Score] = list(columns.get(name, ()))
        return np.array([np.nan if getattr(s, arm) is None else getattr(s, arm) for s in found] or [np.nan] * len(pairs))

    def arm(name: str) -> Arm:
        ms = np.array([getattr(pair, name).service_ms for pair in pairs])
        told = (values(column, name) for column in ("correctness", "latency", "safety", "safety.authorization", "semantic"))
        correct, over, violation, unauthorized, semantic = told
        return Arm(correct, over, ms, violation, unauthorized, semantic, np.ones(len(pairs), dtype=bool))

    return Scores(arm("incumbent"), arm("challenger"))


def replayed(scores: Scores, order: np.typing.NDArray[np.int64], profile: RateProfile, rng: np.random.Generator) -> Traffic:
    """Return a traffic of questions in an order, single-turn sessions at composed times."""
    n = len(order)
    incumbent, challenger = scores.incumbent.only(order), scores.challenger.only(order)
    nothing = np.zeros(n, dtype=np.int64)
    queries = Queries(arrival_times(rng, profile, n), np.arange(n), np.arange(n), nothing + 1, nothing, rng.random(n))
    both = (incumbent.correct == 1) & (challenger.correct == 1)
    return Traffic(queries, incumbent, challenger, np.asarray(both), Baseline(0.0, 0.0, 0.0, 0))


def section(orders: int = 60, resamples: int = 12, seed: int = 7, systems: Sequence[tuple[str, str, str]] = PAIRS) -> Section:
    """Return verdict against truth and pairs needed; where the data is absent, the reason why there is nothing."""
    folder = available()
    title = "Real data: published NL-to-SQL systems"
    if folder is None:
        reason = "Skipped: DUALGATE_DATA names no folder with spider/spider_dev_paired.jsonl and arrivals/servegen_10min.csv."
        return Section(title, (reason,))
    profile = read_rates(folder / "arrivals" / "servegen_10min.csv")
    alone, whole = [], []
    for incumbent, challenger, truth in systems:
        scores, configs = _imported(folder, incumbent, challenger, profile)
        rng = np.random.default_rng(seed)
        name = f"{incumbent} → {challenger}"
        said = f"{truth}, {float(np.nanmean(scores.difference)):+.1%}"
        alone.append((name, said, *_orders(scores, configs[0], profile, orders, rng)))
        whole.append((name, said, *_resampled(scores, configs[1], profile, resamples, rng)))
    words = (
        f"Every question of Spider's development set that both systems' databases execute, {orders} random orders; arrival "
        "times from published rates, latencies composed by one law for both systems (so nothing is said about latency here).",
        "Correctness alone asks for a gain of 5 points at most over 972 questions. The fixed sample is planned for the same "
        "gain, errors and discordance; where it is larger than the file, the file decides.",
    )
    columns = ("incumbent → challenger", "truth", "correctness says", "pairs until it does", "fixed sample", "it accepts")
    second = ("incumbent → challenger", "truth", "verdicts", "pairs to the verdict")
    tables = (
        Table("Correctness alone, every question once", columns, alone),
        Table(f"All four dimensions, {RESAMPLED:,} questions drawn with replacement, {resamples} seeds", second, whole),
    )
    return Section(title, words, tables)


def _imported(
    folder: Path, incumbent: str, challenger: str, profile: RateProfile
) -> tuple[Scores, tuple[MigrationConfig, MigrationConfig]]:
    """Return scores by all four dimensions, and the file with correctness alone beside the one with all."""
    configs = []
    source = folder / "spider"
    with tempfile.TemporaryDirectory() as place:
        for everything in (False, True):
            out = Path(place) / str(everything)
            import_predictions(
                source / "spider_dev_paired.jsonl", source / "databases", incumbent, challenger, out, seed=1, profile=profile,
                all_dimensions=everything,
            )  # fmt: skip
            configs.append(load_migration(out / "migration.yaml"))
        scores = scored(configs[1], Path(place) / "True" / "log.jsonl.zst")
    return scores, (configs[0], configs[1])


def _orders(
    scores: Scores, config: MigrationConfig, profile: RateProfile, orders: int, rng: np.random.Generator
) -> tuple[str, str, str, str]:
    """Return what correctness alone says over random orders, with how many pairs, beside the fixed-sample test."""
    began, said, pairs, fixed = started(config), Counter[str](), list[float](), 0
    difference, n = scores.difference, len(scores.difference)
    part = config.spec.dimensions.correctness
    assert part is not None
    law = ternary(part.design, max(float(np.mean(difference != 0)), 1.5 * part.design))
    wanted = min(
        n, sprt_plan([-1.0, 0.0, 1.0], law.tolist(), part.null, config.spec.errors.promote, config.spec.errors.miss).n_fixed
    )
    for _ in range(orders):
        order = rng.permutation(n)
        gate = _walked(began, replayed(scores, order, profile, rng))
        status = dimensions(gate.state)["correctness"].status
        said[status] += 1
        if "correctness" in gate.state.decided_at:
            pairs.append(gate.state.decided_at["correctness"])
        first = difference[order[:wanted]]
        up, down = float((first > 0).sum()), float((first < 0).sum())
        fixed += int((up - down) / max(1.0, np.sqrt(up + down)) > float(ndtri(1 - config.spec.errors.promote)))
    told = ", ".join(f"{status} {count}" for status, count in said.most_common())
    return told, number(mean(pairs)), f"{wanted:,}", f"{fixed} of {orders}"


def _resampled(
    scores: Scores, config: MigrationConfig, profile: RateProfile, resamples: int, rng: np.random.Generator
) -> tuple[str, str]:
    began, said, pairs = started(config), Counter[str](), list[float]()
    for _ in range(resamples):
        order = rng.integers(0, len(scores.difference), RESAMPLED)
        gate = _walked(began, replayed(scores, order, profile, rng))
        said[gate.state.phase] += 1
        ended = gate.ended()
        pairs += [float(ended.pairs)] if ended.pairs is not None else []
    return ", ".join(f"{phase} {count}" for phase, count in said.most_common()), number(mean(pairs))


def _walked(began: MigrationState, traffic: Traffic) -> Gate:
    gate = Gate(began, traffic)
    while not traffic.over and gate.state.active:
        gate.fold(traffic.mirror(500))
    return gate
