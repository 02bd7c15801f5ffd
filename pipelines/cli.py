"""The command line: a table of verbs. A verb's module is imported when the verb is called, helped or completed.

`assay --help`, and the completion of a verb's name, need the names, panels and first sentences of the table alone.
"""

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

STUDY, LOOK, PLAN, SET_UP = "Study", "Look", "Plan", "Set up"  # the panels of `assay --help`
STUDY_FILES = (".yaml", ".yml")


@dataclass(frozen=True)
class Verb:
    """A verb: the function of this name in a module of `pipelines.verbs`."""

    name: str
    module: str
    panel: str
    sentence: str
    """The first paragraph of the function's docstring."""


VERBS = {
    verb.name: verb
    for verb in (
        Verb("run", "study", STUDY, "Curate, train, fit and report: the whole study."),
        Verb("curate", "study", STUDY, "Make the levels: signals, duplicates, token shards."),
        Verb("train", "train", STUDY, "Train the ladder on every level, here or elsewhere."),
        Verb("fit", "fit_study", STUDY, "Fit the scaling law of a trained study (or of a table of runs)."),
        Verb("report", "study", STUDY, "Write the report of a study that is trained and fitted."),
        Verb("export", "export", STUDY, "Write the levels as a Hugging Face dataset folder with a card."),
        Verb("status", "status", LOOK, "Show what of a study is there, what runs, and the last error."),
        Verb("inspect", "look", LOOK, "Show the levels' quality, and documents at each rule's threshold."),
        Verb("explain", "look", LOOK, "Show one document's life through all levels."),
        Verb("ledger", "ledger", LOOK, "Show which documents a run of a course reads, and how often."),
        Verb("diff", "look", LOOK, "Show where the documents of one level are in another."),
        Verb("verify", "verify", LOOK, "Read every file of a study against the digest in its manifest."),
        Verb("compare", "compare", LOOK, "Show what differs between two reports."),
        Verb("fit-table", "fit_table", PLAN, "Fit a scaling law to any table of runs; compare its levels."),
        Verb("plan", "plan", PLAN, "Find the best size and tokens for a budget, on every level."),
        Verb("design", "design", PLAN, "Find the ladder that sees the smallest shift for a budget."),
        Verb("power", "power", PLAN, "Say what a planned grid of runs could show."),
        Verb("noise", "noise", PLAN, "Train chosen cells on several seeds and report the spread."),
        Verb("ladder", "ladder", PLAN, "Show every run with recipe, FLOPs, memory and expected time."),
        Verb("init", "init", SET_UP, "Write a commented study file for your own text."),
        Verb("schema", "schema", SET_UP, "Print the JSON Schema of the study file, for editors."),
        Verb("doctor", "doctor", SET_UP, "Check this machine, and the cluster, for what a study needs."),
    )
}


class Deferred(TyperCommand):
    """Stands for a verb in the list of verbs; becomes the verb itself when its arguments are parsed."""

    def __init__(self, verb: Verb):
        super().__init__(verb.name, help=verb.sentence, rich_help_panel=verb.panel)
        self.verb = verb

    def make_context(self, info_name, args, parent=None, **extra):
        verb = VERBS["fit-table"] if self.verb.name == "fit" and names_a_table(args) else self.verb
        return command(verb).make_context(info_name, args, parent, **extra)


class Verbs(TyperGroup):
    """The group `assay`."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.commands = {name: Deferred(verb) for name, verb in VERBS.items()}


def command(verb: Verb) -> TyperCommand:
    """The verb as Typer builds it from its function."""
    module = import_module(f"pipelines.verbs.{verb.module}")
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")
    alone.command(verb.name, context_settings=HELP_OPTIONS)(getattr(module, verb.name.replace("-", "_")))
    built = typer.main.get_command(alone)
    assert isinstance(built, TyperCommand)
    return built


def names_a_table(arguments: Sequence[str]) -> bool:
    """Whether `assay fit` is given a table of runs: a file, and no study file."""
    words = [word for word in arguments if not word.startswith("-")]
    return bool(words) and not any(word.endswith(STUDY_FILES) for word in words)


HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    cls=Verbs, pretty_exceptions_enable=False, rich_markup_mode="markdown", context_settings=HELP_OPTIONS,
    epilog="Exit codes: 0 done, 1 a check failed, 2 the study or its input is wrong, 130 stopped (run it again to go on).",
)  # fmt: skip


@app.callback(invoke_without_command=True)
def assay(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Measure what data curation does to scaling laws: curate, train matched models, fit, decide."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of another encoding gets a question mark, not a traceback
    if show_version:
        typer.echo(f"assay {version('assay')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
