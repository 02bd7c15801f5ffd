"""`assay status`: how far a study is."""

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.verbs.opening import opened
from pipelines.verbs.options import AsJson, Set, StudyFile, WorkdirOption
from pipelines.verbs.terminal import print_json


def status(study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", as_json: AsJson = False) -> None:
    """Show what of a study is there, what runs, and the last error.

    It reads the work directory and changes nothing, also while a run is at work there.

    Example: `assay status configs/quickstart.yaml`
    """
    with opened(study_file, overrides, workdir, writes=False) as (context, study, base):
        from pipelines.engine.progress import clock
        from pipelines.verbs.standing import standing

        found = standing(context, study, base)
    if as_json:
        print_json(found)
        return
    console = Console(highlight=False)
    console.print(
        f"[bold]{escape(found['study'])}[/] in {escape(found['workdir'])}, {found['bytes'] / 1e6:,.1f} MB", soft_wrap=True
    )
    table = Table(box=None, header_style="bold")
    for column in ("stage", "steps", "MB"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for row in found["stages"]:
        if row["steps"]:
            done = row["there"] == row["steps"]
            style = "green" if done else "yellow" if row["there"] or row["bytes"] else "dim"
            table.add_row(row["stage"], f"[{style}]{row['there']} of {row['steps']}[/]", f"{row['bytes'] / 1e6:,.1f}")
    console.print(table)
    if held := found["held_by"]:
        heard = f", last heard of at {held['heard']}" if "heard" in held else ""
        console.print(f"at work: process {held['pid']} on {escape(held['host'])}, since {held['since']}{heard}", soft_wrap=True)
    if now := found["now"]:
        amount = f", {now['done']:,.0f} of {now['total']:,.0f} {now['unit']}" if now["done"] is not None else ""
        left = f", about {clock(now['left'])} left of this step" if now["left"] is not None else ""
        console.print(f"now: {now['step']}{amount}{left}", markup=False, soft_wrap=True)
    if failed := found["failed"]:
        console.print(f"[red]failed[/] at {failed['time']}: {escape(failed['error'])}", soft_wrap=True)
    if stopped := found["stopped"]:
        console.print(f"[yellow]stopped[/] at {stopped['time']}; run it again to go on", soft_wrap=True)
    typer.echo(f"next: {found['missing']}" if found["missing"] else "all of it is there")
