"""Table 10: an automatic rater alone, human labels alone, and both together, under the null and under a gain."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dualgate.lab.characteristics.raters import GOOD, INCUMBENT, LENIENT, METHODS, WEAK, Rater, accepted_at, in_line
from dualgate.lab.characteristics.rows import Row, fraction_row, mean_row
from dualgate.lab.characteristics.single_tests import ALPHA

STUDY, PI, N = 2000, 0.1, 10_000
VALID = {"human only", "PPI eta 1", "PPI++"}


@dataclass(frozen=True, slots=True)
class Setting:
    """A rater and a null; type I errors and mean queries of the six methods as stated (None: not)."""

    rater: Rater
    null: float
    type_i: tuple[float | None, ...]
    queries: tuple[float | None, ...]


SETTINGS = (
    Setting(GOOD, 0.0, (0.044, 0.041, 0.042, 0.051, 0.047, 0.152), (474, 2750, 1862, 1664, 468, None)),
    Setting(WEAK, 0.0, (0.047, 0.041, 0.046, 0.046, 0.042, 0.287), (1212, 2750, 3978, 2299, 1029, None)),
    Setting(WEAK, -0.03, (0.238, 0.043, 0.038, 0.043, 0.036, 0.364), (None, 8660, 10710, 7720, 4105, None)),
    Setting(LENIENT, 0.0, (0.633, 0.041, 0.045, 0.048, 0.751, 0.212), (None, None, None, 1790, None, None)),
    Setting(LENIENT, -0.03, (1.00, 0.043, 0.039, 0.044, 1.00, 0.324), (None, None, None, 6240, None, None)),
)


def table_10(runs: int, seed: int, index: int, method_index: int) -> Iterator[Row]:
    """Yield type I error (10,000 pairs) and mean queries of one method in one setting."""
    setting, method = SETTINGS[index], METHODS[method_index]
    name = f"{setting.rater.name}, null {setting.null:g}"
    shift = 0.054 if setting.null == 0 else -setting.null
    at = accepted_at(method, setting.rater, INCUMBENT + setting.null, setting.null, shift, PI, runs, N, seed)
    stated = setting.type_i[method_index]
    if method.startswith("Rogan") and "plug-in" in method:
        yield fraction_row("10", name, f"type I error, {method} (study: {stated}, horizon not stated)", None, at <= N)
    else:
        yield fraction_row("10", name, f"type I error, {method}", stated, at <= N, STUDY)
    if method in VALID:
        yield fraction_row("10", name, f"type I error, {method}, at most alpha", ALPHA, at <= N, kind="at most")
    queries = setting.queries[method_index]
    if queries is not None:
        design = INCUMBENT + (0.054 if setting.null == 0 else 0.0)
        taken = accepted_at(method, setting.rater, design, setting.null, shift, PI, max(50, runs // 4), 6 * N, seed + 1)
        yield mean_row("10", name, f"mean queries, {method}", queries, taken, STUDY)
        if method in VALID:
            yield mean_row("10", name, f"mean labels, {method}", None, taken * PI)


def more_labels(runs: int, seed: int) -> Iterator[Row]:
    """Yield PPI++ at a label rate of .3 (stated: 593 to 782 queries, 178 to 235 labels)."""
    for rater, low, high in ((GOOD, 593, 782), (WEAK, 593, 782)):
        taken = accepted_at("PPI++", rater, 0.896, 0.0, 0.054, 0.3, runs, 20_000, seed)
        found = mean_row("10", f"{rater.name}, label rate .3", f"mean queries, PPI++ (study: {low} to {high})", None, taken)
        yield found


def gate(runs: int, seed: int) -> Iterator[Row]:
    """Yield the gate's own evidence, with a design of 5 points under the null and of 5.4 under a gain of 5.4."""
    rng = np.random.default_rng(seed)
    for rater, null in ((WEAK, 0.0), (LENIENT, 0.0), (LENIENT, -0.03)):
        hits = np.array([in_line(null, null + 0.05, rng, 5000, PI, INCUMBENT + null, rater) is not None for _ in range(runs)])
        name = f"the gate; {rater.name}, null {null:g}"
        yield fraction_row("10", name, "type I error within 5,000, at most alpha", ALPHA, hits, kind="at most")
    for rater in (GOOD, WEAK):
        for pi in (PI, 0.3):
            taken = [in_line(0.0, 0.054, rng, 15_000, pi, 0.896, rater) or 15_000 for _ in range(max(50, runs // 2))]
            yield mean_row("10", f"the gate; {rater.name}, label rate {pi:g}", "mean queries", None, taken)
