"""An evaluation from a log to its document: the pool, the pieces, the measures; whatever is finished is kept in a folder."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from dualgate.lab.evaluate import cost, queueing, real, sampling, tightness, watched
from dualgate.lab.evaluate.events import EVENTS, QUICK, REGRESSIONS
from dualgate.lab.evaluate.measures import strategies_told
from dualgate.lab.evaluate.pool import Pool, build_pool, key_of, rates, read_pairs
from dualgate.lab.evaluate.report import report
from dualgate.lab.evaluate.runs import Setting, lives, pieces, run_all, same_run
from dualgate.lab.evaluate.strategies import strategies
from dualgate.lab.evaluate.streams import Shape
from dualgate.lab.evaluate.tables import Section, section_of
from dualgate.lab.pool import workers
from dualgate.producers.layout import LOG, MIGRATION_FILE
from dualgate.producers.workload.files import write_workload
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationConfig, load_migration

Tell = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much an evaluation does; `sample` queries are generated where no log is given; `studies` beside the streams.

    twice: events with twice as many repetitions.
    """

    events: tuple[str, ...]
    repetitions: int
    seed: int = 1
    sample: int = 12_000
    processes: int | None = None
    studies: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()


def full(repetitions: int = 200, seed: int = 1, processes: int | None = None) -> Plan:
    """Return the full form: every event, and the studies beside the streams.

    Regressions from the start are lived through twice as often: that none of 369 is missed shows 99 % at the level of 95 %.
    """
    return Plan(tuple(EVENTS), repetitions, seed, processes=processes, studies=STUDIES, twice=REGRESSIONS)


def quick(seed: int = 1, processes: int | None = None) -> Plan:
    """Return the form that CI runs: the study's six events and an equal challenger, few repetitions, a small log."""
    return Plan(QUICK, 8, seed, 600, processes)


def evaluate(plan: Plan, folder: Path, log: Path | None, config: Path | None, tell: Tell) -> tuple[dict[str, Any], list[Section]]:
    """Run what is not there yet; return the document and the report's sections.

    ConfigError where the folder or the log are of something else.
    """
    log, migration = _log(plan, folder, log, config, tell)
    with workers(plan.processes) as executor:
        pool, key = _pool(migration, log, folder, executor, tell)
        every = strategies(migration)
        setting = Setting(key, migration.config_hash, plan.seed, Shape(), {name: s.settings for name, s in every.items()})
        done = folder / "pieces"
        same_run(done, setting)
        todo, n = pieces(plan.events, plan.repetitions, plan.twice), 0

        def count(_piece: object) -> None:
            nonlocal n
            n += 1
            tell("repetitions", n, len(todo))

        left = [name for name in plan.studies if not _study_file(done, name).exists()]
        beside = {name: executor.submit(study, name, migration.to_json(), str(folder / _POOL)) for name in left}
        run_all(todo, done, migration, folder / _POOL, setting, executor, count)
        made = {name: waiting.result() for name, waiting in beside.items()}
    for name, found in made.items():
        if found["tables"]:  # what was skipped for want of data is asked again the next time
            _study_file(done, name).write_bytes(orjson.dumps(found))
    kept = {name: orjson.loads(_study_file(done, name).read_bytes()) for name in plan.studies if name not in left}
    more = [section_of((kept | made)[name]) for name in plan.studies]
    document = {
        "plan": asdict(plan),
        "shape": asdict(setting.shape),
        "log": rates(pool),
        "events": {name: EVENTS[name].words for name in plan.events},
        "sources": {name: {"source": s.source, "settings": s.settings} for name, s in every.items()},
        "strategies": strategies_told(lives(done, todo)),
        "studies": {name: asdict(found) for name, found in zip(plan.studies, more, strict=True)},
    }
    return document, report(document, migration.spec, more)


_POOL = "pool.npz"
STUDIES = ("tightness", "watched", "cost", "sampling", "queueing", "real")
"""Beside the streams: other settings of rivals, what there was to see, the cost model, sampling ratios, the shadow's queue,
published systems."""


def study(name: str, config_json: str, pool_file: str) -> dict[str, Any]:
    """Return a study's section as plain values; a process of its own may do it."""
    spec = MigrationConfig.from_json(config_json).spec
    pool = Pool.load(Path(pool_file))
    assert pool is not None
    made: Mapping[str, Callable[[], Section]] = {
        "tightness": lambda: tightness.section(pool, Shape()),
        "watched": lambda: watched.section(pool, spec, Shape()),
        "cost": lambda: cost.section(pool, spec),
        "sampling": lambda: sampling.section(pool, spec),
        "queueing": lambda: queueing.section(pool, spec),
        "real": lambda: real.section(),
    }
    return asdict(made[name]())


def _study_file(folder: Path, name: str) -> Path:
    return folder / f"study-{name}.json"


def _log(plan: Plan, folder: Path, log: Path | None, config: Path | None, tell: Tell) -> tuple[Path, MigrationConfig]:
    if log is not None:
        if config is None:
            raise ConfigError("a log needs its migration file: --config FILE")
        return log, load_migration(config)
    sample = folder / f"sample-{plan.sample}-{plan.seed}"
    if not (sample / MIGRATION_FILE).exists():
        tell("sample workload", 0, plan.sample)
        write_workload(sample, plan.seed, plan.sample, lambda n: tell("sample workload", n, plan.sample))
    return sample / LOG, load_migration(config or sample / MIGRATION_FILE)


def _pool(config: MigrationConfig, log: Path, folder: Path, executor: ProcessPoolExecutor, tell: Tell) -> tuple[Pool, str]:
    key = key_of(config, log)
    kept = Pool.load(folder / _POOL, key)
    if kept is not None:
        return kept, key
    pairs = read_pairs(config, log)
    tell("answers scored", 0, len(pairs))
    parts = folder / f"answers-{key}"
    pool = build_pool(config, pairs, executor.map, lambda n: tell("answers scored", n, len(pairs)), parts)
    pool.save(folder / _POOL, key)
    shutil.rmtree(parts)
    return pool, key


def chosen(events: Sequence[str]) -> tuple[str, ...]:
    """Return events by name; ConfigError names what is accepted."""
    unknown = [name for name in events if name not in EVENTS]
    if unknown:
        raise ConfigError(f"event {', '.join(unknown)} is not known; accepted: {', '.join(EVENTS)}")
    return tuple(events)
