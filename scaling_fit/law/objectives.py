"""What a fit minimises. Always a SUM over points (a mean stops optimisers early: Hoffmann's mistake), always named.

A residual is log predicted - log observed loss ("log"), or predicted - observed in nats ("linear").
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Objective:
    """sum_i w_i rho(r_i), rho Huber with half-width `delta` (infinite: least squares). `free_scale` divides residuals by a
    scale fitted with the rest (Besiroglu et al. 2024's likelihood: a Huber density, scale by maximum likelihood)."""

    name: str
    delta: float = np.inf
    space: str = "log"
    free_scale: bool = False

    @property
    def exact_curvature(self) -> bool:
        """Whether the tails bend less than a square, so that Gauss-Newton is a poor model of the curvature."""
        return bool(np.isfinite(self.delta))

    def rho(self, r: Array) -> Array:
        if not np.isfinite(self.delta):
            return 0.5 * r * r
        size = np.abs(r)
        return np.where(size <= self.delta, 0.5 * r * r, self.delta * (size - 0.5 * self.delta))

    def slope(self, r: Array) -> Array:
        return np.clip(r, -self.delta, self.delta) if np.isfinite(self.delta) else r

    def describe(self) -> str:
        return f"{self.name}, {self.space} loss, summed over points"


LEAST_SQUARES = Objective("least squares")
LINEAR = Objective("least squares", space="linear")
LAD_DELTA = 1e-7  # least absolute deviations is Huber with a corner narrower than any loss is reported to


def huber(delta: float = 1e-3) -> Objective:
    """Huber on log loss; 1e-3 is Hoffmann et al. 2022's half-width."""
    if not delta > 0:
        raise ValueError(f"Huber delta is {delta}; it must be positive (1e-3 is usual for log loss)")
    return Objective(f"Huber (delta {delta:g})", delta)


LAD = Objective("least absolute deviations", LAD_DELTA)
FREE_SCALE = Objective("free-scale Huber likelihood (delta 0.001)", 1e-3, free_scale=True)
SENSITIVITY = (huber(1e-3), huber(1e-2), LAD, LEAST_SQUARES, FREE_SCALE)


def objective_named(name: str) -> Objective:
    """ "huber", "huber:0.01", "lad", "least-squares", "linear" or "likelihood" to an objective."""
    kind, _, delta = name.partition(":")
    known = {"lad": LAD, "least-squares": LEAST_SQUARES, "linear": LINEAR, "likelihood": FREE_SCALE}
    if kind == "huber":
        return huber(float(delta) if delta else 1e-3)
    if kind not in known:
        raise ValueError(f"objective {name!r} is not known; use huber[:delta], {', '.join(known)}")
    return known[kind]


def huber_log_normaliser(delta: float) -> float:
    """log of the integral of exp(-huber(x)), the constant of the free-scale likelihood (Epoch's notebook)."""
    from scipy.special import ndtr

    inside = np.sqrt(2 * np.pi) * (1.0 - 2.0 * (1.0 - ndtr(delta)))
    return float(np.log(inside + 2.0 * np.exp(-0.5 * delta * delta) / delta))
