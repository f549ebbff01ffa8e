"""Every answer that an evaluation may need, scored once by the real scorers and kept: repetitions only look scores up."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dualgate.lab.backtest.join import join
from dualgate.lab.evaluate.answers import AGAIN, KINDS, OWN, pairs_of
from dualgate.processors.scoring.block import Identity
from dualgate.processors.scoring.logic import MigrationScoring, score_batch
from dualgate.processors.scoring.migrations import scoring_of
from dualgate.processors.scoring.protocol import Score
from dualgate.processors.scoring.registry import scorers_of
from dualgate.schemas.archive import read_archive
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationConfig
from dualgate.schemas.records import Pair
from dualgate.schemas.settings import PairingTimes, load_settings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

VERSION = 2
"""Part of a kept pool's key: raise it with a change of what answers are made."""
FAST, FAST_AGAIN, SLOW = range(3)
"""Latencies of the challenger: as recorded, as the incumbent's when asked again, and an SLA's length later."""
STATES = ("scored", "not_eligible", "missing")
COLUMNS = ("correctness", "semantic", "safety", "safety.authorization")
_CHUNK = 200

Map = Callable[[Callable[..., Any], Iterable[Any], Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Pool:
    """Scores of M queries by V kinds of answer.

    values: by column, shape (V, 2, M), the incumbent's and the challenger's value, NaN where there is none; state: by column,
    shape (V, M), positions in `STATES`; possible: shape (V, M); ms and over (the SLA, as the latency scorer says): shape
    (4, M), the incumbent's and the challenger's three latencies; sla_ms is the migration file's.
    """

    strata: tuple[str, ...]
    stratum: Ints
    possible: Bools
    values: dict[str, Floats]
    state: dict[str, Ints]
    ms: Floats
    over: Floats
    sla_ms: float

    def __len__(self) -> int:
        return len(self.stratum)

    @property
    def hardest(self) -> int:
        """Return the stratum in which the incumbent is right least often."""
        right = np.nan_to_num(self.values["correctness"][OWN, 0])
        return int(np.argmin([right[self.stratum == s].mean() for s in range(len(self.strata))]))

    def mean(self, column: str, kind: int) -> tuple[float, float]:
        """Return the incumbent's and the challenger's mean of a column over the queries where it is scored."""
        incumbent, challenger = self.values[column][kind][:, self.state[column][kind] == 0]
        return float(np.nanmean(incumbent)), float(np.nanmean(challenger))

    def save(self, path: Path, key: str) -> None:
        """Keep the pool; a reader sees the whole file or none."""
        arrays = {"stratum": self.stratum, "possible": self.possible, "ms": self.ms, "over": self.over}
        arrays |= {f"values/{name}": array for name, array in self.values.items()}
        arrays |= {f"state/{name}": array for name, array in self.state.items()}
        about = json.dumps({"key": key, "strata": self.strata, "sla_ms": self.sla_ms})
        _keep(path, {"about": np.array(about), **arrays})

    @classmethod
    def load(cls, path: Path, key: str | None = None) -> "Pool | None":
        """Return a kept pool; None where there is none, or (with a key) one of another log, file or version."""
        if not path.exists():
            return None
        with np.load(path) as kept:
            about = json.loads(str(kept["about"]))
            if key is not None and about["key"] != key:
                return None
            values = {name: kept[f"values/{name}"] for name in COLUMNS}
            state = {name: kept[f"state/{name}"] for name in COLUMNS}
            strata, sla_ms = tuple(about["strata"]), about["sla_ms"]
            return cls(strata, kept["stratum"], kept["possible"], values, state, kept["ms"], kept["over"], sla_ms)


def key_of(config: MigrationConfig, log: Path) -> str:
    """Return what a pool's scores depend on: the log, the migration file and its files, the scorers and the changes."""
    scorers, _ = scorers_of(config)
    versions = {s.name: s.version for s in scorers}
    digest = hashlib.sha256(log.read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps([VERSION, KINDS, digest, config.config_hash, versions]).encode()).hexdigest()[:16]


def read_pairs(config: MigrationConfig, log: Path) -> list[Pair]:
    """Return the pairs of a log; ConfigError where it holds none with a golden answer."""
    joined, codec = join(read_archive(log), config.spec.migration, PairingTimes.of(load_settings({}))), Codec()
    pairs = [codec.decode(Pair, value) for _, value, _ in joined.pairs]
    if not any(pair.query.golden_id for pair in pairs):
        raise ConfigError(f"{log} holds {len(pairs)} pairs of {config.spec.migration}, none with a golden answer to judge by")
    return pairs


def build_pool(
    config: MigrationConfig, pairs: Sequence[Pair], run: Map = map, tell: Callable[[int], None] = lambda _: None,
    parts: Path | None = None,
) -> Pool:  # fmt: skip
    """Score every kind of answer to every query; `run` is `map` or a process pool's, `tell` hears how many are done.

    With a folder for `parts`, what is scored is kept there at once, and an interrupted build goes on from there.
    """
    latency = config.spec.dimensions.latency
    if latency is None or latency.measure != "exceedance" or set(config.spec.dimensions.on) != set(_DIMENSIONS):
        raise ConfigError("an evaluation needs all four dimensions on, latency with measure exceedance")
    chunks = [pairs[i : i + _CHUNK] for i in range(0, len(pairs), _CHUNK)]
    found = {} if parts is None else _kept(parts)
    left = [i for i in range(len(chunks)) if i not in found]
    for i, part in zip(left, run(score_chunk, repeat(config.to_json()), [chunks[i] for i in left]), strict=True):
        found[i] = part
        if parts is not None:
            _keep(parts / f"{i}.npz", part)
        tell(min(len(pairs), len(found) * _CHUNK))
    strata = tuple(sorted({pair.query.stratum for pair in pairs}))
    stratum = np.array([strata.index(pair.query.stratum) for pair in pairs])
    whole = {name: np.concatenate([found[i][name] for i in range(len(chunks))], axis=-1) for name in found[0]}
    values, state = ({name: whole[f"{what}/{name}"] for name in COLUMNS} for what in ("values", "state"))
    return Pool(strata, stratum, whole["possible"], values, state, whole["ms"], whole["over"], latency.sla_ms)


def _kept(folder: Path) -> dict[int, dict[str, npt.NDArray[Any]]]:
    found = {}
    for file in folder.glob("[0-9]*.npz"):
        with np.load(file) as part:
            found[int(file.stem)] = dict(part)
    return found


def _keep(file: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays; a reader sees the whole file or none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.stem}.partial.npz")
    np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]
    partial.replace(file)


_DIMENSIONS = ("correctness", "latency", "semantic", "safety")


def score_chunk(config_json: str, pairs: Sequence[Pair]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of some queries; a process of its own may do it."""
    config, scoring = _opened(config_json)
    n = len(pairs)
    found: dict[str, npt.NDArray[Any]] = {"possible": np.zeros((len(KINDS), n), dtype=bool)}
    found |= {f"values/{name}": np.full((len(KINDS), 2, n), np.nan) for name in COLUMNS}
    found |= {f"state/{name}": np.full((len(KINDS), n), STATES.index("missing")) for name in COLUMNS}
    by_kind: list[list[tuple[int, Pair]]] = [[] for _ in KINDS]
    for i, pair in enumerate(pairs):
        for kind, answered in pairs_of(pair, scoring):
            by_kind[kind].append((i, answered))
    for kind, rows in enumerate(by_kind):
        scores = score_batch(scoring, [pair for _, pair in rows]) if rows else {}
        for name in COLUMNS:
            for (i, _), score in zip(rows, scores.get(name, ()), strict=False):
                _put(found, name, kind, i, score)
        found["possible"][kind, [i for i, _ in rows]] = True
    found["ms"], found["over"] = _latencies(config, pairs, scoring)
    return found


@lru_cache(maxsize=1)
def _opened(config_json: str) -> tuple[MigrationConfig, MigrationScoring]:
    """Return what scores, opened once a process: its memory of queries and results is what makes many answers cheap."""
    config = MigrationConfig.from_json(config_json)
    return config, scoring_of(Identity(config.spec.migration, 1, config.config_hash), config)


def _put(found: dict[str, npt.NDArray[Any]], name: str, kind: int, i: int, score: Score) -> None:
    found[f"state/{name}"][kind, i] = STATES.index(score.state)
    given = [np.nan if value is None else value for value in (score.incumbent, score.challenger)]
    found[f"values/{name}"][kind, :, i] = given


def _latencies(config: MigrationConfig, pairs: Sequence[Pair], scoring: MigrationScoring) -> tuple[Floats, Floats]:
    """Return milliseconds and the latency scorer's word, shape (4, n): the incumbent's, then the challenger's three."""
    assert config.spec.dimensions.latency is not None
    scorer = next(s for s in scoring.scorers if s.name == "latency")
    own = np.array([pair.challenger.service_ms for pair in pairs])
    again = np.array([(pair.rerun or pair.incumbent).service_ms for pair in pairs])
    each = [own, again, own + config.spec.dimensions.latency.sla_ms]
    ms, over = [np.array([pair.incumbent.service_ms for pair in pairs])], list[list[float | None]]()
    for times in each:
        changed = [
            replace(p, challenger=replace(p.challenger, service_ms=float(t), status="ok"))
            for p, t in zip(pairs, times, strict=True)
        ]
        scores = scorer.score(changed, scoring.context, {})["latency"]
        over += [] if over else [[score.incumbent for score in scores]]
        over.append([score.challenger for score in scores])
        ms.append(times)
    return np.array(ms), np.array(over, dtype=float)


def rates(pool: Pool) -> dict[str, float]:
    """Return what a pool's recorded agents are like, for the report."""
    return {
        "queries": len(pool),
        "incumbent_correct": pool.mean("correctness", OWN)[0],
        "challenger_correct": pool.mean("correctness", OWN)[1],
        "again_correct": pool.mean("correctness", AGAIN)[1],
        "incumbent_over_sla": float(pool.over[0].mean()),
        "challenger_over_sla": float(pool.over[1].mean()),
        "incumbent_semantic": pool.mean("semantic", OWN)[0],
        "challenger_semantic": pool.mean("semantic", OWN)[1],
        "incumbent_violations": pool.mean("safety", OWN)[0],
        "challenger_violations": pool.mean("safety", OWN)[1],
    }
