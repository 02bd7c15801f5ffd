from dataclasses import replace
from pathlib import Path

from pipelines.report import compare_charts
from pipelines.report.facts import Facts
from pipelines.report.figures import write_figures


def test_both_studies_stand_in_one_figure(facts: Facts, marked: Facts, tmp_path: Path):
    (chart,) = compare_charts.over_quality(facts, replace(marked, title="another"))
    assert {row["study"] for row in chart.tables["levels"]} == {f"A: {facts.title}", "B: another"}
    assert {row["axis"] for row in chart.tables["levels"]} == {"kept"}
    assert len(chart.panels) == 3
    assert write_figures([chart], None, tmp_path) == []
    assert "B: another" in (tmp_path / "over_quality.svg").read_text("utf-8")


def test_studies_without_an_axis_in_common_have_none(facts: Facts, edit):
    def renamed(body):
        body["quality"]["values"] = {f"other {axis}": of for axis, of in body["quality"]["values"].items()}

    assert compare_charts.over_quality(facts, edit(facts, renamed)) == []
