"""Adequacy: silent on the law's own data, loud on data of another law."""

from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.law.adequacy import lack_of_fit, trunks_guessed
from scaling_fit.law.groups import grouped
from scaling_fit.law.laws import LAWS
from scaling_fit.levels.adequacy import adequacy
from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, table_of
from scaling_fit.observations import observations


def with_interaction(grid, kappa: float):
    table = table_of(grid, {"a": TRUTH, "b": TRUTH}, np.random.default_rng(0))
    extra = TRUTH["B"] * table.D ** -TRUTH["beta"] * ((table.N / 8e7) ** kappa - 1)
    return compare(replace(table, loss=table.loss + extra), "a", replicates=2)


def test_the_right_law_passes(levels) -> None:
    found = adequacy(compare(levels, "raw", replicates=2))
    assert found.adequate is True
    assert found.warning == ""
    assert found.lack_of_fit.df2 == len(levels) // 2


def test_an_interaction_is_caught_and_named(grid) -> None:
    found = adequacy(with_interaction(grid, 0.15))
    assert found.adequate is False
    assert found.interaction.p < 1e-4
    assert found.interaction.kappa["a"] == pytest.approx(0.15, abs=0.07)
    assert "changes with model size" in found.warning


def test_lack_of_fit_needs_replicates(grid) -> None:
    single = table_of(replace(grid, seeds=1), {"a": TRUTH, "b": TRUTH}, np.random.default_rng(0))
    assert adequacy(compare(single, "a", replicates=2)).lack_of_fit is None


def test_lack_of_fit_without_trunks_is_the_textbook_f(grid) -> None:
    table = table_of(replace(grid, trunk=0.0), {"a": TRUTH}, np.random.default_rng(1))
    rows = np.array([f"row {k}" for k in range(len(table))], dtype=object)
    whole = compare(replace(table, trunk=rows), "a", replicates=2)
    found = adequacy(whole).lack_of_fit
    y = np.log(whole.table.loss)
    cells = {key: [] for key in zip(whole.table.N, whole.table.D, strict=True)}
    for key, value in zip(zip(whole.table.N, whole.table.D, strict=True), y, strict=True):
        cells[key].append(value)
    pure = sum(np.var(v) * len(v) for v in cells.values())
    df1, df2 = len(cells) - 5, len(y) - len(cells)
    assert found is not None
    assert (found.df1, found.df2) == (df1, df2)
    assert pytest.approx((whole.rss - pure) / df1 / (pure / df2), rel=1e-6) == found.F


def test_residual_map_averages_to_the_rows(levels) -> None:
    whole = compare(levels, "raw", replicates=2)
    cells = adequacy(whole).residual_map
    residual = np.log(whole.grouped.problem.loss_N) - whole.grouped.problem.predict(whole.theta_P[None])[0]
    assert sum(c.percent * c.runs for c in cells) == pytest.approx(100 * residual.sum(), abs=1e-9)
    assert len(cells) == 3 * 18


def test_pure_error_is_not_taken_from_trunks_that_are_a_guess(grid) -> None:
    """Seeds of independent runs, no column of trunks: whitening by guessed ones found a hundredth of the error."""
    table = table_of(
        replace(grid, sizes=grid.sizes[:3], tokens=grid.tokens[:2], row=0.003, trunk=0.0),
        {"a": TRUTH},
        np.random.default_rng(2),
    )
    columns = {name: getattr(table, name).tolist() for name in ("level", "shape", "seed", "N", "D", "loss")}
    guessed = observations(columns)
    assert trunks_guessed(guessed)
    laid = grouped(LAWS["data"], guessed, guessed.shape, {"E": "free"}, baseline=guessed.shape[0])
    theta_P = laid.start()
    found = lack_of_fit(guessed.where(laid.rows), laid.problem, theta_P)
    y = np.log(np.array(columns["loss"])).reshape(3, 2, 2)
    assert found is not None
    assert found.pure_error_percent == pytest.approx(100 * np.sqrt(y.var(1, ddof=1).mean()), rel=1e-6)
