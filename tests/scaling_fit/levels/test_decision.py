"""The one rule: planted losses whose order and ties are known, and headline, rows, plan and colours that follow it."""

import re

import numpy as np
import pytest

from scaling_fit import Result, Settings, analyse
from scaling_fit.levels.decision import Order, decide, direction, order, tone
from scaling_fit.levels.design import TRUTH, Grid, table_of

GRID = Grid((1e8, 3e8, 1e9), (2e9, 4e9, 8e9, 1.6e10, 3.2e10), seeds=2, row=0.002, trunk=0.001)


def draws(value: float, spread: float, common: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    noise = spread * np.random.default_rng(seed).normal(size=400)
    return np.append(value, value + noise + (0 if common is None else common))


def test_two_levels_differ_where_the_interval_of_their_difference_excludes_zero() -> None:
    common = np.random.default_rng(9).normal(size=400)  # shared luck cancels between levels
    loss = {"raw": draws(0, 0.1, common), "a": draws(-1.0, 0.1, common, 1), "b": draws(-1.1, 0.1, common, 2)}
    found = order(loss, 0.95, {})
    assert found == Order(("b", "a", "raw"), {"b": ("a",), "a": ("b",), "raw": ()})
    assert (found.between("a", "raw"), found.between("raw", "a"), found.between("a", "b")) == ("better", "worse", "unclear")
    apart = order({name: loss_R + (0.9 if name == "a" else 0) for name, loss_R in loss.items()}, 0.95, {})
    assert apart.tied["a"] == ("raw",), "the same noise, another distance"


def test_luck_of_the_documents_makes_ties() -> None:
    loss = {"raw": draws(0, 0.01), "a": draws(-1.0, 0.01, seed=1)}
    assert order(loss, 0.95, {frozenset(("raw", "a")): 0.9}).ahead("a", "raw")
    assert not order(loss, 0.95, {frozenset(("raw", "a")): 1.1}).ahead("a", "raw")


def test_a_level_that_shares_no_shape_ties_with_all() -> None:
    found = order({"raw": draws(0, 0.1), "none": np.full(401, np.nan)}, 0.95, {})
    assert found == Order(("raw", "none"), {"raw": ("none",), "none": ("raw",)})


def test_the_baseline_stays_unless_a_contender_is_ahead_of_it() -> None:
    found = Order(("c", "a", "raw", "b"), {"c": (), "a": ("raw", "b"), "raw": ("a", "b"), "b": ("a", "raw")})
    assert decide(found, "raw", ("a", "b")).chosen is None
    assert decide(found, "raw", ("a", "b")).tied == ("a", "b")
    assert decide(found, "raw", ("a", "b", "c")).chosen == "c", "a control is no contender, and is not passed"


def test_only_what_could_be_trained_on_is_coloured() -> None:
    assert [tone(found, True) for found in ("better", "worse", "unclear")] == ["better", "worse", "plain"]
    assert {tone(found, False) for found in ("better", "worse", "unclear")} == {"plain"}


def planted(worth: dict[str, float], seed: int, roles: dict[str, str]) -> Result:
    """Levels whose tokens are worth so many of raw's."""
    truths = {level: TRUTH | {"B": TRUTH["B"] * factor ** -TRUTH["beta"]} for level, factor in worth.items()}
    table = table_of(GRID, truths, np.random.default_rng(seed))
    return analyse(table, Settings("raw", replicates=200, test_replicates=0, roles=roles))  # type: ignore[arg-type]


CASES = {
    "a tie of two that are better": ({"raw": 1.0, "filtered": 1.3, "top": 1.31}, {}),
    "better by less than luck": ({"raw": 1.0, "dedup": 1.004, "filtered": 0.7}, {}),
    "a control with the lowest loss": ({"raw": 1.0, "filtered": 1.2, "random": 1.4}, {"random": "control"}),
    "only what is no choice is better": ({"raw": 1.0, "filtered": 0.8, "natural": 1.4}, {"natural": "arm"}),
}


@pytest.fixture(scope="module", params=CASES, ids=[name.replace(" ", "-") for name in CASES])
def told(request: pytest.FixtureRequest) -> tuple[str, Result]:
    return request.param, planted(CASES[request.param][0], 3, CASES[request.param][1])


def test_headline_rows_plan_and_colours_of_planted_tables_agree(told: tuple[str, Result]) -> None:
    """Each of these once had a headline, rows and planner that named different levels."""
    case, result = told
    answer, contenders = result.answer, result.settings.contenders(result.levels)
    assert answer.order is not None
    for level, verdict in answer.verdicts.items():
        assert verdict.direction == direction(verdict.gap.mean) == answer.order.between(level, "raw"), level
    named = answer.recommended or "raw"
    said = re.search(r"(?:Train on|Lean to|Stay with) (\w+)", answer.choice)
    assert said is None or said[1] == named
    for level in (level for level in contenders if level != named):
        assert (level in answer.tied) == (answer.order.between(level, named) == "unclear"), level
    plan = result.sets[result.primary].fit.budget.plan  # type: ignore[union-attr]
    elsewhere = {
        winner for winner, tied, C in zip(plan.winner, plan.tied, plan.budgets, strict=True)
        if named not in (winner, *tied) and 10 * result.sets[result.primary].fit.budget.observed[1] >= C  # type: ignore[union-attr]
    }  # fmt: skip
    assert {*plan.winner} <= {"raw", *contenders}
    assert bool(elsewhere) == ("The choice weighs" in answer.planned) == ("The choice weighs" in answer.moved), elsewhere
    if case == "a tie of two that are better":
        assert answer.choice.startswith("Train on")
        assert ", a tie with " in answer.choice
        assert {named, *answer.tied} == {"filtered", "top"}
    if case == "better by less than luck":
        stays = "Stay with raw: no curated level has a lower loss over the tested range"
        assert answer.choice == f"{stays}, and dedup ties with it."
        assert all({winner, *tied} >= {"raw", "dedup"} for winner, tied in zip(plan.winner[:20], plan.tied[:20], strict=True))
    if case == "a control with the lowest loss":
        assert (named, answer.order.levels[0]) == ("filtered", "random")
    if case == "only what is no choice is better":
        assert answer.choice == "Stay with raw: no curated level has a lower loss over the tested range."
        assert tone(answer.verdicts["natural"].direction, "natural" in contenders) == "plain"
