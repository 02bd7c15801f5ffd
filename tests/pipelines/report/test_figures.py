"""Figures are drawn whatever a name holds, and a chart that ends the renderer costs that chart alone."""

from xml.etree import ElementTree

import pytest

from pipelines.report.chart import Chart
from pipelines.report.figures import write_figures


def bars(name: str, words: list[str], field: str = "word") -> Chart:
    encoding = {"x": {"field": field, "type": "nominal"}, "y": {"field": "n", "type": "quantitative"}}
    panel = {"mark": "bar", "data": {"name": "counts"}, "encoding": encoding}
    return Chart(name, name, "Says. So.", "alt", [panel], {"counts": [{"word": w, "n": i + 1} for i, w in enumerate(words)]})


@pytest.mark.parametrize("word", ["a\x01b", "a\ud800b", "a\uffffb", "a\x1bb", "😀", "line\nbreak", "<&>", "a\\u0001b"])
def test_any_name_becomes_a_figure_that_is_xml(tmp_path, word):
    assert write_figures([bars("one", [word, "plain"])], None, tmp_path) == []
    text = "".join(ElementTree.parse(tmp_path / "one.svg").getroot().itertext())
    assert "plain" in text
    assert ("😀" in text) == (word == "😀")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_a_chart_that_ends_the_renderer_costs_that_chart_alone(tmp_path):
    broken = bars("broken", ["a"])
    broken.panels[0]["mark"] = "no such mark"
    assert write_figures([bars("first", ["a"]), broken, bars("last", ["b"])], None, tmp_path) == ["broken"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.png", "first.svg", "last.png", "last.svg"]
