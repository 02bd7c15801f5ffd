"""The page of one law fitted to a table of runs, and the files beside it."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

from pipelines.report import fit_chart, shell
from pipelines.report.chart import Chart
from pipelines.report.facts import Provenance
from pipelines.report.figures import write_figures
from pipelines.report.frames import JsonObject
from pipelines.report.payload import columns
from scaling_fit import Fit
from scaling_fit.encoding import encode
from scaling_fit.intervals import Interval
from scaling_fit.law.adequacy import checks
from scaling_fit.wording import Check, interval


@dataclass(frozen=True)
class LawFacts:
    """A fitted law, the rows it is of, and how to make it again."""

    name: str
    title: str
    fit: Fit
    observations: list[JsonObject]
    provenance: Provenance
    made_from: str = "table"


def words(facts: LawFacts) -> JsonObject:
    """What the page says beside its chart. An end of an interval that the runs do not bound is open."""
    fit = facts.fit
    names = [parameter.name for parameter in fit.law.parameters]
    found = fit.spread.method != "none"
    return {
        "told": fit.told(),
        "objective": fit.objective.describe(),
        "rows": len(fit.grouped.problem.loss_N),
        "confidence": fit.spread.confidence if found else None,
        "parameters": [(p.name, _shown(fit.intervals[fit.groups[0]][p.name], found), p.unit) for p in fit.law.parameters],
        "names": names,
        "sensitivity": [(row["objective"].partition(",")[0], [row[name] for name in names]) for row in fit.sensitivity],
        "checks": [*checks(fit.lack_of_fit, fit.interaction), _search(fit)],
        "flags": list(fit.flags),
        "faults": [(fault.severity, fault.message) for fault in fit.faults],
        "notes": list(fit.notes),
    }


def _shown(value: Interval, found: bool) -> str:
    return interval(value, "%.4g") if found else f"{value.value:.4g}"


def _search(fit: Fit) -> Check:
    found = fit.certificate
    tried = f"{found.map_points} points mapped, {found.starts_polished} starts polished"
    answer = f"{tried}, {found.distinct_minima} distinct minimum(s)"
    return Check("Is this the best fit?", answer, "More than one minimum means that another law fits nearly as well.")


def write(facts: LawFacts, folder: Path) -> Path:
    """Write index.html, report.json, report.md and figures/ into `folder`; returns the path of the page."""
    chart = fit_chart.fitted(facts.fit)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    page.write_text(render(facts, chart), "utf-8")
    body = {
        "name": facts.name, "title": facts.title, "fit": facts.fit.to_dict(), "words": words(facts),
        "observations": facts.observations, "provenance": facts.provenance,
        "tables": {name: columns(rows) for name, rows in chart.tables.items()},
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(encode(body), ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    (folder / "report.md").write_text(f"## {facts.title}\n\n{' '.join(facts.fit.told())}\n\n{facts.fit.summary()}\n", "utf-8")
    if write_figures([chart], None, folder / "figures"):
        warnings.warn("the figure could not be drawn as a file; the page shows it", stacklevel=2)
    return page


def render(facts: LawFacts, chart: Chart) -> str:
    """The whole page as one string."""
    contents = [("verdict", "The law"), ("fit", "Curves"), ("parameters", "Parameters"), ("trust", "How far to trust this")]
    said = {"facts": facts, "chart": chart, "eval_sets": [], "legend": [], **words(facts)}
    return shell.html(facts.title, ["one_law.html.j2"], [*contents, ("provenance", "Provenance")], [chart], said)
