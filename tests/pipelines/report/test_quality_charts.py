"""The figure that the page opens with, as a specification and in a browser; on paper, at most eight pages."""

import json
import re
from pathlib import Path

import pytest

from pipelines.report import page, quality_charts
from pipelines.report.facts import Facts


def test_levels_controls_and_arms_are_drawn_apart(marked: Facts):
    (chart,) = quality_charts.over_quality(marked.fit, list(marked.fit.levels))
    rows = chart.tables["quality_levels"]
    roles = {row["level"]: row["role"] for row in rows}
    assert roles == {"raw": "level", "deduplicated": "level", "filtered": "arm", "top": "control"}
    assert {row["level"] for row in rows if row["fitted"] == "yes"} == {"raw", "deduplicated"}
    marks = [layer["mark"] for layer in chart.panels[0]["layer"] if layer["mark"]["type"] == "point"]
    assert [(mark["filled"], mark.get("shape")) for mark in marks] == [(True, None), (False, None), (True, "diamond")]


def test_every_mark_is_inside_its_frame(facts: Facts):
    (chart,) = quality_charts.over_quality(facts.fit, list(facts.fit.levels))
    frames = {param["name"]: param["value"] for param in chart.params}
    for row in chart.tables["quality_levels"]:
        low, high = frames["frame_quality_x"][row["axis"]]
        assert low < row["quality"] < high
        low, high = frames["frame_quality_y"][f"{row['eval_set']}|{row['response']}"]
        assert low < row["value"] < high


def test_the_pool_is_drawn_from_what_the_fit_says(facts: Facts):
    (chart,) = quality_charts.pool(facts.fit)
    fitted = facts.fit.fits["heldout"].quality
    assert fitted is not None
    assert fitted.strictness is not None
    assert chart.alt == fitted.pool
    own = [row for row in chart.tables["pool"] if row["eval_set"] == "heldout"]
    assert [row["kept"] for row in own] == [one.kept.value for one in fitted.strictness.best]


def test_selectors_change_figure_and_sentence(written: Path, facts: Facts, open_page):
    opened = open_page(written / "index.html")
    tab = opened.tab
    words = facts.fit.fits["heldout"].quality.words  # pyright: ignore[reportOptionalMemberAccess]
    assert tab.inner_text("#quality-section .found:visible") == words["kept"].answer
    tab.select_option("#quality select[data-signal=axis]", "quality.score")
    assert tab.inner_text("#quality-section .found:visible") == words["quality.score"].answer
    tab.select_option("#quality select[data-signal=response]", "floor")
    tab.wait_for_function("document.querySelector('#quality .panels').textContent.includes('floor E')")
    notes = tab.locator("#quality-section .note:visible").all_inner_texts()
    assert words["quality.score"].said[3] in notes
    tab.select_option("#eval-set", "domain:docs")
    other = facts.fit.fits["domain:docs"].quality.words  # pyright: ignore[reportOptionalMemberAccess]
    assert tab.inner_text("#quality-section .found:visible") == other["quality.score"].answer
    assert opened.said == []


def test_the_first_screen_has_the_answer(written: Path, open_page):
    tab = open_page(written / "index.html").tab
    for part in ("h1:visible", ".lead:visible", ".found:visible", "#quality .panels"):
        assert tab.locator(part).first.bounding_box()["y"] < 680, part


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_it_is_at_most_eight_pages(written: Path, open_page, scheme: str):
    tab = open_page(written / "index.html", scheme=scheme).tab
    content = tab.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", content)) <= 8
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--page')").strip() == "#ffffff"


def test_without_quality_the_page_has_no_such_section(facts: Facts, edit):
    def without(body):
        body["quality"] = None
        for one in body["sets"].values():
            one["fit"]["quality"] = None

    text = page.render(edit(facts, without))
    assert 'id="quality-section"' not in text
    assert json.dumps("quality_levels") not in text
