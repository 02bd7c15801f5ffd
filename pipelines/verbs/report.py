"""`assay compare`: two written reports, side by side, in the terminal."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.report.compare import Comparison
from pipelines.report.compare import compare as compare_facts
from pipelines.report.facts import read

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
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
) -> None:
    """What differs between two reports: settings, levels, results, software.

    Example: `assay compare work/monday/report work/tuesday/report`
    """
    try:
        found = compare_facts(read(report_a), read(report_b))
    except ValueError as error:
        Console(stderr=True, highlight=False).print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1, ensure_ascii=False))
    else:
        show(found, Console(highlight=False))


def show(found: Comparison, console: Console) -> None:
    """One short table per kind of difference; nothing but a sentence where there is none."""
    if not found.changes:
        console.print("The two reports say the same.")
    for kind, heading in HEADINGS.items():
        rows = found.of(kind)
        if not rows:
            continue
        table = Table(title=heading, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 3, 0, 0))
        for column in ("", found.first, found.second):
            table.add_column(escape(column), overflow="fold")
        for change in rows:
            style = "bold" if kind == "results" and change.certain else ""
            table.add_row(escape(change.where), escape(change.first), escape(change.second), style=style)
        console.print(table)
        console.print()
