"""Studies with little to say still make a page that says so."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl

from pipelines.report import page, verdict
from pipelines.report.facts import Facts
from scaling_fit import analyse


def silent(opened) -> None:
    assert opened.said == []


def test_one_level_has_curves_and_nothing_to_compare(facts: Facts, plant: Callable, tmp_path: Path, open_page):
    rows = [row for row in facts.observations if row["level"] == "raw" and row["eval_set"] == "heldout"]
    fit = json.loads(analyse(pl.DataFrame(rows), baseline="raw", replicates=60, test_replicates=0).to_json())
    alone = replace(plant(fit, rows), levels=facts.levels[:1], paired=[])
    opened = open_page(page.write(alone, tmp_path))
    silent(opened)
    assert "nothing to compare" in opened.tab.inner_text("h1:visible")
    assert opened.tab.locator("#curves").count() == 1
    assert opened.tab.locator("#multipliers").count() == 0


def test_a_law_that_cannot_be_fitted_is_said_first(facts: Facts, tmp_path: Path, open_page):
    fit = {
        **facts.fit,
        "overall": {"sentence": "5 rows for 6 parameters.", "verdicts": [], "kinds": {}, "agreement": {}},
        "sets": {"heldout": {"available": False, "reason": "5 rows for 6 parameters", "points": [], "verdicts": {}}},
    }
    opened = open_page(page.write(replace(facts, fit=fit), tmp_path))
    silent(opened)
    assert opened.tab.inner_text("h1:visible") == "No verdict: the law could not be fitted."
    assert "5 rows for 6 parameters" in opened.tab.inner_text("#trust")
    assert opened.tab.locator("#funnel svg").count() == 4, "what curation did is shown all the same"


def test_only_what_every_study_has(facts: Facts, tmp_path: Path, open_page):
    bare = Facts(facts.name, facts.title, facts.baseline, facts.levels, facts.fit, facts.observations, facts.provenance, [])
    opened = open_page(page.write(bare, tmp_path))
    silent(opened)
    assert opened.tab.locator("#explorer-chart svg").count() == 1


def test_intervals_without_bounds_do_not_break_the_page(facts: Facts, tmp_path: Path, open_page):
    fit = json.loads(json.dumps(facts.fit))
    one = fit["sets"]["heldout"]
    for curve in one["curves"]:
        curve["low"][5:], curve["high"][5:] = [None] * len(curve["low"][5:]), [None] * len(curve["high"][5:])
    one["levels"]["top"]["parameters"]["beta"].update(value=44.0, high=None)
    one["multiplier"]["top"]["fitted"][-1].update(multiplier=[None] * len(one["multiplier"]["top"]["fitted"][-1]["D"]))
    one["multiplier"]["filtered"]["fitted"][-1].update(low=[1e-9] * 15, high=[1e9] * 15)
    one["multiplier"]["deduplicated"]["matched_loss"]["points"] = []
    one["tests"]["top"]["delta_beta"].update(low=None, high=None)
    one["verdicts"]["top"]["difference_percent"].update(value=-5.0, low=None, high=None)
    for row in one["forest"]:
        row.update(low=None, high=None)
    wild = replace(facts, fit=fit)
    opened = open_page(page.write(wild, tmp_path))
    silent(opened)
    shown = {answer.level: answer for answer in verdict.answers(wild, "heldout")}
    assert shown["top"].big == "∞"
    assert shown["filtered"].big == ""
    assert "cannot be told" in shown["filtered"].small
