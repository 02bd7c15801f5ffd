"""The answer in words, from made-up trends: what is claimed is what the interval holds."""

from dataclasses import replace

import pytest

from scaling_fit import Result, Settings, analyse, summary
from scaling_fit.intervals import Interval
from scaling_fit.levels.analysis import prepare
from scaling_fit.levels.forms import FormTest
from scaling_fit.levels.over_quality import OverQuality, QualityWords, across_sets, one_by_one, words
from scaling_fit.levels.quality import Axes
from scaling_fit.levels.trends import Matching, Response, Trend

SCORES = {"raw": 0.1, "a": 0.2, "b": 0.3, "c": 0.4, "top": 0.5}
AXES = Axes({"score": SCORES})
EXPONENT = Response("exponent", None, None, {level: Interval(0.4, 0.38, 0.42) for level in SCORES})
PLAIN = Settings("raw", "heldout", margin=0.02)
WORTH = Response("multiplier", 1e8, "s", {level: Interval(1.5, 1.3, 1.7) for level in SCORES})


def trend(low: float, high: float, **changed) -> Trend:
    """A change from low to high; the 90 % interval is a fifth narrower."""
    middle, half = (low + high) / 2, (high - low) / 2
    change, within = Interval(middle, low, high), Interval(middle, middle - 0.8 * half, middle + 0.8 * half)
    p = 0.5 if low < 0 < high else 0.01
    pairs = (("constant", "linear"), ("linear", "free"))
    tests = tuple(FormTest(null, alternative, 1.0, 1, 0.3, 0.3) for null, alternative in pairs)
    plain = Trend(tuple(SCORES), (0.1, 0.5), False, change, change, within, change, p, p, 0.0, (), (), tests, None)
    return replace(plain, **changed)


def told(exponent: Trend | None, axes: Axes = AXES) -> QualityWords:
    row = (exponent, trend(1.2, 1.8) if exponent else None)
    return words("score", axes, (EXPONENT, WORTH), row, "heldout", Settings("raw", margin=0.02))


PATH = "as score goes from 0.1 (raw) to 0.5 (top), the exponent changes by"


@pytest.mark.parametrize(
    ("ends", "kind", "answer"),
    [
        ((0.01, 0.05), "yes", f"Yes: {PATH} +0.030 [+0.010, +0.050] (p = 0.010)."),
        ((-0.05, -0.01), "yes", f"Yes: {PATH} -0.030 [-0.050, -0.010] (p = 0.010)."),
        ((-0.016, 0.01), "no", f"No: {PATH} -0.003 [-0.016, +0.010], which is less than 0.02."),
        ((-0.03, 0.05), "open",
         f"Not shown: {PATH} +0.010 [-0.030, +0.050]. For the line through the levels a change of more than 0.05 is "
         "ruled out; one level may lie further off."),
        ((-0.3, 0.3), "open", f"Cannot be told: {PATH} +0.000 [-0.300, +0.300]."),
    ],
)  # fmt: skip
def test_the_answer_is_what_the_interval_holds(ends: tuple[float, float], kind: str, answer: str):
    assert (told(trend(*ends)).kind, told(trend(*ends)).answer) == (kind, answer)


def test_an_axis_is_told_by_its_title_and_a_share_in_percent():
    share = replace(AXES, titles={"score": "share of the pool's tokens kept"})
    path = "as the share of the pool's tokens kept goes from 10 % (raw) to 50 % (top), the exponent"
    assert path in told(trend(0.01, 0.05), share).answer
    each = replace(AXES, titles={"score": "different words per word"})
    assert "as different words per word go from 0.1" in told(trend(0.01, 0.05), each).answer


def test_a_slope_on_one_text_of_many_is_no_surprise():
    def on(p: float) -> OverQuality:
        line = trend(0.01, 0.05, p=p)
        said = words("score", AXES, (EXPONENT,), (line,), "heldout", PLAIN)
        return OverQuality((EXPONENT,), {"score": (line,)}, {"score": said}, None, "")

    found = across_sets({"heldout": on(0.04), "a": on(0.04), "b": on(0.3), "c": on(0.001)}, PLAIN)
    assert {name: one.words["score"].kind for name, one in found.items()} == {
        "heldout": "yes",
        "a": "open",
        "b": "open",
        "c": "yes",
    }
    assert found["a"].words["score"].answer.startswith("Not shown: as score goes")
    assert found["a"].words["score"].answer.endswith("one set of 3 may show that by chance (p = 0.080, corrected for it).")


def test_the_line_and_single_levels_agree_or_it_says_why_not():
    assert one_by_one("yes", ["top"]) == one_by_one("open", []) == ""
    assert one_by_one("open", ["top", "a"]).startswith("One by one, the exponent of top and a is shown to have moved")
    assert one_by_one("yes", []).startswith("No level by itself")


def test_what_moves_is_a_sentence_for_each_response():
    assert told(trend(0.01, 0.05)).said[1] == (
        "As score goes from 0.1 (raw) to 0.5 (top), a token becomes worth 1.50× [1.20, 1.80] as much at 100M tokens "
        "(p = 0.010)."
    )


def test_few_levels_speak_of_themselves_alone():
    found = told(trend(0.01, 0.05, few=True, levels=("raw", "b", "top")))
    assert found.answer.startswith("Of these three levels, yes: ")
    assert found.doubts == ("Three levels say little about others: the interval is of these levels alone.",)


def test_levels_without_an_exponent_are_said_to_have_none():
    assert told(None).answer == "Cannot be told over score: the exponents of its levels are not identified."
    assert told(None, Axes({"score": {"raw": 0.1}})).answer == "Cannot be told over score: fewer than two levels differ on it."


def test_doubts_name_scatter_matching_and_the_choice_of_an_axis():
    scattered = (FormTest("constant", "linear", 9.0, 1, 0.01, 0.01), FormTest("linear", "free", 9.0, 3, 0.001, 0.002))
    assert "further from a line" in told(trend(0.01, 0.05, tests=scattered)).doubts[0]
    matched = Matching(0.5, Interval(0.01, -0.01, 0.03), Interval(0.6, 0.4, 0.8))
    assert told(trend(0.01, 0.05, matching=matched)).doubts == (
        "Of that change, 60 [40, 80] % goes with how much of all held-out text a level covers.",
    )
    unmoved = replace(matched, part=None)
    assert "At equal coverage" in told(trend(-0.01, 0.05, matching=unmoved)).doubts[0]
    assert "cannot be told apart" in told(trend(0.01, 0.05, matching=replace(matched, correlation=-0.97))).doubts[0]
    many = Axes({"score": SCORES, "zstd": SCORES})
    assert "Picked among 2 axes" in told(trend(0.01, 0.05, p_axes=0.06), many).doubts[0]


@pytest.fixture(scope="module")
def found(levels) -> Result:
    quality = Axes({"score": {"raw": 0.0, "worth": 0.6, "steeper": 1.0}, "one": {"raw": 1.0}})
    return analyse(levels, Settings(replicates=100, test_replicates=19), quality=quality)


def test_the_whole_way_from_a_table(found: Result):
    assert Result.from_json(found.to_json()) == found
    assert found.quality is not None
    quality = found.fits["loss"].quality
    assert quality is not None
    exponent = quality.trends["score"][0]
    assert exponent is not None
    assert exponent.levels == ("raw", "worth", "steeper")
    assert quality.responses[0].estimates == {level: one.parameters["beta"] for level, one in found.fits["loss"].levels.items()}
    text = summary(found)
    assert f"**Does better data change the exponent?** {quality.words['score'].answer}" in text
    assert found.axes == ("score",), "on the other one level alone was measured"
    assert "over one" not in text


def test_levels_without_quality_are_noted(levels):
    notes = prepare(levels, Settings(), Axes({"score": {"raw": 0.0, "worth": 0.6}})).notes
    assert "no quality is given of steeper, which the lines over quality leave out" in notes
