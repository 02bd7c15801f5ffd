"""`assay fit-table`: results to read and to parse, faults listed, mistakes in one line."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from pipelines.report import law_page, page
from pipelines.verbs.tables import TableOptions, read_quality
from scaling_fit import read_axes

HEAVY = ("torch", "ray", "polars", "pandas", "pyarrow", "matplotlib", "altair", "numba", "training", "curation")


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures as files take seconds, and are tested with the report."""
    for module in (page, law_page):
        monkeypatch.setattr(module, "write_figures", lambda charts, eval_set, folder: [])


def test_one_level_is_fitted(assay, tables: Path, tmp_path: Path, no_figures: None) -> None:
    result = assay("fit-table", tables / "one.csv", "--replicates", 50, "--out", tmp_path / "out")
    assert "note: guessed: N is column 'Model Size'" in result.output
    assert "| all | beta |" in result.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["fit.json", "index.html", "report.json", "report.md"]
    assert json.loads((tmp_path / "out" / "fit.json").read_text())["law"]["name"] == "additive"


def test_a_file_where_the_page_should_go_is_refused_before_anything_is_fitted(assay, tables: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    result = assay("fit-table", tables / "two.csv", "--out", tmp_path / "out", code=2)
    assert "a file is in the way; name a folder" in result.stderr
    assert "fitting" not in result.stderr
    assert (tmp_path / "out").read_text() == "mine"


def test_fit_with_a_table_is_fit_table(assay, tables: Path) -> None:
    options = ["--replicates", 50, "--law", "additive", "--json"]
    assert assay("fit", *options, tables / "one.csv").stdout == assay("fit-table", tables / "one.csv", *options).stdout


def test_several_levels_are_compared(assay, tables: Path, tmp_path: Path, no_figures: None) -> None:
    result = assay("fit-table", tables / "two.csv", "--replicates", 50, "--out", tmp_path)
    assert "**dedup: lower loss" in result.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fit.json", "index.html", "report.json", "report.md"]
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["fit"] == json.loads(
        (tmp_path / "fit.json").read_text("utf-8")
    )


def test_scores_of_tasks_are_read_beside_losses(assay, tables: Path, tmp_path: Path) -> None:
    losses = pl.read_csv(tables / "one.csv").with_columns(metric=pl.lit("loss"), eval_set=pl.lit("heldout"))
    right = (0.25 + 0.75 / (1 + ((pl.col("loss") - 3.0) * 1.5).exp())).alias("value")
    scores = losses.with_columns(right, metric=pl.lit("acc"), eval_set=pl.lit("copy"), chance=0.25, n_items=500)
    pl.concat([losses, scores], how="diagonal").write_csv(tmp_path / "runs.csv")
    result = assay("fit", tmp_path / "runs.csv", "--replicates", 20, "--json")
    task = json.loads(result.stdout)["tasks"]["tasks"]["copy"]
    assert task["metrics"]["accuracy"]["items"] == 500
    assert task["words"]["forecast"].startswith("A run of")
    bad = pl.read_csv(tmp_path / "runs.csv").with_columns(value=pl.col("value") * 100)
    bad.write_csv(tmp_path / "percent.csv")
    assert "is no accuracy: write a share from 0 to 1" in assay("fit", tmp_path / "percent.csv", code=2).output


def test_check_lists_faults_without_fitting(assay, tables: Path, tmp_path: Path) -> None:
    assert "no errors and no warnings in 36 rows" in assay("fit-table", tables / "one.csv", "--check").output
    said = assay("fit", tables / "two.csv", "--check", "--baseline", "unknown", code=2).stderr
    assert "--baseline 'unknown' is not in the table; it has raw, dedup" in said
    bad = pl.read_csv(tables / "one.csv").with_columns(loss=pl.when(pl.col("D") > 1e10).then(-1.0).otherwise("loss"))
    bad.write_csv(tmp_path / "bad.csv")
    assert "error: non-positive: loss must be positive" in assay("fit", tmp_path / "bad.csv", "--check", code=1).output


def test_rows_are_chosen_and_guesses_undone(assay, tables: Path) -> None:
    result = assay("fit", tables / "two.csv", "--where", "level=raw", "--ignore", "seed", "--check")
    assert "note: 36 of 72 rows, where level=raw" in result.output
    assert "level/shape/seed" not in result.output


def test_a_published_exponent_is_held_and_tested(assay, tables: Path) -> None:
    options = ["--fix", "beta=0.28", "--replicates", 20, "--json"]
    body = json.loads(assay("fit", tables / "one.csv", *options).stdout)
    assert [row["value"] for row in body["parameters"] if row["parameter"] == "beta"] == [0.28]
    assert body["notes"][-1].endswith("the table speaks against it")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fit-table", "nowhere.csv"], "nowhere.csv does not exist"),
        (["fit-table", "{one}", "--law", "chinchila"], "law 'chinchila' is not known"),
        (["fit-table", "{one}", "--quality", "{two}"], "all runs are of level 'all'"),
        (["fit-table", "{two}", "--quality", "nowhere.csv"], "nowhere.csv does not exist"),
        (["fit-table", "{one}", "-c", "N"], "write OURS=THEIRS"),
        (
            ["fit-table", "{two}", "--fix", "beta=0.3"],
            "--fix holds a parameter of one law; choose one of 2 levels with --where",
        ),
        (["fit-table", "{one}", "--fix", "beta"], "--fix 'beta': write NAME=VALUE, the second a number"),
        (["fit-table", "{one}", "--where", "level"], "--where 'level': write COLUMN=VALUE"),
        (["plan", "{one}", "--ignore", "lr"], "--ignore: no column 'lr' in the table"),
        (["fit-table", "{one}", "--eval-set", "web"], "--eval-set 'web' is not in the table; it has loss"),
        (["power", "--sizes", "1e6:1e7", "--tokens", "1e8"], "LOW:HIGH:COUNT"),
        (["power", "--sizes", "1e6", "--tokens", "1e8:1e9:6", "--truth", "eps=1"], "the law has E, A, B, alpha, beta"),
    ],
)
def test_a_mistake_is_one_line(assay, tables: Path, arguments: list[str], sentence: str) -> None:
    result = assay(*(a.format(one=tables / "one.csv", two=tables / "two.csv") for a in arguments), code=2)
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_fitting_a_table_loads_neither_torch_nor_ray(tables: Path) -> None:
    call = f"app(['fit', {str(tables / 'one.csv')!r}, '--replicates', '5'], standalone_mode=False)"
    code = f"import sys; from pipelines.cli import app; {call}; print([m for m in {HEAVY} if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "| all | beta |" in output
    assert output.strip().splitlines()[-1] == "[]"


def test_the_library_is_light() -> None:
    """Importing the fitter brings neither torch nor ray nor a dataframe library."""
    code = f"import sys, scaling_fit; print([m for m in {HEAVY} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_levels_are_set_against_their_quality(assay, tables: Path, tmp_path: Path, no_figures: None) -> None:
    (tmp_path / "quality.csv").write_text("level,kept\nraw,1\ndedup,0.7\n")
    drawn = ["--out", tmp_path / "out"]
    result = assay("fit", tables / "two.csv", "--quality", tmp_path / "quality.csv", "--replicates", 20, *drawn)
    assert '<section id="quality-section"' in (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "Does better data change the exponent?** Of these two levels" in result.output
    kept = pl.when(pl.col("level") == "raw").then(1.0).otherwise(0.7)
    pl.read_csv(tables / "two.csv").with_columns(kept.alias("quality:kept")).write_csv(tmp_path / "runs.csv")
    carried = read_quality(None, tmp_path / "runs.csv", TableOptions([], "auto", "", [], []))
    assert carried == read_axes(tmp_path / "quality.csv")
