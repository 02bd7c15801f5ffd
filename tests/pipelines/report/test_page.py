"""The page in a real browser: drawn, silent, alone, readable by everyone, and deaf to what the corpus says."""

import json
import re
from pathlib import Path

import pytest

from pipelines.report import page
from pipelines.report.facts import Facts


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_every_chart_is_drawn_in_silence_and_alone(written: Path, open_page, width: int, scheme: str):
    opened = open_page(written / "index.html", width, scheme)
    assert opened.said == []
    assert opened.asked == [(written / "index.html").as_uri()], "the page asks for nothing but itself"
    drawn = opened.tab.eval_on_selector_all(
        "[data-chart]",
        "all => all.map(e => [e.dataset.chart, e.querySelectorAll('.mark-symbol path, .mark-rect path, "
        ".mark-line path, .mark-rule line').length])",
    )
    assert len(drawn) >= 6
    assert [name for name, marks in drawn if marks == 0] == []
    assert opened.tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out of the screen"


def test_a_request_is_refused_by_the_page_itself(written: Path, open_page):
    opened = open_page(written / "index.html")
    reached = opened.tab.evaluate("fetch('data:text/plain,x').then(() => true, () => false)")
    assert reached is False
    opened.tab.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.pwned = 1'; document.body.append(s); }"
    )
    assert opened.tab.evaluate("window.pwned") is None, "a script that is not in the policy does not run"


def test_hostile_text_is_shown_and_inert(written: Path, open_page):
    opened = open_page(written / "index.html")
    opened.tab.eval_on_selector_all("details", "all => all.forEach(e => e.open = true)")
    shown = opened.tab.inner_text("#samples")
    assert "<script>window.pwned = true;" in shown
    assert "{{ 7*7 }}" in shown
    assert "[U+202E]" in shown
    assert "[... 999,300 more characters]" in shown
    assert not {"\u202e", "\u2066", "\u200f"} & set(shown)
    assert opened.tab.evaluate("window.pwned") is None
    assert opened.tab.locator("#samples img, #samples script").count() == 0
    assert "c4.n_lines >= 3 <b>" in opened.tab.text_content("#funnel")


def test_no_samples_leaves_all_corpus_text_out(facts: Facts, tmp_path: Path):
    folder = page.write(facts, tmp_path, samples=False).parent
    for file in folder.rglob("*"):
        if file.suffix in {".html", ".json", ".md", ".svg"}:
            text = file.read_text("utf-8")
            assert "licence text, repeated" not in text, file
            assert "window.pwned" not in text, file


def test_page_is_small_and_every_chart_has_its_twins(written: Path, facts: Facts):
    assert (written / "index.html").stat().st_size < 3_000_000
    body = json.loads((written / "report.json").read_text("utf-8"))
    charts = {file.stem for file in (written / "figures").glob("*.svg")}
    assert charts == {file.stem for file in (written / "figures").glob("*.png")}
    assert {"funnel", "overlap", "domains", "lengths", "clusters"} <= charts
    assert "var(--" not in (written / "figures" / "funnel.svg").read_text("utf-8")
    assert body["tables"]["funnel"], "report.json carries the numbers of every chart"


def test_selectors_and_downloads_work(written: Path, open_page):
    opened = open_page(written / "index.html")
    tab = opened.tab
    before = tab.text_content("#funnel .panels")
    tab.select_option("#funnel select", "documents")
    tab.wait_for_function("before => document.querySelector('#funnel .panels').textContent !== before", arg=before)
    with tab.expect_download() as saved:
        tab.click("#funnel [data-csv]")
    lines = Path(saved.value.path()).read_text("utf-8").splitlines()
    assert lines[0].startswith("level,unit,place,step")
    assert len(lines) > 20
    with tab.expect_download() as saved:
        tab.click("#clusters [data-svg]")
    assert "var(--" not in Path(saved.value.path()).read_text("utf-8")
    tab.click("#funnel summary")
    tab.wait_for_selector("#funnel details table")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(ground)
    tab.click("#theme")
    assert tab.evaluate(ground) != light
    assert opened.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(written: Path, open_page, scheme: str):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python (the `test` extra)")
    opened = open_page(written / "index.html", scheme=scheme)
    opened.tab.eval_on_selector_all("details:not([data-table]), #clusters details", "all => all.forEach(e => e.open = true)")
    found = axe.Axe().run(opened.tab).response["violations"]
    serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in {"serious", "critical"}]
    assert serious == []


def test_every_chart_is_explained_in_two_sentences_and_named_for_those_who_cannot_see_it(facts: Facts):
    charts = page.make(facts).charts
    assert len({chart.id for chart in charts}) == len(charts) >= 16
    for chart in charts:
        sentences = re.findall(r"[.?!](?:\s|$)", chart.says)
        assert len(sentences) == 2, (chart.id, chart.says)
        assert len(chart.alt) > 20, chart.id
        assert not re.search(r"None|nan|\{\w", chart.alt + chart.says), chart.id


def test_the_same_level_has_the_same_colour_in_every_chart(facts: Facts):
    text = json.dumps([chart.panels for chart in page.make(facts).charts])
    scales = set(re.findall(r'"domain": (\["raw"[^\]]*\]), "range": (\["var[^\]]*\])', text))
    assert scales == {
        (json.dumps(["raw", "deduplicated", "filtered", "top"]), json.dumps([f"var(--level-{i})" for i in range(4)]))
    }
