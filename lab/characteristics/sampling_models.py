"""Table 8: sessions and stratified sampling: what the weights and the unit keep, and what breaks without them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats.lattice import SCORE_DIFFERENCE, TERNARY
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics.passage import Ints, Stream, passages
from dualgate.lab.characteristics.rows import Row, fraction_row
from dualgate.lab.characteristics.single_tests import A, paired

NULL = paired(0.842, 0.842, 0.5)
BET = 0.054 / float(NULL[0] + NULL[2])
SHARES = np.array([0.31, 0.44, 0.25])
EFFECTS = np.array([-0.02, -0.03, 0.0776])


@dataclass(frozen=True, slots=True)
class SessionModel:
    """Sessions of geometric size; a query repeats its session's outcome with probability copy, else draws its own."""

    mean_size: float
    copy: float
    stated: tuple[float, float, float]


SESSIONS = (
    SessionModel(3, 0.5, (0.211, 0.043, 0.042)),
    SessionModel(3, 1.0, (0.441, 0.044, 0.044)),
    SessionModel(10, 0.5, (0.429, 0.042, 0.041)),
    SessionModel(10, 1.0, (0.682, 0.042, 0.042)),
)


def session_codes(model: SessionModel, runs: int, length: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return ternary codes (runs, length) of queries, and each query's session number within its run."""
    begins = rng.random((runs, length)) < 1 / model.mean_size
    begins[:, 0] = True
    owner = np.cumsum(begins, axis=1) - 1
    cumulative = np.cumsum(NULL)[:-1]
    base = np.searchsorted(cumulative, rng.random((runs, length)), side="right")
    own = np.searchsorted(cumulative, rng.random((runs, length)), side="right")
    copies = rng.random((runs, length)) < model.copy
    return np.where(copies, np.take_along_axis(base, owner, axis=1), own).astype(np.int64), owner.astype(np.int64)


def session_errors(model: SessionModel, n_queries: int, runs: int, seed: int) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which runs reject a true null per query (invalid), by session mean, and by first turn."""
    rng = np.random.default_rng(seed)
    each = Process(TERNARY, 0.0, 1, (BET,))
    mean = Process(SCORE_DIFFERENCE, 0.0, 1, (BET,))
    found: dict[str, list[npt.NDArray[np.bool_]]] = {"per query": [], "session mean": [], "first turn": []}
    for done in range(0, runs, 200):
        codes, owner = session_codes(model, min(200, runs - done), n_queries, rng)
        first = np.diff(owner, axis=1, prepend=-1) > 0
        found["per query"].append(_rejects(each, codes))
        found["session mean"].append(_rejects(mean, _means(codes, owner)))
        found["first turn"].append(_rejects(each, np.where(first, codes, -1)))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _means(codes: Ints, owner: Ints) -> Ints:
    """Return session means as positions on the hundredths, rounded down, one a session and MISSING beyond a run's last."""
    runs, length = codes.shape
    flat = (owner + np.arange(runs)[:, None] * length).ravel()
    sums = np.bincount(flat, weights=(codes - 1).ravel().astype(float), minlength=runs * length)
    sizes = np.bincount(flat, minlength=runs * length)
    means = np.floor(sums / np.maximum(sizes, 1) * 100 + 1e-9).astype(np.int64) + 100
    return np.where(sizes > 0, means, -1).reshape(runs, length)


def _rejects(process: Process, codes: Ints) -> npt.NDArray[np.bool_]:
    position = np.zeros(len(codes), dtype=np.int64)

    def stream(alive: Ints, length: int) -> tuple[Ints, None]:
        start = int(position[alive[0]])
        position[alive] += length
        return codes[alive, start : start + length], None

    return passages(process, stream, A, codes.shape[1], len(codes)).accepted


@dataclass(frozen=True, slots=True)
class Design:
    """Sampling probabilities of the three strata, and the stated type I errors weighted and unweighted."""

    name: str
    probabilities: tuple[float, float, float]
    weighted: float
    unweighted: float | None


DESIGNS = (
    Design("full", (1.0, 1.0, 1.0), 0.041, None),
    Design("uniform 10 %", (0.1, 0.1, 0.1), 0.049, None),
    Design("uniform 1 %", (0.01, 0.01, 0.01), 0.039, None),
    Design(".05/.10/.40", (0.05, 0.10, 0.40), 0.048, 0.74),
    Design("extreme .002/.01/.2", (0.002, 0.01, 0.2), 0.048, 1.00),
)


def strata_stream(probabilities: tuple[float, float, float], rng: np.random.Generator, weighted: bool) -> Stream:
    """Return sampled pairs of three strata whose effects cancel in the population: a true null."""
    pi = np.array(probabilities)
    share = np.cumsum(SHARES * pi / (SHARES * pi).sum())[:-1]
    laws = np.array([[(0.1331 - e) / 2, 1 - 0.1331, (0.1331 + e) / 2] for e in EFFECTS - float(SHARES @ EFFECTS)])
    cumulative = np.cumsum(laws, axis=1)[:, :-1]
    thousandths = np.rint(pi * 1000).astype(np.int64)

    def stream(alive: Ints, length: int) -> tuple[Ints, Ints | None]:
        stratum = np.searchsorted(share, rng.random((len(alive), length)), side="right")
        u = rng.random((len(alive), length))
        codes = (u[..., None] >= cumulative[stratum]).sum(axis=-1).astype(np.int64)
        return codes, thousandths[stratum] if weighted else None

    return stream


def strata_errors(design: Design, n_pairs: int, runs: int, seed: int, *, weighted: bool) -> npt.NDArray[np.bool_]:
    """Return which runs reject the true null after at most n_pairs sampled pairs."""
    pi = np.array(design.probabilities)
    least, mean = float(pi.min()), float(SHARES @ pi)
    bet = min(BET * mean, 0.95 * least) if weighted else BET
    process = Process(TERNARY, 0.0, 1, (bet,), min_probability=least if weighted else 1.0)
    stream = strata_stream(design.probabilities, np.random.default_rng(seed), weighted)
    return passages(process, stream, A, n_pairs, runs).accepted


def table_8(runs: int, seed: int, n_pairs: int = 4000) -> Iterator[Row]:
    """Yield type I errors by session model and unit, and by sampling design with and without weights."""
    for model in SESSIONS:
        name = f"sessions of {model.mean_size:g}, copy {model.copy:.2f}"
        for (unit, hits), stated in zip(session_errors(model, n_pairs, runs, seed).items(), model.stated, strict=True):
            yield fraction_row("8", name, f"type I error, {unit}", stated, hits, 2000)
    for design in DESIGNS:
        weighted = strata_errors(design, n_pairs, runs, seed + 1, weighted=True)
        yield fraction_row("8", design.name, "type I error, weighted", design.weighted, weighted, 2000)
        if design.unweighted is not None:
            hits = strata_errors(design, n_pairs, runs, seed + 2, weighted=False)
            name = f"type I error, unweighted (the page: {design.unweighted}, horizon not stated)"
            yield fraction_row("8", design.name, name, None, hits)
