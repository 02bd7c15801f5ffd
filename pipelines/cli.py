"""The command line: one module of `pipelines.verbs` for each family of verbs, registered here."""

import typer

from pipelines.verbs.export import export
from pipelines.verbs.fit import fit, plan, power
from pipelines.verbs.ladder import ladder
from pipelines.verbs.look import diff, explain, inspect
from pipelines.verbs.noise import noise
from pipelines.verbs.report import compare
from pipelines.verbs.start import doctor, init, schema
from pipelines.verbs.study import curate, report, run, train

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown",
    help="Measure what data curation does to scaling laws: curate, train matched models, fit, decide.",
    epilog="Exit codes: 0 done, 1 a check failed, 2 the study or its input is wrong, 130 stopped (run it again to go on).",
)  # fmt: skip
for verb in (
    run,
    curate,
    train,
    fit,
    report,
    inspect,
    explain,
    diff,
    export,
    ladder,
    plan,
    power,
    noise,
    compare,
    init,
    schema,
    doctor,
):
    app.command()(verb)
