import altair as alt
import pytest
import vl_convert

from pipelines.report import grammar as draw
from pipelines.report.facts import Facts


def test_a_field_with_a_format_is_a_number_and_one_without_a_name():
    said = [tip.to_dict() for tip in draw.tips("level", "D|,.0f", "z|+.2f|in standard deviations", "df:Q||degrees of freedom")]
    assert said == [
        {"field": "level", "type": "nominal"},
        {"field": "D", "type": "quantitative", "format": ",.0f"},
        {"field": "z", "type": "quantitative", "format": "+.2f", "title": "in standard deviations"},
        {"field": "df", "type": "quantitative", "title": "degrees of freedom"},
    ]


@pytest.mark.parametrize("channel", [alt.X, alt.Y])
def test_an_interval_that_the_data_do_not_bound_runs_to_the_frame(channel: type):
    value = channel("value:Q", scale=draw.scale([0, 10]))
    spec = draw.panel(draw.interval_dots(draw.table("rows"), value, draw.tips("value|.1f"), ("0", "10")), width=100)
    drawn = spec | {"datasets": {"rows": [{"value": 4, "low": None, "high": 6}]}}
    rules = [mark for mark in walk(vl_convert.vegalite_to_scenegraph(drawn)) if mark.get("marktype") == "rule"]
    (item,) = next(mark["items"] for mark in rules if mark["items"][0].get("strokeWidth") == 2)
    side, length = ("x", 100) if channel is alt.X else ("y", 240)
    ends = sorted((item[side], item[f"{side}2"]))
    assert ends == pytest.approx([0, 0.6 * length] if channel is alt.X else [0.4 * length, length])


def walk(node):
    if isinstance(node, dict):
        yield node
        for part in node.values():
            yield from walk(part)
    elif isinstance(node, list):
        for part in node:
            yield from walk(part)


def test_every_shape_has_a_panel_with_its_own_rows(facts: Facts):
    panels = draw.by_shape(facts.fit, lambda own: draw.line(draw.table("curves", own), x=alt.X("D:Q"), y=alt.Y("loss:Q")), 200)
    assert [panel["title"] for panel in panels] == ["s: 300K parameters", "m: 1.2M parameters"]
    assert [panel["transform"][0]["filter"].partition(" && ")[2] for panel in panels] == [
        "datum.shape == 's'",
        "datum.shape == 'm'",
    ]
