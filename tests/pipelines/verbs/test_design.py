"""assay design: what it finds fits the budget and the text, is written where asked, and is told apart from guesses."""

import json
from pathlib import Path

import pytest

from pipelines.runs import prices
from pipelines.runs.prices import Speed
from pipelines.study.study import load
from training.recipe import MIN_STEPS


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """A machine of known speed: a token takes 1 us per unit of width."""
    monkeypatch.setattr(
        prices, "speeds", lambda study, candidates, seconds: {n: Speed(1e-4, 1e-6 * s.width) for n, s in candidates.items()}
    )


def test_the_ladder_keeps_to_its_budget_and_is_sharper_than_the_declared_one(assay):
    words = ["design", "configs/quickstart.yaml", "--unique", 4e6, "--json"]
    found = {minutes: json.loads(assay(*words, "--minutes", minutes).stdout) for minutes in (2, 20)}
    for minutes, one in found.items():
        assert one["best"]["seconds"] <= 60 * minutes
        assert max(one["best"]["tokens"]) <= 4e6
        assert min(one["best"]["tokens"]) >= MIN_STEPS * 2 * 128
        assert all(one["best"]["detectable"] <= other["detectable"] for other in one["by_shapes"].values())
    assert found[20]["best"]["detectable"] < found[2]["best"]["detectable"]
    assert found[20]["best"]["detectable"] < found[20]["as_it_stands"]["detectable"]
    fewer = [one["detectable"] for one in found[20]["fewer_levels"]]
    assert len(fewer) == 2
    assert found[20]["best"]["detectable"] > fewer[0] > fewer[1]


def test_it_is_told_in_words_with_what_it_rests_on(assay):
    said = assay("design", "configs/quickstart.yaml", "--minutes", 10).output
    assert "assumed; `assay noise` measures it" in said
    assert "assumed unique in every level; `assay curate` counts them" in said
    assert "best for 600 s" in said or "best for 10 min" in said
    assert "smallest shift of beta found four times in five" in said


def test_write_puts_the_ladder_into_the_study(assay, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(Path("configs/quickstart.yaml").read_text("utf-8"))
    best = json.loads(assay("design", path, "--minutes", 10, "--write", "--json").stdout)["best"]
    ladder = load(path).ladder
    assert (ladder.tokens, ladder.seeds, list(ladder.shapes)) == (best["tokens"], best["seeds"], list(best["shapes"]))
    assert "# past the shoulder where learning begins" in path.read_text()


def test_two_budgets_and_too_small_a_budget_are_refused(assay):
    assert "--minutes and --flops: give one budget" in assay(
        "design", "configs/quickstart.yaml", "--minutes", 3, "--flops", 1e12, code=2
    ).output  # fmt: skip
    assert "pays for no ladder of two seeds on 4 levels" in assay(
        "design", "configs/quickstart.yaml", "--flops", 1e6, code=2
    ).output  # fmt: skip
