"""`assay plan`: budgets are spent in full, and forecasts contain the truth of a simulated table."""

import json
from pathlib import Path

import pytest

from scaling_fit.levels.design import TRUTH


def test_a_doubt_about_the_table_is_said(assay, tables: Path) -> None:
    result = assay("plan", tables / "one.csv", "-c", "N=D", "-c", "D=Model Size", code=0)
    assert "warning: few-token-counts: 3 distinct D" in result.output


def test_plan_prices_and_forecasts(assay, tables: Path) -> None:
    body = json.loads(assay("plan", tables / "two.csv", "--budget", 1e19, "--at", "8e7,4e10", "--json").stdout)
    assert [row["level"] for row in body["plan"]] == ["raw", "dedup"]
    assert body["plan"][0]["N"] * body["plan"][0]["D"] * 6 == pytest.approx(1e19, rel=1e-6)
    truth = TRUTH["E"] + TRUTH["A"] * 8e7 ** -TRUTH["alpha"] + TRUTH["B"] * 4e10 ** -TRUTH["beta"]
    raw = body["forecast"][0]["loss"]
    assert raw["low"] < truth < raw["high"]
    assert "| budget | level |" in assay("plan", tables / "two.csv", "--unique", "dedup=1e9").output
