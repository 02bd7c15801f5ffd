"""What a token of training costs, by size: the table's own FLOPs per token (head and attention counted), never 6ND where
better is known."""

from dataclasses import dataclass

import numpy as np

from scaling_fit.levels.compare import Comparison

Array = np.ndarray


@dataclass(frozen=True)
class Price:
    """FLOPs per token as exp(intercept) * N^slope; 6N where the table gives none."""

    intercept: float
    slope: float
    source: str

    def per_token(self, N: Array) -> Array:
        return np.exp(self.intercept) * np.asarray(N, float) ** self.slope


def price(whole: Comparison) -> Price:
    """Fit FLOPs per token over the table's sizes."""
    table = whole.table
    known = np.isfinite(table.flops) & (table.flops > 0)
    if not known.any():
        return Price(float(np.log(6.0)), 1.0, "6 N per token (the table has no FLOPs)")
    x, y = np.log(table.N[known]), np.log(table.flops[known] / table.D[known])
    if len(np.unique(x)) < 2:
        return Price(float(y.mean() - x.mean()), 1.0, "the table's FLOPs per token, proportional to N")
    slope, intercept = np.polyfit(x, y, 1)
    return Price(float(intercept), float(slope), f"the table's FLOPs per token, {np.exp(intercept):.3g} * N^{slope:.3f}")
