"""Repetitions: one event's seeded streams through every strategy, in pieces that are kept, on all cores."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from dualgate.lab.evaluate.events import EVENTS, Event, staged
from dualgate.lab.evaluate.pool import Pool
from dualgate.lab.evaluate.strategies import Ended, Strategy, strategies
from dualgate.lab.evaluate.streams import Shape, Stream, Truth, stream
from dualgate.lab.evaluate.traffic import DAY_MS, History
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationConfig

PIECE = 10
"""Repetitions of a piece: some seconds of work, so that little is lost when a run is interrupted."""
CANARY_SHARE = 0.05
"""Up to this share an exposure counts only in the strict reading of impact."""


@dataclass(frozen=True, slots=True)
class Lived:
    """What one strategy did with one stream, beside the truth: times in days since the stream began.

    harm: answers of the event that users saw, strictly; harm_wide: those seen while more than a canary's share was exposed;
    impact_days: from the first such answer to the last, strictly and widely; all_users_day: when everybody was on the
    challenger for good; gain: the truth, how many more of the challenger's answers were right.
    """

    verdict: str
    reason: str
    claims_worse: bool
    decided_day: float | None
    pairs: int | None
    decided: Mapping[str, int]
    stopped_day: float | None
    all_users_day: float | None
    harm: int
    harm_wide: int
    impact_days: float
    impact_wide_days: float
    served: int
    mirrored: int
    gain: float


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run is: everything its pieces depend on."""

    pool: str
    config_hash: str
    seed: int
    shape: Shape
    strategies: Mapping[str, str] = field(default_factory=dict)
    """Settings by name."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some repetitions of one event."""

    event: str
    first: int
    size: int

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.event}.{self.first:05d}-{self.first + self.size:05d}.json"


def pieces(events: Sequence[str], repetitions: int, twice: Sequence[str] = ()) -> list[Piece]:
    """Return all pieces, the first repetitions of every event first: an interrupted run knows something of each."""
    wanted = {event: repetitions * (2 if event in twice else 1) for event in events}
    starts = range(0, max(wanted.values(), default=0), PIECE)
    return [Piece(event, at, min(PIECE, n - at)) for at in starts for event, n in wanted.items() if at < n]


def repetition(event: Event, pool: Pool, shape: Shape, seed: Sequence[int]) -> Stream:
    """Return one repetition of an event; it depends on the seed alone."""
    rng = np.random.default_rng(list(seed))
    return stream(staged(event, pool, shape, rng), rng)


def live(strategy: Strategy, lived: Stream) -> Lived:
    """Return what a strategy does with one repetition."""
    traffic = lived.traffic()
    ended = strategy.run(traffic)
    return told(ended, traffic.history, lived.truth, traffic.began_ms)


def told(ended: Ended, history: History, truth: Truth, began_ms: int) -> Lived:
    """Return a life in numbers, from what was done and the truth."""
    n, exposed = len(truth.at_ms), history.exposed(truth.place)
    share = history.share(n)
    seen = exposed & truth.harm
    wide = seen & (share > CANARY_SHARE)
    day = (truth.at_ms - began_ms) / DAY_MS
    last_row, last_share = history.rows[-1], history.shares[-1]
    at = float(day[min(last_row, n - 1)])
    return Lived(
        ended.verdict, ended.reason, ended.claims_worse,
        None if ended.decided_ms is None else (ended.decided_ms - began_ms) / DAY_MS,
        ended.pairs, dict(ended.decided),
        _stopped(ended, at, last_share, began_ms), at if last_share == 1.0 else None,
        int(seen.sum()), int(wide.sum()), _span(day, seen), _span(day, wide), int(exposed.sum()), history.n_mirrored, truth.gain,
    )  # fmt: skip


def _stopped(ended: Ended, last_change: float, last_share: float, began_ms: int) -> float | None:
    """Return when a challenger was turned away: at the last change of the routing, or (never exposed) at the decision."""
    if ended.verdict != "stopped":
        return None
    if last_share == 0.0 and last_change > 0:
        return last_change
    return None if ended.decided_ms is None else (ended.decided_ms - began_ms) / DAY_MS


def _span(day: np.typing.NDArray[np.float64], which: np.typing.NDArray[np.bool_]) -> float:
    found = day[which]
    return float(found[-1] - found[0]) if len(found) else 0.0


def run_piece(piece: Piece, config_json: str, pool_file: str, setting: Setting) -> dict[str, list[dict[str, Any]]]:
    """Return the lives of every strategy in a piece's repetitions, by strategy."""
    every, pool = _ready(config_json, pool_file)
    event = EVENTS[piece.event]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in every}
    for r in range(piece.first, piece.first + piece.size):
        lived = repetition(event, pool, setting.shape, (setting.seed, r))
        for name, strategy in every.items():
            found[name].append(asdict(live(strategy, lived)))
    return found


@lru_cache(maxsize=1)
def _ready(config_json: str, pool_file: str) -> tuple[Mapping[str, Strategy], Pool]:
    pool = Pool.load(Path(pool_file))
    if pool is None:
        raise ConfigError(f"pool {pool_file} is gone")
    return strategies(MigrationConfig.from_json(config_json)), pool


def kept(folder: Path, piece: Piece) -> dict[str, list[dict[str, Any]]] | None:
    """Return a finished piece, None where it is not there yet."""
    file = folder / piece.file
    found: dict[str, list[dict[str, Any]]] | None = orjson.loads(file.read_bytes()) if file.exists() else None
    return found


def keep(folder: Path, piece: Piece, lives: Mapping[str, Any]) -> None:
    """Write a finished piece; a reader sees all of it or nothing."""
    partial = folder / f".{piece.file}.partial"
    partial.write_bytes(orjson.dumps(lives, option=orjson.OPT_SERIALIZE_NUMPY))
    partial.replace(folder / piece.file)


def same_run(folder: Path, setting: Setting) -> None:
    """Note what a folder's pieces are of; ConfigError where it holds those of another run."""
    file, mine = folder / "run.json", orjson.dumps(asdict(setting), option=orjson.OPT_INDENT_2)
    folder.mkdir(parents=True, exist_ok=True)
    if file.exists() and file.read_bytes() != mine:
        raise ConfigError(f"{folder} holds pieces of another run ({file}); give another --out, or delete it")
    file.write_bytes(mine)


def run_all(
    todo: Sequence[Piece], folder: Path, config: MigrationConfig, pool_file: Path, setting: Setting,
    executor: ProcessPoolExecutor, done: Callable[[Piece], None],
) -> None:  # fmt: skip
    """Run the pieces that are not there yet; each is kept as soon as it is whole."""
    left = [piece for piece in todo if not (folder / piece.file).exists()]
    for piece in set(todo) - set(left):
        done(piece)
    given = (config.to_json(), str(pool_file), setting)
    waiting = {executor.submit(run_piece, piece, *given): piece for piece in left}
    for future in as_completed(waiting):
        keep(folder, waiting[future], future.result())
        done(waiting[future])


def complete(folder: Path, events: Sequence[str], twice: Sequence[str] = ()) -> int:
    """Return the most repetitions of which a folder has every piece of all these events."""
    n = 0
    while events and all((folder / piece.file).exists() for piece in pieces(events, n + PIECE, twice)):
        n += PIECE
    return n


def lives(folder: Path, todo: Sequence[Piece]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every life of the finished pieces: event, strategy, and the life."""
    for piece in todo:
        for name, found in (kept(folder, piece) or {}).items():
            for life in found:
                yield piece.event, name, life
