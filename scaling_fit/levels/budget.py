"""What to train with a budget: the best size and tokens per level, which level wins where, and where they cross.

Shape suffixes: R replicates, C budgets, S candidate sizes.

A budget is training FLOPs, priced by the table's own FLOPs per token (which include the head and attention), never by 6ND
where better is known. With a finite pool of U unique tokens, tokens beyond U are worth less (Muennighoff et al. 2023).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling_fit.intervals import Interval, finite, percentile
from scaling_fit.levels.calibrate import Calibration
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.decision import decide, order
from scaling_fit.levels.forecast import Forecast, predict

Array = np.ndarray
BEYOND = 100  # times the dearest run: as far as frontiers and crossings are sought
R_STAR = 15.387756  # Muennighoff et al. 2023, table of fitted constants: repeats after which data is worth 1/e


def worth(D: Array, unique: Array | float, r_star: float = R_STAR) -> Array:
    """Fresh tokens that D tokens from a pool of `unique` are worth."""
    repeats = np.maximum(D / unique - 1.0, 0.0)
    return np.where(unique < D, unique * (1.0 + r_star * (1.0 - np.exp(-repeats / r_star))), D)


@dataclass(frozen=True)
class Plan:
    """Per level, over `budgets_C`: best log loss [R, C] (row 0 the forecast, the others around it), its N and D [R, C], whether
    the best size is at the end of those tried, and the forecast of a run of that N and D (D as fresh tokens)."""

    budgets_C: Array
    loss: dict[str, Array]
    size: dict[str, Array]
    tokens: dict[str, Array]
    edge: dict[str, Array]
    run: dict[str, Forecast]


def plan(
    whole: Comparison,
    calibration: Calibration,
    budgets_C: Array,
    *,
    unique: dict[str, float] | None = None,
    confidence: float = 0.95,
    replicates: int = 200,
    r_star: float = R_STAR,
) -> Plan:
    """Minimise the joint law's loss over size at every budget, and forecast the run.

    Sizes: a grid reaching 4x below and 64x above those tested, and at the largest budget up to one token a parameter and to
    one epoch of the smallest pool, where the law has a size term; otherwise the tested shapes.
    unique: tokens each level has (None: endless)."""
    shapes = whole.shapes
    if whole.by_shape or "alpha" not in whole.grouped.law.names:
        names, sizes_S = np.array(list(shapes), dtype=object), np.array(list(shapes.values()))
    else:
        low, high = min(shapes.values()) / 4, max(shapes.values()) * 64
        pool = min((unique or {}).values(), default=np.inf)
        far = max(high, float(np.sqrt(budgets_C.max() / 6)), float(budgets_C.max() / 6 / pool))
        sizes_S = np.geomspace(low, far, 1 + round(160 * np.log(far / low) / np.log(high / low)))
        names = np.full(len(sizes_S), next(iter(shapes)), dtype=object)
    theta_RP = np.concatenate([whole.theta_P[None], whole.theta_RP[:replicates]])
    D_SC = budgets_C[None] / calibration.cost.per_token(sizes_S)[:, None]
    loss, size, tokens, edge, run = {}, {}, {}, {}, {}
    for level in whole.levels:
        useful_SC = worth(D_SC, unique[level], r_star) if unique else D_SC
        if whole.by_shape:
            tested = set(whole.table.shape[whole.table.level == level])
            all_RSC = np.full((len(theta_RP), len(sizes_S), len(budgets_C)), np.inf)
            for k, (shape, size_of) in enumerate(zip(names, sizes_S, strict=True)):
                if shape in tested:
                    N = np.full(len(budgets_C), size_of)
                    all_RSC[:, k] = whole.log_loss(level, shape, N, useful_SC[k], theta_RP)
        else:
            flat = whole.log_loss(level, names[0], np.repeat(sizes_S, len(budgets_C)), useful_SC.ravel(), theta_RP)
            all_RSC = flat.reshape(len(theta_RP), len(sizes_S), len(budgets_C))
        best_RC = all_RSC.argmin(1)
        size[level] = sizes_S[best_RC]
        tokens[level] = np.take_along_axis(D_SC[None], best_RC[:, None], 1)[:, 0]
        edge[level] = (best_RC == 0) | (best_RC == len(sizes_S) - 1)
        useful_C = useful_SC[best_RC[0], np.arange(len(budgets_C))]
        run[level] = predict(whole, calibration, level, names[best_RC[0]], size[level][0], useful_C, confidence)
        joint_RC = np.take_along_axis(all_RSC, best_RC[:, None], 1)[:, 0]
        loss[level] = joint_RC + np.log(run[level].loss) - joint_RC[0]
    return Plan(budgets_C, loss, size, tokens, edge, run)


def crossing(difference_RC: np.ndarray, log_x_C: Array, confidence: float = 0.95) -> dict:
    """Where a difference of two curves last changes sign: `at` with its interval over replicates, and how sure it is.

    share: replicates that cross within the grid. Below a share of one half there is no crossing to speak of (`at` null).
    """
    below_RC = np.asarray(np.signbit(difference_RC))
    change_RC = below_RC[:, 1:] ^ below_RC[:, :-1]
    has_R: Array = np.asarray(change_RC.any(1))
    k_R = change_RC.shape[1] - 1 - change_RC[:, ::-1].argmax(1)
    rows = np.arange(len(difference_RC))
    left, right = difference_RC[rows, k_R], difference_RC[rows, k_R + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        at_R = log_x_C[k_R] + left / (left - right) * (log_x_C[k_R + 1] - log_x_C[k_R])
    share = float(has_R[1:].mean())
    out = {"share": share, "at": None, "low": None, "high": None, "after": None}
    if has_R[0] and share >= 0.5:
        spread: Interval = percentile(at_R[0], np.where(has_R, at_R, np.nan)[1:], confidence, corrected=False)
        out |= {
            "at": finite(np.exp(spread.value)),
            "low": finite(np.exp(spread.low)),
            "high": finite(np.exp(spread.high)),
            "after": "level" if difference_RC[0, -1] < 0 else "baseline",
        }
        if share < 0.5 + confidence / 2:  # some draws never cross: the interval is open on the far side
            out |= {"low": None, "high": None}
    return out


def spent(whole: Comparison, calibration: Calibration) -> tuple[float, float]:
    """Training FLOPs of the cheapest and of the dearest run of the table."""
    each = whole.table.D * calibration.cost.per_token(whole.table.N)
    return float(each.min()), float(each.max())


def unique_tokens(whole: Comparison) -> dict[str, float]:
    """What the table says of each level's pool; infinite where it says nothing."""
    table = whole.table
    return {
        level: float(np.nanmax(np.where(table.level == level, table.unique, np.nan)))
        if np.isfinite(table.unique[table.level == level]).any()
        else np.inf
        for level in whole.levels
    }


def budget_report(
    whole: Comparison,
    calibration: Calibration,
    confidence: float = 0.95,
    r_star: float = R_STAR,
    contenders: Sequence[str] | None = None,
    reach: Mapping[frozenset[str], float] | None = None,
) -> dict:
    """Everything a decision needs: frontier per level, crossings against the baseline, endless and finite pool. A budget is
    decided (`scaling_fit.levels.decision`) between the baseline and `contenders` (default: any level): `winner`, and the
    contenders `tied` with it. reach: what the luck of documents adds to differences of log loss, by pair of levels."""
    cost = calibration.cost
    low, high = spent(whole, calibration)
    budgets_C = np.geomspace(low, high * BEYOND, 41)
    unique = unique_tokens(whole)
    pools: dict[str, dict[str, float] | None] = {"endless": None}
    if any(np.isfinite(u) for u in unique.values()):
        pools["finite"] = unique
    out: dict = {
        "price": cost.source,
        "observed_budget": [low, high],
        "unique_tokens": {k: finite(v) for k, v in unique.items()},
        "r_star": r_star,
        "sizes": "tested shapes" if whole.by_shape else "continuous",
        "exponents": _exponents(whole, confidence),
    }
    for name, pool in pools.items():
        made = plan(whole, calibration, budgets_C, unique=pool, confidence=confidence, r_star=r_star)
        frontier, crossings = {}, {}
        for level in whole.levels:
            sizes = np.quantile(made.size[level][1:], [0.5 - confidence / 2, 0.5 + confidence / 2], axis=0)
            frontier[level] = {
                **made.run[level].to_dict(),
                "N": made.size[level][0].tolist(),
                "N_low": sizes[0].tolist(),
                "N_high": sizes[1].tolist(),
                "D": made.tokens[level][0].tolist(),
                "at_edge": made.edge[level][0].tolist(),
            }
            if level != whole.baseline:
                crossings[level] = crossing(made.loss[level] - made.loss[whole.baseline], np.log(budgets_C), confidence)
                at = crossings[level]["at"]
                crossings[level]["inside_observed"] = bool(at is not None and low <= at <= high)
        others = [level for level in whole.levels[1:] if contenders is None or level in contenders]
        decided = [
            decide(
                order({level: made.loss[level][:, k] for level in (whole.baseline, *others)}, confidence, reach or {}),
                whole.baseline, others,
            )
            for k in range(len(budgets_C))
        ]  # fmt: skip
        out[name] = {
            "budgets": budgets_C.tolist(),
            "frontier": frontier,
            "crossings": crossings,
            "winner": [one.chosen or whole.baseline for one in decided],
            "tied": [list(one.tied) for one in decided],
        }
    return out


def _exponents(whole: Comparison, confidence: float) -> dict | None:
    """N* ~ C^a and D* ~ C^b per level: a = beta/(alpha+beta) where C is proportional to N D (Hoffmann et al. 2022, eq. 4)."""
    if whole.by_shape or not {"alpha", "beta"} <= set(whole.grouped.law.names):
        return None
    out = {}
    for level in whole.levels:
        point, draws = whole.parameters(level, whole.theta_P[None]), whole.parameters(level, whole.theta_RP)
        share = {k: v["beta"] / (v["alpha"] + v["beta"]) for k, v in (("point", point), ("draws", draws))}
        a = percentile(float(share["point"][0]), share["draws"], confidence)
        out[level] = {"a": a.to_dict(), "b": Interval(1 - a.value, 1 - a.high, 1 - a.low).to_dict()}
    return out
