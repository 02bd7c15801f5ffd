"""Every law: its gradient against finite differences, its coordinates there and back, its formula against plain arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling_fit.law.laws import LAWS, Inputs, law_named

NATURAL = {
    "E": 1.8, "A": 480.0, "B": 2085.0, "alpha": 0.35, "beta": 0.37, "kappa": 0.05, "gamma": 0.3, "R_star": 12.0,
    "P": 0.02, "delta": 0.6, "D1": 3e9,
}  # fmt: skip


def some_inputs(seed: int = 0, n: int = 17) -> Inputs:
    rng = np.random.default_rng(seed)
    N, D = np.exp(rng.uniform(np.log(1e7), np.log(1e10), n)), np.exp(rng.uniform(np.log(1e8), np.log(1e11), n))
    return Inputs(N, D, np.where(rng.random(n) < 0.5, D / rng.uniform(1, 30, n), np.inf))


def by_hand(name: str, v: dict[str, float], x: Inputs) -> np.ndarray:
    R = np.maximum(x.D / np.minimum(x.U, x.D) - 1, 0)
    U = np.minimum(x.U, x.D)
    size, data = v["A"] / x.N ** v["alpha"], v["B"] / x.D ** v["beta"]
    fresh = U * (1 + v["R_star"] * (1 - np.exp(-R / v["R_star"])))
    width = 0.3
    kaplan = np.exp(v["beta"] * np.logaddexp(np.log(size) / v["beta"], np.log(data) / v["beta"]))
    return {
        "data": v["E"] + data,
        "size": v["E"] + size,
        "additive": v["E"] + size + data,
        "cross": v["E"] + size + data * x.N ** v["kappa"],
        "tied": v["E"] + v["A"] / x.N ** v["gamma"] + v["B"] / x.D ** v["gamma"],
        "kaplan": kaplan,
        "repetition": v["E"] + size + v["B"] / fresh ** v["beta"],
        "overfitting": v["E"] + size + data + v["P"] * R ** v["delta"] * (x.N / U) ** v["kappa"],
        "broken": v["E"] + data * (1 + (x.D / v["D1"]) ** (1 / width)) ** (-width * v["delta"]),
    }[name]


@pytest.mark.parametrize("name", LAWS)
def test_the_law_is_its_formula(name: str) -> None:
    law, inputs = LAWS[name], some_inputs()
    phi = law.solver({k: NATURAL[k] for k in law.names}, inputs.pivot())
    predicted = np.exp(law.design(inputs, inputs.pivot()).predict(phi[None])[0])
    np.testing.assert_allclose(predicted, by_hand(name, NATURAL, inputs), rtol=1e-10)


@pytest.mark.filterwarnings("error")
def test_kaplans_law_means_nothing_at_a_temperature_that_is_not_positive() -> None:
    """A search once went on with a negative one, where the terms repel each other, and numpy warned the user of overflows."""
    law, inputs = LAWS["kaplan"], some_inputs()
    design = law.design(inputs, inputs.pivot())
    phi = law.solver({k: NATURAL[k] for k in law.names}, inputs.pivot())
    phi[law.names.index("beta")] = -1e-4
    assert np.isnan(design.predict(phi[None])).all()
    assert np.isnan(design.evaluate(phi[None])[0]).all()


@pytest.mark.parametrize("name", LAWS)
def test_gradient_is_the_finite_difference(name: str) -> None:
    law, inputs = LAWS[name], some_inputs(1)
    design = law.design(inputs, inputs.pivot())
    phi = law.solver({k: NATURAL[k] for k in law.names}, inputs.pivot())
    f, J, _ = design.evaluate(phi[None])
    np.testing.assert_allclose(f, design.predict(phi[None]), rtol=1e-12)
    step = 1e-6
    for k, parameter in enumerate(law.names):
        up, down = phi.copy(), phi.copy()
        up[k] += step
        down[k] -= step
        slope = (design.predict(up[None]) - design.predict(down[None]))[0] / (2 * step)
        np.testing.assert_allclose(J[0, k], slope, rtol=1e-5, atol=1e-8, err_msg=parameter)


@pytest.mark.parametrize("name", LAWS)
def test_natural_undoes_solver(name: str) -> None:
    law, pivot = LAWS[name], (3e8, 7e9)
    values = {k: NATURAL[k] for k in law.names}
    np.testing.assert_allclose(law.natural(law.solver(values, pivot)[None], pivot)[0], list(values.values()), rtol=1e-9)


@given(st.floats(0.01, 2.0), st.floats(0.01, 2.0), st.floats(5.0, 9.0), st.floats(6.0, 11.0))
@settings(max_examples=60, deadline=None)
def test_where_the_pivot_stands_changes_no_prediction(alpha: float, beta: float, log_n: float, log_d: float) -> None:
    law, inputs = LAWS["additive"], some_inputs(2)
    values = NATURAL | {"alpha": alpha, "beta": beta}
    plain = by_hand("additive", values, inputs)
    pivot = (10**log_n, 10**log_d)
    phi = law.solver({k: values[k] for k in law.names}, pivot)
    np.testing.assert_allclose(np.exp(law.design(inputs, pivot).predict(phi[None])[0]), plain, rtol=1e-8)


def test_fresh_data_neither_repeats_nor_overfits() -> None:
    inputs = some_inputs(3)
    fresh = Inputs(inputs.N, inputs.D, np.full(len(inputs.N), np.inf))
    plain = by_hand("additive", NATURAL, fresh)
    for name in ("repetition", "overfitting"):
        law = LAWS[name]
        phi = law.solver({k: NATURAL[k] for k in law.names}, fresh.pivot())
        np.testing.assert_allclose(np.exp(law.design(fresh, fresh.pivot()).predict(phi[None])[0]), plain, rtol=1e-10)


def test_an_unknown_law_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'chinchila' is not known; use one of .*additive"):
        law_named("chinchila")
