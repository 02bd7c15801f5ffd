"""The page: one HTML file with everything in it, and the files beside it.

Nothing leaves the page: a content-security policy forbids every request, and scripts run only if their hash is in it, so text from
the corpus could not run even if it were not escaped.
"""

import base64
import json
import re
from collections import defaultdict
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from pipelines.report import curation_charts, palette, wording
from pipelines.report.chart import Chart, standalone
from pipelines.report.facts import Facts

HERE = Path(__file__).parent
SAMPLE_CHARACTERS = 700
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""Characters a reader cannot see, or that reorder what is around them (Unicode bidirectional controls)."""


def render(facts: Facts, samples: bool = True) -> str:
    """The whole page as one string. `samples=False` leaves all corpus text out."""
    facts = facts if samples else facts.without_samples()
    sections = _sections(facts)
    charts = [chart for section in sections.values() for chart in section]
    tables = {name: rows for chart in charts for name, rows in chart.tables.items()}
    specs = {c.id: {"panels": c.panels, "params": c.params, "tables": list(c.tables)} for c in charts}
    scripts = [_vega(), _static("page.js")]
    colours = {level["name"]: palette.level_colour(i) for i, level in enumerate(facts.levels)}
    return _environment().get_template("index.html.j2").render(
        facts=facts, sections=sections, colours=colours, legend=list(colours.items()),
        eval_sets=[], contents=_contents(), parts=["curation.html.j2", "provenance.html.j2"],
        samples=_samples(facts), cost=_cost(facts),
        tables=_inert_json(_rounded(tables)), specs=_inert_json(specs), config=_inert_json(palette.CHART_CONFIG), explorer=None,
        scripts=scripts, policy=_policy(scripts), style=_static("page.css"),
        light=palette.css(palette.LIGHT), dark=palette.css(palette.DARK), font=palette.FONT,
    )  # fmt: skip


def write(facts: Facts, folder: Path, samples: bool = True) -> Path:
    """Write index.html, report.json, report.md and figures/ into `folder`; returns the path of the page."""
    facts = facts if samples else facts.without_samples()
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    page.write_text(render(facts), "utf-8")
    sections = _sections(facts)
    charts = [chart for section in sections.values() for chart in section]
    tables = {name: rows for chart in charts for name, rows in chart.tables.items()}
    body = asdict(facts) | {"tables": tables}
    (folder / "report.json").write_text(json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    for chart in charts:
        spec = standalone(chart, None)
        (figures / f"{chart.id}.svg").write_text(vl_convert.vegalite_to_svg(spec), "utf-8")
        (figures / f"{chart.id}.png").write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
    return page


def _sections(facts: Facts) -> dict[str, list[Chart]]:
    return {"curation": curation_charts.charts(facts), "provenance": []}


def _contents() -> list[tuple[str, str]]:
    return [("curation", "Curation"), ("provenance", "Cost and provenance")]


def _samples(facts: Facts) -> list[tuple[tuple[str, str], list[dict[str, Any]]]]:
    shown = [{**sample, "shown": cut(sample["text"])} for sample in facts.samples]
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for sample in shown:
        grouped[sample["level"], sample["rule"]].append(sample)
    return list(grouped.items())


def cut(text: str) -> str:
    """The start of a document with unseen characters made visible; says how much was left out."""
    start = UNSEEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text[:SAMPLE_CHARACTERS])
    return start if len(text) <= SAMPLE_CHARACTERS else f"{start} [... {len(text) - SAMPLE_CHARACTERS:,} more characters]"


def _cost(facts: Facts) -> dict[str, float]:
    runs = {(o["level"], o["seed"], o["shape"], o["tokens"]): o for o in facts.observations}
    trunks: dict[Any, dict[str, Any]] = {}
    for (level, seed, shape, tokens), row in runs.items():
        best = trunks.get((level, seed, shape))
        if best is None or tokens > best["tokens"]:
            trunks[level, seed, shape] = row
    return {
        "runs": len(runs), "tokens": sum(r["tokens"] for r in trunks.values()), "flops": sum(r["flops"] for r in trunks.values()),
        "seconds": sum(s["seconds"] for s in facts.steps), "bytes": sum(s["bytes"] for s in facts.steps),
    }  # fmt: skip


def _rounded(value: Any) -> Any:
    """Six significant digits: what a chart can show, at half the size."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _inert_json(value: Any) -> str:
    """JSON that is safe inside a script element: no text in it can end the element or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@cache
def _vega() -> str:
    """Vega, Vega-Lite and vega-embed as one script, from the copy inside vl-convert."""
    return vl_convert.javascript_bundle().replace("</script", "<\\/script")


def _static(name: str) -> str:
    return (HERE / "static" / name).read_text("utf-8")


def _policy(scripts: list[str]) -> str:
    """Nothing may be fetched; only these scripts run. Vega compiles its expressions, hence 'unsafe-eval'."""
    hashes = " ".join(f"'sha256-{base64.b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(
        count=wording.count, size=wording.size, duration=wording.duration, times=wording.times, eval_words=wording.eval_words,
        declaration=wording.declaration, probability=wording.probability,
    )  # fmt: skip
    return environment
