"""Parameters held at a value: the rest is the best there is, and the test is as strict as it says."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from scaling_fit.law.fit import fit
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.settings import FitSettings

WIDE = Grid((2e7, 8e7, 3.2e8, 1.3e9), tuple(np.geomspace(2e8, 2e10, 6)), row=0.003)


def table(seed: int):
    return table_of(WIDE, {"all": TRUTH}, np.random.default_rng(seed))


@pytest.mark.parametrize("fixed", [{"beta": 0.28}, {"B": 1000.0}, {"E": 1.6}, {"A": 400.0, "alpha": 0.34}, {"E": 0.0}])
def test_the_rest_is_solved_as_scipy_solves_it(fixed: dict[str, float]) -> None:
    data = table(0)
    found = fit(data, FitSettings(fixed=fixed, objective="least-squares", intervals="none"))
    values = found.values()
    assert {name: pytest.approx(values[name], rel=1e-9, abs=1e-200) for name in fixed} == fixed
    names = [name for name in TRUTH if name not in fixed]

    def residual(x: np.ndarray) -> np.ndarray:
        v = dict(zip(names, x, strict=True)) | fixed
        v |= {name: np.exp(v[name]) for name in ("A", "B", "E") if name in names}
        return np.log(v["E"] + v["A"] * data.N ** -v["alpha"] + v["B"] * data.D ** -v["beta"]) - np.log(data.loss)

    start = [np.log(values[name]) if name in ("A", "B", "E") else values[name] for name in names]
    peers = [least_squares(residual, np.array(start) + shift, x_scale="jac", xtol=1e-14, ftol=1e-14) for shift in (0.0, 0.02)]
    assert found.objective_value <= min(peer.cost for peer in peers) * (1 + 1e-7)
    assert np.sum(residual(np.array(start)) ** 2) / 2 == pytest.approx(found.objective_value, rel=1e-8)


def test_replicates_keep_what_is_held() -> None:
    found = fit(table(1), FitSettings(fixed={"beta": 0.35}, replicates=20))
    assert (found.intervals["all"]["beta"].low, found.intervals["all"]["beta"].high) == pytest.approx((0.35, 0.35))
    assert found.intervals["all"]["B"].low < found.intervals["all"]["B"].high


def p_of_truth(seed: int) -> float:
    note = fit(table(seed), FitSettings(fixed={"beta": TRUTH["beta"]}, objective="least-squares", intervals="none")).notes[-1]
    return float(note.split("p = ")[1].split(":")[0])


@pytest.mark.slow
def test_the_test_rejects_the_truth_as_often_as_it_says() -> None:
    p = np.array([p_of_truth(seed) for seed in range(200)])
    assert 0.02 < (p < 0.05).mean() < 0.09
    assert 0.42 < p.mean() < 0.58


def test_the_truth_is_borne_and_another_law_is_not() -> None:
    assert p_of_truth(0) > 0.01
    note = fit(table(0), FitSettings(fixed={"beta": 0.28}, intervals="none")).notes[-1]
    assert "beta = 0.28 held; F(1, 19) = " in note
    assert note.endswith("the table speaks against it")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fixed": {"gamma": 1.0}}, "--fix gamma=1: law additive has E, A, B, alpha, beta"),
        ({"fixed": {"B": -1.0}}, "--fix B=-1: a prefactor or floor is not negative"),
        ({"fixed": {"beta": 0.3}, "groups": "level"}, "leave groups and profile out"),
    ],
)
def test_what_cannot_be_held_is_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(table(0), FitSettings(**options))
