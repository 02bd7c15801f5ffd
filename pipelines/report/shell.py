"""The shell of a page: one HTML file with its charts, data, scripts and style in it, around parts that templates fill.

Nothing leaves the page: a content-security policy forbids every request, and scripts run only if their hash is in it, so
text from the corpus could not run even if it were not escaped.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2

from pipelines.report import palette, wording
from pipelines.report.chart import Chart
from pipelines.report.frames import JsonObject, Rows
from pipelines.report.payload import columns, inert_json, packed, policy, vega
from scaling_fit import wording as fit_wording

HERE = Path(__file__).parent


def html(
    title: str,
    parts: list[str],
    contents: list[tuple[str, str]],
    charts: list[Chart],
    words: JsonObject,
    explorer: JsonObject | None = None,
    pale: Sequence[int] = (),
) -> str:
    """The whole page. parts: templates in their order; contents: id and title of a section; words: what the templates say;
    pale: places of the levels whose colours charts show paler."""
    specs = {c.id: {"panels": c.panels, "params": c.params, "tables": list(c.tables)} for c in charts}
    scripts = [vega(), _static("page.js"), *([_static("explorer.js")] if explorer else [])]
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            **words,
            title=title,
            contents=contents,
            parts=parts,
            tables=packed({name: columns(rows) for name, rows in tables(charts).items()}),
            specs=packed(specs),
            config=inert_json(palette.CHART_CONFIG),
            explorer=inert_json(explorer) if explorer else None,
            scripts=scripts,
            policy=policy(scripts),
            style=_static("page.css"),
            light=palette.css(palette.LIGHT),
            dark=palette.css(palette.DARK),
            pale=[palette.css(palette.pale(colours, pale)) for colours in (palette.LIGHT, palette.DARK)],
            font=palette.FONT,
        )
    )


def tables(charts: list[Chart]) -> dict[str, Rows]:
    return {name: rows for chart in charts for name, rows in chart.tables.items()}


def _static(name: str) -> str:
    return (HERE / "static" / name).read_text("utf-8")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=fit_wording.count,
        size=wording.size,
        duration=wording.duration,
        eval_words=fit_wording.eval_words,
        declaration=wording.declaration,
        plain=wording.plain,
        interval=fit_wording.interval,
    )
    return environment
