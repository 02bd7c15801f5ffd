"""Luck of the documents: planted variances come back, intervals keep their size with it, and a study's draws are found."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri

from scaling_fit import Settings, analyse
from scaling_fit.intervals import Interval
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.draws import draw_luck, told, widened
from scaling_fit.levels.gap import Gap

Z = float(ndtri(0.975))


def gap(value: float, error: float) -> Gap:
    span = Interval(value, value - Z * error, value + Z * error)
    return Gap(span, span, span, span, "unclear")


def covered(rng: np.random.Generator, draws: int, luck: float, tables: int) -> float:
    """Share of simulated tables in which a level that is no better than the baseline is not called different. Seeds' noise of
    a level is 1."""
    kept = 0
    for _ in range(tables):
        baseline, names = rng.normal(), [f"random{k}" for k in range(draws)]
        gaps = {name: gap(rng.normal() + luck * rng.normal() - baseline, 2**0.5) for name in [*names, "level"]}
        found = draw_luck(gaps, [names], 0.95)
        span = widened(gaps["level"], found, 0.95).mean
        kept += span.low < 0 < span.high
    return kept / tables


def test_the_variance_between_draws_is_split_into_seeds_and_documents():
    rng = np.random.default_rng(0)
    names = [f"r{k}" for k in range(2000)]
    luck = draw_luck({name: gap(rng.normal(0, 0.5) + rng.normal(0, 1.2), 0.5 * 2**0.5) for name in names}, [names], 0.95)
    assert (luck.seeds, luck.df) == (pytest.approx(0.25), 1999)
    assert luck.variance == pytest.approx(1.2**2, rel=0.1)


@pytest.mark.parametrize("luck", [0.0, 1.0, 3.0])
def test_intervals_keep_their_size_with_three_draws(luck: float):
    assert 0.92 <= covered(np.random.default_rng(1), 3, luck, 2000) <= 0.98


def test_without_it_they_do_not():
    """The fault that this is for: seeds alone call a third or more of equal levels different when documents matter."""
    rng = np.random.default_rng(2)
    missed = [abs(rng.normal() + 3 * rng.normal() - rng.normal()) > Z * 2**0.5 for _ in range(2000)]
    assert np.mean(missed) > 0.3


def test_one_draw_alone_says_nothing_and_no_luck_widens_nothing():
    gaps = {"a": gap(1.0, 0.5), "b": gap(1.01, 0.5), "level": gap(-2.0, 0.5)}
    assert draw_luck(gaps, [("a",)], 0.95) is None
    luck = draw_luck(gaps, [("a", "b")], 0.95)
    assert luck.variance == 0
    assert widened(gaps["level"], luck, 0.95) == gaps["level"]
    assert "No more than seeds explain" in told(luck).meaning


def test_a_fit_with_draws_has_wider_intervals_and_says_why():
    grid = Grid((2e7,), tuple(np.geomspace(2e8, 2e10, 5)), seeds=2, row=0.001)
    factor = {"raw": 1.0, "r1": 0.98, "r2": 1.02, "r3": 1.01, "level": 0.99}
    truths = {name: {k: v * (f if k in "EAB" else 1) for k, v in TRUTH.items()} for name, f in factor.items()}
    table = table_of(grid, truths, np.random.default_rng(0))
    settings = Settings(replicates=200, test_replicates=0, roles=dict.fromkeys(("r1", "r2", "r3"), "control"))
    alone, aware = analyse(table, settings), analyse(table, replace(settings, draws=(("r1", "r2", "r3"),)))
    wide, narrow = (result.answer.verdicts["level"].gap.mean for result in (aware, alone))
    assert narrow.high < 0 < wide.high
    luck = aware.sets[aware.primary].draws
    assert luck.variance**0.5 == pytest.approx(np.std([-2, 2, 1], ddof=1), rel=0.1)
    assert told(luck) in aware.answer.checks
    assert alone.sets[alone.primary].draws is None
