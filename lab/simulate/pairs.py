"""Draw pairs of a scenario, as encoded observations of each hypothesis.

Outcomes come from latent normals: an arm's outcomes share a factor across dimensions (correlation) and within a session
(sessions.agreement). The challenger's binary outcome is drawn given the incumbent's so that the stated discordance holds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from dualgate.gate.stats import MISSING, Block, DimensionSpec
from dualgate.gate.stats.lattice import SCORE
from dualgate.gate.stats.laws import bell
from dualgate.gate.stats.sampling import MAX_DRAWN_TURN
from dualgate.lab.simulate.scenario import Binary, Scenario, Scores

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CORRECT, SLOW, SCORED, VIOLATION = range(4)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What happened in a batch of sampled pairs, challenger and incumbent (1 = it happened), and how each was sampled."""

    correct: tuple[Ints, Ints]
    slow: tuple[Ints, Ints]
    score: tuple[Ints, Ints]
    violation: tuple[Ints, Ints]
    classes: Mapping[str, Ints]
    thousandths: Ints

    def __len__(self) -> int:
        return len(self.thousandths)


def draw(scenario: Scenario, sampling: Mapping[str, float], unit: str, rng: np.random.Generator, size: int) -> Iterator[Outcomes]:
    """Yield batches of sampled pairs without end, about `size` queries each; every batch is a part of one stream."""
    start, bursting = 0, False
    while True:
        shift, thousandths = _strata(scenario, sampling, rng, size)
        at = np.arange(start, start + size)
        latent, first = _latent(scenario, rng, size)
        burst, bursting = _bursts(scenario, bursting, rng, size)
        batch = _outcomes(scenario, at, shift, burst, latent, thousandths, rng)
        yield _only(batch, *_units(unit, first, rng))
        start += size


def blocks(specs: tuple[DimensionSpec, ...], batch: Outcomes) -> list[Block]:
    """Return the encoded block of each hypothesis; semantic only where both arms are correct."""
    return [_block(spec, batch) for spec in specs]


def _block(spec: DimensionSpec, batch: Outcomes) -> Block:
    accept, worse = _codes(spec, batch)
    return Block(accept, worse if spec.worse else np.full(len(batch), MISSING, dtype=np.int64), batch.thousandths)


def _codes(spec: DimensionSpec, batch: Outcomes) -> tuple[Ints, Ints]:
    """Return positions on the accept and the worse lattice; a ternary difference is 1 + (good challenger - good incumbent)."""
    match spec.dimension, spec.measure:
        case "correctness", "rated":  # the gate's line tells it, from `rated`
            nothing = np.full(len(batch), MISSING, dtype=np.int64)
            return nothing, nothing
        case "correctness", _:
            paired = 1 + batch.correct[0] - batch.correct[1]
            return paired, paired
        case "latency", "exceedance":
            return 1 - batch.slow[0], 1 - batch.slow[0] + batch.slow[1]
        case "semantic", measure:
            both = (batch.correct[0] == 1) & (batch.correct[1] == 1)
            difference = SCORE.size - 1 + batch.score[0] - batch.score[1]
            accept = difference if measure == "difference" else batch.score[0]
            worse = difference if spec.worse and spec.worse.lattice != SCORE else batch.score[0]
            return np.where(both, accept, MISSING), np.where(both, worse, MISSING)
        case "safety", measure:
            paired = 1 - batch.violation[0] + batch.violation[1]
            event = batch.classes[spec.name.split(".")[1]] if "." in spec.name else batch.violation[0]
            return (paired if measure == "difference" else 1 - event), paired
    raise ValueError(f"{spec.name}: measure {spec.measure!r} cannot be simulated, accepted: difference, exceedance, level, rate")


def incumbent_codes(specs: tuple[DimensionSpec, ...], batch: Outcomes) -> dict[str, Ints]:
    """Return what the incumbent's own answers observe of each level and ceiling; its classes of violations have no law here."""
    both = (batch.correct[0] == 1) & (batch.correct[1] == 1)
    own = {
        ("latency", "exceedance"): 1 - batch.slow[1],
        ("semantic", "level"): np.where(both, batch.score[1], MISSING),
        ("safety", "rate"): 1 - batch.violation[1],
    }
    return {s.name: own[s.name, s.measure] for s in specs if (s.name, s.measure) in own}


def _latent(scenario: Scenario, rng: np.random.Generator, n: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return latent normals of shape (2 arms, 4 dimensions, n), and which entries begin a session."""
    z = rng.standard_normal((2, 4, n), dtype=np.float32)
    if scenario.correlation:
        shared = rng.standard_normal((2, 1, n), dtype=np.float32)
        z = _mix(shared, z, scenario.correlation)
    if scenario.sessions is None:
        return z.astype(np.float64), np.ones(n, dtype=bool)
    first = rng.random(n) < 1 / scenario.sessions.mean_size
    first[0] = True
    owner = np.cumsum(first) - 1
    session = rng.standard_normal((2, 4, int(owner[-1]) + 1), dtype=np.float32)
    return _mix(session[:, :, owner], z, scenario.sessions.agreement).astype(np.float64), first


def _mix(shared: npt.NDArray[np.float32], own: npt.NDArray[np.float32], correlation: float) -> npt.NDArray[np.float32]:
    return np.asarray(np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own, dtype=np.float32)


def _strata(scenario: Scenario, sampling: Mapping[str, float], rng: np.random.Generator, n: int) -> tuple[Floats, Ints]:
    """Return the challenger's shift of correctness and the sampling probability (thousandths) of each sampled pair."""
    default = min(sampling.values())
    if not scenario.strata:
        return np.zeros(n), np.full(n, round(1000 * sampling.get("all", default)), dtype=np.int64)
    names = sorted(scenario.strata)
    pi = np.array([max(1, round(1000 * sampling.get(name, sampling.get("all", default)))) for name in names])
    share = np.array([scenario.strata[name].share for name in names]) * pi
    which = rng.choice(len(names), size=n, p=share / share.sum())
    return np.array([scenario.strata[name].shift for name in names])[which], pi[which].astype(np.int64)


def _bursts(scenario: Scenario, inside: bool, rng: np.random.Generator, n: int) -> tuple[npt.NDArray[np.bool_], bool]:
    """Return a two-state Markov chain: which pairs are inside a burst, and whether the last one is."""
    if scenario.bursts is None:
        return np.zeros(n, dtype=bool), False
    share, length = scenario.bursts.share, scenario.bursts.mean_length
    lengths = {True: length, False: length * (1 - share) / share}
    out = np.zeros(n, dtype=bool)
    at = 0
    while at < n:
        stay = int(rng.geometric(1 / lengths[inside]))
        out[at : at + stay] = inside
        at, inside = at + stay, not inside
    return out, bool(out[-1])


def _outcomes(
    scenario: Scenario, at: Ints, shift: Floats, burst: npt.NDArray[np.bool_], latent: Floats, thousandths: Ints,
    rng: np.random.Generator,
) -> Outcomes:  # fmt: skip
    swing, change = _season(scenario, at), _drift(scenario, at) + shift
    moving = bool(scenario.season or scenario.drift or scenario.strata)
    correct = _binary(scenario.correctness, latent[:, CORRECT], swing if moving else 0.0, change if moving else 0.0)
    slow = _binary(scenario.slow, latent[:, SLOW])
    extra = np.where(burst, scenario.bursts.rate - scenario.violation.challenger, 0.0) if scenario.bursts else 0.0
    violation = _binary(scenario.violation, latent[:, VIOLATION], 0.0, extra)
    return Outcomes(
        correct,
        slow,
        _scores(scenario.semantic, latent[:, SCORED]),
        violation,
        _classes(scenario, violation[0], rng),
        thousandths,
    )


def _season(scenario: Scenario, at: Ints) -> Floats:
    if scenario.season is None:
        return np.zeros(len(at))
    return np.asarray(scenario.season.amplitude * np.sin(2 * np.pi * at / scenario.season.period))


def _drift(scenario: Scenario, at: Ints) -> Floats:
    if scenario.drift is None:
        return np.zeros(len(at))
    return np.asarray(scenario.drift.by * np.clip((at - scenario.drift.after + 1) / max(1, scenario.drift.over), 0, 1))


def _binary(law: Binary, latent: Floats, swing: float | Floats = 0.0, change: float | Floats = 0.0) -> tuple[Ints, Ints]:
    """Return (challenger, incumbent) outcomes: rates moved by swing (both) and change (challenger), kept inside (0, 1)."""
    a = np.clip(law.incumbent + np.asarray(swing), 1e-9, 1 - 1e-9)
    b = np.clip(law.challenger + np.asarray(swing) + np.asarray(change), 1e-9, 1 - 1e-9)
    independent = a * (1 - b) + b * (1 - a)
    wanted = independent if law.discordance is None else np.asarray(law.discordance)
    both = (a + b - np.clip(wanted, np.abs(a - b), np.minimum(a + b, 2 - a - b))) / 2
    incumbent = latent[1] < ndtri(a)
    given = np.where(incumbent, ndtri(np.clip(both / a, 0, 1)), ndtri(np.clip((b - both) / (1 - a), 0, 1)))
    return (latent[0] < given).astype(np.int64), incumbent.astype(np.int64)


def _scores(law: Scores, latent: Floats) -> tuple[Ints, Ints]:
    r = law.agreement
    challenger = r * latent[1] + np.sqrt(1 - r * r) * latent[0]
    return _quantile(law.challenger, law.sd, challenger), _quantile(law.incumbent, law.sd, latent[1])


def _quantile(mean: float, sd: float, latent: Floats) -> Ints:
    return np.asarray(np.searchsorted(_score_cuts(mean, sd), latent), dtype=np.int64)


@lru_cache(maxsize=64)
def _score_cuts(mean: float, sd: float) -> Floats:
    """Return the latent cuts between the 101 scores of a beta law with this mean and (at most) this sd."""
    spread = min(sd, 0.95 * float(np.sqrt(mean * (1 - mean))))
    return np.asarray(ndtri(np.minimum(np.cumsum(bell(SCORE, mean, spread))[:-1], float(ndtr(8.0)))))


def _classes(scenario: Scenario, violation: Ints, rng: np.random.Generator) -> dict[str, Ints]:
    """Return which violations are of each class; classes may overlap."""
    total = max(scenario.violation.challenger, 1e-12)
    return {
        name: violation * (rng.random(len(violation)) < rate / total).astype(np.int64) for name, rate in scenario.classes.items()
    }


def _units(unit: str, first: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[npt.NDArray[np.bool_], int]:
    """Return which queries are units, and their number of turns to weigh by (1 where the unit is not drawn)."""
    if unit == "first":
        return first, 1
    if unit == "drawn":
        owner = np.cumsum(first) - 1
        starts = np.flatnonzero(first)
        turn = np.arange(len(first)) - starts[owner] + 1
        return turn == rng.integers(1, MAX_DRAWN_TURN + 1, len(starts))[owner], MAX_DRAWN_TURN
    if unit == "query":
        return np.ones(len(first), dtype=bool), 1
    raise ValueError(f"unit {unit!r} cannot be simulated, accepted: query, first, drawn (session means are for backtests)")


def _only(batch: Outcomes, units: npt.NDArray[np.bool_], turns: int) -> Outcomes:
    if units.all() and turns == 1:
        return batch
    pairs = {name: tuple(a[units] for a in getattr(batch, name)) for name in ("correct", "slow", "score", "violation")}
    thousandths = np.maximum(1, np.rint(batch.thousandths[units] / turns)).astype(np.int64)
    return Outcomes(**pairs, classes={k: v[units] for k, v in batch.classes.items()}, thousandths=thousandths)
