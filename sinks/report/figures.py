"""The plots of a report: evidence and estimate of each dimension over pairs, phases and shares over time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
import plotly.io

from dualgate.schemas.records import DecisionRecord, DimensionEvidence, EvidenceSnapshot
from dualgate.sinks.report.story import Story
from dualgate.sinks.report.words import Measure, unit_words

INK, FAINT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
ACCEPT, FUTILE, WORSE, BLUE = "#0f8a5f", "#c27803", "#c81e1e", "#2457a6"
BANDS = {
    "CALIBRATING": "#f1f3f5",
    "SHADOW": "#eef2f7",
    "CANARY": "#e0edff",
    "ROLLOUT": "#cfe3ff",
    "TAIL": "#d8f3e6",
    "COMPLETED": "#bfead3",
}
STOPPED = "#fde2e1"
MOST_POINTS = 700
_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": INK}


def _series(story: Story, name: str) -> tuple[list[int], list[DimensionEvidence]]:
    """Return one dimension's evidence over pairs, in order, thinned to what a screen can show."""
    both: Iterable[EvidenceSnapshot | DecisionRecord] = (*story.snapshots, *story.decisions)
    found = sorted(((s.n_pairs, s.ledger_offset, s.dimensions[name]) for s in both if name in s.dimensions), key=lambda p: p[:2])
    kept = found[:: max(1, len(found) // MOST_POINTS)] + found[-1:]
    return [n for n, _, _ in kept], [evidence for _, _, evidence in kept]


def evidence_figure(story: Story, name: str) -> str:
    """Return the three log e-values of a dimension over pairs, each with its boundary, as HTML."""
    pairs, rows = _series(story, name)
    figure = _figure("log e-value", story)
    boundaries: dict[str, tuple[float, str]] = {}
    for title, colour, value, bound in _CURVES:
        limits = [bound(row) for row in rows]
        hover = f"{title} %{{y:.2f}} after %{{x:,}} pairs<extra></extra>"
        figure.add_scatter(x=pairs, y=[value(row) for row in rows], line={"color": colour, "width": 2}, hovertemplate=hover)
        dashed = {"color": colour, "width": 1.3, "dash": "dash", "shape": "hv"}
        figure.add_scatter(x=pairs, y=limits, line=dashed, hovertemplate=f"{title} boundary %{{y:.2f}}<extra></extra>")
        boundaries |= {f"{title} ≥ {limit:.2f}": (limit, colour) for limit in limits[-1:]}
    top = 1.25 * max((limit for limit, _ in boundaries.values()), default=4.0)
    _labels(figure, boundaries, apart=0.09 * 1.6 * top)
    lowest = min((value(row) for row in rows for _, _, value, _ in _CURVES), default=0.0)
    figure.update_yaxes(range=[max(lowest - 0.5, -0.8 * top), top], zeroline=True, zerolinecolor=GRID)
    _phases_over_pairs(figure, story)
    decided = rows[-1].pairs_to_decision if rows else None
    if decided is not None:
        _mark(figure, decided, f"accepted at {decided:,}")
    return _html(figure)


_CURVES: tuple[tuple[str, str, Callable[[DimensionEvidence], float], Callable[[DimensionEvidence], float]], ...] = (
    ("good enough", ACCEPT, lambda e: e.log_e, lambda e: e.threshold),
    ("futile", FUTILE, lambda e: e.log_e_futility, lambda e: e.futility_threshold),
    ("worse", WORSE, lambda e: e.log_e_worse, lambda e: e.worse_threshold),
)


def estimate_figure(story: Story, name: str, measure: Measure) -> str:
    """Return a dimension's estimate over pairs with its anytime-valid interval and its marks, as HTML."""
    pairs, rows = _series(story, name)
    known = [(n, e) for n, e in zip(pairs, rows, strict=True) if e.estimate is not None]
    xs, told = [n for n, _ in known], [e for _, e in known]
    figure = _figure(None, story)
    edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0, "color": BLUE}, "hoverinfo": "skip"}
    figure.add_scatter(x=xs, y=[e.interval_high for e in told], **edge)
    figure.add_scatter(x=xs, y=[e.interval_low for e in told], fill="tonexty", fillcolor="rgba(36,87,166,.14)", **edge)
    words = [measure.write(e.estimate) for e in told if e.estimate is not None]
    hover = "%{text} after %{x:,} pairs<extra></extra>"
    line = {"color": BLUE, "width": 2}
    figure.add_scatter(x=xs, y=[e.estimate for e in told], text=words, line=line, hovertemplate=hover)
    for title, value in measure.marks.items():
        colour = FAINT if title == "design" else INK
        figure.add_hline(y=value, line={"color": colour, "width": 1.3, "dash": "dot"})
        _label(figure, value, measure.mark(title), colour)
    figure.update_yaxes(range=_range(told, measure), tickformat=measure.ticks)
    _phases_over_pairs(figure, story)
    return _html(figure)


def _range(rows: Sequence[DimensionEvidence], measure: Measure) -> list[float] | None:
    """Return a scale that shows the marks and the last three quarters of the intervals: the first ones are very wide."""
    late = rows[len(rows) // 4 :]
    bounds = [b for e in late for b in (e.interval_low, e.interval_high, e.estimate) if b is not None]
    bounds += measure.marks.values()
    if not bounds:
        return None
    low, high = min(bounds), max(bounds)
    room = 0.08 * (high - low or 1)
    return [low - room, high + room]


def phases_figure(story: Story) -> str:
    """Return the challenger's share of the users over the evidence clock, phase by phase, as HTML."""
    figure = _figure("users on the challenger", None)
    moves = [(d.evidence_clock_ms, d) for d in story.transitions if d.evidence_clock_ms is not None]
    times = [s.evidence_clock_ms for s in story.snapshots if s.evidence_clock_ms is not None] + [at for at, _ in moves]
    if times:
        _phase_bands(figure, story, moves, min(times), max(times))
    figure.update_yaxes(range=[-0.04, 1.12], tickformat=".0%")
    figure.update_xaxes(title=None, type="date")
    figure.update_layout(height=300, margin={"r": 30})
    return _html(figure)


def _phase_bands(figure: Any, story: Story, moves: list[tuple[int, DecisionRecord]], start: int, end: int) -> None:
    first = moves[0][1].from_phase if moves else story.phase
    edges = [start, *(at for at, _ in moves), end]
    names = [first or story.phase, *((d.to_phase or "") for _, d in moves)]
    shares = [0.0, *_shares([d for _, d in moves])]
    _bands(figure, edges, names, _date, short=False)
    xs = [_date(start), *(_date(at) for at, _ in moves), _date(end)]
    line = {"color": BLUE, "width": 2.5, "shape": "hv"}
    figure.add_scatter(
        x=xs, y=[*shares, shares[-1]], line=line, fill="tozeroy", fillcolor="rgba(36,87,166,.15)", hoverinfo="skip"
    )
    hover = "%{text}<extra></extra>"
    text = [f"<b>{d.from_phase} → {d.to_phase}</b><br>{_wrapped(d.reason)}" for _, d in moves]
    dots = {"color": BLUE, "size": 9, "line": {"color": "white", "width": 1.5}}
    figure.add_scatter(
        x=[_date(at) for at, _ in moves], y=shares[1:], mode="markers", marker=dots, text=text, hovertemplate=hover
    )


def _shares(decisions: Sequence[DecisionRecord]) -> list[float]:
    """Return the share after each decision; one that commands nothing leaves it as it was."""
    shares: list[float] = []
    for decision in decisions:
        before = shares[-1] if shares else 0.0
        shares.append(decision.routing_command.live_share if decision.routing_command else before)
    return shares


def _phases_over_pairs(figure: Any, story: Story) -> None:
    """Shade the phases behind a plot over pairs."""
    moves = list(story.transitions)
    if not moves:
        return
    edges = [0, *(d.n_pairs for d in moves), max(story.seen_pairs, moves[-1].n_pairs)]
    names = [moves[0].from_phase or "", *((d.to_phase or "") for d in moves)]
    _bands(figure, edges, names, lambda n: n, short=True)


def _band(figure: Any, left: Any, right: Any, name: str, label: str) -> None:
    colour = BANDS.get(name.split("(")[0], STOPPED)
    figure.add_vrect(x0=left, x1=right, fillcolor=colour, opacity=0.55, line_width=0, layer="below")
    figure.add_annotation(
        x=left, y=1.0, yref="paper", text=label, showarrow=False, xanchor="left", yanchor="top", font={"size": 10, "color": FAINT}
    )


def _bands(figure: Any, edges: Sequence[int], names: Sequence[str], place: Callable[[int], Any], *, short: bool) -> None:
    """Shade the phases between the edges; one that is too narrow for its name goes without."""
    room = (0.1 if short else 0.08) * (edges[-1] - edges[0])
    for (left, right), name in zip(pairwise(edges), names, strict=True):
        words = (name.split("(")[0] if short else name.replace("(", " ").rstrip(")")).replace("_", " ").capitalize()
        if right > left:
            _band(figure, place(left), place(right), name, words if right - left > room else "")


def _mark(figure: Any, at: int, words: str) -> None:
    figure.add_vline(x=at, line={"color": ACCEPT, "width": 1.2})
    figure.add_annotation(
        x=at, y=0.02, yref="paper", text=words, showarrow=False, xanchor="left", xshift=4, font={"size": 11, "color": ACCEPT}
    )


def _label(figure: Any, y: float, words: str, colour: str) -> None:
    figure.add_annotation(
        x=1.0, xref="paper", y=y, text=words, showarrow=False, xanchor="left", xshift=6, font={"size": 11, "color": colour}
    )


def _labels(figure: Any, marks: Mapping[str, tuple[float, str]], apart: float) -> None:
    """Write labels beside their lines; those closer than `apart` are pushed up, so that each can be read."""
    at = -float("inf")
    for words, (y, colour) in sorted(marks.items(), key=lambda mark: mark[1][0]):
        at = max(y, at + apart)
        _label(figure, at, words, colour)


def _figure(y_title: str | None, story: Story | None) -> Any:
    figure = go.Figure()
    white = {"paper_bgcolor": "white", "plot_bgcolor": "white"}
    margin = {"l": 62, "r": 158, "t": 14, "b": 44}
    figure.update_layout(template="none", font=_FONT, showlegend=False, height=290, hovermode="closest", margin=margin, **white)
    axis = {"gridcolor": GRID, "zeroline": False, "linecolor": GRID, "ticks": "", "automargin": True}
    figure.update_xaxes(
        title={"text": "" if story is None else unit_words(story.config.spec), "font": {"size": 11, "color": FAINT}}, **axis
    )
    figure.update_yaxes(title={"text": y_title, "font": {"size": 11, "color": FAINT}}, **axis)
    if story is not None:
        figure.update_xaxes(range=[0, max(story.seen_pairs, 1)])
    return figure


def _date(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1e3, UTC)


def _wrapped(text: str, width: int = 70) -> str:
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "<br>".join([*lines, line])


def _html(figure: Any) -> str:
    config = {"displaylogo": False, "displayModeBar": False, "responsive": True}
    return str(plotly.io.to_html(figure, include_plotlyjs=False, full_html=False, config=config))
