import dataclasses

import numpy as np
import pytest

from scaling_fit import Settings
from scaling_fit.levels.compare import Comparison, compare
from scaling_fit.levels.design import TRUTH, Grid, shifted, table_of
from scaling_fit.levels.parameters import level_intervals
from scaling_fit.levels.quality import Axes
from scaling_fit.levels.trends import Trend, covariance, estimates, trends

GRID = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 6)), seeds=2, row=0.001, trunk=0.001)
SCORES = {"raw": 0.0, "a": 0.25, "b": 0.5, "c": 0.75, "d": 1.0}
SETTINGS = Settings("raw", "loss")


def fitted(slope: float, worth: float, levels: dict[str, float], seed: int, between: float = 0.0) -> Comparison:
    """Levels whose exponent rises by `slope` and whose tokens are worth `worth` more from score 0 to 1, around the middle."""
    rng, truths = np.random.default_rng(seed), {}
    for level, score in levels.items():
        truth = shifted(TRUTH, slope * score + between * rng.standard_normal(), GRID)
        truths[level] = truth | {"B": truth["B"] * worth ** (-TRUTH["beta"] * score)}
    return compare(table_of(GRID, truths, rng), "raw", replicates=200)


def over(whole: Comparison, axes: Axes, settings: Settings = SETTINGS) -> dict[str, dict[str, Trend]]:
    parameters = {level: level_intervals(whole, level, 0.95) for level in whole.levels}
    made = estimates(whole, parameters, settings)
    keys = [one.response.key for one in made]
    return {
        axis: {key: trend for key, trend in zip(keys, row, strict=True) if trend is not None}
        for axis, row in trends(whole, made, axes, "loss", settings).items()
    }


@pytest.fixture(scope="module")
def moved() -> Comparison:
    return fitted(0.06, 1.5, SCORES, 3)


def test_a_planted_slope_is_found_and_its_interval_holds_it(moved: Comparison):
    found = over(moved, Axes({"score": SCORES}))["score"]
    exponent = found["exponent"]
    assert exponent.ends == (0.0, 1.0)
    assert exponent.change.low < 0.06 < exponent.change.high
    assert exponent.change.low > 0
    assert exponent.p < 0.05
    assert exponent.test("constant", "linear").p_simulated < 0.05
    assert exponent.test("linear", "free").p_simulated > 0.05
    middle = next(key for key in found if key.startswith("prefactor"))
    assert found[middle].change.low < 1.5 ** -TRUTH["beta"] < found[middle].change.high
    assert found["floor"].change.low < 0 < found["floor"].change.high


def test_the_worth_of_a_token_is_that_of_the_curves():
    found = over(fitted(0.0, 1.5, SCORES, 4), Axes({"score": SCORES}))["score"]
    key = next(key for key in found if key.startswith("multiplier"))
    assert found[key].levels == tuple(SCORES)
    assert found[key].change.low < 1.5 < found[key].change.high
    assert found[key].change.high < 1.8
    assert found["exponent"].change.low < 0 < found["exponent"].change.high


def test_an_axis_is_read_from_the_baseline_on_in_its_own_units(moved: Comparison):
    kept = {level: 1 - 0.9 * score for level, score in SCORES.items()}
    both = over(moved, Axes({"score": SCORES, "kept": kept}))
    score, other = both["score"]["exponent"], both["kept"]["exponent"]
    assert other.ends == pytest.approx((1.0, 0.1))
    assert other.change.value == pytest.approx(score.change.value)
    assert other.slope.value == pytest.approx(-score.change.value / 0.9)
    assert other.slope.low < other.slope.value < other.slope.high
    assert other.p_axes == pytest.approx(min(1.0, 2 * other.p)), "one of two axes"
    assert other.line[0][1].value == pytest.approx(score.line[0][1].value)


def test_controls_arms_and_levels_without_a_number_are_not_fitted(moved: Comparison):
    roles = Settings("raw", "loss", roles={"a": "control", "b": "arm"})
    without = Axes(
        {"score": {level: score for level, score in SCORES.items() if level != "d"}, "same": dict.fromkeys(SCORES, 1.0)}
    )
    found = over(moved, without, roles)
    assert found["score"]["exponent"].levels == ("raw", "c")
    assert found["score"]["exponent"].at_large is None
    assert found["same"] == {}


def test_three_levels_speak_of_themselves():
    three = {"raw": 0.0, "a": 0.5, "b": 1.0}
    found = over(fitted(0.06, 1.0, three, 5), Axes({"score": three}))["score"]["exponent"]
    assert found.few
    assert found.at_large is not None
    assert found.at_large.high - found.at_large.low > 2 * (found.change.high - found.change.low)
    assert found.change.low < 0.06 < found.change.high


def test_what_goes_with_coverage_is_parted_from_quality():
    """The exponent follows coverage of the evaluation set, and quality only as far as the two go together."""
    coverage = {"raw": 0.0, "a": 0.1, "b": 1.0, "c": 0.3, "d": 0.9, "e": 0.2, "f": 1.0}
    scores = dict(zip(coverage, np.linspace(0, 1, 7).tolist(), strict=True))
    whole = fitted(0.12, 1.0, coverage, 6)
    matching = over(whole, Axes({"score": scores}, {"loss": coverage}))["score"]["exponent"].matching
    assert matching is not None
    assert matching.left.low < 0 < matching.left.high
    of_quality = over(fitted(0.12, 1.0, scores, 6), Axes({"score": scores}, {"loss": coverage}))["score"]["exponent"]
    assert of_quality.matching is not None
    assert of_quality.matching.left.low > 0
    part = of_quality.matching.part
    assert part is not None
    assert part.low < 0.5 > part.value


def test_covariances_keep_the_spread_that_is_told():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((4000, 1))
    V_LL = covariance(shared + 0.1 * rng.standard_normal((4000, 2)), np.array([2.0, 3.0]))
    assert np.sqrt(np.diag(V_LL)) == pytest.approx([2.0, 3.0])
    assert V_LL[0, 1] / 6 == pytest.approx(0.99, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("between", [0.0, 0.02])
def test_size_and_coverage_over_whole_studies(between: float):
    """`python benchmarks/fit/quality.py` has the larger table."""
    for slope in (0.0, 0.05):
        studies = (fitted(slope, 1.2, SCORES, 100 + k, between) for k in range(25))
        found = [over(whole, Axes({"score": SCORES}))["score"]["exponent"] for whole in studies]
        assert np.mean([one.change.low < slope < one.change.high for one in found]) > 0.8
        if slope == 0:
            assert np.mean([one.p < 0.05 for one in found]) < 0.2


def test_estimates_of_one_size_a_floor_each():
    """Two sizes: a floor per shape, whose mean is set against quality."""
    whole = fitted(0.06, 1.0, {"raw": 0.0, "a": 0.5, "b": 1.0}, 8)
    table = whole.table.where(whole.table.N < 2e8)
    small = compare(dataclasses.replace(table), "raw", replicates=100)
    found = over(small, Axes({"score": SCORES}))["score"]
    assert {"exponent", "floor"} <= set(found)
