"""Rated pairs for tests of the gate: what people would say of them, what a rater says, and blocks of them on a ledger."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dualgate.schemas.records import DimensionColumns, Label, LedgerEntry, QualityBlock
from support.gate import EASY, ID, QUICK, Ledger, config, constant

RATER: dict[str, Any] = {"url": "http://127.0.0.1:9/v1", "model": "judge", "label_probability": 0.2}
VERSION = "judge/1/00000000"


@dataclass(frozen=True)
class Rated:
    """One pair: who it is, the truth and the rater's word on (incumbent, challenger), whether it was drawn; None: no word."""

    name: str
    truth: tuple[int, int]
    said: tuple[int, int] | None
    drawn: bool
    golden: bool = False
    status: tuple[str, str] = ("ok", "ok")


def migration(dimensions: dict[str, Any] | None = None, errors: dict[str, float] | None = None, **rater: Any) -> Ledger:
    """Return the ledger of a started migration whose correctness is rated."""
    given = EASY if dimensions is None else EASY | dimensions
    return Ledger(config(dimensions=given, phases=QUICK, errors=errors or {}, scoring={"rater": RATER | rater})).start()


def traffic(
    rng: np.random.Generator,
    n: int,
    right: tuple[float, float],
    errors: tuple[tuple[float, float], tuple[float, float]] = ((0.05, 0.15), (0.05, 0.15)),
    probability: float = 0.2,
    first: int = 0,
) -> list[Rated]:
    """Return pairs; errors: of the rater on each arm's (right, wrong) answers."""
    truth = (rng.random((n, 2)) < np.array(right)).astype(int)
    wrong = np.array(errors)[np.arange(2), 1 - truth]
    said = np.where(rng.random((n, 2)) < wrong, 1 - truth, truth)
    drawn = rng.random(n) < probability
    rows = zip(truth.tolist(), said.tolist(), drawn.tolist(), strict=True)
    return [Rated(f"q{first + i}", (t[0], t[1]), (s[0], s[1]), d) for i, (t, s, d) in enumerate(rows)]


def block(ledger: Ledger, pairs: Sequence[Rated], **columns: Any) -> QualityBlock:
    """Return the next block of a ledger, as scoring would make it."""
    made = ledger.quality(constant(len(pairs)), query_hash=[p.name for p in pairs], **columns)
    given = [(None, None) if p.said is None else p.said for p in pairs]
    values = [p.truth if p.golden else g for p, g in zip(pairs, given, strict=True)]
    probability = ledger.configuration.spec.scoring.rater
    assert probability is not None
    correctness = DimensionColumns(
        incumbent=[None if v[0] is None else float(v[0]) for v in values],
        challenger=[None if v[1] is None else float(v[1]) for v in values],
        state=["missing" if v[0] is None else "scored" for v in values],
        reason=[None] * len(pairs),
        source=["golden" if p.golden else "rater" for p in pairs],
        rater_version=[None if p.golden else VERSION for p in pairs],
        label_probability=[None if p.golden else probability.label_probability for p in pairs],
        label_drawn=[None if p.golden else p.drawn for p in pairs],
    )
    arms = {
        arm: replace(getattr(made, arm), status=[p.status[i] for p in pairs]) for i, arm in enumerate(("incumbent", "challenger"))
    }
    return replace(made, dimensions={**made.dimensions, "correctness": correctness}, **arms)


def send(ledger: Ledger, pairs: Sequence[Rated], **columns: Any) -> None:
    """Append a block of pairs."""
    ledger.append(LedgerEntry(quality=block(ledger, pairs, **columns)))


def verdicts(pairs: Iterable[Rated]) -> Iterator[Label]:
    """Yield what people say of the drawn pairs, both answers of each."""
    for pair in pairs:
        if pair.drawn and not pair.golden:
            for i, arm in enumerate(("incumbent", "challenger")):
                yield Label(migration_id=ID, query_hash=pair.name, arm=arm, verdict=float(pair.truth[i]), who="ann")  # type: ignore[arg-type]


def label(ledger: Ledger, labels: Iterable[Label]) -> None:
    """Append verdicts."""
    for each in labels:
        ledger.append(LedgerEntry(label=each))
