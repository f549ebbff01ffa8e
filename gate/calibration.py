"""The end of CALIBRATING: the bets of acceptance are fixed from the pairs that were set aside, and the counting begins."""

from dataclasses import replace

from dualgate.gate.hypotheses import hypotheses, sampling_of
from dualgate.gate.latency import RELATIVE, fitted, why_not
from dualgate.gate.state import MigrationState
from dualgate.gate.stats import DimensionSpec, DimensionState, SamplingPlan, initial, refit


def calibrated(state: MigrationState) -> MigrationState:
    """Return the state with fitted bets; the degradation processes keep theirs, which were fixed before the first pair."""
    sampling = sampling_of(state.spec)
    pairs = [_without_reruns(state, spec, dim) for spec, dim in zip(state.specs, state.dims, strict=True)]
    specs = tuple(_fixed(state, spec, dim, sampling) for spec, dim in pairs)
    return replace(state, specs=specs, dims=tuple(dim for _, dim in pairs))


def unfitted(state: MigrationState) -> str:
    """Return why a hypothesis cannot be fixed from the calibrating pairs, nothing where all can."""
    return "".join(why_not(state.incumbents.get(s.name, ())) for s in state.specs if s.measure == RELATIVE)


def _fixed(state: MigrationState, spec: DimensionSpec, dim: DimensionState, sampling: SamplingPlan) -> DimensionSpec:
    part = state.spec.dimensions.latency
    if spec.measure == RELATIVE and part is not None:
        return fitted(spec, part, state.incumbents[spec.name], sampling)
    return refit(spec, dim, sampling=sampling)


def _without_reruns(state: MigrationState, spec: DimensionSpec, dim: DimensionState) -> tuple[DimensionSpec, DimensionState]:
    """Without re-runs a semantic level has no paired difference: worse is then below null - worse_by."""
    if spec.name != "semantic" or spec.measure != "level" or dim.n_worse or not dim.n_calibration:
        return spec, dim
    alone = next(s for s in hypotheses(state.spec, reruns=False) if s.name == "semantic")
    return alone, replace(dim, worse=initial(alone).worse)
