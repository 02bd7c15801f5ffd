"""The explorer's arithmetic is scaling_fit's, and the sliders move it."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.report import page
from pipelines.report.facts import Facts
from scaling_fit import Result
from scaling_fit.levels.budget import plan, worth
from scaling_fit.levels.calibrate import Calibration
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.price import price

PREDICT = "([set, level, shape, N, D, U]) => explorer.predict(set, level, shape, N, D, U ?? Infinity)"


def test_predictions_equal_scaling_fit_where_each_size_has_its_floor(analysis: Result, written: Path, open_page):
    tab = open_page(written / "index.html").tab
    for eval_set in analysis.fits:
        for level in analysis.levels:
            for shape in analysis.shapes:
                for D in (2.5e5, 1.7e6, 8e6, 3e8):
                    ours = tab.evaluate(PREDICT, [eval_set, level, shape.name, shape.N, D, None])
                    theirs = analysis.predict(level, shape.name, D, eval_set)[0]
                    assert ours == pytest.approx(theirs, abs=5e-5), (eval_set, level, shape, D)


def test_predictions_and_optimum_equal_scaling_fit_for_any_size(
    wide_analysis: Result, wide_comparison: Comparison, plant: Callable, tmp_path: Path, open_page
):
    facts = plant(wide_analysis)
    tab = open_page(page.write(facts, tmp_path)).tab
    whole = wide_comparison
    for level in whole.levels:
        for N in (1e5, 3.3e5, 2e6, 4e7):
            for D in (2.5e5, 1.7e6, 3e8):
                theirs = math.exp(whole.log_loss(level, "s", np.array([N]), np.array([D]))[0, 0])
                assert tab.evaluate(PREDICT, ["heldout", level, "s", N, D, None]) == pytest.approx(theirs, abs=5e-5)
    budgets = np.array([1e13, 1e14, 1e15])
    made = plan(whole, Calibration(price(whole)), budgets, replicates=2)
    for k, C in enumerate(budgets):
        best = tab.evaluate("C => explorer.optimum('heldout', 'top', C, Infinity)", C)
        assert best["loss"] == pytest.approx(math.exp(made.loss["top"][0, k]), abs=5e-5)
        assert best["N"] == pytest.approx(made.size["top"][0, k], rel=0.05), "the same grid of sizes"


def test_repeats_equal_scaling_fit(facts: Facts, written: Path, open_page):
    tab = open_page(written / "index.html").tab
    for D, unique in ((1e6, 5e6), (2e7, 5e6), (5e9, 5e6)):
        theirs = float(worth(np.array([D]), unique, facts.fit.fits["heldout"].budget.r_star)[0])
        assert tab.evaluate("([D, U]) => explorer.worth(D, U)", [D, unique]) == pytest.approx(theirs, rel=1e-9)


def test_interval_at_a_tested_size_is_the_fitted_band(facts: Facts, written: Path, open_page):
    tab = open_page(written / "index.html").tab
    curve = next(c for c in facts.fit.fits["heldout"].curves if c.level == "top" and c.shape == "m")
    for k in (0, 9, 20, -1):
        ends = tab.evaluate("D => explorer.interval('heldout', 'top', 'm', 1.2e6, D, Infinity)", curve.D[k])
        assert ends == pytest.approx([curve.low[k], curve.high[k], curve.loss[k]], abs=2e-3)
    assert tab.evaluate("explorer.interval('heldout', 'top', 'm', 1.2e6, 1e13, Infinity)") is None, "no ground that far out"
    assert tab.evaluate("explorer.interval('heldout', 'top', 'm', 1.2e6, 1e5, Infinity)") is None, "nor below what was tested"


def test_the_line_of_twenty_tokens_per_parameter_is_where_it_says_or_not_there(written: Path, open_page):
    tab = open_page(written / "index.html").tab
    assert tab.evaluate("explorer.twentyAt(2.4e7)") == {"D": 2.4e7, "seen": 1, "left": 0, "right": 1}
    assert tab.evaluate("explorer.twentyAt(5e8)") == {"D": 5e8, "seen": 1, "left": 1, "right": 0}
    assert tab.evaluate("explorer.twentyAt(1e12).seen") == 0


def test_sliders_move_the_numbers_and_the_chart(written: Path, analysis: Result, open_page):
    opened = open_page(written / "index.html")
    tab = opened.tab
    tab.wait_for_function("document.documentElement.dataset.explorer === 'ready'")
    tab.select_option("#dial-level", "top")
    tab.select_option("#dial-shape", "s")
    chart = tab.inner_html("#explorer-chart svg")
    curve = next(c for c in analysis.fits["heldout"].curves if c.level == "top" and c.shape == "s")
    for slider, place in (("#dial-d", 250), ("#dial-d", 700), ("#dial-c", 300), ("#dial-u", 100)):
        before = tab.inner_text("#say-loss")
        tab.fill(slider, str(place))
        tab.wait_for_function("before => document.getElementById('say-loss').textContent !== before", arg=before)
        state = tab.evaluate("({...explorer.state, U: Math.min(explorer.state.U, 1e18)})")
        fresh = float(worth(np.array([state["D"]]), state["U"])[0])
        law = analysis.predict("top", "s", np.array([fresh, *curve.D]))
        ahead = np.interp(np.log(fresh), np.log(curve.D), curve.loss / law[1:], left=1.0, right=1.0)
        assert float(tab.inner_text("#say-loss")) == pytest.approx(law[0] * ahead, abs=1.01e-4)
    tab.wait_for_function("before => document.querySelector('#explorer-chart svg').innerHTML !== before", arg=chart)
    before = tab.inner_text("#say-loss")
    tab.select_option("#eval-set", "domain:docs")
    tab.wait_for_function("before => document.getElementById('say-loss').textContent !== before", arg=before)
    tab.focus("#dial-d")
    before = tab.input_value("#type-d")
    tab.keyboard.press("ArrowRight")
    assert tab.input_value("#type-d") != before, "the keyboard moves a slider"
    assert opened.said == []


def test_how_many_tokens_another_level_needs_is_the_laws_own_inverse(analysis: Result, facts: Facts, written: Path, open_page):
    """From the loss at some D back to that D, fresh and repeated, and never where the floor lies above the loss."""
    tab = open_page(written / "index.html").tab
    needed = "([level, shape, N, loss, U]) => explorer.tokensFor('heldout', level, shape, N, loss, U ?? Infinity)"
    for D in (3e5, 5e6, 9e7):
        loss = float(analysis.predict("filtered", "m", D)[0])
        assert tab.evaluate(needed, ["filtered", "m", 1.2e6, loss, None]) == pytest.approx(D, rel=1e-6)
    r_star = facts.fit.fits["heldout"].budget.r_star
    loss = float(analysis.predict("raw", "m", float(worth(np.array([4e7]), 5e6, r_star)[0]))[0])
    assert tab.evaluate(needed, ["raw", "m", 1.2e6, loss, 5e6]) == pytest.approx(4e7, rel=1e-6), "8 passes over 5M tokens"
    floor = facts.fit.fits["heldout"].levels["raw"].parameters["E[m]"].value
    assert tab.evaluate(needed, ["raw", "m", 1.2e6, floor * 0.99, None]) == math.inf
    least = float(analysis.predict("raw", "m", 1e12)[0])
    assert tab.evaluate(needed, ["raw", "m", 1.2e6, least, 1e5]) == math.inf, "too little text to repeat"


def test_a_level_needs_as_many_tokens_as_it_has_to_match_itself(written: Path, open_page):
    """Beyond the data the forecast leaves the law: the tokens are told from the same curve as the losses."""
    tab = open_page(written / "index.html").tab
    tab.wait_for_function("document.documentElement.dataset.explorer === 'ready'")
    tab.evaluate("assay.tables.curves.forEach((row) => { for (const end of ['loss', 'low', 'high']) row[end] *= 1.02; })")
    tab.select_option("#dial-with", tab.input_value("#dial-level"))
    tab.select_option("#dial-shape", "s")
    for place in ("200", "300"):
        tab.fill("#dial-d", place)
        tab.wait_for_function("document.getElementById('say-times').textContent.includes('1.00 times as many')")


def test_two_levels_are_compared_by_the_rule_of_the_headline(facts: Facts, written: Path, open_page):
    tab = open_page(written / "index.html").tab
    tab.wait_for_function("document.documentElement.dataset.explorer === 'ready'")
    order = facts.fit.answer.order
    assert order is not None
    words = {"better": "lower loss", "worse": "higher loss", "unclear": "a tie"}
    for level, other in (("top", "raw"), ("filtered", "top"), ("raw", "deduplicated"), ("top", "top")):
        tab.select_option("#dial-level", level)
        tab.select_option("#dial-with", other)
        said = tab.inner_text("#say-standing")
        if level == other:
            assert said == "choose another level beside it"
            continue
        assert said == f"over the tested range: {words[order.between(level, other)]}"
        state = tab.evaluate("explorer.state")
        ends = "([level, D, U]) => (explorer.interval('heldout', level, 'm', 1.2e6, D, U) ?? [])[2]"
        own, beside = (tab.evaluate(ends, [name, state["D"], facts.fit.fits["heldout"].budget.unique_tokens[name]])
                       for name in (level, other))  # fmt: skip
        assert tab.inner_text("#say-against").replace("\u2212", "-") == f"{100 * math.log(own / beside):+.2f}%"
        assert set(tab.locator(".say-other").all_inner_texts()) == {other}


def test_numbers_are_typed_and_the_address_holds_the_view(written: Path, open_page):
    tab = open_page(written / "index.html").tab
    tab.wait_for_function("document.documentElement.dataset.explorer === 'ready'")
    assert "#" not in tab.evaluate("location.href"), "nobody asked for a view yet"
    read = [("1.5M", 1.5e6), ("2e9", 2e9), ("300 000", 3e5), ("1,200,000", 1.2e6), ("7k", 7e3), ("0.4B", 4e8)]
    read += [("3,5M", 3.5e6), ("300,000", 3e5)]
    for text, value in read:
        assert tab.evaluate("text => explorer.number(text)", text) == pytest.approx(value), text
    assert tab.evaluate(
        "explorer.number('endless') === Infinity && isNaN(explorer.number('many')) && isNaN(explorer.number(''))"
    )
    tab.select_option("#dial-level", "top")
    tab.select_option("#dial-with", "filtered")
    tab.select_option("#eval-set", "domain:docs")
    tab.fill("#type-d", "1.5M")
    tab.press("#type-d", "Enter")
    tab.fill("#type-u", "endless")
    tab.press("#type-u", "Enter")
    assert tab.evaluate("explorer.state.D") == 1.5e6
    tab.fill("#type-d", "nonsense")
    tab.press("#type-d", "Enter")
    assert (tab.evaluate("explorer.state.D"), tab.input_value("#type-d")) == (1.5e6, "1.5M"), "no number changes nothing"
    assert "“nonsense” is no number" in tab.inner_text("#hint-d")
    tab.fill("#type-d", "9e30")
    tab.press("#type-d", "Enter")
    assert tab.inner_text("#hint-d").startswith("kept between ")
    tab.fill("#type-d", "1.5M")
    tab.press("#type-d", "Enter")
    assert tab.inner_text("#hint-d") == ""
    said, address = tab.inner_text("#say-loss"), tab.evaluate("location.href")
    for part in ("set=domain%3Adocs", "level=top", "with=filtered", "shape=m", "d=1500000", "u=endless"):
        assert part in address
    shared = open_page(written / "index.html").tab
    shared.goto(address)
    shared.reload()
    shared.wait_for_function("document.documentElement.dataset.explorer === 'ready'")
    shared.wait_for_function("said => document.getElementById('say-loss').textContent === said", arg=said)
    assert shared.input_value("#eval-set") == "domain:docs"
    assert (shared.input_value("#dial-level"), shared.input_value("#dial-with")) == ("top", "filtered")
    assert shared.input_value("#type-u") == "endless"
