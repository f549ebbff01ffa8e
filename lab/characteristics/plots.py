"""The plots of docs/guide/choosing-margins.md, as SVG files: `python -m dualgate.lab.characteristics.plots docs/guide`."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dualgate.gate.stats import correctness_spec, log_threshold, safety_class_spec
from dualgate.gate.stats.dimension import DimensionSpec
from dualgate.gate.stats.laws import bernoulli, ternary
from dualgate.gate.stats.plan import passage_n
from dualgate.lab.characteristics.passage import iid, passages

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 380, 70, 50, 40, 150
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad")


@dataclass(frozen=True, slots=True)
class Line:
    """One curve with its name."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


def svg(title: str, x_name: str, y_name: str, lines: Sequence[Line], x_ticks: Mapping[float, str], log_y: bool) -> str:
    """Return a plot as SVG text, its y axis logarithmic or from 0 to 1; x_ticks are positions with their words, in order."""
    low, high = min(x_ticks), max(x_ticks)
    ys = [y for line in lines for y in line.y]
    decades = range(math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys))) + 1) if log_y else range(0)
    ticks = [10.0**k for k in decades] if log_y else [0, 0.25, 0.5, 0.75, 1]

    def at_x(x: float) -> float:
        return LEFT + (x - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def at_y(y: float) -> float:
        a, b, v = (math.log10(t) for t in (ticks[0], ticks[-1], y)) if log_y else (0.0, 1.0, y)
        return HEIGHT - BOTTOM - (v - a) / (b - a) * (HEIGHT - BOTTOM - TOP)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">']
    out += [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', _text(LEFT, 22, title, size=14)]
    for tick in ticks:
        y = at_y(tick)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(_text(LEFT - 6, y + 4, f"{tick:,.0f}" if log_y else f"{tick:.0%}", anchor="end"))
    for x, words in x_ticks.items():
        out.append(
            f'<line x1="{at_x(x):.1f}" x2="{at_x(x):.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 4}" stroke="#888"/>'
        )
        out.append(_text(at_x(x), HEIGHT - BOTTOM + 18, words, anchor="middle"))
    out.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x_name, anchor="middle"))
    out.append(f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{y_name}</text>')
    names = _apart([at_y(line.y[-1]) + 4 for line in lines])
    for line, colour, name_y in zip(lines, COLOURS, names, strict=False):
        points = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in zip(line.x, line.y, strict=True))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.append(_text(at_x(line.x[-1]) + 6, name_y, line.name, colour=colour))
    return "\n".join([*out, "</svg>\n"])


def _apart(heights: Sequence[float]) -> list[float]:
    """Return heights of names moved down where they would lie on each other."""
    moved, last = dict.fromkeys(range(len(heights)), 0.0), -math.inf
    for i in sorted(range(len(heights)), key=lambda i: heights[i]):
        moved[i] = last = max(heights[i], last + 14)
    return [moved[i] for i in range(len(heights))]


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, colour: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{words}</text>'


def _enough(spec: DimensionSpec) -> int:
    return passage_n(spec.accept, np.array(spec.law), log_threshold(0.05), 0.9, runs=600)


def pairs_by_gain() -> str:
    """Return pairs that suffice in nine of ten against the planned gain in correctness."""
    gains = [0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08]
    lines = [
        Line(f"{100 * d:g} % differ", gains, [_enough(correctness_spec(0.0, g, 0.0, discordance=d)) for g in gains])
        for d in (0.25, 0.15, 0.10)
    ]
    ticks = {g: f"{100 * g:g}" for g in (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08)}
    title = "Correctness: pairs that suffice, nine times in ten"
    return svg(title, "gain over the null (design - null), points", "pairs", lines, ticks, log_y=True)


def pairs_by_ceiling() -> str:
    """Return pairs that suffice against the ceiling of a rare event, for three true rates."""
    ceilings = [0.005, 0.0075, 0.01, 0.015, 0.02, 0.03]
    lines = []
    for rate in (0.003, 0.001, 0.0003):
        known = [c for c in ceilings if c >= 1.6 * rate]
        lines.append(Line(f"true rate {100 * rate:g} %", known, [_enough(safety_class_spec("x", c, rate)) for c in known]))
    ticks = {c: f"{100 * c:g} %" for c in (0.005, 0.01, 0.015, 0.02, 0.025, 0.03)}
    title = "A rare event: pairs that suffice, nine times in ten"
    return svg(title, "ceiling (null)", "pairs", lines, ticks, log_y=True)


def chance_by_truth() -> str:
    """Return the chance that one dimension is accepted within its horizon, against the true value."""
    shares = [float(share) for share in np.linspace(-0.5, 1.5, 11)]
    spec, ceiling = correctness_spec(0.0, 0.03, 0.0), safety_class_spec("x", 0.010, 0.004)
    lines = [
        Line("correctness", shares, [_accepted(spec, ternary(0.03 * s, 0.15), 3768) for s in shares]),
        Line("a rare event", shares, [_accepted(ceiling, bernoulli(1 - 0.010 + 0.006 * s), 4284) for s in shares]),
    ]
    ticks = {-0.5: "worse than the null", 0.0: "null", 0.5: "between", 1.0: "design", 1.5: "better"}
    return svg("Chance that a dimension is accepted", "what the challenger is really like", "chance", lines, ticks, log_y=False)


def _accepted(spec: DimensionSpec, law: np.typing.NDArray[np.float64], horizon: int) -> float:
    found = passages(
        spec.accept, iid(law, np.random.default_rng(4)), log_threshold(0.05), horizon, 800,
        futility=spec.futility, futility_threshold=log_threshold(0.1, 5),
    )  # fmt: skip
    return float(found.accepted.mean())


PLOTS = {"pairs-by-gain.svg": pairs_by_gain, "pairs-by-ceiling.svg": pairs_by_ceiling, "chance-by-truth.svg": chance_by_truth}


if __name__ == "__main__":
    for name, plot in PLOTS.items():
        (Path(sys.argv[1]) / name).write_text(plot(), encoding="utf-8")
