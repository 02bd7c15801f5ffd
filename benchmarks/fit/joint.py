"""A joint fit of 5 levels x 200 points with 2000 replicates: one batch, against scipy's least_squares one by one.

    python benchmarks/fit/joint.py [--replicates 2000] [--peer 20]

Every level has its own five parameters (25 in all), trunks of 5 branches with shared noise, and both sides minimise the
same whitened sum of squares from the same start with analytic Jacobians. The import of the library is timed in fresh
interpreters, beside numpy's and scipy.special's own.
"""

import argparse
import subprocess
import sys
import time

import numpy as np
from scipy.optimize import least_squares

from scaling_fit.law.solve import solve
from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, table_of

GRID = Grid(tuple(np.geomspace(1e7, 1e9, 5)), tuple(np.geomspace(2e8, 5e10, 5)), seeds=8, row=0.002, trunk=0.002)


def import_seconds(module: str) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) for _ in range(5)
    ]
    return float(np.median(runs))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--peer", type=int, default=20, help="replicates the peer solves (scaled up)")
    told = parser.parse_args()
    truths = {f"level {k}": TRUTH | {"B": TRUTH["B"] * (1 + 0.1 * k)} for k in range(5)}
    table = table_of(GRID, truths, np.random.default_rng(0))
    t = time.perf_counter()
    whole = compare(table, "level 0", replicates=told.replicates)
    full = time.perf_counter() - t
    problem = whole.grouped.problem
    assert problem.trunks is not None
    rng = np.random.default_rng(1)
    target = problem.predict(whole.theta_P[None]) + whole.noise.simulate(rng, told.replicates, problem.trunks)
    starts = np.repeat(whole.theta_P[None], told.replicates, 0)
    ours, theirs, gap = [], [], []
    for _ in range(3):
        t = time.perf_counter()
        batch = solve(problem, starts, target_RN=target, tolerance=1e-9)
        ours.append(time.perf_counter() - t)
        t = time.perf_counter()
        for k in range(told.peer):
            residual = lambda p, k=k: problem.trunks.whiten(problem.predict(p[None])[0] - target[k])  # noqa: E731
            jacobian = lambda p: problem.trunks.whiten(problem.jacobian(p).T).T  # noqa: E731
            peer = least_squares(residual, whole.theta_P, jac=jacobian, method="lm", x_scale="jac", xtol=1e-10, ftol=1e-10)
            gap.append(batch.objective_R[k] / peer.cost - 1)
        theirs.append((time.perf_counter() - t) * told.replicates / told.peer)
    print(f"{len(table)} points, {problem.n_parameters} parameters, {told.replicates} replicates")
    print(f"compare(): noise, fit and replicates   {full:7.2f} s")
    print(f"replicates alone, one batch            {np.median(ours):7.2f} s")
    print(f"scipy least_squares, one by one        {np.median(theirs):7.2f} s  (scaled from {told.peer})")
    print(f"ratio                                  {np.median(theirs) / np.median(ours):7.1f} x")
    print(f"objective, batch over peer minus one: in [{min(gap):.1e}, {max(gap):.1e}]")
    for module in ("numpy", "scipy.special", "scaling_fit"):
        print(f"import {module:15} {import_seconds(module):6.3f} s")


if __name__ == "__main__":
    main()
