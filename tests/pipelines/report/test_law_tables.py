import math
from collections.abc import Callable

import pytest

from pipelines.report import law_tables
from pipelines.report.facts import Facts
from scaling_fit import Result


def test_the_difference_curve_is_scaling_fits_own_though_the_grids_differ(
    facts: Facts, analysis: Result, edit: Callable[..., Facts]
):
    def shorten(body):
        for curve in body["sets"]["heldout"]["fit"]["curves"]:
            if curve["level"] == "raw":  # the baseline was tested at fewer D: another grid
                for key in ("D", "loss", "low", "high", "beyond"):
                    curve[key] = curve[key][1:-3]

    rows = [
        r
        for r in law_tables.curves(edit(facts, shorten).fit)
        if r["level"] == "top" and r["eval_set"] == "heldout" and not r["beyond"]
    ]
    said = [row for row in rows if row["percent"] is not None]
    assert len(said) == len(rows) - 2, "outside the baseline's grid, at the first D of either shape, nothing is said"
    for row in said:
        theirs = math.log(
            analysis.predict("top", row["shape"], row["D"])[0] / analysis.predict("raw", row["shape"], row["D"])[0]
        )
        assert row["percent"] == pytest.approx(100 * theirs, abs=0.02)


def test_points_are_the_observations(facts: Facts):
    seen = {
        (r["level"], r["shape"], int(r["seed"]), r["D"]): r["loss"]
        for r in law_tables.points(facts.fit)
        if r["eval_set"] == "heldout"
    }
    for row in facts.observations:
        if row["eval_set"] == "heldout":
            assert seen[row["level"], row["shape"], row["seed"], row["tokens"]] == pytest.approx(row["loss"])


def test_documents_are_averaged_over_seeds_at_the_longest_run(facts: Facts):
    rows = law_tables.documents(facts.paired)
    assert {row["D"] for row in rows} == {8_000_000}
    assert {row["seeds"] for row in rows} == {2}
    own = [
        p for p in facts.paired if (p["eval_set"], p["level"], p["shape"], p["tokens"]) == ("heldout", "top", "m", 8_000_000)
    ]
    row = next(r for r in rows if (r["eval_set"], r["level"], r["shape"]) == ("heldout", "top", "m"))
    assert row["difference"] == pytest.approx(sum(p["difference"] for p in own) / 2)


def test_the_primary_set_comes_first_and_a_levels_own_text_last(facts: Facts, edit: Callable[..., Facts]):
    def more(body):
        one, body["settings"]["eval_set"] = body["sets"]["heldout"], "domain:b"
        body["sets"] = dict.fromkeys(("own:raw", "domain:a", "heldout", "domain:b"), one)
        body["sets"]["domain:c"] = {**one, "fit": None}

    assert law_tables.eval_sets(edit(facts, more).fit) == ["domain:b", "domain:a", "heldout", "own:raw"]
