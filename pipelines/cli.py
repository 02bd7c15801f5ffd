"""The command line: one module of `pipelines.verbs` for each family of verbs, registered here."""

import typer

from pipelines.verbs.fit import fit, plan, power
from pipelines.verbs.report import compare
from pipelines.verbs.study import curate, report, run, train

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown",
    help="Measure what data curation does to scaling laws: curate, train matched models, fit, decide.",
)  # fmt: skip
for verb in (run, curate, train, fit, report, plan, power, compare):
    app.command()(verb)
