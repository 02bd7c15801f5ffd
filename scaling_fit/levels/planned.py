"""What the plan over budgets says beside the choice, and why the two may name different levels.

The choice weighs every size and token count that was tested alike; a plan takes the best size for each budget, and looks past
the tests. Both are decided by one rule (`scaling_fit.levels.decision`).
"""

from collections.abc import Sequence

from scaling_fit.levels.outlook import Budget
from scaling_fit.wording import listed

FAR = 10.0
"""Budgets up to this many times those tested are told of; the chart has those further out."""
Row = tuple[float, str, tuple[str, ...]]


def planned(budget: Budget, choice: str) -> str:
    """The plan beside the level chosen over the tested range (or the baseline that stays)."""
    ties = _ties(budget)
    best = f"a tie of {listed(ties)}" if len(ties) > 1 else f"{choice} is best or ties for best"
    return departs(budget, choice) or f"With the best size for each budget up to {FAR:.0f} times those tested: {best}."


def departs(budget: Budget, choice: str) -> str:
    """Which budgets the plan gives to another level than the choice, and why; "" where none."""
    rows = _rows(budget)
    elsewhere = [choice not in (winner, *tied) for _, winner, tied in rows]
    if not any(elsewhere):
        return ""
    why = "The choice weighs all sizes and token counts tested alike."
    (_, last, _), kept = rows[-1], [k for k, other in enumerate(elsewhere) if not other]
    if not kept:
        return f"With the best size for each budget {last} is expected to win throughout. {why}"
    first = kept[-1] + 1
    if first < len(rows):
        where = "" if rows[first][0] <= budget.observed[1] else " (beyond the tested range)"
        return f"Past {rows[first][0]:.0e} FLOPs{where} {last} is expected to win with the best size for the budget. {why}"
    winners = list(dict.fromkeys(winner for (_, winner, _), other in zip(rows, elsewhere, strict=True) if other))
    most = max(C for (C, _, _), other in zip(rows, elsewhere, strict=True) if other)
    verb = "is" if len(winners) == 1 else "are"
    return f"Up to {most:.0e} FLOPs {listed(winners)} {verb} expected to have a lower loss than {choice}. {why}"


def _rows(budget: Budget) -> Sequence[Row]:
    """Budget, winner and what ties with it, up to `FAR` times those tested."""
    plan = budget.plan
    every = zip(plan.budgets, plan.winner, plan.tied, strict=True)
    return [row for row in every if row[0] <= budget.observed[1] * FAR]


def _ties(budget: Budget) -> list[str]:
    """What is best or tied for best at every one of these budgets."""
    alike = [{winner, *tied} for _, winner, tied in _rows(budget)]
    return [level for level in budget.plan.frontier if all(level in one for one in alike)]
