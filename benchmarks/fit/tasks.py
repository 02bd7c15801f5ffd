"""Scores of tasks on simulated ladders: is a break told from a smooth rise, do chained forecasts and offsets hold?

    python benchmarks/fit/tasks.py [--studies 100] [--only breaks,offsets,forecasts]

Losses follow Besiroglu's law on three sizes, six D and two seeds. A task has items of four choices. The right one leads the
others by the run's ability, a function of its loss, plus the item's own ease and luck; an answer is drawn in proportion to
exp(lead). So the accuracy is none of the fitter's curves, and the margin is the mean lead. Abilities are in nats.
"""

import argparse
from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np

from scaling_fit.encoding import decode, encode
from scaling_fit.levels.calibrate import calibrate
from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.forecast import runs_at
from scaling_fit.levels.outlook import Extrapolation
from scaling_fit.observations import Observations
from scaling_fit.tasks.ahead import near, roll, score
from scaling_fit.tasks.chance import longest
from scaling_fit.tasks.curve import fit_curve
from scaling_fit.tasks.emergence import decided, emergence
from scaling_fit.tasks.equal_loss import at_equal_loss
from scaling_fit.tasks.scores import Scores

Array = np.ndarray
Ability = Callable[[Array], Array]
GRID = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 6)), seeds=2, row=0.002, trunk=0.003)
LEVELS = {"raw": TRUTH, "worth": TRUTH | {"B": TRUTH["B"] * 1.4 ** -TRUTH["beta"]}}
CHOICES, ITEMS, SPREAD = 4, 400, 0.7
LUCK, RUN = 0.05, 0.05  # of ability, per trunk and per run
SMOOTH: dict[str, Ability] = {
    "at chance": lambda loss: 0.0 * loss,
    "line": lambda loss: 1.2 * (5.2 - loss),
    "wide turn": lambda loss: np.logaddexp(0.0, (4.0 - loss) / 0.8) * 1.6,
    "narrower turn": lambda loss: np.logaddexp(0.0, (4.0 - loss) / 0.5),
    "exponential": lambda loss: 0.25 * np.exp(1.2 * (5.2 - loss)),
    "steep line": lambda loss: 3.0 * (4.8 - loss),
}
BROKEN: dict[str, Ability] = {
    "break from nothing": lambda loss: 2.0 * np.maximum(0.0, 3.6 - loss),
    "break of a slope": lambda loss: 0.5 * (5.2 - loss) + 2.0 * np.maximum(0.0, 3.6 - loss),
    "small break": lambda loss: 0.8 * (5.2 - loss) + 0.6 * np.maximum(0.0, 3.6 - loss),
}


def answered(table: Observations, ability_N: Array, rng: np.random.Generator) -> dict[str, Scores]:
    """Accuracy and margin of every run of a table on one set of items."""
    spread = SPREAD if ability_N.any() else 0.0  # an average over items that differ is above guessing
    lead_NI = ability_N[:, None] + spread * (rng.standard_normal(ITEMS) + rng.standard_normal((len(table), ITEMS)))
    right_NI = rng.random(lead_NI.shape) < 1 / (1 + (CHOICES - 1) * np.exp(-lead_NI))
    measured = {
        "accuracy": (right_NI.mean(1), right_NI.std(1) / ITEMS**0.5, 1 / CHOICES),
        "margin": (lead_NI.mean(1), lead_NI.std(1) / ITEMS**0.5, np.nan),
    }
    return {metric: _scores(table, metric, *columns) for metric, columns in measured.items()}


def _scores(table: Observations, metric: str, value: Array, se: Array, chance: float) -> Scores:
    n = len(table)
    same = {one.name: getattr(table, one.name) for one in fields(Scores) if hasattr(table, one.name)}
    return Scores(**same | {
        "task": np.full(n, "made", dtype=object), "metric": np.full(n, metric, dtype=object), "value": value, "se": se,
        "chance": np.full(n, chance), "n_items": np.full(n, float(ITEMS)), "flops": 6.0 * table.N * table.D,
    })  # fmt: skip


def luck(table: Observations, rng: np.random.Generator) -> Array:
    """Of ability, a value per run: its trunk's and its own."""
    _, trunk_N = np.unique(table.trunk.astype(str), return_inverse=True)
    return LUCK * rng.standard_normal(trunk_N.max() + 1)[trunk_N] + RUN * rng.standard_normal(len(table))


def ladder(ability: Ability, rng: np.random.Generator, offset: float = 0.0) -> tuple[Observations, dict[str, Scores]]:
    """Losses and scores of two levels; offset: ability that `worth` has beyond its loss."""
    table = table_of(GRID, LEVELS, rng)
    known_N = ability(table.loss)
    ability_N = known_N + offset * (table.level == "worth") + luck(table, rng) * known_N.any()
    return table, answered(table, ability_N, rng)


def breaks(studies: int) -> None:
    print("| planted | chance | smooth | explained | sudden | break |\n|---|---|---|---|---|---|")
    for name, ability in (SMOOTH | BROKEN).items():
        rng, kinds = np.random.default_rng(1), []
        for _ in range(studies):
            _, scores = ladder(ability, rng)
            curves = {metric: fit_curve(one) for metric, one in scores.items()}
            ratios = {metric: curve.trunks.ratio for metric, curve in curves.items()}
            raw = {metric: one.where(one.level == "raw") for metric, one in scores.items()}
            chance = longest(raw["accuracy"], "raw", curves["accuracy"].link, 0.95).chance
            kinds += [one.kind for one in decided([emergence("raw", raw, ratios, bool(chance))], 0.05)]
        shares = [100 * kinds.count(kind) / studies for kind in ("chance", "smooth", "explained", "sudden", "break")]
        print(f"| {name} | {' | '.join(f'{share:.0f} %' for share in shares)} |", flush=True)


def offsets(studies: int) -> None:
    print("| metric | planted | interval holds it | found |\n|---|---|---|---|")
    for planted in (0.0, 0.15):
        rng, held, found = np.random.default_rng(2), {}, {}
        for _ in range(studies):
            _table, scores = ladder(SMOOTH["line"], rng, planted)
            for metric, one in scores.items():
                got = at_equal_loss(fit_curve(one), "worth", "raw", 0.95)
                truth = _truth(metric, SMOOTH["line"](np.array([got.loss]))[0], planted)
                held.setdefault(metric, []).append(got.offset.low <= truth <= got.offset.high)
                found.setdefault(metric, []).append((got.p or 1.0) < 0.05)
        for metric in held:
            print(
                f"| {metric} | {planted:g} nats | {100 * np.mean(held[metric]):.0f} % | {100 * np.mean(found[metric]):.0f} % |"
            )


def _truth(metric: str, ability: float, offset: float) -> float:
    """The offset of a metric at an ability, averaged over items."""
    lead = np.random.default_rng(0).standard_normal(1_000_000) * SPREAD * 2**0.5
    right = [(1 / (1 + (CHOICES - 1) * np.exp(-(lead + one)))).mean() for one in (ability, ability + offset)]
    return float(right[1] - right[0]) if metric == "accuracy" else offset


def forecasts(studies: int) -> None:
    """Runs of 3 and 10 times the largest budget, of each level, from the ladder alone."""
    names = ("line", "wide turn", "exponential", "steep line")
    print("| planted | metric | 3x held | 10x held | half-width at 10x | widened |\n|---|---|---|---|---|---|")
    for name in names:
        rng, held, wide, widened = np.random.default_rng(3), {}, {}, {}
        for _ in range(studies):
            table = table_of(GRID, LEVELS, rng)
            ahead = Grid((3.2e8 * 3**0.5, 3.2e8 * 10**0.5), (2e10 * 3**0.5, 2e10 * 10**0.5), 1, GRID.row, GRID.trunk)
            larger = table_of(ahead, LEVELS, rng)
            larger = larger.where(np.isclose(larger.D / larger.N, 2e10 / 3.2e8))
            both = _joined(table, larger)
            scores = answered(both, SMOOTH[name](both.loss) + luck(both, rng), rng)
            whole = compare(table, "raw", replicates=100)
            calibration = calibrate(whole)
            known = decode(Extrapolation, encode(calibration.to_dict()), "x").points
            first = np.arange(len(both)) < len(table)
            for metric, one in scores.items():
                mine, asked = one.where(first), one.where(~first)
                curve, rolling = fit_curve(near(mine)), roll(mine, known)
                widened.setdefault(metric, []).append(rolling.widened)
                for level in LEVELS:
                    here = asked.where(asked.level == level)
                    loss = runs_at(whole, calibration, level, here.N, here.D)
                    for k, times in enumerate((3, 10)):
                        got = score(curve, level, loss.interval(k), rolling.widened, 0.95)
                        held.setdefault((metric, times), []).append(got.low <= here.value[k] <= got.high)
                        wide.setdefault((metric, times), []).append((got.high - got.low) / 2)
        for metric in widened:
            shares = " | ".join(f"{100 * np.mean(held[metric, times]):.0f} %" for times in (3, 10))
            print(
                f"| {name} | {metric} | {shares} | {np.median(wide[metric, 10]):.3f} | {np.mean(widened[metric]):.2f} |",
                flush=True,
            )


def _joined(table: Observations, larger: Observations) -> Observations:
    """The ladder and runs beyond it, which have trunks of their own."""
    columns = {one.name: np.concatenate([getattr(table, one.name), getattr(larger, one.name)]) for one in fields(table)
               if one.name != "notes"}  # fmt: skip
    trunk = [f"{trunk}/{size:.4g}" for trunk, size in zip(columns["trunk"], columns["N"], strict=True)]
    return replace(table, **columns | {"trunk": np.array(trunk, dtype=object)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--only", default="breaks,offsets,forecasts")
    asked = parser.parse_args()
    for name in asked.only.split(","):
        {"breaks": breaks, "offsets": offsets, "forecasts": forecasts}[name](asked.studies)


if __name__ == "__main__":
    main()
