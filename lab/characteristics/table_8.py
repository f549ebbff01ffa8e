"""Table 8: what the unit and the weights keep, and what breaks without them."""

from collections.abc import Iterator

from dualgate.lab.characteristics.rows import Row, fraction_row, mean_row
from dualgate.lab.characteristics.sampling_models import (
    DESIGN,
    DESIGNS,
    NULL,
    SESSIONS,
    regimes,
    session_passages,
    strata_passages,
)
from dualgate.lab.characteristics.single_tests import ALPHA

STUDY, N_QUERIES, N_SAMPLED = 2000, 4000, 4000


def sessions(runs: int, seed: int, index: int) -> Iterator[Row]:
    """Yield type I errors of a session model by unit, and the queries that its valid units take."""
    model = SESSIONS[index]
    name = f"sessions of {model.mean_size:g}, copy {model.copy:.1f}"
    found = session_passages(model, NULL, N_QUERIES, runs, seed)
    for (unit, at), stated in zip(found.items(), model.stated, strict=True):
        hits = at <= N_QUERIES
        if unit == "bet / design effect":
            yield fraction_row("8", name, f"type I error, per query, {unit} (study: {stated})", None, hits)
        else:
            yield fraction_row("8", name, f"type I error, {unit}", stated, hits, STUDY)
        if unit in ("session mean", "first turn"):
            yield fraction_row("8", name, f"type I error, {unit}, at most alpha", ALPHA, hits, kind="at most")
    if model.asn is not None:
        taken = session_passages(model, DESIGN, 4 * N_QUERIES, max(50, runs // 4), seed + 1)
        for unit, asn in zip(("session mean", "first turn"), model.asn, strict=True):
            yield mean_row("8", name, f"ASN in queries, {unit}", asn, taken[unit], STUDY)


def switching(runs: int, seed: int) -> Iterator[Row]:
    """Yield how often a long-run mean of 0 is rejected where regimes switch: the null does not hold given the past."""
    for amplitude, stated in ((0.03, 0.24), (0.06, 0.58)):
        hits = regimes(amplitude, runs, seed)
        name = f"conditional mean +-{amplitude * 100:g} pp, switching every 500"
        yield fraction_row("8", name, f"rejects within 10,000 (study: {stated}, horizon not stated)", None, hits)


def strata(runs: int, seed: int, index: int) -> Iterator[Row]:
    """Yield type I errors of a sampling design, weighted and not, fixed and adaptive, and its sampled pairs under the design."""
    design = DESIGNS[index]
    for adaptive in (False, True):
        found = strata_passages(design, "null", N_SAMPLED, runs, seed, weighted=True, adaptive=adaptive)
        words = "weighted" + (", probabilities halved by the past" if adaptive else "")
        stated = None if adaptive else design.weighted
        yield fraction_row("8", design.name, f"type I error, {words}", stated, found.accepted, STUDY)
        yield fraction_row("8", design.name, f"type I error, {words}, at most alpha", ALPHA, found.accepted, kind="at most")
    if design.unweighted is not None:
        futile = design.unweighted < 1
        found = strata_passages(design, "null", N_SAMPLED, runs, seed + 2, weighted=False, futile=futile)
        words = f"type I error, unweighted, {'with futility' if futile else 'open-ended'}"
        yield fraction_row("8", design.name, words, design.unweighted, found.accepted, STUDY)
    found = strata_passages(design, "design", 10 * N_SAMPLED, max(50, runs // 2), seed + 3, weighted=True)
    yield mean_row("8", design.name, "sampled pairs under the design, weighted", design.asn, found.stopped_at, STUDY)
