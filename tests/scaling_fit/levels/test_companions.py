"""Companions against what was planted, and against arithmetic."""

import numpy as np
import pytest

from scaling_fit.levels.companions import fitted_multiplier, matched_beta, multiplier_curve, paired_differences
from scaling_fit.levels.compare import compare


@pytest.fixture(scope="module")
def whole(levels):
    return compare(levels, "raw", replicates=200)


def test_a_prefactor_gives_a_flat_curve_at_its_height(whole) -> None:
    points, slope = multiplier_curve(whole, "worth", replicates=200)
    assert np.median([p.multiplier.value for p in points]) == pytest.approx(1.4, rel=0.12)
    assert slope is not None
    assert slope.slope.low < 0 < slope.slope.high
    assert slope.p > 0.05


def test_an_exponent_gives_a_rising_curve(whole) -> None:
    _, slope = multiplier_curve(whole, "steeper", replicates=200)
    assert slope is not None
    assert slope.slope.low > 0
    # m = D^((beta' - beta)/beta) / const: slope 0.05 / 0.366.
    assert slope.slope.value == pytest.approx(0.05 / 0.366, rel=0.35)


def test_only_losses_inside_the_baselines_range_count(whole) -> None:
    for level in ("worth", "steeper"):
        for point in multiplier_curve(whole, level, replicates=20)[0]:
            base = whole.table.loss[(whole.table.level == "raw") & (whole.table.shape == point.shape)]
            assert base.min() * 0.98 <= point.loss <= base.max() * 1.02


def test_fitted_multiplier_solves_the_baselines_law(whole) -> None:
    shape = list(whole.shapes)[1]
    D = np.geomspace(3e8, 1e10, 5)
    found = fitted_multiplier(whole, "worth", shape, D)
    N = whole.shapes[shape]
    for d, m in zip(D, found.multiplier, strict=True):
        own = whole.log_loss("worth", shape, N, np.array([d]))
        assert whole.log_loss("raw", shape, N, np.array([d * m])) == pytest.approx(own, rel=1e-9)
    assert all(
        low <= m <= high for low, m, high in zip(found.low, found.multiplier, found.high, strict=True) if high is not None
    )


def test_paired_differences_are_the_rows_differences(levels, whole) -> None:
    pairs, summary = paired_differences(whole, "worth")
    table = levels
    assert len(pairs) == 36
    p = pairs[5]
    at = (table.shape == p.shape) & (p.D == table.D) & (table.seed == p.seed)
    own, base = (table.loss[at & (table.level == level)][0] for level in ("worth", "raw"))
    assert p.difference == pytest.approx(own - base)
    assert summary is not None
    assert (summary.pairs, summary.wins) == (6, 6)
    assert summary.percent.high < 0


def test_exponents_at_each_size_alone_agree_with_the_truth(whole) -> None:
    for level, delta in (("worth", 0.0), ("steeper", 0.05)):
        found = matched_beta(whole, level, confidence=0.99)
        assert [row.N for row in found] == sorted(whole.shapes.values())
        assert all(row.delta.low < delta < row.delta.high for row in found)
        assert all(row.beta - row.beta_baseline == pytest.approx(row.delta.value) for row in found)
