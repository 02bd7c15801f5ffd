"""4000 bootstrap refits of Besiroglu et al.'s 240 points: one batch here, against a scipy BFGS loop with analytic gradients.

    python benchmarks/fit/bootstrap.py [--table CSV] [--replicates 4000] [--rounds 3]

Both sides minimise the same objective (Huber 1e-3 on log loss, summed) on the same resamples (the published ones: numpy's
legacy stream, seed 42). The loop starts at Hoffmann's parameters as the published code does, the batch at the full-sample
minimum; what each reaches is compared resample by resample. The loop runs on a share of the resamples, and is scaled up,
unless --all. Without the table, points are simulated on Besiroglu's law.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import huber as scipy_huber
from scipy.special import logsumexp

from scaling_fit.law.fit import fit
from scaling_fit.law.solve import N_THREADS, solve
from scaling_fit.settings import FitSettings

HOFFMANN = np.array([6.0073404, 6.0179186, 0.5267228, 0.33917084, 0.2849083])
PUBLISHED = {"A": 124.52232, "B": 1293.28410, "E": 0.02566, "alpha": 0.01540, "beta": 0.02060}


def points(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not path.exists():
        rng = np.random.default_rng(0)
        N, D = np.exp(rng.uniform(np.log(6e7), np.log(1e10), 240)), np.exp(rng.uniform(np.log(1e9), np.log(2e11), 240))
        return N, D, (1.8172 + 482.01 / N**0.3478 + 2085.43 / D**0.3658) * np.exp(0.005 * rng.laplace(size=240))
    with path.open(encoding="utf-8") as file:
        rows = [(float(r["Model Size"]), float(r["Training FLOP"]), float(r["loss"])) for r in csv.DictReader(file)]
    cut = sorted(row[2] for row in rows)[-5]
    N, C, loss = np.array([row for row in rows if row[2] < cut]).T
    return N, C / (6 * N), loss


def loop(N: np.ndarray, D: np.ndarray, loss: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    log_n, log_d, log_l = np.log(N), np.log(D), np.log(loss)

    def value(p: np.ndarray, w: np.ndarray) -> tuple[float, np.ndarray]:
        z = np.stack([p[0] - p[3] * log_n, p[1] - p[4] * log_d, np.full(len(N), p[2])])
        f = logsumexp(z, axis=0)
        r, share = f - log_l, np.exp(z - f)
        slope = w * np.clip(r, -1e-3, 1e-3)
        a, b, e = slope * share[0], slope * share[1], slope * share[2]
        return float(w @ scipy_huber(1e-3, r)), np.array([a.sum(), b.sum(), e.sum(), -a @ log_n, -b @ log_d])

    results = [minimize(value, HOFFMANN, args=(w,), jac=True, method="BFGS") for w in weights]
    return np.array([r.x for r in results]), np.array([r.fun for r in results])


def main() -> None:
    parser = argparse.ArgumentParser()
    beside = Path(__file__).resolve().parents[3] / "shared/data/scaling/besiroglu_chinchilla/svg_extracted_data.csv"
    parser.add_argument("--table", type=Path, default=beside)
    parser.add_argument("--replicates", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="run the loop on every resample")
    told = parser.parse_args()
    N, D, loss = points(told.table)
    legacy = np.random.RandomState(42)
    draws = [np.bincount(legacy.choice(len(N), size=len(N), replace=True), minlength=len(N)) for _ in range(told.replicates)]
    weights = np.array(draws, dtype=float)
    found = fit({"N": N, "D": D, "loss": loss}, FitSettings(intervals="none"))
    laid = found.grouped
    starts = np.repeat(found.theta_P[None], told.replicates, 0)
    share = told.replicates if told.all else min(told.replicates, 100)
    batch_times, loop_times = [], []
    for _ in range(told.rounds):
        t = time.perf_counter()
        batch = solve(laid.problem, starts, found.objective, weight_RN=weights[:, laid.rows])
        batch_times.append(time.perf_counter() - t)
        t = time.perf_counter()
        peer, peer_value = loop(N, D, loss, weights[:share])
        loop_times.append((time.perf_counter() - t) * told.replicates / share)
    ours, theirs = np.median(batch_times), np.median(loop_times)
    source = "published" if told.table.exists() else "simulated"
    print(f"{source} table, {len(N)} points; {told.replicates} resamples, {N_THREADS} threads")
    print(f"batch      {ours:8.2f} s   (rounds: {', '.join(f'{x:.2f}' for x in batch_times)})")
    print(f"BFGS loop  {theirs:8.2f} s   (from {share} resamples; rounds: {', '.join(f'{x:.1f}' for x in loop_times)})")
    print(f"ratio      {theirs / ours:8.1f} x")
    gap = batch.objective_R[:share] - peer_value
    print(f"objective, batch minus loop: in [{gap.min():.2g}, {gap.max():.2g}]")
    print(f"resamples where the loop ends above the batch by more than 1e-9: {100 * (gap < -1e-9).mean():.1f} %")
    natural = dict(zip(laid.law.names, laid.law.natural(batch.theta_RP, laid.pivot).T, strict=True))
    theirs_natural = {
        "A": np.exp(peer[:, 0]),
        "B": np.exp(peer[:, 1]),
        "E": np.exp(peer[:, 2]),
        "alpha": peer[:, 3],
        "beta": peer[:, 4],
    }
    print("standard errors      published      batch" + ("       loop" if told.all else ""))
    for name, published in PUBLISHED.items():
        print(
            f"  {name:6} {published:20.5f} {natural[name].std():10.5f}"
            + (f" {theirs_natural[name].std():10.5f}" if told.all else "")
        )


if __name__ == "__main__":
    main()
