"""How an estimate goes with quality: not at all, along a line, always one way, or each level as it is. Nested, and compared.

Shape suffixes: R replicates, L levels (in the order of their quality).

Every form is fitted to the levels' estimates by weighted least squares; its chi-square is how far it stays behind the estimates
themselves. F divides by the runs' own variance, so these tests are about the levels at hand. What is simulated are the
replicates of the fit, moved so that the null is true: they decide, and alone do for the monotone form, which has no F
distribution (Robertson, Wright and Dykstra 1988, ch. 2).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

Array = np.ndarray
NESTED = (("constant", "linear"), ("constant", "monotone"), ("linear", "free"), ("monotone", "free"), ("constant", "free"))


@dataclass(frozen=True)
class Form:
    """`parameters`: numbers it spends on the levels (for the monotone form its steps, Meyer and Woodroofe 2000); `chi2` against
    the levels as they are; Akaike weights over the forms, corrected for few runs."""

    name: str
    parameters: int
    chi2: float
    delta_aicc: float
    weight: float


@dataclass(frozen=True)
class FormTest:
    """Does the alternative fit better than the null that it contains? `p_F` is None where F has no known distribution."""

    null: str
    alternative: str
    F: float
    df1: int
    p_F: float | None
    p_simulated: float


def forms(
    y_L: Array, draws_RL: Array, sd_L: Array, q_L: Array, runs: int, df: float
) -> tuple[tuple[Form, ...], tuple[FormTest, ...]]:
    """Fit and compare the forms of `y_L` over `q_L`.

    draws_RL: replicates of the estimates; sd_L: their standard deviations; runs, df: rows fitted, and degrees of freedom of
    their variance, for AICc and F."""
    order = np.argsort(q_L, kind="stable")
    y_L, draws_RL, sd_L, q_L = y_L[order], draws_RL[:, order], sd_L[order], q_L[order]
    fitted, parameters = _fits(y_L[None], sd_L, q_L)
    chi2 = {name: float((((y_L - fit_RL[0]) / sd_L) ** 2).sum()) for name, fit_RL in fitted.items()}
    aicc = {name: _aicc(chi2[name], k, len(y_L), runs, df) for name, k in parameters.items()}
    lowest = min(aicc.values())
    likelihood = {name: float(np.exp(-0.5 * (one - lowest))) for name, one in aicc.items()}
    compared = tuple(
        Form(name, k, chi2[name], aicc[name] - lowest, likelihood[name] / sum(likelihood.values()))
        for name, k in parameters.items()
    )
    noise_RL = draws_RL - draws_RL.mean(0)
    tests = []
    for null, alternative in NESTED:
        made_RL = fitted[null] + noise_RL
        refits, _ = _fits(made_RL, sd_L, q_L)
        gain_R = _chi2(made_RL, refits[null], sd_L) - _chi2(made_RL, refits[alternative], sd_L)
        gain, df1 = max(chi2[null] - chi2[alternative], 0.0), parameters[alternative] - parameters[null]
        F = gain / max(df1, 1)
        p_F = None if "monotone" in (null, alternative) or df1 < 1 else float(fdtrc(df1, df, F))
        p_simulated = float((1 + (gain_R >= gain - 1e-12).sum()) / (len(gain_R) + 1))
        tests.append(FormTest(null, alternative, F, df1, p_F, p_simulated))
    return compared, tuple(tests)


def _chi2(y_RL: Array, fit_RL: Array, sd_L: Array) -> Array:
    return (((y_RL - fit_RL) / sd_L) ** 2).sum(1)


def _fits(y_RL: Array, sd_L: Array, q_L: Array) -> tuple[dict[str, Array], dict[str, int]]:
    """Fitted values [R, L] of every form, and the parameters that each spends on the first replicate."""
    w_L = 1 / sd_L**2
    mean_R = y_RL @ w_L / w_L.sum()
    centred_L = q_L - q_L @ w_L / w_L.sum()
    slope_R = (y_RL - mean_R[:, None]) @ (w_L * centred_L) / (w_L @ centred_L**2)
    rising, falling = isotonic(y_RL, w_L), -isotonic(-y_RL, w_L)
    up_R = _chi2(y_RL, rising, sd_L) <= _chi2(y_RL, falling, sd_L)
    monotone = np.where(up_R[:, None], rising, falling)
    fitted = {
        "constant": np.repeat(mean_R[:, None], len(q_L), 1),
        "linear": mean_R[:, None] + slope_R[:, None] * centred_L,
        "monotone": monotone,
        "free": y_RL,
    }
    return fitted, {"constant": 1, "linear": 2, "monotone": len(np.unique(np.round(monotone[0], 12))), "free": len(q_L)}


def isotonic(y_RL: Array, w_L: Array) -> Array:
    """Weighted least squares under y_1 <= y_2 <= ...: the largest over starts of the smallest over ends of the means between
    (the minimax formula, Robertson et al. 1988, theorem 1.4.4)."""
    L = len(w_L)
    sums_RL = np.concatenate([np.zeros((len(y_RL), 1)), np.cumsum(y_RL * w_L, 1)], 1)
    weight_L = np.concatenate([[0.0], np.cumsum(w_L)])
    out_RL = np.empty_like(y_RL)
    for i in range(L):
        means = [(sums_RL[:, i + 1 :] - sums_RL[:, a, None]) / (weight_L[i + 1 :] - weight_L[a]) for a in range(i + 1)]
        out_RL[:, i] = np.stack([mean.min(1) for mean in means]).max(0)
    return out_RL


def _aicc(chi2: float, parameters: int, levels: int, runs: int, df: float) -> float:
    """Of the whole fit with this form in place of a free value per level; one more parameter for the variance."""
    k = runs - df - levels + parameters + 1
    return float(runs * np.log((df + chi2) / runs) + 2 * k + 2 * k * (k + 1) / max(runs - k - 1, 1))
