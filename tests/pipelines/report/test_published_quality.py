"""Published runs on three data sets (Gadre et al. 2024): the figure is drawn, and its claims agree with theirs."""

import csv
from pathlib import Path

import pytest

from pipelines.report import quality_charts
from scaling_fit import Axes, Result, Settings, analyse

WEB = {"c4_original": 1.0, "rw_original": 1.0, "rpj": 0.88}
"""Share of tokens that are web pages: all of C4 and RefinedWeb; of RedPajama v1, 878 + 175 of 1,200 billion (its data card)."""
SETS = ("c4_val", "paloma_redpajama")


@pytest.fixture(scope="module")
def found(shared_data: Path) -> Result:
    with (shared_data / "scaling" / "gadre_overtraining" / "gadre_104_models.csv").open() as file:
        runs = list(csv.DictReader(file))
    table = [
        {
            "level": run["dataset"], "shape": run["model"], "N": float(run["N"]), "D": float(run["N"]) * float(run["tok_mult"]),
            "eval_set": name, "loss": float(run[f"loss_{name}"]),
        }
        for name in SETS
        for run in runs
    ]  # fmt: skip
    return analyse(table, Settings("c4_original", replicates=100, test_replicates=19), quality=Axes({"web": WEB}))


def test_exponents_are_told_apart_and_the_published_difference_is_inside(found: Result):
    """Their exponents (tied, no intervals): .2425 and .2544 on the two web sets, .2729 on RedPajama."""
    quality = found.fits["c4_val"].quality
    assert quality is not None
    exponent = quality.trends["web"][0]
    assert exponent is not None
    assert exponent.change.low < 0.2729 - (0.2425 + 0.2544) / 2 < exponent.change.high
    words = quality.words["web"]
    assert words.answer.startswith("Of these three levels, yes: as web goes from 1 (c4_original) to 0.88 (rpj)")
    assert "Three levels say little about others" in words.doubts[0]


def test_the_evaluation_set_moves_the_floor_and_no_quality_does(found: Result):
    """RedPajama's own mixture holds code and papers: levels of web pages stay far above it there, and not on C4."""
    floors = {}
    for name in SETS:
        quality = found.fits[name].quality
        assert quality is not None
        kinds = [one.kind for one in quality.responses]
        floors[name] = quality.trends["web"][kinds.index("floor")]
    assert floors["c4_val"].change.low < 0 < floors["c4_val"].change.high
    assert floors["paloma_redpajama"].change.high < -0.3


def test_the_figure_is_drawn(found: Result):
    (chart,) = quality_charts.over_quality(found, list(found.levels))
    drawn = [row for row in chart.tables["quality_levels"] if row["response"] == "exponent" and row["eval_set"] == "c4_val"]
    assert {row["level"]: row["quality"] for row in drawn} == WEB
    assert all(0.1 < row["value"] < 0.4 for row in drawn)
