"""Table 7: regressions that come at once, slowly, with the season or in one stratum, and which detector finds them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dualgate.gate.stats.monitor_plan import mixture_bets
from dualgate.lab.characteristics.detectors import (
    NEVER,
    Detector,
    Draw,
    Floats,
    cusum,
    e_cusum,
    e_process,
    esr,
    ewma,
    first_alarms,
    greatest,
    window,
)
from dualgate.lab.characteristics.rows import Bools, Row, exact_row, fraction_row, median_row

N, ONSET, STUDY = 20_000, 5000, 600
WRONG, DISCORDANCE, SHIFT, P_FA = 0.158, 0.133, 0.04, 0.05
HARD_SHARE, EASY, HARD, SWING = 0.25, 0.108, 0.308, 0.10
BETS = mixture_bets(SHIFT / DISCORDANCE, 1.0)
THRESHOLD_RUNS = 2000

DETECTORS: Mapping[str, tuple[Detector, bool]] = {
    "CUSUM fixed mu0": (cusum(SHIFT / 2), False),
    "CUSUM paired": (cusum(SHIFT / 2), True),
    "e-SR mixture paired": (esr(BETS), True),
    "SPRT from t=0": (e_process(BETS), True),
    "window-1000": (window(1000), True),
    "EWMA .002": (ewma(0.002), True),
    "e-CUSUM mixture": (e_cusum(BETS), True),
}
"""Each detector, and whether it reads the paired difference (else the challenger's errors over a fixed baseline)."""


@dataclass(frozen=True, slots=True)
class Story:
    """How the challenger gets worse: by `loss` (of accuracy) from the onset on, over `over` pairs; season: the mix swings."""

    name: str
    loss: float = 0.0
    over: int = 0
    season: bool = False
    only_hard: bool = False
    found: tuple[float | None, ...] = (None,) * 7
    delay: tuple[float | None, ...] = (None,) * 7


STORIES = (
    Story("abrupt +4 pp", 0.04, found=(1.0,) * 7, delay=(986, 877, 1167, 2130, 936, 873, 1211)),
    Story("abrupt +2 pp", 0.02, found=(0.95, 0.98, 1.0, 1.0, 0.94, 0.97, 1.0), delay=(3651, 3238, 3505, 5264, 4288, 3757, 4335)),
    Story("slow 0 to 4 pp over 10,000", 0.04, 10_000, delay=(6641, 6381, 6164, 7852, 6697, 6448, 6713)),
    Story("slow 0 to 2 pp over 15,000", 0.02, 15_000, found=(0.55, 0.63, 0.87, 0.55, 0.55, 0.62, 0.67)),
    Story("seasonal mix, no regression", season=True, found=(0.58, 0.057, 0.048, 0.055, 0.052, 0.065, 0.052)),
    Story("seasonal mix and +4 pp", 0.04, season=True, delay=(1975, 897, 1142, 2088, 934, 885, 1144)),
    Story("only the hard stratum, 2 pp on average", 0.02, only_hard=True, found=(0.97, 0.98, 1.0, 1.0, 0.94, 0.97, 1.0),
          delay=(3758, 3233, 3391, 5195, None, None, 4235)),
)  # fmt: skip
NULL = Story("null")


def errors(story: Story, rng: np.random.Generator, runs: int, start: int, n: int) -> tuple[Bools, Bools]:
    """Return which answers of the incumbent and of the challenger are wrong, (runs, n); correlation .5 given the stratum."""
    at = np.arange(start, start + n)
    ramp = np.clip((at - ONSET + 1) / max(1, story.over), 0.0, 1.0) * story.loss
    if story.season or story.only_hard:
        share = HARD_SHARE + (SWING * np.sin(2 * np.pi * at / ONSET) if story.season else 0.0)
        hard = rng.random((runs, n)) < share
        wrong = np.where(hard, HARD, EASY)
        worse = wrong + (ramp / HARD_SHARE * hard if story.only_hard else ramp)
    else:
        wrong, worse = np.full((1, n), WRONG), np.broadcast_to(WRONG + ramp, (1, n))
    both = wrong * worse + 0.5 * np.sqrt(wrong * (1 - wrong) * worse * (1 - worse))
    u = rng.random((runs, n))
    incumbent = u < wrong
    return incumbent, (u < both) | (~incumbent & (u < wrong + worse - both))


def draw(story: Story, rng: np.random.Generator, paired: bool) -> Draw:
    """Return the stream that a detector reads."""

    def stream(runs: int, start: int, n: int) -> Floats:
        incumbent, challenger = errors(story, rng, runs, start, n)
        return np.asarray(challenger - incumbent.astype(float) if paired else challenger - WRONG, dtype=np.float64)

    return stream


@lru_cache(maxsize=1)
def thresholds(runs: int = THRESHOLD_RUNS, seed: int = 71) -> Mapping[str, float]:
    """Return the level of each detector that 5 % of null streams of 20,000 pairs reach."""
    out = {}
    for name, (detector, paired) in DETECTORS.items():
        top = greatest(detector, draw(NULL, np.random.default_rng(seed), paired), runs, N)
        out[name] = float(np.quantile(top, 1 - P_FA))
    return out


def stories(runs: int, seed: int, index: int) -> Iterator[Row]:
    """Yield what each detector finds of a story and when; where nothing is lost, its false alarms."""
    story = STORIES[index]
    levels = thresholds()
    for i, (name, (detector, paired)) in enumerate(DETECTORS.items()):
        stream = draw(story, np.random.default_rng(seed), paired)
        at = first_alarms(detector, levels[name], stream, runs, N)
        if not story.loss:
            stated = story.found[i] if paired else None
            words = f"false alarms, {name}" + ("" if paired else f" (study: {story.found[i]}; its season is not stated)")
            yield fraction_row("7", story.name, words, stated, at < NEVER, STUDY)
            continue
        late = at[at > ONSET]
        found = late < NEVER
        if story.found[i] is not None:
            yield fraction_row("7", story.name, f"found, {name}", story.found[i], found, STUDY)
        if story.delay[i] is not None and (paired or not story.season):
            yield median_row("7", story.name, f"median delay, {name}", story.delay[i], late[found] - ONSET, STUDY)
        elif story.delay[i] is not None:
            yield fraction_row("7", story.name, f"early false alarms, {name} (study: .27)", None, at <= ONSET)
            words = f"median delay, {name} (study: {story.delay[i]})"
            yield median_row("7", story.name, words, None, late[found] - ONSET)


def nominal(runs: int, seed: int) -> Iterator[Row]:
    """Yield how near simulated thresholds are to nominal ones, and e-SR's false alarms at its nominal level N / p."""
    nominal_level = float(np.log(N / P_FA))
    yield exact_row("7", "e-SR mixture paired", "nominal threshold log(N/p)", 12.9, nominal_level, 0.005)
    top = greatest(esr(BETS), draw(NULL, np.random.default_rng(seed), True), runs, N)
    reach = [float(np.quantile(top, q)) for q in (0.93, 0.95, 0.97)]
    yield Row("7", "e-SR mixture paired", "simulated threshold of 5 %", 12.67, reach[1], reach[0], reach[2], runs)
    yield fraction_row(
        "7", "e-SR mixture paired", "false alarms at the nominal level, at most", P_FA, top >= nominal_level, kind="at most"
    )
