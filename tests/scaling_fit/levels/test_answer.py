"""The choice: the right level, only among contenders, and no order where the joint test does not confirm it."""

from dataclasses import replace

import pytest

from scaling_fit import Result, Settings, analyse
from scaling_fit.intervals import Interval
from scaling_fit.levels.answer import choice, moved, recommended
from scaling_fit.levels.verdict import Verdict

PLAIN = Settings("raw", "loss")


@pytest.fixture(scope="module")
def found(levels) -> Result:
    return analyse(levels, Settings(replicates=50, test_replicates=0))


def of(verdict: Verdict, level: str, mean: tuple[float, float, float], **changes) -> Verdict:
    value, low, high = mean
    direction = "better" if high < 0 else "worse" if low > 0 else "unclear"
    gap = replace(verdict.gap, mean=Interval(value, low, high))
    return replace(verdict, level=level, gap=gap, direction=direction, **changes)


BETTER, MUCH, WORSE, UNCLEAR = (-1.0, -1.2, -0.8), (-2.0, -2.2, -1.8), (2.0, 1.0, 3.0), (0.1, -1.0, 1.0)


@pytest.fixture
def verdict(found: Result) -> Verdict:
    return replace(found.answer.verdicts["worth"], shifted=True)


def test_the_planted_order_is_found_and_told(found: Result) -> None:
    assert found.answer.recommended == "worth"
    assert found.answer.choice.startswith("Train on worth")
    assert "raw needs 1." in found.answer.moved


def test_the_lowest_contender_is_chosen_and_a_tie_is_called_a_tie(verdict: Verdict) -> None:
    two = {"a": of(verdict, "a", BETTER), "b": of(verdict, "b", MUCH)}
    assert choice(two, PLAIN) == "Train on b: 2.0% lower loss than raw over the tested range."
    near = {"a": of(verdict, "a", (-1.9, -2.1, -1.7)), "b": two["b"]}
    assert choice(near, PLAIN).startswith("Train on b, not clearly ahead of a: ")
    control = replace(PLAIN, roles={"b": "control"})
    assert (recommended(two, control), choice(two, control)[:10]) == ("a", "Train on a")
    arms = replace(PLAIN, roles={"a": "arm", "b": "arm"})
    assert recommended(two, arms) == "b", "in a study of mixtures they are all there is"
    assert recommended({**two, "c": of(verdict, "c", UNCLEAR)}, arms) is None, "beside a level they are not chosen"


def test_what_the_joint_test_does_not_confirm_is_not_an_order(verdict: Verdict) -> None:
    assert choice({"a": of(verdict, "a", BETTER, shifted=False)}, PLAIN).startswith("Lean to a: ")


def test_worse_and_unclear_levels_keep_the_baseline(verdict: Verdict) -> None:
    worse, unclear = of(verdict, "a", WORSE), of(verdict, "b", UNCLEAR)
    assert choice({"a": worse, "b": unclear}, PLAIN) == "Stay with raw: no level has a lower loss over the tested range."
    assert choice({"b": unclear}, PLAIN) == "No level is shown to differ from raw over the tested range."
    assert recommended({"a": worse, "b": unclear}, PLAIN) is None


def test_where_other_sets_would_choose_another_level_it_says_so(found: Result, verdict: Verdict) -> None:
    budget, verdicts = found.fits["loss"].budget, {"worth": of(verdict, "worth", BETTER)}
    choices = {"loss": "worth", "domain:docs": None, "own:raw": None, "domain:web": "worth"}
    assert "Judged on other text the choice differs: raw on docs." in moved(verdicts, budget, choices, "loss", PLAIN)
    here = moved(verdicts, budget, choices, "domain:docs", PLAIN)
    assert "the choice differs: worth on loss and web." in here


def test_a_level_that_is_overtaken_is_not_praised_for_its_average(found: Result, verdict: Verdict) -> None:
    curve = verdict.worth
    assert curve is not None
    k = len(curve.D)
    late = replace(curve, multiplier=(0.8,) * k, low=(0.7,) * k, high=(0.9,) * k)
    told = moved({"worth": replace(verdict, worth=late)}, found.fits["loss"].budget, {"loss": "worth"}, "loss", PLAIN)
    assert "raw has caught up: it needs only 0.80× [0.70, 0.90] the tokens" in told


def test_a_worth_without_a_bound_gives_way_to_the_saving(found: Result, verdict: Verdict) -> None:
    curve = verdict.worth
    assert curve is not None
    open_ended = replace(verdict, worth=replace(curve, high=(None,) * len(curve.D)), kind="not identifiable")
    told = moved({"worth": open_ended}, found.fits["loss"].budget, {"loss": "worth"}, "loss", PLAIN)
    known, unknown = told.split(".")[:2]
    assert known.startswith("worth reaches raw's loss at 20B tokens with 7")
    assert unknown == " Whether exponent, prefactor or floor moved with worth cannot be told from these runs"


def test_who_wins_larger_budgets_is_said_where_it_is_not_the_choice(found: Result, verdict: Verdict) -> None:
    budget = found.fits["loss"].budget
    plan = budget.plan
    n = len(plan.budgets)
    within = sum(10 * budget.observed[1] >= C for C in plan.budgets)

    def told(*winner: str) -> str:
        ahead = replace(budget, endless=replace(plan, winner=winner, winner_share=(0.9,) * n))
        return moved({"worth": verdict}, ahead, {"loss": "worth"}, "loss", PLAIN)

    assert "win" not in told(*["worth"] * n)
    assert "steeper is expected to win throughout" in told(*["steeper"] * n)
    turn = within - 3
    late = told(*["worth"] * turn, *["steeper"] * (n - turn))
    assert f"Past {plan.budgets[turn]:.0e} FLOPs (beyond the tested range) steeper is expected to win, in 90%" in late
    assert "win" not in told(*["worth"] * within, *["steeper"] * (n - within)), "further out is not told"
