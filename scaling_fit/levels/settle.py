"""What would settle a verdict that leaves open whether the exponent moved: the cheapest runs that would show it.

To tell, a shift as large as the margin of sameness must be seen, or the one that there seems to be, where that is larger.
Ladders of the tested shapes, within the unique tokens of the strictest level, are weighed by `best_ladder`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling_fit.intervals import Interval
from scaling_fit.law.noise import Noise
from scaling_fit.levels.best_ladder import MOST_SEEDS, Candidate, Luck, cheapest, ladders
from scaling_fit.levels.outlook import Budget
from scaling_fit.levels.shift import ShiftTest
from scaling_fit.levels.verdict import Verdict
from scaling_fit.observations import Observations
from scaling_fit.settings import Settings
from scaling_fit.wording import count, listed

REACH = 1.2  # e-folds of D over which the noise of a trunk's branches is forgotten (docs/log.md)
WELL_KNOWN = 0.05  # half-width of the interval of an exponent that a design may rest on
SMALL_MODELS: Mapping[str, float] = {"E": 2.2, "A": 112.0, "alpha": 0.35, "B": 33.0, "beta": 0.21}
"""Of small models on mixed text, where no law is known yet (docs/log.md)."""


@dataclass(frozen=True)
class Settling:
    """The ladder that would see a shift of `shift` four times in five: token counts and seeds of every shape, on so many
    `levels`; `tokens_of`: trained per shape, over all levels and seeds; `said`: the same in words. No ladder does where
    `shapes` is empty."""

    shift: float
    levels: tuple[str, ...]
    shapes: tuple[str, ...]
    D: tuple[int, ...]
    seeds: int
    runs: int
    tokens_of: dict[str, float]
    said: str


def wanted(delta: Interval, margin: float) -> float:
    """The shift of beta that runs must be able to see."""
    return max(margin, abs(delta.value))


def law_of(parameters: Mapping[str, Interval], smallest: tuple[str, float]) -> dict[str, float] | None:
    """A level's law as one over N and D, where its exponent is known to +-`WELL_KNOWN`. Floors per shape become one floor at
    the smallest shape (its name and N), with the dependence on N of `SMALL_MODELS`."""
    beta = parameters["beta"]
    if not beta.high - beta.low < 2 * WELL_KNOWN:
        return None
    law = dict(SMALL_MODELS) | {name: parameters[name].value for name in SMALL_MODELS if name in parameters}
    if "E" not in parameters:
        shape, N = smallest
        law["E"] = max(parameters[f"E[{shape}]"].value - law["A"] * N ** -law["alpha"], 0.1)
    return law


def settling(
    verdicts: Mapping[str, Verdict],
    tests: Mapping[str, ShiftTest],
    parameters: Mapping[str, Interval],
    noise: Noise,
    budget: Budget,
    runs: Observations,
    settings: Settings,
) -> Settling | None:
    """Of the contenders that are open; None where none is. parameters: the baseline's; runs: those of the evaluation set."""
    contending = settings.contenders([settings.baseline, *verdicts])
    open_levels = [level for level in contending if verdicts[level].kind == "not identifiable"]
    if not open_levels:
        return None
    shift = min(wanted(tests[level].delta_beta, settings.margin) for level in open_levels)
    levels = (settings.baseline, *open_levels)
    shapes = sorted({(float(N), str(shape)) for N, shape in zip(runs.N, runs.shape, strict=True)})
    known = [tokens for level in levels if (tokens := budget.unique_tokens.get(level)) is not None]
    most = min(known, default=float(runs.D.max()))
    shared = noise.rows_per_trunk > 1.5  # branches share their trunk: its tokens are read once
    candidates = [
        Candidate(shape, N, lambda tokens, N=N: _read(tokens, shared) * float(budget.price.per_token(np.array(N))))
        for N, shape in shapes
    ]
    law = law_of(parameters, (shapes[0][1], shapes[0][0])) or SMALL_MODELS
    found = ladders(candidates, [int(runs.D.min())], [most], Luck(noise.row, noise.trunk, REACH), law)
    design = cheapest(found, shift, len(levels), most)
    if design is None:
        return Settling(shift, levels, (), (), 0, 0, {}, _none(shift, most, open_levels))
    ladder, times = design.ladder, design.seeds * len(levels)
    tokens_of = dict.fromkeys(ladder.shapes, times * _read(ladder.tokens, shared))
    made = len(ladder.shapes) * len(ladder.tokens) * times
    said = (
        f"What would settle it: a shift of {shift:.2g} in the exponent would be seen four times in five with "
        f"{listed(list(ladder.shapes))} at {len(ladder.tokens)} token counts from {count(ladder.tokens[0])} to "
        f"{count(ladder.tokens[-1])} and {design.seeds} seeds, on {listed(list(levels))}: {made:,} runs, "
        f"{count(sum(tokens_of.values()))} tokens."
    )
    return Settling(shift, levels, ladder.shapes, ladder.tokens, design.seeds, made, tokens_of, said)


def _read(tokens: Sequence[int], shared: bool) -> float:
    """Tokens that one seed of a shape trains on."""
    return float(max(tokens) if shared else sum(tokens))


def _none(shift: float, most: float, levels: list[str]) -> str:
    return (
        f"What would settle it: more text. Within {count(most)} unique tokens no ladder of the tested sizes and up to "
        f"{MOST_SEEDS} seeds would see a shift of {shift:.2g} in the exponent of {listed(levels)}."
    )
