"""The verbs on the command line: results to read and to parse, faults listed, mistakes told in one line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from pipelines.verbs import fit as verbs
from scaling_fit.levels.design import TRUTH, Grid, table_of

app = typer.Typer(pretty_exceptions_enable=False)
for verb in (verbs.fit, verbs.plan, verbs.power):
    app.command()(verb)


def run(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    grid = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 6)), seeds=2, row=0.002, trunk=0.002)
    for name, truths in (("one", {"all": TRUTH}), ("two", {"raw": TRUTH, "dedup": TRUTH | {"B": 1700.0}})):
        table = table_of(grid, truths, np.random.default_rng(0))
        columns = {k: getattr(table, k).tolist() for k in ("level", "shape", "seed", "trunk", "N", "D", "loss")}
        pl.DataFrame(columns).rename({"N": "Model Size"}).write_csv(folder / f"{name}.csv")
    return folder


def test_one_level_is_fitted(tables: Path, tmp_path: Path) -> None:
    result = run("fit", tables / "one.csv", "--replicates", 50, "--out", tmp_path / "out")
    assert "N is column 'Model Size' (guessed)" in result.output
    assert "| all | beta |" in result.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["fit.json", "fit.md", "fit.png", "fit.svg"]
    assert json.loads((tmp_path / "out" / "fit.json").read_text())["law"]["name"] == "additive"


def test_several_levels_are_compared(tables: Path, tmp_path: Path) -> None:
    result = run("fit", tables / "two.csv", "--replicates", 50, "--out", tmp_path)
    assert "**dedup: " in result.output
    assert {"curves.svg", "forest.png", "fit.json"} <= {p.name for p in tmp_path.iterdir()}


def test_check_lists_faults_without_fitting(tables: Path, tmp_path: Path) -> None:
    assert "0 fault(s) in 36 rows" in run("fit", tables / "one.csv", "--check").output
    bad = pl.read_csv(tables / "one.csv").with_columns(loss=pl.when(pl.col("D") > 1e10).then(-1.0).otherwise("loss"))
    bad.write_csv(tmp_path / "bad.csv")
    assert "error: non-positive: loss must be positive" in run("fit", tmp_path / "bad.csv", "--check", code=1).output


def test_plan_prices_and_forecasts(tables: Path) -> None:
    body = json.loads(run("plan", tables / "two.csv", "--budget", 1e19, "--at", "8e7,4e10", "--json").stdout)
    assert [row["level"] for row in body["plan"]] == ["raw", "dedup"]
    assert body["plan"][0]["N"] * body["plan"][0]["D"] * 6 == pytest.approx(1e19, rel=1e-6)
    truth = TRUTH["E"] + TRUTH["A"] * 8e7 ** -TRUTH["alpha"] + TRUTH["B"] * 4e10 ** -TRUTH["beta"]
    raw = body["forecast"][0]["loss"]
    assert raw["low"] < truth < raw["high"]
    assert "| budget | level |" in run("plan", tables / "two.csv", "--unique", "dedup=1e9").output


def test_power_answers_before_any_run() -> None:
    body = json.loads(
        run(
            "power",
            "--sizes",
            "1e7:1e8:4",
            "--tokens",
            "1e8:1e10:6",
            "--seeds",
            2,
            "--simulate",
            400,
            "--budget",
            1e19,
            "--json",
        ).stdout
    )
    assert body["power"] == pytest.approx(body["power_simulated"], abs=0.08)
    assert body["next_runs"][0]["se"] < body["se_delta_beta"]
    assert (
        "Smallest shift found four times in five"
        in run("power", "--sizes", "1e7,1e8", "--tokens", "1e8:1e10:6", "--simulate", 0).output
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["fit", "nowhere.csv"], "nowhere.csv does not exist"),
        (["fit", "{one}", "--law", "chinchila"], "law 'chinchila' is not known"),
        (["fit", "{one}", "-c", "N"], "write OURS=THEIRS"),
        (["fit", "{one}", "--eval-set", "web"], "--eval-set 'web' is not in the table; it has loss"),
        (["power", "--sizes", "1e6:1e7", "--tokens", "1e8"], "LOW:HIGH:COUNT"),
        (["power", "--sizes", "1e6", "--tokens", "1e8:1e9:6", "--truth", "eps=1"], "the law has E, A, B, alpha, beta"),
    ],
)
def test_mistakes_are_told_in_one_line(tables: Path, arguments: list[str], told: str) -> None:
    result = run(*(a.format(one=tables / "one.csv") for a in arguments), code=2)
    assert told in result.output
    assert "Traceback" not in result.output


def test_the_library_is_light() -> None:
    """Importing the fitter brings neither torch nor ray nor a dataframe library."""
    heavy = ("torch", "ray", "polars", "pandas", "pyarrow", "matplotlib", "altair", "numba")
    code = f"import sys, scaling_fit; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
