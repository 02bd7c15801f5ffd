from collections.abc import Callable
from dataclasses import replace

from pipelines.report.compare import compare
from pipelines.report.facts import Facts


def test_a_report_equals_itself(facts: Facts):
    assert compare(facts, facts).changes == []


def test_every_kind_of_difference_is_told_once(facts: Facts, edit: Callable[..., Facts]):
    def change(body):
        one = body["sets"]["heldout"]
        tests = one["fit"]["tests"]
        high = tests["top"]["multiplier"]["high"]
        tests["top"]["multiplier"] = {"value": high + 1, "low": high + 0.9, "high": high + 1.1}
        one["answer"]["verdicts"]["top"]["kind"] = "exponent"
        tests["filtered"]["delta_beta"]["value"] += 1e-4

    levels = [{**level, "documents": level["documents"] + (level["name"] == "raw")} for level in facts.levels[:-1]]
    made = {
        **facts.provenance,
        "study_file": "name: planted\nfit:\n  margin: 0.05\n",
        "versions": {"python": "3.12.1", "torch": "2.9.1"},
    }
    other = replace(edit(facts, change), levels=levels, provenance=made)
    found = compare(facts, other)
    assert [(c.where, c.first, c.second) for c in found.of("settings")] == [("fit.margin", "not there", "0.05")]
    assert {c.where for c in found.of("data")} == {"level top", "raw: documents"}
    assert [c.where for c in found.of("software")] == ["python"]
    results = {c.where: c.certain for c in found.of("results")}
    assert results == {
        "top on all held-out text: what moved": True,
        "top on all held-out text: worth of a token": True,
        "filtered on all held-out text: difference in exponent": False,
    }
