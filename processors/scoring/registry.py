"""Which scorer scores each dimension: one module a dimension of ours, or a third party's by entry point."""

from collections.abc import Callable, Mapping

from dualgate.processors.scoring.correctness import Correctness
from dualgate.processors.scoring.foreign import ForeignScorer
from dualgate.processors.scoring.latency import Latency
from dualgate.processors.scoring.protocol import Scorer
from dualgate.processors.scoring.safety.scorer import Safety
from dualgate.processors.scoring.semantic import Semantic
from dualgate.schemas.migration import MigrationConfig

BUILT_IN: Mapping[str, Callable[[], Scorer]] = {
    "correctness": Correctness,
    "latency": Latency,
    "semantic": Semantic,
    "safety": Safety,
}
"""The built-in scorers, in the order in which they run: semantic reads what correctness said."""


def scorers_of(config: MigrationConfig) -> tuple[tuple[Scorer, ...], frozenset[str]]:
    """Return the scorers that a migration needs, and the columns that are needed but not asked for."""
    wanted = set(config.spec.dimensions.on)
    needed = wanted | ({"correctness"} if "semantic" in wanted else set())
    return tuple(_scorer(name, config) for name in BUILT_IN if name in needed), frozenset(needed - wanted)


def _scorer(name: str, config: MigrationConfig) -> Scorer:
    foreign = config.spec.scoring.scorers.get(name)  # type: ignore[call-overload]
    return BUILT_IN[name]() if foreign is None else ForeignScorer(name, foreign, config)
