"""A bend that all levels share is no luck of their differences; one that a single level has is."""

from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.levels.adequacy import adequacy, collapse
from scaling_fit.levels.companions import paired_differences
from scaling_fit.levels.compare import Comparison, compare
from scaling_fit.levels.design import Grid, table_of
from scaling_fit.levels.parameters import level_intervals
from scaling_fit.levels.shift import shift
from scaling_fit.observations import Observations
from scaling_fit.settings import Settings

GRID = Grid((2.6e4,), tuple(np.geomspace(8e4, 5.6e6, 5)), seeds=5, row=0.004, trunk=0.001)
LAW = {"E": 4.0, "A": 0.0, "alpha": 0.3, "B": 90.0, "beta": 0.33}
BEND = np.array([2.0, -6.0, 2.5, 4.5, -3.0]) / 1000  # of log loss at each D, as seen in docs/studies/2026-12-01-web
LEVELS = {"raw": LAW, "same": LAW, "other": LAW | {"B": 80.0}, "flatter": LAW | {"beta": 0.36, "B": 136.0}}


def bent(seed: int, only: tuple[str, ...] = tuple(LEVELS), times: float = 1.0) -> Observations:
    table = table_of(GRID, LEVELS, np.random.default_rng(seed))
    rung_N = np.searchsorted(np.unique(table.D), table.D)
    return replace(table, loss=table.loss * np.exp(np.where(np.isin(table.level, only), times * BEND[rung_N], 0.0)))


def fitted(table: Observations) -> Comparison:
    return compare(table, "raw", replicates=300)


def test_the_bend_is_found_and_leaves_the_differences_as_sharp_as_without_it() -> None:
    straight, crooked = fitted(bent(0, times=0.0)), fitted(bent(0))
    assert straight.shared is None
    assert crooked.shared is not None
    assert crooked.shared.df == 2  # five token counts less floor, prefactor and exponent
    assert crooked.noise.row == pytest.approx(straight.noise.row, rel=0.05)
    for level in ("same", "other", "flatter"):
        sharp, found = (shift(whole, level, Settings(), 0) for whole in (straight, crooked))
        assert found.delta_beta_se == pytest.approx(sharp.delta_beta_se, rel=0.1)
        assert found.delta_beta.value == pytest.approx(sharp.delta_beta.value, abs=0.01)


def test_pairs_of_runs_show_what_was_measured() -> None:
    """Neither what all levels miss is taken out of them, nor is a wild run pulled to the law: it is in no pair."""
    table = bent(0)
    wild = np.flatnonzero((table.level == "same") & (table.seed == "2"))[1]
    table.loss[wild] *= 1.4
    pairs, _ = paired_differences(fitted(table), "same")
    assert len(pairs) == 24
    for pair in pairs:
        at = (table.D == pair.D) & (table.seed == pair.seed)
        own, base = (float(table.loss[at & (table.level == level)][0]) for level in ("same", "raw"))
        assert pair.difference == pytest.approx(own - base, abs=1e-12)


def test_a_level_alone_pays_for_the_bend() -> None:
    """What bends all curves leaves the exponent of each of them open, though not their difference."""
    straight, crooked = (level_intervals(fitted(bent(0, times=times)), "raw", 0.95)["beta"] for times in (0.0, 1.0))
    assert crooked.high - crooked.low > 1.5 * (straight.high - straight.low)


def test_what_one_level_misses_for_itself_stays_in_the_error() -> None:
    whole, own = fitted(bent(0)), fitted(bent(0, only=("other",), times=2.0))
    alike, apart = adequacy(whole), adequacy(own)
    assert alike.own is not None
    assert alike.own.p > 0.01
    assert "misses all levels alike" in alike.warning
    assert alike.shared_percent == pytest.approx(100 * np.sqrt((BEND**2).sum() / 2), rel=0.35)
    assert "misses all levels alike" not in apart.warning
    assert own.noise.row > 1.15 * whole.noise.row
    assert apart.own is None or apart.own.p < 0.01
    said = collapse(alike)
    assert said is not None
    assert said.meaning.startswith("They do:")
    assert collapse(replace(alike, own=replace(alike.own, p=0.001))).meaning.startswith("They do not:")  # type: ignore[union-attr]
    assert collapse(adequacy(fitted(bent(0, times=0.0)))) is None


def test_without_a_bend_nothing_is_taken_out() -> None:
    found = [fitted(bent(seed, times=0.0)).shared is not None for seed in range(20)]
    assert sum(found) <= 1


def test_levels_of_other_token_counts_share_nothing() -> None:
    table = bent(0)
    moved = replace(table, D=np.where(table.level == "raw", table.D * 1.01, table.D))
    assert fitted(moved).shared is None


@pytest.mark.slow
def test_the_exponent_test_keeps_its_size_under_a_bend() -> None:
    p = [
        shift(fitted(bent(seed)), level, Settings(), 0).contrasts.exponent.p_F
        for seed in range(100)
        for level in ("same", "other")
    ]
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.09
