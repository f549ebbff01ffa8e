"""The report as one self-contained HTML page that opens with no network."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
import plotly.io
import plotly.offline
from markupsafe import Markup, escape

from dualgate.lab.evaluate.events import EVENTS
from dualgate.lab.evaluate.sections import chart_values
from dualgate.lab.evaluate.tables import Curves, Section

INK, GRID = "#1f2933", "#e4e7eb"
COLOURS = (
    "#2457a6",
    "#6b8fd6",
    "#a9c1ee",
    "#c81e1e",
    "#0f8a5f",
    "#7fc8ab",
    "#c27803",
    "#8e44ad",
    "#c39bd3",
    "#616e7c",
    "#14919b",
)


def render(title: str, sections: Sequence[Section], strategies: Mapping[str, Any]) -> str:
    """Return the page: two charts over the events, then every section with its tables and curves."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["marked"] = marked
    charts = [(words, bars(strategies, measure, log)) for words, measure, log in _CHARTS]
    parts = [(section, [(c.title, curves(c)) for c in section.curves]) for section in sections]
    return environment.get_template("page.html.j2").render(
        title=title, charts=charts, parts=parts, plotlyjs=plotly.offline.get_plotlyjs()
    )


def marked(words: str) -> Markup:
    """Return words with their marks (strong, emphasis, code) as HTML; everything else in them is escaped."""
    text = str(escape(words))
    for pattern, tag in _MARKS:
        text = re.sub(pattern, rf"<{tag}>\1</{tag}>", text)
    return Markup(text)


_MARKS = ((r"\*\*(.+?)\*\*", "strong"), (r"\*(.+?)\*", "em"), (r"`(.+?)`", "code"))
_CHARTS = (
    ("Turned away before any user saw it, share of the runs", "detected_before_impact", False),
    ("Bad answers that users saw, mean of a run (logarithmic, one added)", "bad_answers_seen", True),
)


_ABOVE = {"orientation": "h", "yanchor": "bottom", "y": 1.03}
"""A legend that grows away from the plot, so that it covers nothing."""


def bars(strategies: Mapping[str, Any], measure: str, log: bool) -> str:
    """Return a measure of every strategy over the regressions, as grouped bars."""
    known = {event for found in strategies.values() for event, told in found["events"].items() if measure in told}
    events = [event for event in EVENTS if event in known]
    figure = _figure()
    for (name, values), colour in zip(chart_values(strategies, measure, events).items(), COLOURS, strict=False):
        heights = [None if value is None else value + (1 if log else 0) for value in values]
        figure.add_bar(x=[e.replace("_", " ") for e in events], y=heights, name=name.replace("_", " "), marker={"color": colour})
    figure.update_yaxes(**({"type": "log"} if log else {"range": [0, 1.03], "tickformat": ".0%"}))
    figure.update_layout(barmode="group", height=480, legend=_ABOVE, margin={"t": 96})
    return _html(figure)


def curves(given: Curves) -> str:
    """Return lines over a common axis."""
    figure = _figure()
    for (name, (xs, ys)), colour in zip(given.lines.items(), COLOURS[0::2] + COLOURS[1::2], strict=False):
        figure.add_scatter(x=list(xs), y=list(ys), name=name, mode="lines+markers", line={"color": colour, "width": 2})
    figure.update_xaxes(title={"text": given.x}, type="log" if given.log_x else "linear")
    figure.update_yaxes(title={"text": given.y}, type="log" if given.log_y else "linear")
    figure.update_layout(height=360, legend=_ABOVE, margin={"t": 64})
    return _html(figure)


def _figure() -> Any:
    figure = go.Figure()
    font = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": INK}
    margin = {"l": 62, "r": 20, "t": 20, "b": 60}
    figure.update_layout(template="none", font=font, margin=margin, paper_bgcolor="white", plot_bgcolor="white")
    figure.update_xaxes(gridcolor=GRID, automargin=True)
    figure.update_yaxes(gridcolor=GRID, automargin=True)
    return figure


def _html(figure: Any) -> str:
    config = {"displaylogo": False, "displayModeBar": False, "responsive": True}
    return str(plotly.io.to_html(figure, include_plotlyjs=False, full_html=False, config=config))
