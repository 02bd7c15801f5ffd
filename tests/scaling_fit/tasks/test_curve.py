from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.tasks.curve import Link, added, fit_curve, link_of


def test_a_planted_sigmoid_is_found(accuracies):
    curve = fit_curve(accuracies(lambda loss: 2.0 * (3.5 - loss)))
    loss = np.linspace(2.8, 5.0, 9)
    truth = 0.25 + 0.75 / (1 + np.exp(-2.0 * (3.5 - loss)))
    assert np.abs(curve.predict("raw", loss)[0] - truth).max() < 0.02
    # drawn from a binomial and nothing else: that is the unit of the noise
    assert 0.6 < curve.scale * (1 + curve.trunks.ratio) < 1.6


@pytest.mark.parametrize("kappa", [0.0, 0.7])
def test_a_planted_line_and_bend_are_found(margins, kappa):
    def ability(loss):
        x = (4.0 - loss) / 1.2
        return 1.0 + 2.0 * (np.expm1(kappa * x) / kappa if kappa else x)

    curve = fit_curve(margins(ability))
    loss = np.linspace(2.8, 5.0, 9)
    assert np.abs(curve.predict("worth", loss)[0] - ability(loss)).max() < 0.08


@pytest.mark.parametrize("own", [False, True])
def test_gradient_is_that_of_the_prediction(accuracies, own):
    curve = fit_curve(accuracies(lambda loss: 2.0 * (3.5 - loss)))
    theta_P = np.array([-1.0, -0.7, 1.5, 1.8, 0.3] if own else [-1.0, -0.7, 1.5, 0.3])
    curve, loss = replace(curve, own_slopes=own, theta_P=theta_P), np.array([3.0, 4.2])
    step_PP = 1e-6 * np.eye(len(theta_P))
    numeric_MP = (curve.predict("worth", loss, theta_P + step_PP) - curve.predict("worth", loss, theta_P - step_PP)).T / 2e-6
    assert np.allclose(curve.gradient("worth", loss), numeric_MP, atol=1e-7)
    assert np.allclose(curve.along("worth", np.array([3.0]), theta_P[None]), curve.predict("worth", np.array([3.0])))


def test_levels_of_other_slopes_get_their_own(margins, runs):
    scores = margins(lambda loss: 1.2 * (5.2 - loss))
    assert not fit_curve(scores).own_slopes
    steeper = replace(scores, value=scores.value + 0.3 * (4.0 - runs.loss) * (runs.level == "worth"))
    curve = fit_curve(steeper)
    assert curve.own_slopes
    assert curve.parallel < 0.01
    assert np.allclose(curve.predict("worth", np.array([3.5])), 1.2 * 1.7 + 0.3 * 0.5, atol=0.06)


def test_columns_that_add_nothing_have_uniform_p(margins, runs):
    rng = np.random.default_rng(1)
    curves = [fit_curve(margins(lambda loss: 1.2 * (5.2 - loss), seed=seed)) for seed in range(3)]
    p = np.array([added(curve, rng.standard_normal((len(runs), 2))) for curve in curves for _ in range(60)])
    assert 0.35 < p.mean() < 0.65
    assert (p < 0.05).mean() < 0.12
    own_NP = curves[0].jacobian(curves[0].theta_P, curves[0].level_N, curves[0].axis.x(curves[0].scores.loss))
    assert added(curves[0], own_NP[:, 1:3]) == 1.0  # the curve has these columns


def test_too_few_runs(accuracies):
    with pytest.raises(ValueError, match="4 runs of 1 levels: too few for a curve over the loss"):
        fit_curve(accuracies(lambda loss: 3.5 - loss).where(np.arange(4)))


def test_items_from_the_error_where_they_are_not_given(accuracies):
    scores = accuracies(lambda loss: 2.0 * (3.5 - loss))
    unknown = replace(scores, n_items=np.full(len(scores), np.nan))
    assert link_of(unknown) == Link(True, 0.25, pytest.approx(400))
    assert link_of(replace(unknown, se=np.full(len(scores), np.nan))).items == 1000
