"""The verdict laid out: the levels in order on one scale, the tables beside them, and nothing worded anew."""

import re
from collections.abc import Callable

from pipelines.report import page, verdict
from pipelines.report.facts import Facts

ORDER = ["deduplicated", "filtered", "top"]


def test_levels_stand_in_the_order_of_the_study_on_one_scale(facts: Facts):
    rows = verdict.rows(facts.fit, "heldout", ["raw", *ORDER])
    assert [row.level for row in rows] == ORDER
    answer = facts.fit.sets["heldout"].answer
    for row in rows:
        assert row.words is answer.words[row.level]
        mean = answer.verdicts[row.level].gap.mean
        assert row.percent == (mean.low, mean.value, mean.high)
        assert row.tone == "better"
    scale = {(row.percent[i] - 0) / (row.strip[i] - row.zero) for row in rows for i in range(3)}
    assert max(scale) - min(scale) < 1e-9 * max(scale), "one percent is as wide for every level"
    assert min(row.strip[0] for row in rows) == 0
    assert rows[0].zero == 1


def test_an_average_that_the_most_data_contradict_has_no_colour(facts: Facts, edit: Callable[..., Facts]):
    def overtake(body):
        gap = body["sets"]["heldout"]["answer"]["verdicts"]["top"]["gap"]
        gap["last"] = {"value": 0.4, "low": 0.2, "high": 0.6}

    tones = {row.level: row.tone for row in verdict.rows(edit(facts, overtake).fit, "heldout", ORDER)}
    assert (tones["top"], tones["filtered"]) == ("plain", "better")


def test_the_page_shows_every_difference_on_every_set(facts: Facts):
    table = page.render(facts).split("Do the evaluation sets agree?")[1].split("</table>")[0]
    rows = [re.findall(r">([^<>\n]+)</(?:small|span)>", row) for row in table.split("<tr>")[2:]]
    means = {name: [one.answer.verdicts[level].gap.mean for level in ORDER] for name, one in facts.fit.sets.items()}
    values = {
        name: [text for mean in of for text in (f"{mean.value:+.1f}", f"{mean.low:+.1f}, {mean.high:+.1f}")]
        for name, of in means.items()
    }
    assert rows == [
        ["311 documents, 60K tokens", *values["heldout"]],
        ["120 documents, 30K tokens", *values["domain:docs"]],
    ]
    assert "all held-out text<small>" in table


def test_every_set_has_its_own_headline(facts: Facts):
    text = page.render(facts)
    for one in facts.fit.sets.values():
        assert f"<h1>{one.answer.choice}</h1>" in text


def test_crossings_are_listed_by_pool_and_size_and_open_where_they_are(facts: Facts, edit: Callable[..., Facts]):
    def cross(body):
        fit = body["sets"]["heldout"]["fit"]
        crossing = {"share": 0.9, "at": 2e13, "low": 1e13, "high": None, "after": "baseline", "inside_observed": False}
        fit["budget"]["finite"]["crossings"]["top"] = crossing
        fit["budget"]["endless"]["crossings"]["top"] = crossing | {"at": None, "low": None, "after": None}
        fit["against"]["top"]["crossings"][0]["crossing"] = crossing | {"high": 4e13}

    rows = [row for row in verdict.crossings(edit(facts, cross), "heldout") if row.level == "top"]
    assert [(row.pool, row.at, row.after, row.share) for row in rows] == [
        ("the tokens there are", "2.0e+13 FLOPs [open]", "raw (not tested so far out)", "90%"),
        ("endless", "no crossing", "", "90%"),
        ("at matched size s", "20T tokens [1e+13, 4e+13]", "raw", "90%"),
    ]


def test_the_table_of_tests_has_the_p_values_that_decide(facts: Facts):
    for row in verdict.tests(facts, "heldout"):
        test = facts.fit.fits["heldout"].tests[row.level]
        assert row.cells[0] == f"p = {test.contrasts.any_shift.p_adjusted:.3f}"
        assert row.weight == max(one.weight for one in test.hypotheses if one.weight is not None)
        assert row.best in ("multiplier", "exponent", "floor", "floor and multiplier", "all")
    assert [name for name, _ in verdict.sensitivity(facts, "heldout")] == [
        "Huber (delta 0.001), log loss, summed over points",
        "Huber (delta 0.01), log loss, summed over points",
        "least absolute deviations, log loss, summed over points",
        "least squares, log loss, summed over points",
    ]
