"""One chart of the page: small panels drawn from named tables, two sentences that say how to read it, and its twin on disk."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import altair as alt
import numpy as np

from pipelines.report.palette import CHART_CONFIG, SHAPES, level_colour, resolved

Rows = list[dict[str, Any]]

COUNT_LABEL = "replace(format(datum.value, '.3~s'), 'G', 'B')"
"""Axis labels of token and parameter counts: 10M, 2B (d3 says G)."""


@dataclass(frozen=True)
class Chart:
    """`panels` are Vega-Lite views without data, size or configuration; they name their tables, which `tables` holds.

    `params` belong to every panel (`eval_set` is set by the page's selector). `says`: two sentences for someone who has never
    read a scaling paper. `alt`: what a reader who cannot see the chart should take from it.
    """

    id: str
    title: str
    says: str
    alt: str
    panels: list[dict[str, Any]]
    tables: dict[str, Rows]
    params: list[dict[str, Any]] = field(default_factory=list)
    choices: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    """Selectors of this chart alone: parameter -> (label, {value: word})."""
    min_width: int = 280
    legend: bool = False
    """The page lists the levels' colours above the panels (a file puts them into the picture)."""
    wide: bool = False
    """On a narrow screen the panels keep `min_width` and scroll sideways."""

    @property
    def data(self) -> str:
        """The table that the page offers as the chart's numbers."""
        return next(iter(self.tables))


def panel(view: alt.Chart | alt.LayerChart | alt.FacetChart, height: int = 240, **properties: Any) -> dict[str, Any]:
    """The plain specification of one view; the page gives it a width and the shared configuration."""
    with alt.data_transformers.enable("default", consolidate_datasets=False):  # inline guides stay where they are drawn
        spec = view.properties(height=height, **properties).to_dict()
    spec.pop("config", None)
    spec.pop("$schema", None)
    return spec


def table(name: str) -> alt.Chart:
    return alt.Chart(alt.NamedData(name=name))


def level_scales(levels: list[str]) -> tuple[alt.Scale, alt.Scale]:
    """Colour and mark of each level, fixed by its place in the study."""
    colours = [level_colour(i) for i in range(len(levels))]
    return alt.Scale(domain=levels, range=colours), alt.Scale(
        domain=levels, range=[SHAPES[i % len(SHAPES)] for i in range(len(levels))]
    )


def level_colours(levels: list[str]) -> alt.Color:
    return alt.Color("level:N", scale=level_scales(levels)[0], legend=None)


def count_axis(title: str, **options: Any) -> alt.Axis:
    return alt.Axis(title=title, labelExpr=COUNT_LABEL, **options)


def signed_axis(title: str, digits: int = 2, **options: Any) -> alt.Axis:
    """Labels of a difference: +0.5, 0, -1."""
    label = f"datum.value == 0 ? '0' : format(datum.value, '+.{digits}~f')"
    return alt.Axis(title=title, labelExpr=label, **{"tickCount": 5, **options})


def log_scale() -> alt.Scale:
    """A log scale with room for the marks at its ends."""
    return alt.Scale(type="log", nice=False, padding=10)


def log_ticks(values: Iterable[float], most: int = 7) -> list[float]:
    """Round values over the range of `values`: 1 2 5, 1 3, or powers of ten, as many as there is room for."""
    known = [value for value in values if value > 0]
    low, high = min(known), max(known)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for mantissas in ((1, 2, 5), (1, 3), (1,)):
        ticks = [m * 10.0**k for k in decades for m in mantissas if low * 0.99 <= m * 10.0**k <= high * 1.01]
        if len(ticks) <= most:
            break
    return ticks


def standalone(chart: Chart, eval_set: str | None) -> dict[str, Any]:
    """The chart as one specification with its data, the light colours and fixed sizes, for a file."""
    several = len(chart.panels) > 1
    width = 300 if several else 640
    panels = [json.loads(json.dumps(spec)) | {"width": width} for spec in chart.panels]
    if chart.legend:
        _name_levels(panels)
    params = [p | {"value": eval_set} if p["name"] == "eval_set" and eval_set else p for p in chart.params]
    body: dict[str, Any] = {"concat": panels, "columns": 2 if len(panels) in (2, 4) else 3} if several else panels[0]
    title = {"text": chart.title, "fontSize": 15, "anchor": "start"}
    if several or "title" not in body:
        body["title"] = title
    spec = body | {
        "config": CHART_CONFIG | {"background": "#ffffff", "padding": 12},
        "datasets": chart.tables,
        "params": params,
    }
    return json.loads(resolved(json.dumps(spec)))


def _name_levels(spec: Any) -> None:
    """Give back the legend of levels that the page draws itself."""
    if isinstance(spec, dict):
        colour = spec.get("encoding", {}).get("color", {})
        if colour.get("field") == "level" and colour.get("legend", "") is None:
            colour["legend"] = {"title": None}
    for part in spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else ():
        _name_levels(part)


def limits(
    values: Iterable[float | None],
    ends: Iterable[float | None] = (),
    reach: float = 1.5,
    log: bool = False,
    sane: tuple[float, float] | None = None,
) -> list[float]:
    """The range an axis shows: all `values`, and the interval `ends` up to `reach` times the values' own span.

    An interval that the data do not bound would otherwise flatten everything else; marks outside are cut at the frame and stand
    in the chart's numbers. The same goes for estimates outside `sane`, if any is inside: what a fit says that nobody believes.
    """
    known = _usable(values, log)
    if not len(known):
        return [0.5, 2.0] if log else [-1.0, 1.0]
    bars = _usable(ends, log)
    if sane:
        least, most = np.log(sane) if log else sane
        inside = known[(known >= least) & (known <= most)]
        known = inside if len(inside) else known
    low, high = float(known.min()), float(known.max())
    span = high - low
    if not span:
        span = float(np.median(np.abs(bars - low))) if len(bars) else 0.0
    span = span or abs(low) * 0.02 or 1.0
    if len(bars):
        low, high = min(low, max(float(bars.min()), low - reach * span)), max(high, min(float(bars.max()), high + reach * span))
    margin = max(0.06 * (high - low), 0.02 * span)
    low, high = low - margin, high + margin
    return [math.exp(low), math.exp(high)] if log else [low, high]


def _usable(values: Iterable[float | None], log: bool) -> np.ndarray:
    found = [value for value in values if value is not None and math.isfinite(value) and not (log and value <= 0)]
    return np.log(found) if log else np.array(found, float)


def frame(name: str, by_set: dict[str, list[float]]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """An axis range that follows the page's evaluation set: the parameter that holds it, and the scale domain that reads it."""
    return {"name": name, "value": by_set}, [{"expr": f"{name}[eval_set][{end}]"} for end in (0, 1)]
