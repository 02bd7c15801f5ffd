"""Do tests and intervals keep their size where noise is not as the fit takes it? Tables of two levels with one law.

    python benchmarks/fit/noise.py [--tables 100] [--replicates 200]

The fit takes a variance per row and one per trunk, the same in every level. Departures, by themselves, on the web study's
design (one shape, 5 D, 13 seeds) and on one of two shapes, 6 D, 3 seeds:

as assumed   a variance per row and one per trunk
along D      the noise of a trunk's branches is forgotten over 1.2 e-folds of D, as measured (docs/log.md)
falls        the standard deviation falls by half from the first D to the last
bent         the law misses both levels alike, by up to 0.5 % at each D
loud level   the level scatters twice as much as the baseline
one order    the two shapes of a level and seed share 0.9 of their luck (tables in which orders were shared)

Prints, per departure, the share of tables in which the exponent is called shifted at 5 % (F and simulated p), and in which the
95 % intervals of delta beta and of the mean loss difference hold zero.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scaling_fit import Settings
from scaling_fit.levels.compare import compare
from scaling_fit.levels.gap import gap
from scaling_fit.levels.shift import shift
from scaling_fit.observations import Observations, observations

LAW = {"E": 2.2, "A": 112.0, "alpha": 0.35, "B": 33.0, "beta": 0.21}
ROW, TRUNK, REACH = 0.0035, 0.001, 1.2
Array = np.ndarray
Luck = Callable[[np.random.Generator, str, Array], Array]
"""Of (a stream of chance, the level, D): the noise of log losses of one trunk."""


@dataclass(frozen=True)
class Plan:
    sizes: tuple[float, ...]
    tokens: Array
    seeds: int


PLANS = {
    "1 shape, 5 D, 13 seeds": Plan((157_696.0,), np.geomspace(81_920, 5_580_800, 5), 13),
    "2 shapes, 6 D, 3 seeds": Plan((157_696.0, 270_000.0), np.geomspace(81_920, 2_590_208, 6), 3),
}


def assumed(rng: np.random.Generator, level: str, D: Array) -> Array:
    return ROW * rng.standard_normal(len(D)) + TRUNK * rng.standard_normal()


def along(rng: np.random.Generator, level: str, D: Array) -> Array:
    covariance = ROW**2 * np.exp(-np.abs(np.log(D[:, None] / D)) / REACH)
    return np.linalg.cholesky(covariance) @ rng.standard_normal(len(D)) + TRUNK * rng.standard_normal()


def falls(rng: np.random.Generator, level: str, D: Array) -> Array:
    return assumed(rng, level, D) * np.geomspace(1.4, 0.7, len(D))


def loud(rng: np.random.Generator, level: str, D: Array) -> Array:
    return assumed(rng, level, D) * (2.0 if level == "level" else 1.0)


def bent(rng: np.random.Generator, level: str, D: Array) -> Array:
    return assumed(rng, level, D) + 0.005 * np.cos(3.0 * np.arange(len(D)))


DEPARTURES: dict[str, Luck] = {"as assumed": assumed, "along D": along, "falls": falls, "bent": bent, "loud level": loud}


def table(plan: Plan, luck: Luck, rng: np.random.Generator, one_order: bool) -> Observations:
    rows: dict[str, list] = {k: [] for k in ("level", "shape", "seed", "trunk", "N", "D", "loss")}
    for level in ("raw", "level"):
        for seed in range(plan.seeds):
            common = along(rng, level, plan.tokens)
            for N in plan.sizes:
                own = luck(rng, level, plan.tokens)
                noise = np.sqrt(0.9) * common + np.sqrt(0.1) * own if one_order else own
                loss = LAW["E"] + LAW["A"] * N ** -LAW["alpha"] + LAW["B"] * plan.tokens ** -LAW["beta"]
                n = len(plan.tokens)
                rows["level"] += [level] * n
                rows["shape"] += [f"{N:g}"] * n
                rows["seed"] += [str(seed)] * n
                rows["trunk"] += [f"{level}/{N:g}/{seed}"] * n
                rows["N"] += [N] * n
                rows["D"] += plan.tokens.tolist()
                rows["loss"] += (loss * np.exp(noise)).tolist()
    return observations(rows)


def judged(one: Observations, replicates: int, seed: int) -> tuple[bool, bool, bool, bool]:
    settings = Settings(seed=seed)
    whole = compare(one, "raw", replicates=replicates)
    test, apart = shift(whole, "level", settings, replicates // 2), gap(whole, "level", 0.95).mean
    exponent = test.contrasts.exponent
    assert exponent.p_simulated is not None
    beta = test.delta_beta
    return exponent.p_F < 0.05, exponent.p_simulated < 0.05, beta.low < 0 < beta.high, apart.low < 0 < apart.high


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", type=int, default=100)
    parser.add_argument("--replicates", type=int, default=200)
    arguments = parser.parse_args()
    print(f"{'design':24}{'noise':14}{'F < 5 %':>9}{'sim < 5 %':>11}{'beta holds':>12}{'loss holds':>12}")
    for name, plan in PLANS.items():
        cases = {**DEPARTURES, **({"one order": along} if len(plan.sizes) > 1 else {})}
        for departure, luck in cases.items():
            rng = np.random.default_rng(0)
            found = [
                judged(table(plan, luck, rng, departure == "one order"), arguments.replicates, k)
                for k in range(arguments.tables)
            ]
            F, simulated, beta, loss = (100 * share for share in np.mean(found, 0))
            print(f"{name:24}{departure:14}{F:8.0f}%{simulated:10.0f}%{beta:11.0f}%{loss:11.0f}%", flush=True)


if __name__ == "__main__":
    main()
