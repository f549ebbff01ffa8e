"""Streams of section 8: sessions, regimes that switch, and strata sampled with unequal probabilities."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats import gro_bet
from dualgate.gate.stats.lattice import SCORE_DIFFERENCE, TERNARY
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics.passage import Floats, Ints, Passages, Stream, passages
from dualgate.lab.characteristics.single_tests import A, Case, F, fixed_bet, paired

NULL, DESIGN = paired(0.842, 0.842, 0.5), paired(0.842, 0.896, 0.5)
BET = 0.054 / float(NULL[0] + NULL[2])
CASE = Case("correctness", TERNARY, DESIGN, 0.0)
SHARES = np.array([0.31, 0.44, 0.25])
EFFECTS = np.array([-0.02, -0.03, 0.0776])
DISCORDANCE = np.array([0.08, 0.12, 0.222])


@dataclass(frozen=True, slots=True)
class SessionModel:
    """Sessions of geometric size; a query repeats its session's outcome with probability copy, else draws its own.

    stated: type I errors per query, by session mean, by first turn, and per query with the bet divided by the design effect.
    asn: queries under the design by session mean and by first turn.
    """

    mean_size: float
    copy: float
    stated: tuple[float, float, float, float]
    asn: tuple[float, float] | None = None

    @property
    def design_effect(self) -> float:
        """1 + (m - 1) rho."""
        return 1 + (self.mean_size - 1) * self.copy


SESSIONS = (
    SessionModel(3, 0.5, (0.211, 0.043, 0.042, 0.236), (569, 725)),
    SessionModel(3, 1.0, (0.441, 0.044, 0.044, 0.388)),
    SessionModel(10, 0.5, (0.429, 0.042, 0.041, 0.234), (1240, 2339)),
    SessionModel(10, 1.0, (0.682, 0.042, 0.042, 0.250)),
)


def session_codes(model: SessionModel, law: Floats, runs: int, length: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return ternary codes (runs, length) of queries, and each query's session number within its run."""
    begins = rng.random((runs, length)) < 1 / model.mean_size
    begins[:, 0] = True
    owner = np.cumsum(begins, axis=1) - 1
    cumulative = np.cumsum(law)[:-1]
    base = np.searchsorted(cumulative, rng.random((runs, length)), side="right")
    own = np.searchsorted(cumulative, rng.random((runs, length)), side="right")
    copies = rng.random((runs, length)) < model.copy
    return np.where(copies, np.take_along_axis(base, owner, axis=1), own).astype(np.int64), owner.astype(np.int64)


@lru_cache(maxsize=16)
def _mean_process(model: SessionModel) -> Process:
    """Return the process on session means, with the bet that is best for their law under the design."""
    codes, owner = session_codes(model, DESIGN, 50, 4000, np.random.default_rng(5))
    means = session_means(codes, owner)
    law = np.bincount(means[means >= 0], minlength=SCORE_DIFFERENCE.size) / (means >= 0).sum()
    return Process(SCORE_DIFFERENCE, 0.0, 1, (gro_bet(SCORE_DIFFERENCE.values, law, 0.0),))


def session_passages(model: SessionModel, law: Floats, n_queries: int, runs: int, seed: int) -> dict[str, Ints]:
    """Return the query (1-based, n_queries + 1: never) at which each run accepts, by unit."""
    rng = np.random.default_rng(seed)
    each, scaled = Process(TERNARY, 0.0, 1, (BET,)), Process(TERNARY, 0.0, 1, (BET / model.design_effect,))
    found: dict[str, list[Ints]] = {"per query": [], "session mean": [], "first turn": [], "bet / design effect": []}
    for done in range(0, runs, 200):
        codes, owner = session_codes(model, law, min(200, runs - done), n_queries, rng)
        first = np.diff(owner, axis=1, prepend=-1) > 0
        found["per query"].append(_accepts(each, codes))
        by_session = _accepts(_mean_process(model), session_means(codes, owner))
        found["session mean"].append(_ends(owner, by_session, n_queries))
        found["first turn"].append(_accepts(each, np.where(first, codes, -1)))
        found["bet / design effect"].append(_accepts(scaled, codes))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _ends(owner: Ints, sessions: Ints, n: int) -> Ints:
    """Return the query that ends session number `sessions` (1-based) of each run, n + 1 where the run has fewer."""
    ended = (owner < sessions[:, None]).sum(axis=1)
    return np.asarray(np.where(sessions > owner[:, -1], n + 1, ended), dtype=np.int64)


def session_means(codes: Ints, owner: Ints) -> Ints:
    """Return session means as positions on the hundredths, rounded down, one a session and MISSING beyond a run's last."""
    runs, length = codes.shape
    flat = (owner + np.arange(runs)[:, None] * length).ravel()
    sums = np.bincount(flat, weights=(codes - 1).ravel().astype(float), minlength=runs * length)
    sizes = np.bincount(flat, minlength=runs * length)
    means = np.floor(sums / np.maximum(sizes, 1) * 100 + 1e-9).astype(np.int64) + 100
    return np.where(sizes > 0, means, -1).reshape(runs, length)


def _accepts(process: Process, codes: Ints) -> Ints:
    found = passages(process, given(codes), A, codes.shape[1], len(codes))
    return np.asarray(np.where(found.accepted, found.accepted_at, codes.shape[1] + 1), dtype=np.int64)


def given(codes: Ints) -> Stream:
    """Return a stream that reads prepared codes, (runs, n)."""
    position = np.zeros(len(codes), dtype=np.int64)

    def stream(alive: Ints, length: int) -> tuple[Ints, None]:
        start = int(position[alive[0]])
        position[alive] += length
        return codes[alive, start : start + length], None

    return stream


def regimes(amplitude: float, runs: int, seed: int, n: int = 10_000, length: int = 500) -> npt.NDArray[np.bool_]:
    """Return which runs accept where the conditional mean switches between +-amplitude every `length` pairs (long-run mean 0)."""
    rng = np.random.default_rng(seed)
    out = []
    for done in range(0, runs, 200):
        some = min(200, runs - done)
        sign = np.where((np.arange(n) // length) % 2, 1, -1) * np.where(rng.random((some, 1)) < 0.5, 1, -1)
        d, u = float(NULL[0] + NULL[2]), rng.random((some, n))
        worse, better = (d - amplitude * sign) / 2, (d + amplitude * sign) / 2
        codes = np.where(u < worse, 0, np.where(u > 1 - better, 2, 1)).astype(np.int64)
        out.append(passages(fixed_bet(CASE)[0], given(codes), A, n, some).accepted)
    return np.concatenate(out)


@dataclass(frozen=True, slots=True)
class Design:
    """Sampling probabilities of the three strata; stated type I errors weighted and unweighted, and sampled pairs (design)."""

    name: str
    probabilities: tuple[float, float, float]
    weighted: float
    unweighted: float | None
    asn: float


def _neyman() -> tuple[float, float, float]:
    raw = np.sqrt(DISCORDANCE)
    pi = np.round(0.1 * raw / float(SHARES @ raw), 3)
    return float(pi[0]), float(pi[1]), float(pi[2])


DESIGNS = (
    Design("full", (1.0, 1.0, 1.0), 0.041, None, 242),
    Design("uniform 10 %", (0.1, 0.1, 0.1), 0.049, None, 239),
    Design("uniform 1 %", (0.01, 0.01, 0.01), 0.039, None, 250),
    Design(".05/.10/.40", (0.05, 0.10, 0.40), 0.048, 0.74, 351),
    Design("Neyman, 10 % overall", _neyman(), 0.041, 0.12, 233),
    Design("extreme .002/.01/.2", (0.002, 0.01, 0.2), 0.048, 1.00, 2342),
)


def _laws(effects: Floats, discordance: Floats) -> Floats:
    return np.array([[(d - e) / 2, 1 - d, (d + e) / 2] for d, e in zip(discordance, effects, strict=True)])


LAWS = {
    "null": _laws(EFFECTS - float(SHARES @ EFFECTS), DISCORDANCE),
    "design": _laws(np.full(3, 0.054), DISCORDANCE * float(DESIGN[0] + DESIGN[2]) / float(SHARES @ DISCORDANCE)),
}


def strata_stream(pi: Floats, laws: Floats, rng: np.random.Generator, weighted: bool, adaptive: bool = False) -> Stream:
    """Return sampled pairs of three strata. adaptive: a run whose sampled mean is above 0 halves every probability."""
    cumulative, thousandths = np.cumsum(laws, axis=1)[:, :-1], np.rint(pi * 1000).astype(np.int64)
    share = np.cumsum(SHARES * pi / float(SHARES @ pi))[:-1]
    total: dict[int, float] = {}

    def stream(alive: Ints, length: int) -> tuple[Ints, Ints | None]:
        stratum = np.searchsorted(share, rng.random((len(alive), length)), side="right")
        u = rng.random((len(alive), length))
        codes = (u[..., None] >= cumulative[stratum]).sum(axis=-1).astype(np.int64)
        weights = thousandths[stratum]
        if adaptive:
            before = np.array([total.get(int(run), 0.0) for run in alive])
            weights = np.where(before[:, None] > 0, weights // 2, weights)
            total.update(zip(alive.tolist(), (before + (codes - 1).sum(axis=1)).tolist(), strict=True))
        return codes, weights if weighted else None

    return stream


def strata_passages(
    design: Design,
    truth: str,
    n_pairs: int,
    runs: int,
    seed: int,
    *,
    weighted: bool,
    adaptive: bool = False,
    futile: bool = False,
) -> Passages:
    """Return when runs accept, in sampled pairs, with the bet that is best for the design's law under these weights."""
    pi = np.array(design.probabilities)
    least = (round(1000 * float(pi.min())) // (2 if adaptive else 1)) / 1000
    sampled = SHARES * pi / float(SHARES @ pi)
    x = np.concatenate([np.array([-1, 0, 1]) / p for p in pi])
    q = np.concatenate([share * law for share, law in zip(sampled, LAWS["design"], strict=True)])
    best = min(gro_bet(np.append(x, -1 / least), np.append(q, 0.0), 0.0), 0.95 * least) if weighted else BET
    process = Process(TERNARY, 0.0, 1, (best,), min_probability=least if weighted else 1.0)
    stream = strata_stream(pi, LAWS[truth], np.random.default_rng(seed), weighted, adaptive)
    against = fixed_bet(CASE)[1] if futile else None
    return passages(process, stream, A, n_pairs, runs, futility=against, futility_threshold=F)
