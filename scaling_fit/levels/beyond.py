"""How far a run lies past the data: in training compute, parameters and tokens.

Shape suffixes: M points asked about.
"""

from dataclasses import asdict, dataclass

import numpy as np

from scaling_fit.levels.price import Price
from scaling_fit.observations import Observations

Array = np.ndarray


@dataclass(frozen=True)
class Factors:
    """How far one point lies past a level's runs: factors of at least 1."""

    compute: float
    N: float
    D: float

    def words(self) -> str:
        past = [f"{factor:.3g}x {name}" for name, factor in asdict(self).items() if factor > 1]
        return ", ".join(past) or "inside"


@dataclass(frozen=True)
class Beyond:
    """How far points lie past a level's runs, as factors of at least 1: in compute, N and D (either side of their ranges)."""

    compute: Array
    N: Array
    D: Array

    @property
    def distance(self) -> Array:
        """In e-folds, shape [M]; 0 inside the data."""
        return np.maximum(np.log(self.compute), np.log(self.N) + np.log(self.D))

    def rows(self) -> list[Factors]:
        return [Factors(*row) for row in np.stack([self.compute, self.N, self.D], axis=1).tolist()]


def beyond(table: Observations, cost: Price, N: Array, D: Array) -> Beyond:
    """How far (N, D) is past the runs of one level."""
    N, D = np.asarray(N, float), np.asarray(D, float)
    most = (table.D * cost.per_token(table.N)).max()
    past = [
        np.where(factor > 1 + 1e-9, factor, 1.0)
        for factor in (
            D * cost.per_token(N) / most,
            np.maximum(N / table.N.max(), table.N.min() / N),
            np.maximum(D / table.D.max(), table.D.min() / D),
        )
    ]
    return Beyond(*past)
