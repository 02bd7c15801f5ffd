"""Scaling laws as small objects: each is a sum of positive terms, solved for in log coefficients and exponents.

Shape suffixes: R replicates, T terms, N points, P parameters of a law (log coefficients first, then exponents).

    log L = log sum_t exp(z_t),    z_t = log coefficient_t + sum_k exponent_k * x_tk

The gradient is a softmax average of the design and the curvature a softmax covariance, so one solver serves every law.
Two departures are named where they happen: Kaplan's law adds its terms at a temperature, and repetition and breaks bend
the data term. The x are logs centred on a pivot (the geometric mean of the table), which takes the Hessian's condition
from about 1e11 to about 1e3; `natural` undoes the centring.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray
Bend = Callable[[Array, "Law", dict[str, Array]], tuple[Array, dict[int, Array]]]
FRESH = -1e3  # stands for log(0) repeats: finite, so that 0 * log(0) stays a number


@dataclass(frozen=True)
class Inputs:
    """What a law may depend on, per run: N parameters, D training tokens, U unique tokens (U >= D: nothing repeated)."""

    N: Array
    D: Array
    U: Array

    def pivot(self) -> tuple[float, float]:
        return float(np.exp(np.log(self.N).mean())), float(np.exp(np.log(self.D).mean()))

    def logs(self, pivot: tuple[float, float]) -> dict[str, Array]:
        """Centred logs by variable: N, D, unique U, repeats R = D/U - 1, and parameters per unique token N/U."""
        unique = np.minimum(self.U, self.D)
        repeats = self.D / unique - 1.0
        return {
            "N": np.log(self.N / pivot[0]),
            "D": np.log(self.D / pivot[1]),
            "U": np.log(unique / pivot[1]),
            "R": np.where(repeats > 0, np.log(np.maximum(repeats, 1e-300)), FRESH),
            "N/U": np.log(self.N / pivot[0]) - np.log(unique / pivot[1]),
        }

    def take(self, rows: Array) -> "Inputs":
        return Inputs(self.N[rows], self.D[rows], self.U[rows])


@dataclass(frozen=True)
class Parameter:
    """A named number of a law, its unit and meaning. `grid` is (low, high, steps) of the search for a nonlinear one;
    `log` marks a positive exponent solved for in logs, `axis` the variable whose pivot scales it."""

    name: str
    unit: str
    meaning: str
    grid: tuple[float, float, int] = (0.0, 0.0, 1)
    log: bool = False
    axis: str = ""


@dataclass(frozen=True)
class Term:
    """coefficient * product of variable^(sign * exponent), e.g. Term("B", {"kappa": (1, "N"), "beta": (-1, "D")})."""

    coefficient: str
    powers: dict[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Law:
    """A sum of `terms`. `needs` names the axes (N, D) that must vary; `temperature` the exponent at which the terms are
    added (Kaplan); `bend` what is added to log of the data term (repetition, break)."""

    name: str
    formula: str
    coefficients: tuple[Parameter, ...]
    exponents: tuple[Parameter, ...]
    terms: tuple[Term, ...]
    needs: str
    source: str
    temperature: str = ""
    bend: Bend | None = None

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.coefficients + self.exponents

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    def design(self, inputs: Inputs, pivot: tuple[float, float]) -> "Design":
        """The law laid over the points of a table."""
        logs, names = inputs.logs(pivot), self.names
        X_TNP = np.zeros((len(self.terms), len(inputs.N), len(names)))
        for t, term in enumerate(self.terms):
            X_TNP[t, :, names.index(term.coefficient)] = 1.0
            for exponent, (sign, variable) in term.powers.items():
                X_TNP[t, :, names.index(exponent)] = sign * logs[variable]
        return Design(self, X_TNP, logs)

    def _shift(self, phi_RP: Array, pivot: tuple[float, float]) -> Array:
        """What moving from centred to plain logs adds to each solver coordinate, shape [R, P]."""
        log_pivot = {"N": np.log(pivot[0]), "D": np.log(pivot[1]), "U": np.log(pivot[1]), "R": 0.0}
        log_pivot["N/U"] = log_pivot["N"] - log_pivot["D"]
        shift_RP, names = np.zeros_like(phi_RP), self.names
        for term in self.terms:
            for exponent, (sign, variable) in term.powers.items():
                shift_RP[:, names.index(term.coefficient)] -= sign * log_pivot[variable] * phi_RP[:, names.index(exponent)]
        for column, parameter in enumerate(self.parameters):
            if parameter.axis:
                shift_RP[:, column] += log_pivot[parameter.axis]
        return shift_RP

    def _is_log(self) -> Array:
        return np.array([k < len(self.coefficients) or p.log for k, p in enumerate(self.parameters)])

    def natural(self, phi_RP: Array, pivot: tuple[float, float]) -> Array:
        """Solver coordinates to the formula's own numbers (coefficients exponentiated, pivot undone), shape [R, P]."""
        out_RP = phi_RP + self._shift(phi_RP, pivot)
        with np.errstate(over="ignore"):
            return np.where(self._is_log(), np.exp(out_RP), out_RP)

    def solver(self, values: dict[str, float], pivot: tuple[float, float]) -> Array:
        """The formula's numbers by name to solver coordinates, shape [P]: the inverse of `natural`."""
        phi_P = np.array([values[name] for name in self.names], dtype=float)
        phi_P = np.where(self._is_log(), np.log(np.where(self._is_log(), phi_P, 1.0)), phi_P)
        return phi_P - self._shift(phi_P[None], pivot)[0]


class Design:
    """A law on given points. `evaluate` is the hot path of the whole package, so it avoids temporaries of shape [R, N, P]."""

    def __init__(self, law: Law, X_TNP: Array, logs: dict[str, Array]):
        self.law, self.X_TNP, self.logs = law, X_TNP, logs
        self.n_points, self.n_parameters = X_TNP.shape[1:]
        # Per term: the parameters it depends on, and the columns of their products (for the curvature).
        self.active = [np.flatnonzero(np.abs(X).sum(0) > 0) for X in X_TNP]
        self.constant = [{int(k) for k in act if np.all(X[:, k] == 1.0)} for X, act in zip(X_TNP, self.active, strict=True)]
        self.products = [
            (X[:, a][:, :, None] * X[:, a][:, None, :]).reshape(len(X), -1) for X, a in zip(X_TNP, self.active, strict=True)
        ]
        self.temperature = law.names.index(law.temperature) if law.temperature else -1
        self.data_term = next((t for t, term in enumerate(law.terms) if term.coefficient == "B"), 0)

    def take(self, rows: Array) -> "Design":
        return Design(self.law, self.X_TNP[:, rows], {name: log[rows] for name, log in self.logs.items()})

    def evaluate(self, phi_RP: Array) -> tuple[Array, Array, list[Array]]:
        """Log loss f [R, N], its gradient J [R, P, N], and the softmax weights of the terms, each [R, N]."""
        z_TRN = [phi_RP[:, a] @ X[:, a].T for X, a in zip(self.X_TNP, self.active, strict=True)]
        bend: dict[int, Array] = {}
        if self.law.bend is not None:
            extra_RN, bend = self.law.bend(phi_RP, self.law, self.logs)
            z_TRN[self.data_term] = z_TRN[self.data_term] + extra_RN
        top_RN = np.maximum.reduce(z_TRN)
        tau_R1 = self._tau(phi_RP) if self.temperature >= 0 else None
        weights = [(z - top_RN) if tau_R1 is None else (z - top_RN) / tau_R1 for z in z_TRN]
        total_RN = np.zeros_like(top_RN)
        for weight_RN in weights:
            np.exp(weight_RN, out=weight_RN)
            total_RN += weight_RN
        for weight_RN in weights:
            weight_RN /= total_RN
        log_total_RN = np.log(total_RN)
        f_RN = top_RN + (log_total_RN if tau_R1 is None else tau_R1 * log_total_RN)
        J_RPN = np.zeros((len(phi_RP), self.n_parameters, self.n_points))
        for t, (X_NP, active) in enumerate(zip(self.X_TNP, self.active, strict=True)):
            for k in active:
                if k in self.constant[t]:
                    J_RPN[:, k] += weights[t]
                else:
                    J_RPN[:, k] += weights[t] * X_NP[:, k]
        for k, slope_RN in bend.items():
            J_RPN[:, k] += weights[self.data_term] * slope_RN
        if tau_R1 is not None:  # d f / d tau is the entropy of the weights
            entropy_RN = sum(-w * np.log(np.maximum(w, 1e-300)) for w in weights)
            J_RPN[:, self.temperature] += entropy_RN
        return f_RN, J_RPN, weights

    def _tau(self, phi_RP: Array) -> Array:
        """The temperature, shape [R, 1]; nan where it is not positive: there the law means nothing, and a step is refused."""
        tau_R1 = phi_RP[:, self.temperature, None]
        return np.where(tau_R1 > 0, tau_R1, np.nan)

    def predict(self, phi_RP: Array) -> Array:
        """Log loss only, shape [R, N]."""
        z_TRN = [phi_RP[:, a] @ X[:, a].T for X, a in zip(self.X_TNP, self.active, strict=True)]
        if self.law.bend is not None:
            z_TRN[self.data_term] = z_TRN[self.data_term] + self.law.bend(phi_RP, self.law, self.logs)[0]
        tau_R1 = self._tau(phi_RP) if self.temperature >= 0 else 1.0
        top_RN = np.maximum.reduce(z_TRN)
        return top_RN + tau_R1 * np.log(sum(np.exp((z - top_RN) / tau_R1) for z in z_TRN))


def repetition(phi_RP: Array, law: Law, logs: dict[str, Array]) -> tuple[Array, dict[int, Array]]:
    """Data that repeats is worth less: D' = U + U R*(1 - exp(-R/R*)) (Muennighoff et al. 2023, eq. 5; the data side only:
    their R_N* is not identified on their own table)."""
    beta, star = law.names.index("beta"), law.names.index("R_star")
    R_1N = np.where(logs["R"] > FRESH, np.exp(np.clip(logs["R"], -50, 50)), 0.0)[None]
    star_R1, beta_R1 = np.exp(np.clip(phi_RP[:, star, None], -10, 10)), phi_RP[:, beta, None]
    decay_RN = np.exp(-R_1N / star_R1)
    worth_RN = 1.0 + star_R1 * (1.0 - decay_RN)
    shorter_RN = np.log(worth_RN) - np.log1p(R_1N)  # log D' - log D
    slope_RN = (star_R1 * (1.0 - decay_RN) - R_1N * decay_RN) / worth_RN
    return -beta_R1 * shorter_RN, {beta: -shorter_RN, star: -beta_R1 * slope_RN}


BREAK_WIDTH = 0.3  # in log D: sharp beside a decade, smooth beside a solver step; a free width is hardly ever identified


def broken(phi_RP: Array, law: Law, logs: dict[str, Array]) -> tuple[Array, dict[int, Array]]:
    """One smooth break (Caballero et al. 2023, eq. 1, n = 1): the exponent goes from beta to beta + delta around D1."""
    delta, at = law.names.index("delta"), law.names.index("D1")
    delta_R1 = phi_RP[:, delta, None]
    u_RN = (logs["D"][None] - phi_RP[:, at, None]) / BREAK_WIDTH
    soft_RN = BREAK_WIDTH * np.logaddexp(0.0, u_RN)
    return -delta_R1 * soft_RN, {delta: -soft_RN, at: delta_R1 / (1.0 + np.exp(np.clip(-u_RN, -50, 50)))}


E = Parameter("E", "nats/token", "floor: the loss that neither parameters nor data remove")
A = Parameter("A", "nats/token * parameters^alpha", "prefactor of the parameter term")
B = Parameter("B", "nats/token * tokens^beta", "prefactor of the data term")
ALPHA = Parameter("alpha", "1", "exponent of the parameter term", (0.03, 1.8, 32))
BETA = Parameter("beta", "1", "exponent of the data term", (0.03, 1.8, 32))
T_E, T_A, T_B = Term("E"), Term("A", {"alpha": (-1, "N")}), Term("B", {"beta": (-1, "D")})
CHINCHILLA = "Hoffmann et al. 2022, eq. 10"

LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        Law("data", "L = E + B/D^beta", (E, B), (BETA,), (T_E, T_B), "D", "Hestness et al. 2017"),
        Law("size", "L = E + A/N^alpha", (E, A), (ALPHA,), (T_E, T_A), "N", "Hestness et al. 2017"),
        Law("additive", "L = E + A/N^alpha + B/D^beta", (E, A, B), (ALPHA, BETA), (T_E, T_A, T_B), "ND", CHINCHILLA),
        Law(
            "cross",
            "L = E + A/N^alpha + B*N^kappa/D^beta",
            (E, A, B),
            (ALPHA, BETA, Parameter("kappa", "1", "growth of the data prefactor with parameters", (-0.3, 0.3, 5))),
            (T_E, T_A, Term("B", {"beta": (-1, "D"), "kappa": (1, "N")})),
            "ND",
            "additive with the interaction that its adequacy test adds",
        ),
        Law(
            "tied",
            "L = E + A/N^gamma + B/D^gamma",
            (E, A, B),
            (Parameter("gamma", "1", "exponent of both terms", (0.02, 1.8, 90)),),
            (T_E, Term("A", {"gamma": (-1, "N")}), Term("B", {"gamma": (-1, "D")})),
            "ND",
            "Gadre et al. 2024, eq. 4 with M = D/N",
        ),
        Law(
            "kaplan",
            "L = [(A/N^alpha)^(1/beta) + (B/D^beta)^(1/beta)]^beta",
            (A, B),
            (ALPHA, BETA),
            (T_A, T_B),
            "ND",
            "Kaplan et al. 2020, eq. 1.5, with A = Nc^alpha and B = Dc^beta; no floor",
            temperature="beta",
        ),
        Law(
            "repetition",
            "L = E + A/N^alpha + B/D'^beta, D' = U + U*R_star*(1 - exp(-(D/U - 1)/R_star))",
            (E, A, B),
            (ALPHA, BETA, Parameter("R_star", "repeats", "repeats after which data is worth little", (0.0, 4.6, 6), True)),
            (T_E, T_A, T_B),
            "ND",
            "Muennighoff et al. 2023, eq. 5 and 6",
            bend=repetition,
        ),
        Law(
            "overfitting",
            "L = E + A/N^alpha + B/D^beta + P*(D/U - 1)^delta*(N/U)^kappa",
            (E, A, B, Parameter("P", "nats/token", "overfitting at one repeat and one parameter per unique token")),
            (
                ALPHA,
                BETA,
                Parameter("delta", "1", "growth of overfitting with repeats", (0.3, 2.0, 4)),
                Parameter("kappa", "1", "growth of overfitting with parameters per unique token", (0.0, 1.2, 4)),
            ),
            (T_E, T_A, T_B, Term("P", {"delta": (1, "R"), "kappa": (1, "N/U")})),
            "ND",
            "additive penalty after Lovelace 2026, arXiv 2605.01640",
        ),
        Law(
            "broken",
            "L = E + B/D^beta * (1 + (D/D1)^(1/w))^(-w*delta), w = 0.3",
            (E, B),
            (
                BETA,
                Parameter("delta", "1", "what the break adds to the exponent", (-0.5, 0.8, 9)),
                Parameter("D1", "tokens", "where the break is", (-3.0, 3.0, 9), True, "D"),
            ),
            (T_E, T_B),
            "D",
            "Caballero et al. 2023, eq. 1, one break",
            bend=broken,
        ),
    )
}


def law_named(name: str) -> Law:
    """The law of that name. Errors: ValueError naming the known ones."""
    if name not in LAWS:
        raise ValueError(f"law {name!r} is not known; use one of {', '.join(LAWS)}")
    return LAWS[name]
