"""Over random laws no sentence contradicts the curves, the table of crossings, or the planner."""

import re
from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.intervals import Interval
from scaling_fit.levels.answer import choice, moved
from scaling_fit.levels.budget import R_STAR
from scaling_fit.levels.calibrate import calibrate
from scaling_fit.levels.compare import Comparison, compare
from scaling_fit.levels.decision import decide, direction
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.gap import gap, order_of
from scaling_fit.levels.outlook import plan_budgets, shape_crossing
from scaling_fit.levels.shift import ShiftTest, shift
from scaling_fit.levels.verdict import Verdict
from scaling_fit.levels.words import words
from scaling_fit.settings import Settings

GRID = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 5)), seeds=1, row=0.002)
SETTINGS = Settings("raw", "loss")
LAST, TEN_TIMES = 2e10, 2e11


@pytest.fixture(scope="module")
def whole() -> Comparison:
    table = table_of(GRID, {"raw": TRUTH, "level": TRUTH, "other": TRUTH}, np.random.default_rng(0))
    return compare(table, "raw", replicates=2)


@pytest.fixture(scope="module")
def test_of_level(whole: Comparison) -> ShiftTest:
    return shift(whole, "level", SETTINGS, 0)


def random_law(rng: np.random.Generator) -> dict[str, float]:
    beta = rng.uniform(0.2, 0.55)
    B = TRUTH["B"] * 2e9 ** (beta - TRUTH["beta"]) * rng.uniform(0.8, 1.25)
    return {"E": rng.uniform(1.5, 2.1), "A": rng.uniform(350, 650), "alpha": rng.uniform(0.3, 0.4), "B": B, "beta": beta}


def loss(law: dict[str, float], N: float, D: np.ndarray) -> np.ndarray:
    return law["E"] + law["A"] * N ** -law["alpha"] + law["B"] * D ** -law["beta"]


def having(whole: Comparison, laws: dict[str, dict[str, float]], rng: np.random.Generator) -> Comparison:
    """The comparison with these laws as its fit, and a few replicates close around it."""
    laid = whole.grouped
    M_GP = np.concatenate([block.M_QP for block in laid.problem.blocks])
    phi = np.concatenate([laid.law.solver(laws[group.level], laid.pivot) for group in laid.groups])
    theta_P = np.linalg.lstsq(M_GP, phi, rcond=None)[0]
    return replace(whole, theta_P=theta_P, theta_RP=theta_P + 1e-6 * rng.standard_normal((8, len(theta_P))))


def contradictions(whole: Comparison, test: ShiftTest, laws: dict[str, dict[str, float]], rng) -> list[str]:
    fitted = having(whole, laws, rng)
    budget, verdicts, wrong = plan_budgets(fitted, calibrate(fitted), SETTINGS, R_STAR), {}, []
    D = np.geomspace(2e8, TEN_TIMES, 200)
    for level in ("level", "other"):
        of_level = gap(fitted, level, 0.95)
        kind = rng.choice(["exponent", "floor", "exponent and floor", "multiplier", "not identifiable"])
        verdict = Verdict(
            level, "level", kind, direction(of_level.mean), True, of_level, Interval(0.0, -0.1, 0.1), 0.1, None, None
        )
        verdicts[level] = verdict
        delta = laws[level]["beta"] - laws["raw"]["beta"]
        said = words(verdict, replace(test, delta_beta=Interval(delta, delta - 0.01, delta + 0.01)), budget, "raw").reading
        gaps = {N: np.log(loss(laws[level], N, D) / loss(laws["raw"], N, D)) for N in GRID.sizes}
        size = {N: np.abs([np.interp(LAST, D, path), path[-1]]) for N, path in gaps.items()}
        turns = any((np.sign(path[0]) != np.sign(path)).any() for path in gaps.values())
        met = [shape_crossing(fitted, level, shape, 0.95).crossing.at for shape in fitted.shapes]
        met_within = [at for at in met if at is not None and at < TEN_TIMES * 0.97]
        if "gap grows" in said and (turns or any((np.diff(s) < -1e-4).any() for s in size.values()) or met_within):
            wrong.append(f"grows: {size}, met at {met_within}")
        if "gap shrinks" in said and (turns or any((np.diff(s) > 1e-4).any() for s in size.values()) or met_within):
            wrong.append(f"shrinks: {size}, met at {met_within}")
        if "change places" in said and not turns:
            wrong.append(f"change places: {gaps}")
        found = re.search(r"(\w+) is ahead", said)
        if found:
            frontier = {name: budget.plan.frontier[name].loss[-1] for name in (level, "raw")}
            if frontier[found[1]] != min(frontier.values()):
                wrong.append(f"{found[0]}: {frontier}")
        last = float(re.search(r"tested its loss is ([-+][\d.e-]+) ", said)[1])  # type: ignore[index]
        at_last = 100 * np.mean([np.log(loss(laws[level], N, LAST) / loss(laws["raw"], N, LAST)) for N in GRID.sizes])
        if abs(last - at_last) > 0.06 * abs(at_last) + 1e-3:
            wrong.append(f"at the most data {last}, by the laws {at_last}")
    decided = decide(order_of(fitted, 0.95), "raw", ("level", "other"))
    choices = {"loss": decided.chosen}
    text = f"{choice(decided, verdicts, SETTINGS)} {moved(verdicts, budget, choices, 'loss', SETTINGS)}"
    winner = re.search(r"(\w+) is expected to win", text)
    tenfold = max(k for k, C in enumerate(budget.plan.budgets) if budget.observed[1] * 10 >= C)
    best = min(laws, key=lambda name: budget.plan.frontier[name].loss[tenfold])
    if (winner[1] if winner else choices["loss"] or "raw") != best:
        wrong.append(f"{text} but {best} has the lowest loss for ten times the budget")
    if choices["loss"] and verdicts[choices["loss"]].gap.mean.value > 0:
        wrong.append(text)
    return wrong


@pytest.mark.parametrize("n_laws", [12, pytest.param(3000, marks=[pytest.mark.slow, pytest.mark.timeout(2400)])])
def test_no_sentence_contradicts_curves_crossings_or_planner(whole: Comparison, test_of_level: ShiftTest, n_laws: int) -> None:
    rng = np.random.default_rng(5)
    for _ in range(n_laws):
        laws = {name: random_law(rng) for name in ("raw", "level", "other")}
        assert contradictions(whole, test_of_level, laws, rng) == [], laws


@pytest.mark.parametrize("law", ["kaplan", "tied", "size"])
def test_a_law_that_cannot_tell_levels_apart_is_refused_with_those_that_can(whole: Comparison, law: str) -> None:
    with pytest.raises(ValueError, match=rf"law '{law}' has no \w+: .* use data, additive"):
        compare(whole.table, "raw", law=law)
