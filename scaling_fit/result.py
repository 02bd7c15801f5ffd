"""What a comparison of levels says: one frozen record, and the whole content of fit.json.

`Result.to_json` writes it and `Result.from_json` reads the same record back. None stands where the data do not bound a
quantity. Losses are in nats per token, sizes N in parameters, D in training tokens, budgets in FLOPs.
"""

import json
import math
from dataclasses import dataclass
from typing import Literal

from scaling_fit.encoding import Json, decode, encode
from scaling_fit.settings import Role, Settings

VERSION = 2
Kind = Literal["exponent", "floor", "exponent and floor", "multiplier", "none", "undetected", "not identifiable"]
Direction = Literal["better", "worse", "unclear"]
Quantity = Literal["delta_beta", "delta_beta_floor_shared", "multiplier", "floor", "loss"]
Span = tuple[float, float]
Ends = tuple[float | None, ...]
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Estimate:
    """A value with its interval at `Settings.confidence`."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def bounded(self) -> bool:
        return self.low is not None and self.high is not None


@dataclass(frozen=True)
class LawParameter:
    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class LawChoice:
    """The law that was fitted and why. `floor_per_shape`: every (level, shape) has its own floor, named E[shape]."""

    name: str
    formula: str
    source: str
    reason: str
    floor_per_shape: bool
    parameters: tuple[LawParameter, ...]


@dataclass(frozen=True)
class NoiseEstimate:
    """Standard deviations of log loss, in percent: of a run, and of a trunk that branches share. `trunk_replicates`: two trunks
    share a cell somewhere; `trunk_assumed`: no row of the table measures the trunks' part."""

    row_sd_percent: float
    trunk_sd_percent: float
    row_df: float
    trunk_df: float
    trunks: int
    trunk_replicates: bool
    trunk_assumed: bool


@dataclass(frozen=True)
class SearchCertificate:
    """How the global search of one group ended; `shape` None where the group is a whole level."""

    shape: str | None
    map_points: int
    starts_polished: int
    distinct_minima: int
    next_minimum_above_by: float | None
    objective: float


@dataclass(frozen=True)
class Sensitivity:
    """The parameters of one level under one objective, rows taken as independent."""

    objective: str
    parameters: dict[str, float | None]


@dataclass(frozen=True)
class Identifiability:
    """Condition of the scaled Hessian, correlations over replicates (None where the law lacks a parameter), and in words what
    the data leave open."""

    condition: float
    floor_exponent_correlation: float | None
    prefactor_exponent_correlation: float | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class LevelFit:
    parameters: dict[str, Estimate]
    runs: int
    N: Span
    D: Span
    identifiability: Identifiability
    certificates: tuple[SearchCertificate, ...]
    sensitivity: tuple[Sensitivity, ...]


@dataclass(frozen=True)
class Curve:
    """Predicted loss of a level and shape over D, to ten times past `observed`, the first and last D tested."""

    level: str
    shape: str
    N: float
    D: Numbers
    loss: Numbers
    low: Ends
    high: Ends
    observed: Span


@dataclass(frozen=True)
class Point:
    """One run. `used`: it was fitted; then `predicted`, the residual in percent of loss, and in standard deviations `z`."""

    level: str
    shape: str
    seed: str
    trunk: str
    N: float
    D: float
    loss: float
    repeated: bool
    used: bool
    predicted: float | None
    residual_percent: float | None
    z: float | None


@dataclass(frozen=True)
class Hypothesis:
    """A law of level and baseline together, with some differences free. `weight`: its Akaike weight (None: not compared)."""

    name: str
    parameters: int
    rss: float
    chi2: float
    aicc: float
    bic: float
    delta_aicc: float
    weight: float | None


@dataclass(frozen=True)
class Contrast:
    """One nested test. p values: from the F distribution, the likelihood ratio, tables simulated under the null, random signs
    per trunk, and adjusted over levels (Holm 1979)."""

    null: str
    alternative: str
    F: float
    df1: int
    df2: float
    p_F: float
    lr: float
    p_lr: float
    p_simulated: float | None
    p_wild: float | None
    p_holm: float | None

    @property
    def p(self) -> float:
        """The one that decides for one level: of simulated tables where they were made."""
        return self.p_F if self.p_simulated is None else self.p_simulated

    @property
    def p_adjusted(self) -> float:
        return self.p if self.p_holm is None else self.p_holm


@dataclass(frozen=True)
class Contrasts:
    """`exponent` is tested with the floor free and `floor` with the exponent free: over a short range they look alike."""

    any_shift: Contrast
    beyond_multiplier: Contrast
    beyond_floor: Contrast
    beyond_exponent: Contrast
    exponent: Contrast
    floor: Contrast
    exponent_floor_shared: Contrast


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests of sameness: |delta beta| < margin with floors free, and the worth of a token within its margin."""

    margin_beta: float
    p_beta: float
    beta_equivalent: bool
    margin_multiplier: float
    multiplier_equivalent: bool


@dataclass(frozen=True)
class ShiftTest:
    """The tests of one level against the baseline. `multiplier`: baseline tokens that one token is worth, exponents equal."""

    hypotheses: tuple[Hypothesis, ...]
    contrasts: Contrasts
    delta_beta: Estimate
    delta_beta_se: float | None
    identified: bool
    delta_beta_floor_shared: Estimate
    multiplier: Estimate
    equivalence: Equivalence


@dataclass(frozen=True)
class Difference:
    """One quantity of a level against the baseline; `null`: its value where nothing moved."""

    level: str
    quantity: Quantity
    label: str
    null: float
    estimate: Estimate


@dataclass(frozen=True)
class MatchedLoss:
    """Baseline tokens per token at which the baseline's own runs reach the loss that the level has at D: no law in between."""

    shape: str
    N: float
    D: float
    loss: float
    multiplier: Estimate


@dataclass(frozen=True)
class MultiplierSlope:
    """d ln multiplier / d ln D pooled over shapes, and the p value of its being zero."""

    slope: Estimate
    p: float
    points: int


@dataclass(frozen=True)
class MultiplierCurve:
    """The multiplier from the fitted laws over D; None where the baseline's law never reaches the loss."""

    shape: str
    D: Numbers
    multiplier: Ends
    low: Ends
    high: Ends


@dataclass(frozen=True)
class Multipliers:
    matched: tuple[MatchedLoss, ...]
    slope: MultiplierSlope | None
    fitted: tuple[MultiplierCurve, ...]


@dataclass(frozen=True)
class SizeExponent:
    """Data exponents at one size alone, floors and prefactors free; `delta` is the level's minus the baseline's."""

    shape: str
    N: float
    beta_baseline: float
    beta: float
    delta: Estimate


@dataclass(frozen=True)
class SeedDifference:
    """Level minus baseline at the same shape, D and seed, in nats per token and in percent of loss."""

    shape: str
    N: float
    D: float
    seed: str
    difference: float
    percent: float


@dataclass(frozen=True)
class SeedSummary:
    """Mean over pairs of trunks with a t interval, how many are better, and the p value of no difference."""

    percent: Estimate
    pairs: int
    wins: int
    p: float | None


@dataclass(frozen=True)
class SeedDifferences:
    pairs: tuple[SeedDifference, ...]
    summary: SeedSummary | None


@dataclass(frozen=True)
class LackOfFit:
    """The law against a free mean per (level, N, D), judged by the error of replicated cells."""

    F: float
    df1: int
    df2: int
    p: float
    pure_error_percent: float
    misfit_percent: float


@dataclass(frozen=True)
class Interaction:
    """Whether the data term depends on size; `kappa` per level where the cross law was fitted."""

    test: str
    F: float
    df1: int
    df2: int
    p: float
    kappa: dict[str, float] | None


@dataclass(frozen=True)
class ResidualCell:
    level: str
    shape: str
    D: float
    percent: float
    z: float
    runs: int


@dataclass(frozen=True)
class Adequacy:
    """`adequate`: false where a test fails at 1 %, None where neither could be made; `warning` says what failed."""

    lack_of_fit: LackOfFit | None
    interaction: Interaction | None
    residual_map: tuple[ResidualCell, ...]
    adequate: bool | None
    warning: str


@dataclass(frozen=True)
class FormError:
    weight: float
    rms_percent: float | None


@dataclass(frozen=True)
class ForecastError:
    """Fitted up to `cut`, asked about D; errors in percent of loss, per law form and of their weighted mean."""

    level: str
    shape: str
    cut: float
    D: float
    distance: float
    errors: dict[str, float]
    error: float


@dataclass(frozen=True)
class Extrapolation:
    """What forecasts of held-back runs were worth; the rate is per unit of ln(D / last D fitted)."""

    forms: dict[str, FormError]
    rate_percent_per_e_fold: float | None
    bias_percent: float | None
    errors: tuple[ForecastError, ...]


@dataclass(frozen=True)
class Price:
    """FLOPs per token as exp(intercept) * N^slope, and where they come from."""

    intercept: float
    slope: float
    source: str


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
    """The best a level can do with each budget of its plan: loss, size and tokens; `at_edge`: at the end of the sizes tried."""

    loss: Numbers
    low: Numbers
    high: Numbers
    N: Numbers
    N_low: Numbers
    N_high: Numbers
    D: Numbers
    at_edge: tuple[bool, ...]


@dataclass(frozen=True)
class BudgetPlan:
    """Per budget (FLOPs) the best level among contenders and baseline, and the share of replicates that agree."""

    budgets: Numbers
    frontier: dict[str, Frontier]
    crossings: dict[str, Crossing]
    winner: tuple[str, ...]
    winner_share: Numbers


@dataclass(frozen=True)
class OptimalExponents:
    """N* ~ C^a and D* ~ C^b (Hoffmann et al. 2022, eq. 4)."""

    a: Estimate
    b: Estimate


@dataclass(frozen=True)
class Budget:
    """Plans for an endless pool, and for the unique tokens there are (None where the table does not say)."""

    price: Price
    observed: Span
    unique_tokens: dict[str, float | None]
    r_star: float
    continuous_sizes: bool
    exponents: dict[str, OptimalExponents] | None
    endless: BudgetPlan
    finite: BudgetPlan | None

    @property
    def plan(self) -> BudgetPlan:
        """The plan for the tokens there are, where known."""
        return self.finite or self.endless


@dataclass(frozen=True)
class SetFit:
    """The joint fit of all levels on one evaluation set; mappings are keyed by level, the baseline's own fit among `levels`."""

    law: LawChoice
    noise: NoiseEstimate
    levels: dict[str, LevelFit]
    curves: tuple[Curve, ...]
    tests: dict[str, ShiftTest]
    differences: tuple[Difference, ...]
    multipliers: dict[str, Multipliers]
    size_exponents: dict[str, tuple[SizeExponent, ...]]
    seeds: dict[str, SeedDifferences]
    adequacy: Adequacy
    extrapolation: Extrapolation
    budget: Budget
    crossings: tuple[ShapeCrossing, ...]


@dataclass(frozen=True)
class Words:
    """All that a reader is told of one level. `badge`: what moved, in a few words; `loss`: the direction in words; `finding`:
    one short sentence with interval and test; `sentence`: the same in full; `reading`: what to do; `worth` and `worth_of`:
    baseline tokens per token at the most data tested, and what the number is ("" where it cannot be told)."""

    role: str
    badge: str
    loss: str
    finding: str
    sentence: str
    reading: str
    worth: str
    worth_of: str


@dataclass(frozen=True)
class Verdict:
    """What is concluded of one level. `shifted`: any difference of the law is shown; `difference_percent`: of loss, over the
    tested range; `floor_nats`: of the floor; `detectable_beta`: the smallest shift found four times in five."""

    level: str
    role: Role
    kind: Kind
    direction: Direction
    shifted: bool
    difference_percent: Estimate
    floor_nats: Estimate
    detectable_beta: float | None
    words: Words


@dataclass(frozen=True)
class Check:
    """A doubt that was looked into: the question, what was found, and what that means for the reader."""

    question: str
    answer: str
    meaning: str


@dataclass(frozen=True)
class Answer:
    """The answer on one evaluation set. `recommended`: the contender to train on (None: none beats the baseline); `choice`: the
    same in a sentence; `moved`: what moved and what follows; `warnings`: what to know before acting on it."""

    recommended: str | None
    choice: str
    moved: str
    verdicts: dict[str, Verdict]
    warnings: tuple[str, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class SetResult:
    """One evaluation set. `fit` is None where no law could be fitted, and `reason` then says why."""

    points: tuple[Point, ...]
    fit: SetFit | None
    reason: str
    answer: Answer


@dataclass(frozen=True)
class Shape:
    name: str
    N: float


@dataclass(frozen=True)
class Fault:
    """A fault of the table. `severity`: "error" (no honest fit exists) or "warning"; `rows` index the table as given."""

    name: str
    severity: Literal["error", "warning"]
    message: str
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Result:
    """Everything that `analyse` concludes. `levels`: the baseline first; `shapes`: by size; `sets`: by evaluation set, the
    primary one (verdicts are read from it) first."""

    settings: Settings
    primary: str
    levels: tuple[str, ...]
    shapes: tuple[Shape, ...]
    notes: tuple[str, ...]
    faults: tuple[Fault, ...]
    sets: dict[str, SetResult]
    version: int = VERSION

    @property
    def baseline(self) -> str:
        return self.settings.baseline

    @property
    def answer(self) -> Answer:
        """The answer on the primary evaluation set."""
        return self.sets[self.primary].answer

    @property
    def fits(self) -> dict[str, SetFit]:
        """The evaluation sets on which a law could be fitted, the primary one first, each level's own text last."""
        fits = {name: found.fit for name, found in self.sets.items() if found.fit is not None}
        return dict(sorted(fits.items(), key=lambda item: (item[0] != self.primary, item[0].startswith("own:"))))

    def to_json(self, indent: int | None = None) -> str:
        return json.dumps(encode(self), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Result":
        """Read fit.json. Errors: ValueError for another version, or naming the place that does not fit."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, body: Json) -> "Result":
        version = body.get("version") if isinstance(body, dict) else None
        if version != VERSION:
            raise ValueError(f"fit.json has version {version!r}, this one reads {VERSION}; run `assay fit` again")
        return decode(cls, body, "fit.json")


def finite(x: float | None) -> float | None:
    """A number JSON can hold: None for infinities and not-a-number."""
    return float(x) if x is not None and math.isfinite(x) else None
