"""Do 95 % intervals hold the runs that come? Forecasts at 2, 5 and 20 times the data's compute, ours and the usual way.

    python benchmarks/fit/coverage.py [--seeds 8] [--data FOLDER] [--only grid,ray]

Simulated tables follow laws that are none of the forms that forecasts are made with: a product term, exponents that drift, an
exponent that changes with size (Li et al. 2025, Farseer), two data terms, terms added under a power. Published tables are cut
at a compute budget and asked for the runs above it. The usual way is the additive law fitted to all runs, with its parameters'
error and the noise.
"""

import argparse
import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path

import numpy as np

from scaling_fit.levels.calibrate import calibrate
from scaling_fit.levels.compare import compare
from scaling_fit.levels.forecast import predict
from scaling_fit.observations import Observations, observations

Array = np.ndarray
Surface = Callable[[Array, Array], Array]
LAWS = ("product", "drift", "size-dependent", "two data terms", "power of a sum")
DESIGNS = ("grid", "small grid", "isoFLOP", "ray", "two rays", "one size")
BANDS = {"2x": (1.3, 3.2), "5x": (3.2, 9.0), "20x": (9.0, 41.0)}
BACK = (3.3, 9.0, 27.0)  # published tables are cut this factor below their largest compute
FEWEST = 12  # distinct (N, D) that must be left below a cut


def law_of(kind: str, rng: np.random.Generator) -> Surface:
    """Log loss as a function of (N, D), with terms of .35 to .9 nats at 1e8 parameters and 2e9 tokens."""
    E, alpha, beta = rng.uniform(1.4, 2.2), rng.uniform(0.28, 0.40), rng.uniform(0.26, 0.42)
    a, b = rng.uniform(0.35, 0.9, 2)
    n, d = lambda N: np.log(N / 1e8), lambda D: np.log(D / 2e9)
    if kind == "product":
        c, p, q = rng.uniform(0.1, 0.5), *rng.uniform(0.1, 0.3, 2)
        return lambda N, D: np.log(E + a * np.exp(-alpha * n(N)) + b * np.exp(-beta * d(D)) + c * np.exp(-p * n(N) - q * d(D)))
    if kind == "drift":
        g, h = rng.uniform(-0.02, 0.02, 2)
        return lambda N, D: np.log(
            E + a * np.exp(-alpha * n(N) + h * n(N) ** 2 / 2) + b * np.exp(-beta * d(D) + g * d(D) ** 2 / 2)
        )
    if kind == "size-dependent":
        s, k = rng.uniform(-0.12, 0.12), rng.uniform(-0.1, 0.1)
        return lambda N, D: np.log(E + a * np.exp(-alpha * n(N)) + b * np.exp(k * n(N) - beta * np.exp(s * n(N)) * d(D)))
    if kind == "two data terms":
        w, high, low = rng.uniform(0.3, 0.7), beta + rng.uniform(0.05, 0.2), beta - rng.uniform(0.05, 0.15)
        return lambda N, D: np.log(
            E + a * np.exp(-alpha * n(N)) + b * (w * np.exp(-high * d(D)) + (1 - w) * np.exp(-low * d(D)))
        )
    g = rng.choice([rng.uniform(0.5, 0.8), rng.uniform(1.25, 1.8)])
    return lambda N, D: np.log(E + (a ** (1 / g) * np.exp(-alpha * n(N) / g) + b ** (1 / g) * np.exp(-beta * d(D) / g)) ** g)


def runs_of(design: str) -> tuple[Array, Array, Array, Array]:
    """N and D of a design's runs, and of runs at 2, 5 and 20 times its largest compute."""
    factor = np.array([2.0, 5.0, 20.0])
    if "grid" in design:
        sizes, tokens = (np.geomspace(1e7, 6e8, 5), 2e10) if design == "grid" else (np.geomspace(1e7, 2e8, 3), 1e10)
        N, D = (x.ravel() for x in np.meshgrid(sizes, np.geomspace(2e8, tokens, 6), indexing="ij"))
        return N, D, N.max() * np.sqrt(factor), D.max() * np.sqrt(factor)
    if design == "one size":
        D = np.geomspace(1e8, 1e10, 9)
        return np.full(9, 5e7), D, np.full(3, 5e7), D.max() * factor
    ratio = 20.0
    if design == "isoFLOP":
        budgets = np.geomspace(1e18, 3e20, 6)
        N = (np.sqrt(budgets / 120)[:, None] * np.geomspace(0.25, 4.0, 7)).ravel()
        D = np.repeat(budgets, 7) / (6 * N)
    elif design == "ray":
        N = np.geomspace(1e7, 1e9, 9)
        D = 20 * N
    else:
        ratio, N = 40.0, np.tile(np.geomspace(1e7, 1e9, 7), 2)
        D = N * np.repeat([20.0, 80.0], 7)
    ahead = np.sqrt((N * D).max() * factor / ratio)
    return N, D, ahead, ratio * ahead


@dataclass(frozen=True)
class Case:
    """A table to fit and runs to forecast."""

    group: str
    table: Observations
    N: Array
    D: Array
    loss: Array


def simulated(design: str, law: str, seed: int) -> Case:
    """One run of `design` under a random law of that kind, with .1, .3 or .6 % noise, and noisy runs beyond it."""
    rng = np.random.default_rng([seed, DESIGNS.index(design), LAWS.index(law)])
    surface, (N, D, far_N, far_D) = law_of(law, rng), runs_of(design)
    sd = rng.choice([0.001, 0.003, 0.006])
    loss, far = (np.exp(surface(n, d) + sd * rng.standard_normal(len(n))) for n, d in ((N, D), (far_N, far_D)))
    return Case(design, observations({"N": N, "D": D, "loss": loss}), far_N, far_D, far)


def published(folder: Path) -> Iterator[Case]:
    """Every table under `folder` cut below its largest compute, and its runs above the cut."""
    for group, rows in _tables(folder):
        N, D, loss = (np.array([float(row[name]) for row in rows]) for name in ("N", "D", "loss"))
        log_C = np.log(N * D)
        for back in BACK:
            known = log_C <= log_C.max() - np.log(back)
            if len({*zip(N[known], D[known], strict=True)}) >= FEWEST:
                table = observations({"N": N[known], "D": D[known], "loss": loss[known]})
                yield Case(group, table, N[~known], D[~known], loss[~known])


def _tables(folder: Path) -> Iterator[tuple[str, list[dict]]]:
    read = lambda name: list(csv.DictReader((folder / name).open(encoding="utf-8")))  # noqa: E731
    rows = read("besiroglu_chinchilla/svg_extracted_data.csv")
    cut = sorted(float(row["loss"]) for row in rows)[-5]
    rows = [{"N": float(r["Model Size"]), "C": float(r["Training FLOP"]), "loss": float(r["loss"])} for r in rows]
    yield "besiroglu", [row | {"D": row["C"] / (6 * row["N"])} for row in rows if row["loss"] < cut]
    rows = read("gadre_overtraining/gadre_104_models.csv")
    for data in dict.fromkeys(row["dataset"] for row in rows):
        for name in ("loss_openlm", "loss_c4_val"):
            yield "gadre", [row | {"loss": row[name]} for row in rows if row["dataset"] == data and row[name]]
    for name in ("hot", "cool_begin", "cool_end"):
        lines = (folder / f"gemstones/wandb_df_for_fitting_{name}.jsonl").read_text(encoding="utf-8").splitlines()
        runs = [json.loads(line) for line in lines]
        yield "gemstones", [{"N": r["params_active_precise"], "D": r["tokens"], "loss": r["final_loss"]} for r in runs]
    rows, key = read("porian/porian_points.csv"), ("file", "hparams", "warmup", "decay", "param_count", "val")
    for sweep in dict.fromkeys(tuple(row[name] for name in key) for row in rows):
        yield "porian", [row for row in rows if tuple(row[name] for name in key) == sweep]


def judge(case: Case) -> dict[str, tuple[Array, Array]]:
    """Per distance that the case reaches: error in % and half-width in % of its runs, [2 ways, runs] each."""
    whole = compare(case.table, "all", replicates=100)
    shape = np.full(len(case.N), next(iter(whole.shapes)), dtype=object)
    ours = predict(whole, calibrate(whole), "all", shape, case.N, case.D)
    usual_RM = whole.log_loss("all", shape[0], case.N, case.D, np.concatenate([whole.theta_P[None], whole.theta_RP]))
    usual_sd = np.sqrt(usual_RM[1:].var(0) + whole.noise.row**2 + whole.noise.trunk**2)
    error_2M = np.stack([np.log(ours.loss), usual_RM[0]]) - np.log(case.loss)
    half_2M = np.stack([np.log(ours.high / ours.loss), 1.96 * usual_sd])
    bands = {name: (low < ours.beyond.compute) & (ours.beyond.compute < high) for name, (low, high) in BANDS.items()}
    return {name: (100 * error_2M[:, here], 100 * half_2M[:, here]) for name, here in bands.items() if here.any()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8, help="simulated tables per design and law")
    parser.add_argument("--data", type=Path, help="folder of published tables (besiroglu_chinchilla, gadre_overtraining, ...)")
    parser.add_argument("--only", default=",".join(DESIGNS))
    asked = parser.parse_args()
    cases = (simulated(d, law, k) for d in asked.only.split(",") for law in LAWS for k in range(asked.seeds))
    if asked.data:
        cases = chain(cases, published(asked.data))
    print("| runs | beyond | tables | covered | half-width | error | usual: covered | half-width | error |")
    print("|---|---|---|---|---|---|---|---|---|")
    for group, members in groupby(cases, key=lambda case: case.group):
        found = [judge(case) for case in members]
        for band in BANDS:
            tables = [one[band] for one in found if band in one]
            covered = np.mean([(np.abs(error) <= half).mean(1) for error, half in tables], axis=0)
            width = np.median([np.median(half, axis=1) for _, half in tables], axis=0)
            size = np.sqrt(np.mean([(error**2).mean(1) for error, _ in tables], axis=0))
            ways = " | ".join(f"{100 * covered[k]:.0f} % | {width[k]:.2f} % | {size[k]:.2f} %" for k in range(2))
            print(f"| {group} | {band} | {len(tables)} | {ways} |", flush=True)


if __name__ == "__main__":
    main()
