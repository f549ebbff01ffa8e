"""Mirrored pairs as the blocks that scoring would have written to the ledger."""

from typing import Any

import numpy as np
import numpy.typing as npt

from dualgate.gate.state import MigrationState
from dualgate.lab.evaluate.traffic import Arm, Mirrored
from dualgate.processors.scoring.block import hash_of
from dualgate.schemas.records import ArmColumns, CoverageBlock, DimensionColumns, Lane, QualityBlock

_LINEAGE = "evaluate"


def quality_block(state: MigrationState, pairs: Mirrored, rows: npt.NDArray[np.int64], offset: int) -> QualityBlock:
    """Return pairs as the block that scoring would have written."""
    n, spec = len(rows), state.spec
    incumbent, challenger = pairs.incumbent.only(rows), pairs.challenger.only(rows)
    eligible = pairs.eligible[rows] & ~np.isnan(challenger.semantic)
    every = np.ones(n, dtype=bool)
    neither = ~incumbent.answered & ~challenger.answered
    over = [np.where(neither, np.nan, arm.over) for arm in (incumbent, challenger)]  # scoring takes no side where both failed
    columns = {
        "correctness": (incumbent.correct, challenger.correct, every),
        "latency": (over[0], over[1], every),
        "semantic": (incumbent.semantic, challenger.semantic, eligible),
        "safety": (incumbent.violation, challenger.violation, every),
        "safety.authorization": (incumbent.unauthorized, challenger.unauthorized, every),
    }
    return QualityBlock(
        **_place(state, offset, n), scorer_versions={}, **_asked(state, pairs, rows, offset),
        incumbent=_arm(incumbent, spec.incumbent, "live"), challenger=_arm(challenger, spec.challenger, "shadow"),
        dimensions={name: _column(*values) for name, values in columns.items()},
    )  # fmt: skip


def coverage_block(state: MigrationState, pairs: Mirrored, rows: npt.NDArray[np.int64], offset: int) -> CoverageBlock:
    """Return queries without an answer of the challenger as the block that scoring would have written."""
    n = len(rows)
    return CoverageBlock(
        **_place(state, offset, n),
        **_asked(state, pairs, rows, offset),
        reason=["no_challenger"] * n,
        silent_arm=["challenger"] * n,
    )


def _place(state: MigrationState, offset: int, n: int) -> dict[str, Any]:
    migration = state.migration
    own = {"migration_id": migration.migration_id, "epoch": migration.epoch, "config_hash": migration.config_hash}
    return own | {"lineage": _LINEAGE, "partition": 0, "from_offset": offset, "to_offset": offset + n}


def _asked(state: MigrationState, pairs: Mirrored, rows: npt.NDArray[np.int64], offset: int) -> dict[str, Any]:
    n = len(rows)
    names = [hash_of(state.migration_id, str(s)) for s in pairs.session[rows].tolist()] if _by_hash(state) else [None] * n
    return {
        "offset": list(range(offset, offset + n)),
        "query_hash": [""] * n,
        "session_hash": names,
        "session_turn": pairs.turn[rows].tolist(),
        "stratum": [str(s) for s in pairs.stratum[rows].tolist()],
        "sampling_probability": [1.0] * n,
        "asked_at_ms": pairs.at_ms[rows].tolist(),
        "routing_sequence": [None] * n,
        "served_by": ["incumbent"] * n,
    }


def _by_hash(state: MigrationState) -> bool:
    return state.spec.unit.by == "drawn"


def _arm(arm: Arm, version: str, lane: Lane) -> ArmColumns:
    n = len(arm.ms)
    status: list[Any] = ["ok" if answered else "error" for answered in arm.answered.tolist()]
    ms = np.nan_to_num(arm.ms).tolist()
    return ArmColumns(version=[version] * n, lane=[lane] * n, status=status, service_ms=ms, queue_ms=[0.0] * n)


def _column(
    incumbent: npt.NDArray[np.float64], challenger: npt.NDArray[np.float64], eligible: npt.NDArray[np.bool_]
) -> DimensionColumns:
    nothing: list[Any] = [None] * len(eligible)
    state = np.where(eligible, np.where(np.isnan(challenger), "missing", "scored"), "not_eligible").tolist()
    given = [
        [v if e and v == v else None for v, e in zip(arm.tolist(), eligible.tolist(), strict=True)]
        for arm in (incumbent, challenger)
    ]
    return DimensionColumns(
        incumbent=given[0], challenger=given[1], state=state, reason=nothing, source=nothing,
        rater_version=nothing, label_probability=nothing, label_drawn=nothing,
    )  # fmt: skip
