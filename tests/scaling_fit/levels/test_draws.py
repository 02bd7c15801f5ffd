"""Luck of the documents: planted variances come back, intervals keep their size with it, and runs on draws are one level."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import stdtrit

from scaling_fit import Settings, analyse, observations
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.draws import DrawLuck, draw_luck, reaches, told
from scaling_fit.observations import Observations

TOKENS = (1e8, 1e9, 1e10)


def runs(
    rng: np.random.Generator,
    draws: int,
    luck: float,
    *,
    seeds: int = 2,
    others: int = 2,
    noise: float = 0.01,
    share: float = 0.5,
) -> Observations:
    """Levels raw, random (so many draws of a share of raw, each read by so many seeds) and plain ones like raw; one shape."""
    columns: dict[str, list] = {name: [] for name in ("level", "draw", "seed", "N", "D", "loss", "unique_tokens")}
    drawn = [(f"d{k}", rng.normal(0, luck)) for k in range(draws)]
    of = {"raw": [("", 0.0)], "random": drawn} | {f"level{k}": [("", rng.normal(0, luck))] for k in range(others)}
    for level, each in of.items():
        for seed in range(draws * seeds):
            name, effect = each[seed % len(each)]
            trunk = rng.normal(0, noise)
            for D in TOKENS:
                row = (level, name, str(seed), 1e7, D, float(np.exp(effect + trunk) * (2 + 30 * D**-0.2)))
                for key, value in zip(columns, (*row, 2e10 * (share if level != "raw" else 1.0)), strict=True):
                    columns[key].append(value)
    return observations(columns)


def test_the_variance_between_draws_is_split_into_seeds_and_documents():
    found = [draw_luck(runs(np.random.default_rng(k), 8, 0.02), "raw")[0] for k in range(200)]
    assert np.mean([one.percent**2 for one in found]) == pytest.approx(2**2, rel=0.1)
    assert np.mean([one.seeds for one in found]) == pytest.approx(0.01**2 / 2, rel=0.1)
    none = [draw_luck(runs(np.random.default_rng(k), 8, 0.0), "raw")[0].percent for k in range(200)]
    assert np.mean(np.square(none)) < 0.2
    assert np.mean([one == 0 for one in none]) > 0.4


def test_one_seed_a_draw_is_enough_where_other_levels_repeat_theirs():
    found = [draw_luck(runs(np.random.default_rng(k), 12, 0.02, seeds=1), "raw")[0] for k in range(200)]
    assert np.mean([one.percent**2 for one in found]) == pytest.approx(2**2, rel=0.1)
    assert found[0].df == 11


@pytest.mark.parametrize("luck", [0.0, 0.01, 0.03])
def test_intervals_of_a_difference_keep_their_size(luck: float):
    """Level and control are as good as raw, each by the luck of its documents: 95 % intervals of both hold zero, with what
    seeds add to them known."""
    kept = []
    for k in range(1000):
        table = runs(np.random.default_rng(k), 4, luck, others=1)
        found, _ = draw_luck(table, "raw")
        mean = {level: float(np.log(table.loss[table.level == level]).mean()) for level in table.levels}
        seeds = 1.96 * (2 * 0.01**2 / 8) ** 0.5
        reach = reaches(table.levels, found, 0.95)
        kept.append(
            [
                abs(mean[level] - mean["raw"]) < np.hypot(seeds, reach[frozenset((level, "raw"))] / 100)
                for level in ("random", "level0")
            ]
        )
    assert np.mean(kept, axis=0).min() >= 0.93
    assert np.mean(kept, axis=0).max() <= (0.985 if luck else 1.0)


def test_a_level_of_nearly_all_text_has_little_room_for_luck():
    table = runs(np.random.default_rng(0), 4, 0.02, others=2, share=0.1)
    table.unique[table.level == "level1"] = 2e10 * 0.9
    luck, _ = draw_luck(table, "raw")
    assert luck.shares == {"raw": 0.0, "random": 0.25, "level0": 1.0, "level1": pytest.approx((1 / 0.9 - 1) / (1 / 0.1 - 1))}


def test_sizes_that_are_unknown_leave_room_for_one_draw():
    table = runs(np.random.default_rng(0), 4, 0.02)
    luck, _ = draw_luck(replace(table, unique=np.full(len(table), np.nan)), "raw")
    assert luck.shares == {"raw": 0.0, "random": 0.25, "level0": 1.0, "level1": 1.0}


def test_levels_that_were_drawn_once_say_nothing():
    luck, effect_N = draw_luck(runs(np.random.default_rng(0), 1, 0.02, seeds=4), "raw")
    assert luck is None
    assert not effect_N.any()


def test_a_fit_with_draws_has_wider_intervals_and_says_why():
    grid = Grid((2e7,), tuple(np.geomspace(2e8, 2e10, 5)), seeds=6, row=0.001)
    factor = {"raw": 1.0, "random": 1.0, "level": 0.995}
    truths = {name: {k: v * (f if k in "EAB" else 1) for k, v in TRUTH.items()} for name, f in factor.items()}
    table = table_of(grid, truths, np.random.default_rng(0))
    control = table.level == "random"
    draw = np.array([f"d{int(seed) % 3}" if mine else "" for seed, mine in zip(table.seed, control, strict=True)], dtype=object)
    luck = np.array([{"d0": -0.02, "d1": 0.02, "d2": 0.0}.get(one, 0.0) for one in draw])
    moved = replace(table, draw=draw, loss=table.loss * np.exp(luck))
    settings = Settings(replicates=200, test_replicates=0, roles={"random": "control"}, random_parts=("random",))
    blind, aware = analyse(replace(moved, draw=np.full(len(moved), "", dtype=object)), settings), analyse(moved, settings)
    narrow, wide = (result.answer.verdicts["level"].gap.mean for result in (blind, aware))
    assert narrow.high < 0 < wide.high
    found = aware.sets[aware.primary].draws
    assert found.percent == pytest.approx(2.0, rel=0.1)
    assert told(found) in aware.answer.checks
    assert blind.sets[blind.primary].draws is None
    noise = [result.sets[result.primary].fit.noise for result in (blind, aware)]
    assert noise[0].trunk > 5 * noise[1].trunk  # the luck of documents is no luck of seeds
    control = aware.answer.verdicts["random"].gap.mean
    assert control.low < 0 < control.high


def test_reach_is_students_where_seeds_explain_nothing_and_shrinks_as_draws_agree():
    luck = DrawLuck(0.01**2, 0.0, 3, ("random",), {})
    assert luck.reach(0.95) == pytest.approx(stdtrit(3, 0.975), rel=2e-3)
    halves = [replace(luck, between=between, seeds=1e-4).reach(0.95) for between in (4e-4, 2e-4, 1e-4, 5e-5)]
    assert halves == sorted(halves, reverse=True)
    agree = replace(luck, between=1e-6, seeds=1e-4, df=40)
    assert "No more than seeds explain" in told(agree).meaning
    assert agree.reach(0.95) < 0.2 * halves[0]
    assert replace(luck, between=0.0).reach(0.95) == 0.0
