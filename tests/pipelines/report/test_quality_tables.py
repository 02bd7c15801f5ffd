import pytest

from pipelines.report import quality_tables
from pipelines.report.facts import Facts


def test_rows_are_what_the_fit_says(facts: Facts):
    rows = quality_tables.levels(facts.fit)
    fit = facts.fit.fits["heldout"]
    own = {
        row["level"]: row for row in rows if (row["eval_set"], row["axis"], row["response"]) == ("heldout", "kept", "exponent")
    }
    assert set(own) == set(facts.fit.levels)
    for level, row in own.items():
        beta = fit.levels[level].parameters["beta"]
        assert (row["value"], row["low"], row["high"]) == pytest.approx((beta.value, beta.low, beta.high))
    assert not any(row["level"] == "top" for row in rows if row["axis"] == "zstd"), "not measured on this axis"


def test_lines_run_from_end_to_end_of_the_axis(facts: Facts):
    lines = quality_tables.lines(facts.fit)
    own = [row for row in lines if (row["eval_set"], row["axis"], row["response"]) == ("heldout", "kept", "exponent")]
    assert own[0]["quality"] == pytest.approx(1.0)
    assert own[-1]["quality"] == pytest.approx(8 / 12)
    assert all(row["low"] < row["value"] < row["high"] for row in own)


def test_every_response_has_a_name_and_a_title(facts: Facts):
    named = quality_tables.responses(facts.fit)
    assert list(named.values())[:4] == ["the exponent", "the worth of a token", "the prefactor", "the floor"]
    assert named["loss 8e+06"] == "the loss at 8M tokens"
    assert {row["response"] for row in quality_tables.titles(facts.fit)} == set(named)
