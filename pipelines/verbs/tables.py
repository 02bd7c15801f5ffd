"""A table of runs as a verb's options name it, and what is wrong with one."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipelines.verbs.terminal import print_json

if TYPE_CHECKING:
    from scaling_fit import Observations, Scores
    from scaling_fit.levels.quality import Axes


@dataclass(frozen=True)
class TableOptions:
    """How a table is to be read, in the words of the command line."""

    columns: list[str]
    parameters: str
    eval_set: str
    where: list[str]
    ignore: list[str]
    tokens_per_step: str = ""
    checkpoints: int = 1


def read_table(table: Path, options: TableOptions) -> "Observations":
    """The rows of one evaluation set, by default `heldout` where the table has it. Raises ValueError for a wrong option."""
    from scaling_fit import observations

    data = observations(
        table, columns=_columns(options.columns), parameters=options.parameters, where=options.where, ignore=options.ignore,
        tokens_per_step=options.tokens_per_step, checkpoints=options.checkpoints,
    )  # fmt: skip
    for note in data.notes:
        typer.secho(f"note: {note}", fg="yellow", err=True)
    name = options.eval_set or ("heldout" if "heldout" in data.eval_sets else "")
    if name and name not in data.eval_sets:
        raise ValueError(f"--eval-set {name!r} is not in the table; it has {', '.join(data.eval_sets)}")
    return data.where(data.eval_set == name) if name else data


def read_quality(quality: Path | None, table: Path, options: TableOptions) -> "Axes | None":
    """The levels' quality, from a table of its own or from columns of the table of runs; None where neither has any."""
    from scaling_fit.levels.quality import axes_of_runs, read_axes

    return read_axes(quality) if quality else axes_of_runs(table, _columns(options.columns))


def read_scores(scores: Path | None, table: Path, losses: "Observations", options: TableOptions) -> "Scores | None":
    """Scores of tasks, from a table of their own or from the table of runs; None where neither has any. Raises ValueError for
    a score that cannot be."""
    from scaling_fit import read_scores
    from scaling_fit.table.exports import read_runs

    columns = _columns(options.columns)
    if scores is not None:
        return read_scores(scores, losses, parameters=options.parameters)
    raw = read_runs(table, columns, options.checkpoints).without(options.ignore)
    return read_scores(raw, losses, columns=columns, parameters=options.parameters, where=options.where)


def _columns(pairs: list[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise ValueError(f"-c {wrong[0]!r} (--column): write OURS=THEIRS, e.g. N=params")
    return dict(pair.split("=", 1) for pair in pairs)


def assignments(pairs: list[str], option: str, form: str) -> dict[str, float]:
    """The numbers of options such as `--truth beta=0.3`. Raises ValueError that says the form to write."""
    numbers = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            numbers[name] = float(value)
        except ValueError:
            raise ValueError(f"{option} {pair!r}: write {form}, the second a number") from None
    return numbers


def list_faults(data: "Observations", as_json: bool, baseline: str = "") -> None:
    """What is wrong with a table of runs and its design. Exit code 1 when no law can be fitted to it, else 0. Raises ValueError
    for a baseline that is not there."""
    from scaling_fit import check
    from scaling_fit.strays import strays

    if baseline and baseline not in data.levels:
        raise ValueError(f"--baseline {baseline!r} is not in the table; it has {', '.join(data.levels)}")
    faults = check(data)
    faults = (*faults, *(() if any(fault.severity == "error" for fault in faults) else strays(data)))
    if as_json:
        print_json([{"severity": fault.severity, "name": fault.name, "message": fault.message} for fault in faults])
    else:
        for fault in faults:
            typer.echo(f"{fault.severity}: {fault.name}: {fault.message}")
        errors = sum(fault.severity == "error" for fault in faults)
        typer.echo(f"{_number(errors, 'error')} and {_number(len(faults) - errors, 'warning')} in {_number(len(data), 'row')}")
    raise typer.Exit(1 if any(fault.severity == "error" for fault in faults) else 0)


def _number(n: int, what: str) -> str:
    return f"{n or 'no'} {what}{'' if n == 1 else 's'}"
