"""The page in a real browser: drawn, silent, alone, readable by everyone, and deaf to what the corpus says."""

import base64
import copy
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.report import page, palette
from pipelines.report.facts import Facts, read


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_every_chart_is_drawn_in_silence_and_alone(written: Path, open_page, width: int, scheme: str):
    opened = open_page(written / "index.html", width, scheme)
    opened.tab.eval_on_selector_all("details.fold", "all => all.forEach(e => e.open = true)")
    opened.tab.wait_for_function("!document.querySelector('[data-chart]:not([data-drawn])')")
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


def test_a_legend_puts_a_level_out_of_every_chart_and_back(written: Path, open_page):
    tab = open_page(written / "index.html").tab
    marks = "() => document.querySelectorAll('#curves .mark-symbol path').length"
    before = tab.evaluate(marks)
    tab.click("#curves button[data-level=top]")
    tab.wait_for_function("before => document.querySelectorAll('#curves .mark-symbol path').length < before", arg=before)
    assert tab.evaluate(marks) == before * 3 / 4, "one level of four"
    pressed = "all => [...new Set(all.map(one => one.getAttribute('aria-pressed')))]"
    assert tab.eval_on_selector_all("button[data-level=top]", pressed) == ["false"]
    tab.click("#seeds button[data-level=top]")
    tab.wait_for_function("before => document.querySelectorAll('#curves .mark-symbol path').length === before", arg=before)


def test_on_a_phone_the_numbers_of_a_table_are_in_sight(written: Path, open_page):
    tab = open_page(written / "index.html", 390).tab
    tab.eval_on_selector_all("details", "all => all.forEach(e => e.open = true)")
    right = """all => all.filter(e => e.offsetParent).map(e => {
      const cell = e.querySelector('tbody td'); return cell ? cell.getBoundingClientRect().left + 30 : 0 })"""
    assert max(tab.eval_on_selector_all("table", right)) <= 390, "the first number beside its name"


def test_controls_are_paler_than_what_could_be_trained_on(marked: Facts, tmp_path: Path, open_page):
    tab = open_page(page.write(marked, tmp_path)).tab
    colour = "name => getComputedStyle(document.querySelector('#curves .panels')).getPropertyValue(name).trim()"
    assert tab.evaluate(colour, "--level-1") == palette.LIGHT["--level-1"], "deduplicated"
    assert tab.evaluate(colour, "--level-3") == palette.pale(palette.LIGHT, [3])["--level-3"] != palette.LIGHT["--level-3"], (
        "top"
    )


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
    assert body["tables"]["funnel"]


def cloned(value: Any, old: str, names: list[str]) -> Any:
    """Plain data in which everything about a level or an evaluation set `old` is there once more for each of `names`."""
    if isinstance(value, dict):
        out = {key: cloned(item, old, names) for key, item in value.items()}
        return out | {name: copy.deepcopy(out[old]) for name in names} if old in out else out
    if isinstance(value, list):
        out = [cloned(item, old, names) for item in value]
        for key in ("level", "name", "eval_set"):
            out += [{**item, key: n} for n in names for item in out if isinstance(item, dict) and item.get(key) == old]
        return out + names if out.count(old) == 1 else out
    return value


def test_nine_levels_on_ten_sets_fit_in_three_megabytes(facts: Facts, tmp_path: Path):
    wide = cloned(facts.to_dict(), "top", [f"level {i}" for i in range(5)])
    wide = cloned(wide, "domain:docs", [f"domain:{i}" for i in range(8)])
    # more of everything that a real study has more of: a long document at every threshold of every level
    longer = [{**sample, "text": sample["text"] + "word " * 300} for sample in facts.samples * 4]
    wide["samples"] = [{**sample, "level": level["name"]} for level in wide["levels"] for sample in longer]
    (tmp_path / "report.json").write_text(json.dumps(wide))
    wide = read(tmp_path)
    text = page.render(wide)
    assert len(wide.fit.levels) == 9
    assert len(wide.fit.sets) == 10
    assert len(text.encode()) < 3_000_000


class Words(HTMLParser):
    """The text of a page, without its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.inside = "", ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.inside = tag
        self.text += " "

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""
        self.text += " "

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.text += data


NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?=[KMBT]?(?!\w))")
SCALES = [1, 100, 1e-3, 1e-6, 1e-9, 1e-12, 1 / 60, 1 / 3600]
"""As they are, percent, K to T, minutes, hours."""


def unaccounted(text: str, body: Any) -> list[str]:
    """Numbers of three digits or more in `text` that are neither in a text of `body` nor one of its numbers, rounded."""
    said: set[str] = set()
    known: list[float] = []
    left = [body]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left += [*item, *item.values()]
        elif isinstance(item, list):
            left += item
        elif isinstance(item, str):
            said |= set(NUMBER.findall(item))
        elif isinstance(item, int | float):
            known.append(abs(float(item)))
    numbers = np.sort(np.outer(known, SCALES).ravel())
    missing = []
    for token in set(NUMBER.findall(text)) - said:
        plain = token.replace(",", "")
        mantissa, _, power = plain.partition("e")
        step = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
        digits = len(mantissa.replace(".", "").lstrip("0"))
        near = numbers[min(np.searchsorted(numbers, float(plain) - 0.5001 * step), len(numbers) - 1)]
        if digits >= 3 and abs(near - float(plain)) > 0.5001 * step:
            missing.append(token)
    return missing


def test_report_json_carries_every_number_on_the_page(written: Path):
    html = (written / "index.html").read_text("utf-8")
    body = json.loads((written / "report.json").read_text("utf-8"))
    packed = re.search(r'id="tables">([^<]*)<', html)
    assert packed is not None
    drawn = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    assert drawn == body["tables"], "the numbers of every chart"
    words = Words()
    words.feed(html)
    assert len(NUMBER.findall(words.text)) > 300
    # years of papers and of browsers, and what is said of a sample's length, are no findings
    text = re.sub(r"et al\. \d{4}|of 2023 or later|[\d,]+ more characters|\[U\+\w+\]", "", words.text)
    assert unaccounted(text, body) == []
    assert unaccounted(text + " 123.457 ", body) == ["123.457"], "and the check can fail"
    del body["words"]
    assert unaccounted(text, body) != []


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
    with tab.expect_download() as saved:
        tab.click("#clusters [data-png]")
    picture = Path(saved.value.path()).read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(picture) > 5_000, "it is not blank"
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
