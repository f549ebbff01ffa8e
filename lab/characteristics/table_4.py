"""Table 4: a latency margin by plugged-in densities, which have no bound, and by pairs and ranks, which do."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from dualgate.lab.characteristics.densities import (
    NEVER,
    N,
    Setting,
    conditional_error,
    conformal,
    conformal_of_one_sample,
    mixed,
    plugged_in,
    sign,
    split_calibration,
    swap,
    times,
)
from dualgate.lab.characteristics.rows import Row, fraction_row, mean_row
from dualgate.lab.characteristics.single_tests import ALPHA

STUDY = 500
"""Repetitions of the design study in this table (300 to 600)."""

Stated = tuple[float | None, float | None, float | None]
Test = Callable[[Setting, np.random.Generator], int]

PLUGGED: tuple[tuple[Setting, Stated, Stated, float | None], ...] = (
    (Setting(0.10), (0.150, 0.213, 0.78), (0.138, 0.193, 0.80), 215),
    (Setting(0.25), (0.074, 0.094, None), (0.048, 0.062, None), None),
    (Setting(0.50), (0.044, 0.052, None), (0.014, 0.018, None), None),
    (Setting(0.10, 1000), (0.091, 0.119, 0.87), (None, None, None), None),
    (Setting(0.10, 3000), (0.057, 0.069, 0.88), (None, None, None), None),
    (Setting(0.25, 3000), (0.041, 0.045, None), (None, None, None), None),
)


def _name(setting: Setting) -> str:
    return f"margin {setting.margin:.0%}, {setting.n_calibration} calibrating"


def plugged(runs: int, seed: int, index: int) -> Iterator[Row]:
    """Yield errors and power of the plugged-in ratio, plain and clipped."""
    setting, naive, clipped, asn = PLUGGED[index]
    rng = np.random.default_rng(seed)
    wrong = [plugged_in(setting, rng) for _ in range(runs)]
    right = [plugged_in(replace(setting, slowed=False), rng) for _ in range(runs)]
    for method, stated in (("naive", naive), ("clipped", clipped)):
        for ending, value in zip(("futility", "open-ended"), stated[:2], strict=True):
            hits = np.array([w[f"{method}, {ending}"] < NEVER for w in wrong])
            yield fraction_row("4", _name(setting), f"type I error, {method} ratio, {ending}", value, hits, STUDY)
        accepted = np.array([r[f"{method}, futility"] for r in right])
        yield fraction_row("4", _name(setting), f"power, {method} ratio, futility", stated[2], accepted < NEVER, STUDY)
        if method == "naive" and asn is not None:
            yield mean_row("4", _name(setting), "mean pairs of those accepted, naive", asn, accepted[accepted < NEVER], STUDY)


def by_calibration(runs: int, seed: int) -> Iterator[Row]:
    """Yield how many calibrations have a conditional type I error of .45 (.70 open-ended) or more (stated: a tenth)."""
    rng = np.random.default_rng(seed)
    errors = np.array([conditional_error(Setting(0.10), rng, 60) for _ in range(runs)])
    for column, words, least in ((0, "futility", 0.45), (1, "open-ended", 0.70)):
        name = f"calibrations with a type I error of {least} or more, naive, {words}"
        yield fraction_row("4", _name(Setting(0.10)), name, 0.1, errors[:, column] >= least, 200)


def mixed_shape(runs: int, seed: int) -> Iterator[Row]:
    """Yield the same under cached and slow answers, where the plugged-in ratio errs the other way. (The shape is not stated.)"""
    for margin in (0.10, 0.25):
        name = f"cached and slow answers, margin {margin:.0%}"
        setting = Setting(margin, draw=mixed)
        if margin == 0.10:
            rng = np.random.default_rng(seed)
            wrong = [plugged_in(setting, rng)["naive, open-ended"] < NEVER for _ in range(runs)]
            yield fraction_row("4", name, "type I error, naive ratio, open-ended (study: .022)", None, np.array(wrong))
        found = times(swap, setting, runs, seed + 1)
        yield fraction_row("4", name, "type I error, swap", ALPHA, found < NEVER, kind="at most")
        found = times(swap, replace(setting, slowed=False), runs, seed + 2)
        yield fraction_row("4", name, "power, swap", 1.0, found < NEVER, STUDY)
        yield mean_row("4", name, f"ASN, swap (study: {404 if margin == 0.1 else 100})", None, np.minimum(found, N))


def one_sample(runs: int, seed: int) -> Iterator[Row]:
    """Yield what the conformal martingale has where its score is fitted to the very sample that it ranks in."""
    wrong = times(conformal_of_one_sample, Setting(0.10), runs, seed)
    name = f"{_name(Setting(0.10))}, score and ranks of one sample"
    yield fraction_row("4", name, "type I error, conformal (study: .034)", None, wrong < NEVER)
    right = times(conformal_of_one_sample, Setting(0.10, slowed=False), max(50, runs // 2), seed + 1)
    yield fraction_row("4", name, "power, conformal", 0.63, right < NEVER, STUDY)


VALID: tuple[tuple[str, Test, Setting, float | None, float | None, float | None], ...] = (
    ("swap", swap, Setting(0.10), 0.044, 0.99, 704),
    ("swap", swap, Setting(0.10, rho=0.6), 0.040, 1.0, 341),
    ("swap", swap, Setting(0.25), 0.050, 1.0, 140),
    ("swap", swap, Setting(0.25, rho=0.6), 0.046, 1.0, 65),
    ("sign", sign, Setting(0.10), 0.039, 0.91, 706),
    ("sign", sign, Setting(0.10, rho=0.6), 0.041, 0.91, 284),
    ("sign", sign, Setting(0.25), None, 0.92, 130),
    ("sign", sign, Setting(0.25, rho=0.6), None, 0.92, 55),
    ("sign", sign, Setting(0.50), None, 0.92, 43),
    ("sign", sign, Setting(0.50, rho=0.6), None, 0.92, 19),
    ("conformal", conformal, Setting(0.10), 0.034, 0.63, 1469),
    ("conformal", conformal, Setting(0.10, 1000), None, 0.94, 666),
    ("conformal", conformal, Setting(0.10, 3000), None, 1.0, 397),
    ("conformal", conformal, Setting(0.25), 0.034, 1.0, 110),
    ("conformal", conformal, Setting(0.50), 0.034, 1.0, 42),
    ("split calibration", split_calibration, Setting(0.10), 0.0, 0.0, None),
    ("split calibration", split_calibration, Setting(0.25), 0.0, 0.51, None),
    ("split calibration", split_calibration, Setting(0.50), 0.001, 0.88, 62),
    ("split calibration", split_calibration, Setting(0.10, 3000), 0.0, 0.70, None),
    ("split calibration", split_calibration, Setting(0.25, 3000), 0.005, 0.90, 87),
)


def valid(runs: int, seed: int, index: int) -> Iterator[Row]:
    """Yield level, power and pairs of a test that keeps its level."""
    method, test, setting, type_i, power, asn = VALID[index]
    name = _name(setting) + (f", rho {setting.rho}" if setting.rho else "")
    wrong = times(test, setting, runs, seed)
    yield fraction_row("4", name, f"type I error, {method}", type_i, wrong < NEVER, STUDY)
    yield fraction_row("4", name, f"type I error, {method}, is at most alpha", ALPHA, wrong < NEVER, kind="at most")
    right = times(test, replace(setting, slowed=False), runs, seed + 1)
    yield fraction_row("4", name, f"power, {method}", power, right < NEVER, STUDY)
    if asn is not None and (right < NEVER).any():
        yield mean_row("4", name, f"mean pairs of those accepted, {method}", asn, right[right < NEVER], STUDY)
