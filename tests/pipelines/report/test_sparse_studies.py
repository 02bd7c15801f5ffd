"""Studies with little to say still make a page that says so."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl

from pipelines.report import page
from pipelines.report.facts import Facts, read
from scaling_fit import Settings, analyse


def silent(opened) -> None:
    assert opened.said == []


def test_one_level_has_curves_and_nothing_to_compare(facts: Facts, plant: Callable, tmp_path: Path, open_page):
    rows = [row for row in facts.observations if row["level"] == "raw" and row["eval_set"] == "heldout"]
    fit = analyse(pl.DataFrame(rows), Settings("raw", replicates=60, test_replicates=0))
    alone = replace(plant(fit, rows), levels=facts.levels[:1], paired=[])
    opened = open_page(page.write(alone, tmp_path))
    silent(opened)
    assert "nothing to compare" in opened.tab.inner_text("h1:visible")
    assert opened.tab.locator("#curves").count() == 1
    assert opened.tab.locator("#multipliers").count() == 0


def test_a_law_that_cannot_be_fitted_is_said_first(facts: Facts, tmp_path: Path, open_page):
    fit = analyse(pl.DataFrame(facts.observations[:6:2]), Settings("raw", eval_sets=("heldout",)))
    opened = open_page(page.write(replace(facts, fit=fit), tmp_path))
    silent(opened)
    assert opened.tab.inner_text("h1:visible") == "No verdict: the law could not be fitted."
    assert "3 rows for 3 parameters" in opened.tab.inner_text("#trust")
    assert opened.tab.locator("#funnel svg").count() == 4, "what curation did is shown all the same"


def test_only_what_every_study_has(facts: Facts, tmp_path: Path, open_page):
    bare = Facts(facts.name, facts.title, facts.levels, facts.fit, facts.observations, facts.provenance, [])
    opened = open_page(page.write(bare, tmp_path))
    silent(opened)
    assert opened.tab.locator("#explorer-chart svg").count() == 1


def test_intervals_without_bounds_do_not_break_the_page(facts: Facts, edit: Callable[..., Facts], tmp_path: Path, open_page):
    def unbound(body):
        one = body["sets"]["heldout"]
        fit, verdicts = one["fit"], one["answer"]["verdicts"]
        for curve in fit["curves"]:
            curve["low"][5:], curve["high"][5:] = [None] * len(curve["low"][5:]), [None] * len(curve["high"][5:])
        fit["levels"]["top"]["parameters"]["beta"].update(value=44.0, high=None)
        last = fit["against"]["top"]["fitted"][-1]
        last.update(multiplier=[None] * len(last["D"]))
        fit["against"]["filtered"]["fitted"][-1].update(low=[1e-9] * 15, high=[1e9] * 15)
        fit["against"]["deduplicated"]["matched"] = []
        for test in fit["tests"].values():
            test["delta_beta"].update(low=None, high=None)
        verdicts["top"]["gap"]["mean"].update(value=-5.0, low=None, high=None)

    opened = open_page(page.write(edit(facts, unbound), tmp_path))
    silent(opened)


def test_an_error_of_one_document_that_nobody_knows_is_left_open(facts: Facts, tmp_path: Path):
    rows = [{**row, "loss_se": math.nan} for row in facts.observations]
    page.write(replace(facts, observations=rows), tmp_path)
    assert {row["loss_se"] for row in read(tmp_path).observations} == {None}
