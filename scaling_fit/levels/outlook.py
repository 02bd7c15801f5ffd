"""What a fit expects beyond its runs: curves past the data, what forecasts were worth, and the plans for a budget.

Losses in nats per token, sizes N in parameters, D in training tokens, budgets in FLOPs. None: the data do not bound it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scaling_fit.encoding import decode, encode
from scaling_fit.intervals import Interval
from scaling_fit.levels.beyond import Factors
from scaling_fit.levels.budget import budget_report, crossing
from scaling_fit.levels.calibrate import Calibration
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.draws import reaches
from scaling_fit.levels.forecast import forecast
from scaling_fit.levels.gap import BEYOND
from scaling_fit.levels.price import Price
from scaling_fit.settings import Settings


@dataclass(frozen=True)
class Curve:
    """Loss to expect of a run of a level and shape over D, to `BEYOND` times past `observed`, the first and last D tested."""

    level: str
    shape: str
    N: float
    D: tuple[float, ...]
    loss: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    beyond: tuple[Factors, ...]
    observed: tuple[float, float]


@dataclass(frozen=True)
class FormError:
    weight: float
    rms_percent: float | None


@dataclass(frozen=True)
class ForecastError:
    """Fitted to runs of up to `cut` FLOPs, asked about (N, D), `distance` e-folds beyond them; the error in percent of loss."""

    level: str
    shape: str
    cut: float
    N: float
    D: float
    distance: float
    error: float


@dataclass(frozen=True)
class Extrapolation:
    """What forecasts of held-back runs were worth: the forms' weights, how the error grows with distance, and the bias that is
    taken off, both per e-fold beyond the data."""

    forms: dict[str, FormError]
    rate_percent_per_e_fold: float | None
    bias_percent: float | None
    points: tuple[ForecastError, ...]


@dataclass(frozen=True)
class Crossing:
    """Where two curves last change places: `at` in FLOPs or tokens, None where fewer than half of the replicates cross
    (`share`); who is ahead beyond it; whether the place was tested."""

    at: float | None
    low: float | None
    high: float | None
    share: float
    after: Literal["level", "baseline"] | None
    inside_observed: bool


@dataclass(frozen=True)
class ShapeCrossing:
    """Tokens at which a level's curve meets the baseline's at one shape."""

    level: str
    shape: str
    N: float
    crossing: Crossing


@dataclass(frozen=True)
class Frontier:
    """The best a level can do with each budget of its plan: the loss of the run, how far beyond the data it is, its size and
    tokens; `at_edge`: at the end of the sizes tried."""

    loss: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    beyond: tuple[Factors, ...]
    N: tuple[float, ...]
    N_low: tuple[float, ...]
    N_high: tuple[float, ...]
    D: tuple[float, ...]
    at_edge: tuple[bool, ...]


@dataclass(frozen=True)
class BudgetPlan:
    """Per budget the level to train on, the baseline unless a contender is shown to have a lower loss there, and the contenders
    that tie with it."""

    budgets: tuple[float, ...]
    frontier: dict[str, Frontier]
    crossings: dict[str, Crossing]
    winner: tuple[str, ...]
    tied: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class OptimalExponents:
    """N* ~ C^a and D* ~ C^b (Hoffmann et al. 2022, eq. 4)."""

    a: Interval
    b: Interval


@dataclass(frozen=True)
class Budget:
    """Plans for an endless pool, and for the unique tokens there are (None where the table does not say)."""

    price: Price
    observed: tuple[float, float]
    unique_tokens: dict[str, float | None]
    r_star: float
    exponents: dict[str, OptimalExponents] | None
    endless: BudgetPlan
    finite: BudgetPlan | None

    @property
    def plan(self) -> BudgetPlan:
        """The plan for the tokens there are, where known."""
        return self.finite or self.endless

    @property
    def plans(self) -> dict[str, BudgetPlan]:
        """By kind of pool, the one that there is first."""
        return ({"finite": self.finite} if self.finite else {}) | {"endless": self.endless}


def curves(whole: Comparison, calibration: Calibration, confidence: float) -> tuple[Curve, ...]:
    """The curve of every level and shape that was run."""
    out = []
    for level in whole.levels:
        for shape in whole.shapes:
            D = whole.table.D[(whole.table.level == level) & (whole.table.shape == shape)]
            if len(D):
                ends = np.geomspace(D.min(), D.max(), 25), np.geomspace(D.max(), D.max() * BEYOND, 12)
                grid = np.unique(np.concatenate(ends))
                body = forecast(whole, calibration, level, shape, grid, confidence)
                out.append(decode(Curve, encode(body), "curve"))
    return tuple(out)


def shape_crossing(whole: Comparison, level: str, shape: str, confidence: float) -> ShapeCrossing:
    """From the tested range to 100 times past it."""
    tested = whole.table.D[whole.table.shape == shape]
    grid = np.geomspace(tested.min(), tested.max() * 100, 81)
    theta_RP = np.concatenate([whole.theta_P[None], whole.theta_RP[:400]])
    N = np.full(len(grid), whole.shapes[shape])
    gap_RC = whole.log_loss(level, shape, N, grid, theta_RP) - whole.log_loss(whole.baseline, shape, N, grid, theta_RP)
    body = crossing(gap_RC, np.log(grid), confidence)
    inside = body["at"] is not None and bool(body["at"] <= tested.max())
    return ShapeCrossing(level, shape, float(N[0]), Crossing(**body, inside_observed=inside))


def plan_budgets(whole: Comparison, calibration: Calibration, settings: Settings, r_star: float) -> Budget:
    """Plans over budgets up to 100 times those tested; a budget is won by a contender or the baseline. `r_star`: as of
    `analyse`."""
    percent = reaches(whole.levels, whole.luck, settings.confidence)
    reach = {pair: of_pair / 100 for pair, of_pair in percent.items()}
    contenders = settings.contenders(whole.levels)
    body = budget_report(whole, calibration, settings.confidence, r_star=r_star, contenders=contenders, reach=reach)
    low, high = body["observed_budget"]
    exponents, finite = body["exponents"], body.get("finite")
    return Budget(
        calibration.cost,
        (low, high),
        body["unique_tokens"],
        body["r_star"],
        exponents and {level: decode(OptimalExponents, one, "exponents") for level, one in exponents.items()},
        decode(BudgetPlan, encode(body["endless"]), "endless"),
        finite and decode(BudgetPlan, encode(finite), "finite"),
    )
