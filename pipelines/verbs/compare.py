"""`assay compare`: two written reports, side by side, in the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.verbs.options import AsJson
from pipelines.verbs.terminal import plain_errors, print_json

if TYPE_CHECKING:
    from pipelines.report.compare import Comparison
    from pipelines.report.facts import Facts

HEADINGS = {
    "settings": "Declared differently",
    "data": "The levels",
    "results": "What came out (bold: the intervals have nothing in common)",
    "software": "Software and machine",
}

ReportPath = Annotated[Path, typer.Argument(metavar="REPORT", help="A report folder, or the report.json inside it.")]


def compare(
    report_a: ReportPath,
    report_b: ReportPath,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the figure of both, as SVG and PNG.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two reports.

    Their settings, levels, results, software and machines; `--out` draws the levels of both over quality in one figure.

    Example: `assay compare work/monday/report work/tuesday/report`
    """
    with plain_errors():
        from pipelines.report import compare as reports
        from pipelines.report.facts import read

        first, second = read(report_a), read(report_b)
        comparison = reports.compare(first, second)
        if out is not None:
            _draw(first, second, out)
    if as_json:
        print_json(comparison.to_dict())
    else:
        show(comparison, Console(highlight=False))


def _draw(first: "Facts", second: "Facts", out: Path) -> None:
    from pipelines.report import compare_charts
    from pipelines.report.figures import write_figures

    charts = compare_charts.over_quality(first, second)
    if not charts:
        raise ValueError("the two reports share no quality axis and evaluation set, so there is no figure; leave --out away")
    for chart in charts:
        write_figures([chart], None, out)
        typer.secho(f"wrote {out}/{chart.id}.svg and .png", fg="green", err=True)


def show(comparison: "Comparison", console: Console) -> None:
    """One short table per kind of difference; nothing but a sentence where there is none."""
    if not comparison.changes:
        console.print("The two reports say the same.")
    for kind, heading in HEADINGS.items():
        rows = comparison.of(kind)
        if not rows:
            continue
        table = Table(title=heading, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 3, 0, 0))
        for column in ("", comparison.first, comparison.second):
            table.add_column(escape(column), overflow="fold")
        for change in rows:
            style = "bold" if kind == "results" and change.certain else ""
            table.add_row(escape(change.where), escape(change.first), escape(change.second), style=style)
        console.print(table)
        console.print()
