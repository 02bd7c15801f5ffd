"""The choice: the right level, only among contenders, and no order where the joint test does not confirm it."""

from dataclasses import replace

import pytest

from scaling_fit import Result, Settings, analyse
from scaling_fit.intervals import Interval
from scaling_fit.levels.answer import choice, moved
from scaling_fit.levels.decision import Decision
from scaling_fit.levels.planned import planned
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


def test_a_tie_is_called_a_tie(verdict: Verdict) -> None:
    two = {"a": of(verdict, "a", BETTER), "b": of(verdict, "b", MUCH)}
    assert choice(Decision("b", ()), two, PLAIN) == "Train on b: 2.0% lower loss than raw over the tested range."
    assert choice(Decision("b", ("a",)), two, PLAIN).startswith("Train on b, a tie with a: ")


def test_what_the_joint_test_does_not_confirm_is_not_an_order(verdict: Verdict) -> None:
    assert choice(Decision("a", ()), {"a": of(verdict, "a", BETTER, shifted=False)}, PLAIN).startswith("Lean to a: ")


def test_worse_and_unclear_levels_keep_the_baseline(verdict: Verdict) -> None:
    worse, unclear = of(verdict, "a", WORSE), of(verdict, "b", UNCLEAR)
    stays = "Stay with raw: no curated level has a lower loss over the tested range"
    assert choice(Decision(None, ("b",)), {"a": worse, "b": unclear}, PLAIN) == f"{stays}, and b ties with it."
    assert choice(Decision(None, ()), {"a": worse}, PLAIN) == f"{stays}."
    said = choice(Decision(None, ("b",)), {"b": unclear}, PLAIN)
    assert said == "A tie: no level is shown to differ from raw over the tested range."


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

    def told(*winner: str, tied: tuple[str, ...] = ()) -> str:
        ahead = replace(budget, endless=replace(plan, winner=winner, tied=(tied,) * n))
        said = moved({"worth": verdict}, ahead, {"loss": "worth"}, "loss", PLAIN)
        assert (planned(ahead, "worth") in said) == ("The choice weighs" in said)
        return said

    assert "win" not in told(*["worth"] * n)
    assert "steeper is expected to win throughout" in told(*["steeper"] * n)
    assert "win" not in told(*["steeper"] * n, tied=("worth",)), "a tie is no other choice"
    turn = within - 3
    late = told(*["worth"] * turn, *["steeper"] * (n - turn))
    assert f"Past {plan.budgets[turn]:.0e} FLOPs (beyond the tested range) steeper is expected to win" in late
    assert "win" not in told(*["worth"] * within, *["steeper"] * (n - within)), "further out is not told"
    early = told(*["steeper"] * 3, *["worth"] * (n - 3))
    assert f"Up to {plan.budgets[2]:.0e} FLOPs steeper is expected to have a lower loss than worth" in early
