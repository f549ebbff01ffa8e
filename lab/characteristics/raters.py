"""Section 10: evidence from an automatic rater on every pair and a human label on some, looked at after every pair.

The formulas of `gate/stats/ppi.py` over many streams at once and in floats, as the design study ran them: its pairs come one by
one. (The gate's own evidence is measured beside it: fixed bets, a weight in tenths.)
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dualgate.gate.line import DRAWN, HERE, UNDRAWN, Line, Row
from dualgate.gate.rated import codes
from dualgate.gate.stats import Block, initial, rated_spec, update_many
from dualgate.lab.characteristics.single_tests import A, paired
from dualgate.schemas.scorers import Rater as Asked

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
INCUMBENT, PHI, CAP, PRIOR = 0.842, 0.5, 0.9, 50
METHODS = ("rater only", "human only", "PPI eta 1", "PPI++", "Rogan-Gladen, J known within 5 %", "Rogan-Gladen, plug-in 300")


@dataclass(frozen=True, slots=True)
class Rater:
    """Sensitivity and specificity on the answers of each arm."""

    name: str
    incumbent: tuple[float, float]
    challenger: tuple[float, float]

    @property
    def youden(self) -> float:
        """J = Se + Sp - 1 on the incumbent's answers: what is known before a challenger comes."""
        return sum(self.incumbent) - 1


GOOD = Rater("good .97/.93", (0.97, 0.93), (0.97, 0.93))
WEAK = Rater("weak .92/.80", (0.92, 0.80), (0.92, 0.80))
LENIENT = Rater("lenient to the challenger, Sp .93 and .78", (0.97, 0.93), (0.97, 0.78))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Truth and rating of both arms, each of shape (runs, n), 1 right."""

    right: tuple[Ints, Ints]
    rated: tuple[Ints, Ints]

    @property
    def label(self) -> Ints:
        """Y, challenger minus incumbent."""
        return self.right[1] - self.right[0]

    @property
    def rating(self) -> Ints:
        """R, challenger minus incumbent."""
        return self.rated[1] - self.rated[0]


def pairs(rng: np.random.Generator, runs: int, n: int, challenger: float, rater: Rater) -> Pairs:
    """Return pairs whose correctness has correlation .5, as the rater sees them."""
    worse, _, better = paired(INCUMBENT, challenger, PHI)
    u = rng.random((runs, n))
    arms = (u < INCUMBENT, ((u >= worse) & (u < INCUMBENT)) | ((u >= INCUMBENT) & (u < INCUMBENT + better)))
    rated = tuple(
        np.where(truth, rng.random((runs, n)) < se, rng.random((runs, n)) >= sp).astype(np.int64)
        for truth, (se, sp) in zip(arms, (rater.incumbent, rater.challenger), strict=True)
    )
    return Pairs((arms[0].astype(np.int64), arms[1].astype(np.int64)), (rated[0], rated[1]))


def accepted_at(
    method: str, rater: Rater, challenger: float, null: float, shift: float, pi: float, runs: int, n: int, seed: int
) -> Ints:
    """Return the pair (1-based) at which each run accepts, n + 1 where it does not."""
    rng = np.random.default_rng(seed)
    scale, offset = _rogan_gladen(rng, rater, challenger, runs) if "plug-in" in method else (np.ones((runs, 2)), np.zeros(runs))
    m0 = null * 0.95 * rater.youden if "known" in method else null
    delta = shift * 0.95 * rater.youden if "known" in method else shift
    needs_labels = method in ("human only", "PPI eta 1", "PPI++")
    fixed = {"human only": 0.0, "PPI eta 1": 1.0}.get(method)
    found, alive = np.full(runs, n + 1), np.arange(runs)
    log_e, yr, rr = np.zeros(runs), np.zeros(runs), np.zeros(runs)
    planned = 0.15 / pi if needs_labels else 0.15
    square = np.full(runs, PRIOR * planned)
    for start in range(0, n, 500):
        batch = pairs(rng, len(alive), min(500, n - start), challenger, rater)
        label, rating = batch.label, batch.rating
        corrected = batch.rated[1] * scale[alive, 1:] - batch.rated[0] * scale[alive, :1] + offset[alive, None]
        drawn = rng.random(label.shape) < pi
        open_ = np.ones(len(alive), dtype=bool)
        for i in range(label.shape[1]):
            eta = np.full(len(alive), fixed) if fixed is not None else np.clip(yr[alive] / np.maximum(rr[alive], 1), 0, 1)
            if needs_labels:
                z = eta * rating[:, i] + drawn[:, i] / pi * (label[:, i] - eta * rating[:, i])
                low = eta - (1 + eta) / pi
            else:
                z, low = corrected[:, i], -scale[alive].max(axis=1) - np.abs(offset[alive])
            bet = np.minimum(delta / (square[alive] / (PRIOR + start + i) + delta**2), CAP / (m0 - low))
            log_e[alive] += np.log1p(bet * (z - m0))
            square[alive] += z * z
            yr[alive] += drawn[:, i] * label[:, i] * rating[:, i]
            rr[alive] += drawn[:, i] * rating[:, i] ** 2
            hit = open_ & (log_e[alive] >= A)
            found[alive[hit]] = start + i + 1
            open_ &= ~hit
        alive = alive[open_]
        if not len(alive):
            break
    return found


def _rogan_gladen(rng: np.random.Generator, rater: Rater, challenger: float, runs: int) -> tuple[Floats, Floats]:
    """Return 1 / J of each arm, (runs, 2), and the constant of the corrected difference, from 300 labelled pairs."""
    seen = pairs(rng, runs, 300, challenger, rater)
    se = np.stack([(r * t).sum(axis=1) / t.sum(axis=1) for r, t in zip(seen.rated, seen.right, strict=True)], axis=1)
    sp = np.stack(
        [((1 - r) * (1 - t)).sum(axis=1) / (1 - t).sum(axis=1) for r, t in zip(seen.rated, seen.right, strict=True)], axis=1
    )
    j = np.maximum(se + sp - 1, 0.1)
    return 1 / j, ((sp[:, 1] - 1) / j[:, 1]) - ((sp[:, 0] - 1) / j[:, 0])


def in_line(
    null: float, design: float, rng: np.random.Generator, n: int, pi: float, challenger: float, rater: Rater
) -> int | None:
    """Return the pair at which the gate's own process accepts, once all labels have come; None within n."""
    batch, drawn = pairs(rng, 1, n, challenger, rater), rng.random(n) < pi
    columns = zip(batch.rating[0].tolist(), drawn.tolist(), batch.right[0][0].tolist(), batch.right[1][0].tolist(), strict=True)
    rows = [Row((DRAWN if d else UNDRAWN) + 1 + r, HERE, said=(i, c) if d else (None, None)) for r, d, i, c in columns]
    spec = rated_spec(null, design, 0.0, pi)
    asked = Asked.model_validate({"url": "http://127.0.0.1/", "model": rater.name, "label_probability": pi})
    accept, worse = codes(spec.accept.lattice, asked, Line(), rows)
    trace = update_many(spec, initial(spec), Block(accept, worse, np.full(n, 1000)))
    hit = trace.log_e_accept >= A
    return int(np.argmax(hit)) + 1 if hit.any() else None
