"""Forecasts: the joint law inside the data, wider beyond it, and covering what was held out. benchmarks/fit/coverage.py
makes the tables and the numbers of docs/fitting.md."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from scaling_fit.levels.calibrate import calibrate
from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.forecast import forecast, runs_at

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "fit" / "coverage.py"


@pytest.fixture(scope="module")
def coverage():
    spec = importlib.util.spec_from_file_location("coverage", BENCHMARK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def whole(levels):
    return compare(levels, "raw", replicates=200)


@pytest.fixture(scope="module")
def calibration(whole):
    return calibrate(whole)


def test_inside_the_data_the_forecast_is_the_joint_fit(whole, calibration) -> None:
    shape = next(iter(whole.shapes))
    D = np.geomspace(2e8, 2e10, 7)
    found = forecast(whole, calibration, "worth", shape, D)
    np.testing.assert_allclose(found["loss"], np.exp(whole.log_loss("worth", shape, whole.shapes[shape], D)[0]))
    assert found["observed"] == pytest.approx([2e8, 2e10])
    assert [row.words() for row in found["beyond"]] == ["inside"] * 7


def test_an_interval_is_of_a_run(whole, calibration) -> None:
    """Inside the data it is at least as wide as two runs' luck is."""
    found = runs_at(whole, calibration, "raw", np.array([8e7]), np.array([2e9]))
    luck = np.hypot(whole.noise.row, whole.noise.trunk)
    assert 1.96 * luck < np.log(found.high / found.loss)[0] < 4 * luck


def test_intervals_widen_with_distance_and_say_it(whole, calibration) -> None:
    shape = next(iter(whole.shapes))
    found = forecast(whole, calibration, "raw", shape, np.array([2e10, 6e10, 2e11, 2e12]))
    width = np.log(found["high"]) - np.log(found["low"])
    assert (np.diff(width) > 0).all()
    assert [row.D for row in found["beyond"]] == pytest.approx([1, 3, 10, 100])


def test_many_points_are_forecast_as_one_by_one(whole, calibration) -> None:
    N, D = np.array([8e7, 3e8, 1e9]), np.array([1e9, 4e10, 1e11])
    found = runs_at(whole, calibration, "raw", N, D)
    for k in range(3):
        one = runs_at(whole, calibration, "raw", N[k : k + 1], D[k : k + 1])
        assert one.interval(0).to_dict() == pytest.approx(found.interval(k).to_dict())


def test_too_few_origins_give_no_interval_beyond() -> None:
    table = table_of(Grid((2e7, 8e7, 3.2e8), (2e8, 2e10), seeds=2, row=0.002), {"a": TRUTH}, np.random.default_rng(0))
    whole = compare(table, "a", replicates=30)
    found = forecast(whole, calibrate(whole), "a", next(iter(whole.shapes)), np.array([1e10, 1e11]))
    assert found["low"][0] is not None
    assert found["low"][1] is found["high"][1] is None


def test_an_untested_size_is_refused_where_floors_are_per_shape() -> None:
    grid = Grid((2e7, 8e7), tuple(np.geomspace(2e8, 1e10, 6)), seeds=1, row=0.003)
    whole = compare(table_of(grid, {"a": TRUTH}, np.random.default_rng(0)), "a", replicates=20)
    with pytest.raises(ValueError, match="N = 1e\\+09 was not tested and 2 sizes fix no law in N"):
        runs_at(whole, calibrate(whole), "a", np.array([1e9]), np.array([1e10]))


def covered(coverage, cases) -> dict[str, tuple[float, float, float]]:
    """Per distance: the share of runs inside their intervals (mean over tables), the error's root mean square over the usual
    way's, and the median width over it."""
    found: dict[str, list] = {}
    for case in cases:
        for band, both in coverage.judge(case).items():
            found.setdefault(band, []).append(both)
    out = {}
    for band, tables in found.items():
        inside = np.mean([(np.abs(error[0]) <= half[0]).mean() for error, half in tables])
        size = np.sqrt(np.mean([(error**2).mean(1) for error, _ in tables], axis=0))
        width = np.median([np.median(half, axis=1) for _, half in tables], axis=0)
        out[band] = float(inside), float(size[0] / size[1]), float(width[0] / width[1])
    return out


def test_forecasts_of_rays_cover(coverage) -> None:
    """A table per law, 15 runs: the fast look at what the slow tests count."""
    found = covered(coverage, [coverage.simulated("ray", law, 0) for law in coverage.LAWS])
    assert np.mean([inside for inside, _, _ in found.values()]) >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("design", ["grid", "small grid", "isoFLOP", "ray", "two rays", "one size"])
def test_forecasts_cover(coverage, design) -> None:
    """95 % intervals hold 88 to 100 % of runs of 40 tables (their standard error is 3.5 points) at every distance."""
    cases = [coverage.simulated(design, law, k) for law in coverage.LAWS for k in range(8)]
    for band, (inside, error, width) in covered(coverage, cases).items():
        assert inside >= 0.88, (design, band)
        assert width < 2.5, (design, band, "an interval that covers by being endless is worth nothing")
        if design in ("grid", "small grid", "isoFLOP"):
            assert error < 0.9, (design, band)


@pytest.mark.slow
def test_forecasts_of_published_tables_cover(coverage, shared_data: Path) -> None:
    for band, (inside, error, _) in covered(coverage, list(coverage.published(shared_data / "scaling"))).items():
        assert inside >= 0.9, band
        assert error < 0.8, band
