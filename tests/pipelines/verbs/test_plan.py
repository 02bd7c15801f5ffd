"""`assay plan`: budgets are spent in full, and forecasts contain the truth of a simulated table."""

import json
from pathlib import Path

import pytest

from pipelines.verbs.plan import points_of
from scaling_fit.levels.design import TRUTH


def test_a_doubt_about_the_table_is_said(assay, tables: Path) -> None:
    result = assay("plan", tables / "one.csv", "-c", "N=D", "-c", "D=Model Size", code=0)
    assert "warning: few-token-counts: 3 distinct D" in result.output


def test_plan_prices_and_forecasts(assay, tables: Path) -> None:
    body = json.loads(assay("plan", tables / "two.csv", "--budget", 1e19, "--at", "8e7,4e10", "--json").stdout)
    assert [row["level"] for row in body["plan"]] == ["raw", "dedup"]
    assert body["plan"][0]["N"] * body["plan"][0]["D"] * 6 == pytest.approx(1e19, rel=1e-6)
    truth = TRUTH["E"] + TRUTH["A"] * 8e7 ** -TRUTH["alpha"] + TRUTH["B"] * 4e10 ** -TRUTH["beta"]
    raw = body["forecast"][0]
    assert raw["loss"]["low"] < truth < raw["loss"]["high"]
    assert raw["beyond"]["D"] == pytest.approx(2)
    assert "| budget | level |" in assay("plan", tables / "two.csv", "--unique", "dedup=1e9").output


def test_points_are_given_by_number_or_by_table(tmp_path: Path) -> None:
    (tmp_path / "ahead.csv").write_text("N,D,note\n1e9,2e10,a\n3e9,6e10,b\n")
    assert points_of("1e9,2e10") == [(1e9, 2e10)]
    assert points_of(str(tmp_path / "ahead.csv")) == [(1e9, 2e10), (3e9, 6e10)]
    (tmp_path / "wrong.csv").write_text("N,D\n1e9,2e10\n3e9,many\n")
    with pytest.raises(ValueError, match=r"row 3: .*many.* has no numbers N and D"):
        points_of(str(tmp_path / "wrong.csv"))
    with pytest.raises(ValueError, match="write N,D as two numbers"):
        points_of("1e9")


def test_budgets_far_beyond_the_table_are_searched_whole_and_levels_change_places_where_it_says(assay, tables: Path) -> None:
    words = ("plan", tables / "two.csv", "--budget", 1e19, "--budget", 1e26, "--unique", "dedup=1e9")
    body = json.loads(assay(*words, "--json").stdout)
    rows = {(row["level"], row["budget"]): row for row in body["plan"]}
    assert not any(row["at_edge"] for row in rows.values())
    assert rows["raw", 1e26]["N"] > 64 * 3.2e8, "as far as the search once went"
    dedup = rows["dedup", 1e26]
    assert (rows["raw", 1e26]["epochs"], dedup["epochs"]) == (None, dedup["D"] / 1e9)
    crossing = body["crossings"]["dedup"]
    ahead = [min(("raw", "dedup"), key=lambda level: rows[level, C]["loss"]["value"]) for C in (1e19, 1e26)]
    assert ahead == ["dedup", "raw"]
    assert 1e19 < crossing["at"] < 1e26
    told = assay(*words)
    assert "epochs)" in told.stdout
    assert "fitting raw and dedup on" in told.stderr


def test_a_stray_run_is_named_before_any_plan(assay, tables: Path, tmp_path: Path) -> None:
    header, first, *rows = (tables / "two.csv").read_text().splitlines()
    names, cells = header.split(","), first.split(",")
    cells[names.index("loss")] = str(1.5 * float(cells[names.index("loss")]))
    (tmp_path / "stray.csv").write_text("\n".join([header, ",".join(cells), *rows]))
    said = assay("plan", tmp_path / "stray.csv", "--budget", 1e19).stderr
    assert "stray-run: rows 2 lie far off the law" in said
    assert "--check` says how far" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--unique", "clean=1e9"), "--unique: no level 'clean' in the table; it has raw, dedup"),
        (("--unique", "dedup=-3"), "--unique dedup=-3: give numbers above 0"),
        (("--budget", "-5"), "--budget -5: give numbers above 0"),
        (("--budget", "0"), "--budget 0: give numbers above 0"),
        (("--at", "1e9,0"), "--at 1e+09,0: give numbers above 0"),
    ],
)
def test_what_no_one_can_train_is_refused_before_anything_is_fitted(assay, tables: Path, words: tuple, said: str) -> None:
    result = assay("plan", tables / "two.csv", *words, code=2)
    assert said in result.output
    assert "Warning" not in result.output
