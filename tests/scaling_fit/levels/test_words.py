"""What is said of a level: every kind has its numbers and its test, and nothing advises beside the choice."""

import re
from dataclasses import replace
from typing import get_args

import pytest

from scaling_fit import Result, Settings, analyse
from scaling_fit.intervals import Interval
from scaling_fit.levels.gap import TRENDS
from scaling_fit.levels.outlook import Crossing
from scaling_fit.levels.verdict import Direction, Kind
from scaling_fit.levels.words import BADGE, DIRECTION, OVERTAKEN, words


@pytest.fixture(scope="module")
def found(levels) -> Result:
    return analyse(levels, Settings(replicates=50, test_replicates=0))


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_has_a_finding_with_its_numbers_and_no_order(found: Result, kind: Kind) -> None:
    fit = found.fits["loss"]
    for direction in get_args(Direction):
        for shifted in (True, False):
            for trend in TRENDS:
                verdict = found.answer.verdicts["worth"]
                gap = replace(verdict.gap, trend=trend)
                verdict = replace(verdict, kind=kind, direction=direction, shifted=shifted, gap=gap)
                said = words(verdict, fit.tests["worth"], fit.budget, "raw")
                assert said.badge.endswith(BADGE[kind])
                assert said.loss == (OVERTAKEN if verdict.overtaken else DIRECTION)[direction]
                assert re.search(r"\d\.\d+", said.finding)
                assert "p " in said.finding or kind == "none", "the test is named"
                text = f"{said.finding} {said.reading}"
                assert not re.search(r"[{}]|None|nan|\binf\b", text)
                assert not re.search(r"\b(Use|Avoid|Train on|Stay with|Lean to)\b", text), "only the choice advises"
                if trend in ("grows", "shrinks"):
                    assert (f"gap {trend}" in text) == (direction != "unclear")


def test_a_crossing_is_told_with_its_interval_only_where_it_has_one(found: Result) -> None:
    fit = found.fits["loss"]
    told = Crossing(2e13, 1e13, 4e13, 0.9, "baseline", inside_observed=False)

    def reading(crossing: Crossing) -> str:
        budget = replace(fit.budget, endless=replace(fit.budget.endless, crossings={"worth": crossing}))
        return words(found.answer.verdicts["worth"], fit.tests["worth"], budget, "raw").reading

    assert reading(told).endswith("Past 2.0e+13 FLOPs [1.0e+13, 4.0e+13], beyond what was tested, raw is ahead.")
    assert "FLOPs" not in reading(replace(told, high=None))


def test_what_is_not_bounded_is_not_given_a_bound(found: Result) -> None:
    fit, verdict = found.fits["loss"], replace(found.answer.verdicts["worth"], kind="not identifiable")
    test = replace(fit.tests["worth"], delta_beta=Interval(0.1, float("-inf"), 0.2))
    assert words(verdict, test, fit.budget, "raw").finding.endswith("anything up to +0.200.")
    curve = verdict.worth
    assert curve is not None
    never = replace(verdict, worth=replace(curve, multiplier=(None,) * len(curve.D)))
    vague = replace(verdict, worth=replace(curve, low=(1e-9,) * len(curve.D), high=(1e9,) * len(curve.D)))
    assert words(never, test, fit.budget, "raw").worth == "∞"
    assert words(vague, test, fit.budget, "raw").worth == ""
    assert "cannot be told" in words(vague, test, fit.budget, "raw").worth_of


def test_what_is_known_leads_where_what_moved_cannot_be_told(found: Result) -> None:
    """The tokens needed are clear over a range too short for exponents: they stand before what is open."""
    fit, clear = found.fits["loss"], replace(found.answer.verdicts["worth"], kind="not identifiable")
    assert clear.saving is not None
    told = words(clear, fit.tests["worth"], fit.budget, "raw")
    low, high = (round(100 * end) for end in (clear.saving.share.low, clear.saving.share.high))
    share = f"{100 * clear.saving.share.value:.0f} % [{low}, {high}] of the tokens"
    assert told.badge == f"needs {share}; what moved cannot be told"
    assert told.saving == f"Reaches raw's loss at 20B tokens with {share}."
    perhaps_as_many = replace(clear, saving=replace(clear.saving, share=Interval(0.9, 0.7, 1.1)))
    open_words = words(perhaps_as_many, fit.tests["worth"], fit.budget, "raw")
    assert (open_words.badge, open_words.saving) == ("what moved cannot be told", "")
    assert words(replace(clear, kind="multiplier"), fit.tests["worth"], fit.budget, "raw").badge == "a constant discount"


def test_a_control_is_no_choice(found: Result) -> None:
    fit = found.fits["loss"]
    control = words(replace(found.answer.verdicts["worth"], role="control"), fit.tests["worth"], fit.budget, "raw")
    assert (control.role, control.reading) == ("control", "A control says how far luck and size reach; it is no choice.")


@pytest.mark.parametrize(
    ("mean", "drawn", "badge"),
    [
        ((0.4, 0.2, 0.6), False, "luck of the draw"),
        ((0.4, 0.2, 0.6), True, "what fewer documents cost"),
        ((0.1, -0.2, 0.4), False, "as good as the whole"),
        ((0.1, -0.2, 0.4), True, "as good as the whole"),
    ],
)
def test_a_random_part_is_luck_or_fewer_documents_and_no_part_of_its_law_moved(
    found: Result, mean: tuple[float, float, float], drawn: bool, badge: str
) -> None:
    fit, verdict = found.fits["loss"], found.answer.verdicts["worth"]
    verdict = replace(verdict, kind="exponent", role="control", gap=replace(verdict.gap, mean=Interval(*mean)))
    told = words(verdict, fit.tests["worth"], fit.budget, "raw", random_part=True, drawn=drawn)
    assert told.badge == badge
    assert f"{mean[0]:+.1f}" in told.finding
    assert "moved" not in f"{told.badge} {told.finding} {told.reading}"


def test_an_average_that_the_most_data_tested_contradict_says_so(found: Result) -> None:
    """A lower mean loss beside more tokens needed: both are true, and one word for both would not be."""
    fit, verdict = found.fits["loss"], found.answer.verdicts["worth"]
    assert (verdict.direction, verdict.overtaken, verdict.saving is not None) == ("better", False, True)
    assert verdict.saving is not None
    late = replace(verdict, saving=replace(verdict.saving, share=Interval(1.29, 1.1, 1.5)))
    assert late.overtaken
    assert words(late, fit.tests["worth"], fit.budget, "raw").loss == "lower loss on average, higher at the end"


def test_why_the_part_that_moved_cannot_be_told(found: Result) -> None:
    fit, verdict = found.fits["loss"], replace(found.answer.verdicts["worth"], kind="not identifiable", shifted=True)
    test = replace(fit.tests["worth"], delta_beta=Interval(0.0, -0.04, 0.04))
    assert "counts as unmoved only within ±" in words(verdict, test, fit.budget, "raw").finding


def test_answers_that_rest_on_floors_stand_side_by_side(found: Result) -> None:
    fit, verdict = found.fits["loss"], found.answer.verdicts["worth"]
    test = fit.tests["worth"]
    said = words(verdict, test, fit.budget, "raw").floors
    for span in (test.delta_beta, test.delta_beta_floor_pooled, test.delta_beta_floor_shared):
        assert f"{span.value:+.3f}" in said
    assert "with floors free, on which the verdict rests" in said
    equal = words(verdict, replace(test, floors="equal"), fit.budget, "raw").floors
    assert "an equal floor" in equal
    assert "with floors free" not in equal
