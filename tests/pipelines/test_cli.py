"""The table of verbs: it says what the functions say, and neither help nor completion imports what computes."""

import inspect
import os
import resource
import subprocess
import sys
from importlib import import_module

import pytest
from typer.testing import CliRunner

from pipelines.cli import VERBS, app, names_a_table

HEAVY = {"torch", "ray", "numba", "altair", "polars", "pyarrow", "fasttext", "tokenizers"}
PROGRAM = "from pipelines.cli import app; app(prog_name='assay')"


def python(code: str, *arguments: str, **variables: str) -> str:
    """What a fresh interpreter prints."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    done = subprocess.run([sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def loaded_after(*calls: list[str]) -> set[str]:
    """Modules in memory after these command lines, each to its end."""
    run = "\n".join(f"try: app({call!r})\nexcept SystemExit: pass" for call in calls)
    code = f"import sys, io\nfrom pipelines.cli import app\nscreen, sys.stdout = sys.stdout, io.StringIO()\n{run}\n"
    return set(python(code + "print(*sys.modules, file=screen)").split())


@pytest.mark.parametrize("name", VERBS)
def test_the_table_says_what_the_function_says(name: str):
    verb = VERBS[name]
    function = getattr(import_module(f"pipelines.verbs.{verb.module}"), name.replace("-", "_"))
    paragraph = (inspect.getdoc(function) or "").split("\n\n")[0]
    assert verb.sentence == " ".join(paragraph.split())
    assert len(verb.sentence) <= 65, "one line of `assay --help` at 80 columns"


def test_help_imports_nothing_that_computes():
    modules = loaded_after(["--help"])
    assert not modules & (HEAVY | {"numpy", "scipy", "pydantic"})
    assert not {name for name in modules if name.startswith("pipelines.verbs")}


def test_help_of_every_verb_imports_little():
    assert not loaded_after(*([name, "--help"] for name in VERBS)) & HEAVY


def test_fitting_a_table_imports_neither_torch_nor_ray_nor_altair(tmp_path):
    rows = [f"{N:g},{D:g},{1.8 + 400 * N**-0.34 + 410 * D**-0.28}" for N in (1e7, 3e7, 1e8) for D in (1e8, 1e9, 1e10)]
    table = tmp_path / "runs.csv"
    table.write_text("\n".join(["N,D,loss", *rows]))
    modules = loaded_after(["fit-table", str(table), "--replicates", "0"], ["plan", str(table), "--budget", "1e19"])
    assert "scaling_fit.law.fit" in modules
    assert not modules & (HEAVY - {"polars", "pyarrow"})


def test_help_takes_less_than_half_a_second_of_a_processor():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    python(PROGRAM, "--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_the_shell_completes_verbs_and_options():
    asked = {"_ASSAY_COMPLETE": "complete_bash", "COMP_CWORD": "1", "COMP_WORDS": "assay re"}
    assert python(PROGRAM, **asked).split() == ["report"]
    option = asked | {"COMP_WORDS": "assay run --no-", "COMP_CWORD": "2"}
    assert python(PROGRAM, **option).split() == ["--no-samples"]


def test_four_panels_hold_every_verb():
    output = CliRunner().invoke(app, ["--help"]).output
    assert [panel for panel in ("Study", "Look", "Plan", "Set up") if f"─ {panel} ─" in output] == [
        "Study",
        "Look",
        "Plan",
        "Set up",
    ]
    assert all(f"│ {name} " in output for name in VERBS)


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--version"]])
def test_asking_is_no_mistake(arguments: list[str]):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert result.output.strip()


@pytest.mark.parametrize(
    ("arguments", "table"),
    [
        ("runs.csv", True), ("--law data runs.csv", True), ("study.yaml", False), ("--set fit.margin=0.1 a/study.yml", False),
        ("--help", False), ("", False), ("runs.parquet --help", True),
    ],
)  # fmt: skip
def test_fit_tells_a_table_from_a_study(arguments: str, table: bool):
    assert names_a_table(arguments.split()) is table
