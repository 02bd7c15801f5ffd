"""Does a branch of the trunk say what a cosine run says? The same cells by both schedules, paired over levels and seeds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling_fit.instrument.learning_rate import rate_of
from scaling_fit.observations import Observations
from scaling_fit.wording import Check


@dataclass(frozen=True)
class Gap:
    """Loss of the cosine at `factor` times the trunk's peak rate minus the branch's (nats per token), over `pairs` pairs of
    level and seed: the mean, its standard error (None for one pair), and the branch's mean loss."""

    eval_set: str
    factor: float
    difference: float
    se: float | None
    pairs: int
    loss: float


def gaps(branches: Observations, cosines: Observations, lr: float) -> list[Gap]:
    """One gap per evaluation set and factor; `lr` is the trunk's peak rate.

    Errors: ValueError where a cosine run has no branch of the same level, seed, D and evaluation set.
    """
    branch_loss = {tuple(key): loss for *key, _, loss in _rows(branches)}
    pairs: dict[tuple[str, float], list[tuple[float, float]]] = defaultdict(list)
    for eval_set, level, seed, tokens, trunk, loss in _rows(cosines):
        key = (eval_set, level, seed, tokens)
        if key not in branch_loss:
            raise ValueError(
                f"no branch of level {level!r}, seed {seed}, D {tokens:.0f} on {eval_set!r} to compare the cosine with"
            )
        factor = round((rate_of(trunk) or np.nan) / lr, 3)
        pairs[eval_set, factor].append((loss - branch_loss[key], branch_loss[key]))
    out = []
    for (eval_set, factor), paired in sorted(pairs.items()):
        differences, losses = np.array(paired).T
        n = len(differences)
        se = float(differences.std(ddof=1) / np.sqrt(n)) if n > 1 else None
        out.append(Gap(eval_set, factor, float(differences.mean()), se, n, float(losses.mean())))
    return out


def _rows(table: Observations) -> zip:
    columns = (table.eval_set, table.level, table.seed, table.D, table.trunk, table.loss)
    return zip(*(column.tolist() for column in columns), strict=True)


def against_cosine(gaps: Sequence[Gap], eval_set: str) -> Check | None:
    """What sharing a trunk costs in loss against a cosine of one's own; None where it was not measured on the set."""
    parts = []
    for gap in gaps:
        if gap.eval_set == eval_set:
            ends = "" if gap.se is None else f" ± {100 * gap.se / gap.loss:.2f}"
            percent = f"{100 * gap.difference / gap.loss:+.2f}{ends}%"
            parts.append(f"{percent} at {gap.factor:g} times the rate ({gap.pairs} pairs)")
    meaning = (
        "Runs to several D share one trunk; a cosine of their own would end at a loss that differs by this much, on all levels."
    )
    return Check("Branches against a cosine", "; ".join(parts), meaning) if parts else None
