"""assay design: what it finds fits the budget and the text, is written where asked, and is told apart from guesses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pipelines.runs import prices
from pipelines.runs.designs import ASSUMED, Bench, Budget
from pipelines.runs.prices import Speed
from pipelines.study.study import load
from pipelines.verbs.design import described, designed, show
from pipelines.verbs.known import Known, _fitted_law
from scaling_fit import Settings, analyse
from scaling_fit.levels.design import Grid, table_of
from training.recipe import MIN_STEPS


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """A machine of known speed: a token takes 1 us per unit of width."""
    monkeypatch.setattr(
        prices, "speeds", lambda study, candidates, seconds: {n: Speed(1e-4, 1e-6 * s.width) for n, s in candidates.items()}
    )


@pytest.fixture
def design(assay, tmp_path):
    """`design(*words, study=..., code=0)` where nothing is measured: a finished quickstart beside the tests knows its noise."""

    def call(*words, study="configs/quickstart.yaml", code=0):
        return assay("design", study, "--workdir", tmp_path / "nothing", *words, code=code)

    return call


def test_the_ladder_keeps_to_its_budget_and_is_sharper_than_the_declared_one(design):
    one = json.loads(design("--unique", 2e6, "--minutes", 20, "--json").stdout)
    best = one["best"]
    assert best["seconds"] <= 1200
    assert max(best["tokens"]) <= 2e6
    assert min(best["tokens"]) >= MIN_STEPS * 2 * 128
    assert all(best["detectable"] <= other["detectable"] for other in one["by_shapes"].values())
    assert best["detectable"] < one["as_it_stands"]["detectable"]
    fewer = [other["detectable"] for other in one["fewer_levels"]]
    assert len(fewer) == 2
    assert best["detectable"] > fewer[0] > fewer[1]


def test_it_is_told_in_words_with_what_it_rests_on(design):
    said = design("--minutes", 10).output
    assert "assumed; `assay noise` measures it" in said
    assert "assumed unique in every level; `assay curate` counts them" in said
    assert "best for 600 s" in said or "best for 10 min" in said
    assert "smallest shift of beta found four times in five" in said


def test_write_puts_the_ladder_into_the_study(design, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(Path("configs/quickstart.yaml").read_text("utf-8"))
    best = json.loads(design("--minutes", 10, "--write", "--json", study=path).stdout)["best"]
    ladder = load(path).ladder
    assert (ladder.tokens, ladder.seeds, list(ladder.shapes)) == (best["tokens"], best["seeds"], list(best["shapes"]))
    assert "# past the shoulder where learning begins" in path.read_text()


def test_two_budgets_and_too_small_a_budget_are_refused(design):
    assert "--minutes and --flops: give one budget" in design("--minutes", 3, "--flops", 1e12, code=2).output
    assert "pays for no ladder of two seeds on 4 levels" in design("--flops", 1e6, code=2).output


def test_open_verdicts_are_told_with_what_settles_them_and_its_price(capsys):
    """With half a percent of noise on one decade a level is open; the margin, or the shift there seems to be, must be seen."""
    grid = Grid((157_696.0,), tuple(np.geomspace(81_920, 819_200, 5)), seeds=2, row=0.005)
    law = dict(ASSUMED.law)
    table = table_of(grid, {"raw": law, "dedup": law | {"B": law["B"] * 1.03}}, np.random.default_rng(0))
    fit = analyse(table, Settings(replicates=60, test_replicates=0))
    assert fit.answer.verdicts["dedup"].kind == "not identifiable"
    study = load(Path("configs/quickstart.yaml"), ["levels={raw: {}, dedup: {drop: [exact]}}"])
    facts = replace(ASSUMED, otherwise=2e6)
    bench, told = Bench.of(study, facts, Budget(600), 0.0), Known(facts, "here", "there", fit)
    found = designed(bench, told)
    (one,) = found.open
    delta = fit.fits[fit.primary].tests["dedup"].delta_beta
    assert (one.level, one.shift) == ("dedup", max(0.02, abs(delta.value)))
    assert one.settled_by.detectable <= one.shift
    assert one.settled_by.seconds <= min(
        (o.seconds for o in (found.best, *found.by_shapes.values()) if o.detectable <= one.shift), default=np.inf
    )
    show(Console(width=200), found, Budget(600))
    said = capsys.readouterr().out
    assert f"dedup is open (shift of beta {delta.value:+.3f}" in said
    assert f"a ladder that sees {one.shift:.3f} settles it: {described(one.settled_by)}" in said
    assert json.loads(json.dumps(found.to_json()))["open"][0]["level"] == "dedup"


def test_the_law_of_a_fit_is_taken_where_its_exponent_is_known(capsys):
    grid = Grid((157_696.0,), tuple(np.geomspace(81_920, 81_920_000, 8)), seeds=4, row=0.001)
    law = dict(ASSUMED.law) | {"beta": 0.3}
    table = table_of(grid, {"raw": law, "dedup": law}, np.random.default_rng(0))
    told = _fitted_law(analyse(table, Settings(replicates=60, test_replicates=0)))
    assert told["beta"] == pytest.approx(0.3, abs=0.02)
    assert told["E"] == pytest.approx(law["E"], rel=0.1)
    vague = table_of(replace(grid, tokens=grid.tokens[:5], row=0.01), {"raw": law, "dedup": law}, np.random.default_rng(0))
    assert _fitted_law(analyse(vague, Settings(replicates=60, test_replicates=0))) is None
