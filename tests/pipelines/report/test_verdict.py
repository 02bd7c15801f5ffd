"""The answer in words: the right level, the right numbers, and no claim beyond them."""

import copy
import re
from dataclasses import replace
from typing import Any

import pytest

from pipelines.report import markdown, page, verdict
from pipelines.report.facts import Facts

KINDS = ("exponent", "floor", "exponent and floor", "multiplier", "none", "undetected", "not identifiable")


def changed(facts: Facts, **by_level: dict[str, Any]) -> Facts:
    fit = copy.deepcopy(facts.fit)
    for level, new in by_level.items():
        fit["sets"]["heldout"]["verdicts"][level].update(new)
    return replace(facts, fit=fit)


def percent(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high}


def test_the_planted_order_is_found_and_told(facts: Facts):
    head, lead = verdict.headline(facts)
    assert head.startswith("Train on top: ")
    found = {answer.level: answer for answer in verdict.answers(facts, "heldout")}
    assert list(found) == ["deduplicated", "filtered", "top"]
    for level, truth in (("deduplicated", 1.12), ("filtered", 1.45), ("top", 1.9)):
        low, high = (float(x) for x in re.search(r"\[([\d.]+), ([\d.]+)\]", found[level].small).groups())  # type: ignore[union-attr]
        assert low < truth < high
    assert found["top"].big in lead


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shifted", [True, False])
def test_every_kind_has_a_finding_with_its_numbers(facts: Facts, kind: str, shifted: bool):
    told = changed(facts, top={"kind": kind, "shifted": shifted})
    answer = verdict.answers(told, "heldout")[-1]
    assert answer.word == verdict.MOVED[kind]
    assert re.search(r"\d\.\d+", answer.finding)
    assert "p " in answer.finding or kind == "none", "the test is named"
    page = " ".join(verdict.headline(told)) + markdown.render(told) + answer.finding + answer.reading
    assert not re.search(r"[{}]|None|nan", page)


def test_only_contenders_are_recommended(facts: Facts):
    fit = copy.deepcopy(facts.fit)
    fit["settings"]["contenders"] = ["deduplicated", "filtered"]
    kinds = {"top": "control", "filtered": "arm"}
    levels = [{**level, "kind": kinds.get(level["name"], "level")} for level in facts.levels]
    told = replace(facts, fit=fit, levels=levels)
    head, lead = verdict.headline(told)
    assert head.startswith("Train on filtered")
    assert not re.search(r"(with|for) [^.]*\btop\b", lead), "nothing is said of what moved with a control"
    assert {a.level: a.role for a in verdict.answers(told, "heldout")} == {
        "deduplicated": "", "filtered": "another mixture of domains", "top": "control",
    }  # fmt: skip
    assert verdict.answers(told, "heldout")[-1].reading == "A control says how far luck and size reach; it is no choice."


def test_where_other_sets_would_choose_another_level_the_lead_says_so(facts: Facts):
    assert "other text" not in verdict.headline(facts)[1], "all sets choose top"
    unclear = {"difference_percent": percent(0.1, -1.0, 1.0), "direction": "unclear"}
    told = changed(facts, deduplicated=unclear, filtered=unclear, top=unclear)
    assert "Judged on other text the choice differs: top on docs." in verdict.headline(told)[1]
    assert "Judged on other text the choice differs: raw on all held-out text." in verdict.headline(told, "domain:docs")[1]


def test_the_page_shows_every_difference_on_every_set(facts: Facts):
    table = page.render(facts).split("Do the evaluation sets agree?")[1].split("</table>")[0]
    rows = [re.findall(r">([^<>\n]+)</(?:th|span)>", row) for row in table.split("<tr>")[2:]]
    values = {
        name: [
            one["difference_percent"]["value"]
            for one in (fit["verdicts"][level] for level in ("deduplicated", "filtered", "top"))
        ]
        for name, fit in facts.fit["sets"].items()
    }
    assert rows == [
        ["all held-out text", *(f"{x:+.1f}" for x in values["heldout"])],
        ["docs (held out)", *(f"{x:+.1f}" for x in values["domain:docs"])],
    ]


def test_a_tie_is_called_a_tie(facts: Facts):
    top = facts.fit["sets"]["heldout"]["verdicts"]["top"]["difference_percent"]
    near = changed(facts, filtered={"difference_percent": {key: value + 0.05 for key, value in top.items()}})
    assert "not clearly ahead of filtered" in verdict.headline(near)[0]


def test_worse_and_unclear_levels_keep_the_baseline(facts: Facts):
    worse = {"difference_percent": percent(2.0, 1.0, 3.0), "direction": "worse"}
    unclear = {"difference_percent": percent(0.1, -1.0, 1.0), "direction": "unclear"}
    assert verdict.headline(changed(facts, deduplicated=worse, filtered=worse, top=worse))[0].startswith("Stay with raw")
    head, _ = verdict.headline(changed(facts, deduplicated=unclear, filtered=unclear, top=unclear))
    assert head == "No level is shown to differ from raw at the budgets tested."


def test_a_crossing_is_told_with_its_interval_only_when_likely(facts: Facts):
    fit = copy.deepcopy(facts.fit)
    crossing = fit["sets"]["heldout"]["budget"]["finite"]["crossings"]["top"]
    crossing.update(share=0.9, at=2e13, low=1e13, high=4e13, after="baseline", inside_observed=False)
    words = verdict.crossing_words(facts, fit["sets"]["heldout"], "top")
    assert words == "Past 2.0e+13 FLOPs [1.0e+13, 4.0e+13], beyond what was tested, raw is ahead."
    crossing["share"] = 0.3
    assert verdict.crossing_words(facts, fit["sets"]["heldout"], "top") == ""


def test_every_set_has_its_own_headline(facts: Facts):
    unclear = {"difference_percent": percent(0.1, -1.0, 1.0), "direction": "unclear"}
    told = changed(facts, deduplicated=unclear, filtered=unclear, top=unclear)
    assert verdict.headline(told, "heldout")[0].startswith("No level")
    assert verdict.recommended(told, "domain:docs") == "top"
    assert re.match("(Train on|Lean to) top:", verdict.headline(told, "domain:docs")[0])


def test_a_level_that_is_overtaken_is_not_praised_for_its_average(facts: Facts):
    fit = copy.deepcopy(facts.fit)
    last = fit["sets"]["heldout"]["multiplier"]["top"]["fitted"][-1]
    last["multiplier"][-1], last["low"][-1], last["high"][-1] = 0.8, 0.7, 0.9
    assert "raw has caught up: it needs only 0.80× [0.70, 0.90] the tokens" in verdict.headline(replace(facts, fit=fit))[1]


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.1, 0.2, "anything between -0.100 and +0.200."),
        (None, 0.2, "anything up to +0.200."),
        (-0.1, None, "anything from -0.100 up."),
        (None, None, "anything."),
    ],
)
def test_what_is_not_bounded_is_not_given_a_bound(facts: Facts, low: float | None, high: float | None, words: str):
    fit = copy.deepcopy(facts.fit)
    fit["sets"]["heldout"]["verdicts"]["top"]["kind"] = "not identifiable"
    fit["sets"]["heldout"]["tests"]["top"]["delta_beta"].update(low=low, high=high)
    assert verdict.answers(replace(facts, fit=fit), "heldout")[-1].finding.endswith(words)


def test_what_the_joint_test_does_not_confirm_is_not_an_order(facts: Facts):
    assert verdict.headline(changed(facts, top={"shifted": False}))[0].startswith("Lean to top")
    assert verdict.recommended(facts, "heldout") == "top"
    unclear = {"difference_percent": percent(0.1, -1.0, 1.0)}
    assert verdict.recommended(changed(facts, deduplicated=unclear, filtered=unclear, top=unclear), "heldout") is None


def test_a_caution_about_the_law_is_not_repeated_for_every_level(facts: Facts):
    fit = copy.deepcopy(facts.fit)
    one = fit["sets"]["heldout"]
    one["adequacy"]["warning"] = "The law misses."
    for found in one["verdicts"].values():
        found["reading"] += " Caution: The law misses."
    told = [answer.reading for answer in verdict.answers(replace(facts, fit=fit), "heldout")]
    assert not any("Caution" in reading for reading in told)
    assert all(told)
