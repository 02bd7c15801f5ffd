"""How often the line over quality finds a slope that is not there, and how often its interval holds one that is.

    python benchmarks/fit/quality.py [TABLES]

Whole studies are simulated from a published law (three sizes, six token counts, two seeds), levels at equal steps of quality.
`between`: standard deviation of the levels' exponents about the line, which no axis explains.
"""

import sys

import numpy as np

from scaling_fit import Settings
from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, shifted, table_of
from scaling_fit.levels.parameters import level_intervals
from scaling_fit.levels.quality import Axes
from scaling_fit.levels.trends import Trend, estimates, trends

GRID = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 6)), seeds=2, row=0.001, trunk=0.001)
SLOPE = 0.05
SETTINGS = Settings("level 0", "loss")


def trend(levels: int, slope: float, between: float, seed: int) -> Trend:
    """The exponent over quality in one simulated study; tokens of the last level are worth 1.2 of the first."""
    rng, truths = np.random.default_rng(seed), {}
    scores = {f"level {k}": k / (levels - 1) for k in range(levels)}
    for level, score in scores.items():
        truth = shifted(TRUTH, slope * score + between * rng.standard_normal(), GRID)
        truths[level] = truth | {"B": truth["B"] * 1.2 ** (-TRUTH["beta"] * score)}
    whole = compare(table_of(GRID, truths, rng), "level 0", replicates=200)
    parameters = {level: level_intervals(whole, level, 0.95) for level in whole.levels}
    (found,) = trends(whole, estimates(whole, parameters, SETTINGS)[:1], Axes({"score": scores}), "loss", SETTINGS)["score"]
    assert found is not None
    return found


def main(tables: int) -> None:
    print("| levels | between | slope found, none there | interval holds 0 | interval holds 0.05 | 0.05 found | half-width |")
    print("|---|---|---|---|---|---|---|")
    for levels in (3, 4, 5, 8):
        for between in (0.0, 0.02):
            none, some = ([trend(levels, slope, between, 1000 * levels + k) for k in range(tables)] for slope in (0.0, SLOPE))
            found, found_some = (np.mean([one.p < 0.05 for one in many]) for many in (none, some))
            held, held_some = (
                np.mean([one.change.low < slope < one.change.high for one in many])
                for many, slope in ((none, 0.0), (some, SLOPE))
            )
            half = np.median([(one.change.high - one.change.low) / 2 for one in some])
            print(
                f"| {levels} | {between:g} | {found:.0%} | {held:.0%} | {held_some:.0%} | {found_some:.0%} | {half:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
