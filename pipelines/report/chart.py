"""One chart of the page: small panels drawn from named tables, two sentences that say how to read it, and its twin on disk."""

import json
from dataclasses import dataclass, field
from typing import Any

from pipelines.report.frames import Rows
from pipelines.report.palette import CHART_CONFIG, resolved

Spec = dict[str, Any]
"""A piece of Vega-Lite: JSON."""


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
    panels: list[Spec]
    tables: dict[str, Rows]
    params: list[Spec] = field(default_factory=list)
    choices: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    """Selectors of this chart alone: parameter -> (label, {value: word})."""
    min_width: int = 280
    legend: bool = False
    """The page lists the levels' colours above the panels (a file puts them into the picture)."""
    folded: bool = False
    """The page opens it on request: what few readers ask for."""
    wide: bool = False
    """On a narrow screen the panels keep `min_width` and scroll sideways."""

    @property
    def levels(self) -> set[str]:
        """Those it has marks of: in the first table that has any, since the others are frames and curves of several charts."""
        named = ({row["level"] for row in rows if "level" in row} for rows in self.tables.values())
        return next(filter(None, named), set())

    @property
    def data(self) -> str:
        """The table that the page offers as the chart's numbers."""
        return next(iter(self.tables))


def standalone(chart: Chart, eval_set: str | None) -> Spec:
    """The chart as one specification with its data, the light colours and fixed sizes, for a file."""
    several = len(chart.panels) > 1
    width = 300 if several else 640
    panels = [json.loads(json.dumps(spec)) | {"width": width} for spec in chart.panels]
    if chart.legend:
        _name_levels(panels)
    params = [p | {"value": eval_set} if p["name"] == "eval_set" and eval_set else p for p in chart.params]
    body: Spec = {"concat": panels, "columns": 2 if len(panels) in (2, 4) else 3} if several else panels[0]
    title = {"text": chart.title, "fontSize": 15, "anchor": "start"}
    if several or "title" not in body:
        body["title"] = title
    spec = body | {
        "config": CHART_CONFIG | {"background": "#ffffff", "padding": 12},
        "datasets": chart.tables,
        "params": params,
    }
    return json.loads(resolved(json.dumps(spec)))


def _name_levels(spec: object) -> None:
    """Give back the legend of levels that the page draws itself."""
    if isinstance(spec, dict):
        colour = spec.get("encoding", {}).get("color", {})
        if colour.get("field") == "level" and colour.get("legend", "") is None:
            colour["legend"] = {"title": None}
    for part in spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else ():
        _name_levels(part)
