"""Figures: valid Vega-Lite that renders, with a mark per run."""

import numpy as np
import pytest

from scaling_fit import analyse, figures
from scaling_fit.law.fit import fit
from scaling_fit.levels.design import Grid, table_of

SMALL = {"E": 2.2, "A": 60.0, "B": 300.0, "alpha": 0.30, "beta": 0.36}  # CPU scale: losses of 4 to 6


@pytest.fixture(scope="module")
def content() -> dict:
    grid = Grid((2e5, 8e5), tuple(np.geomspace(1e6, 3.2e7, 5)), seeds=1, row=0.002)
    table = table_of(grid, {"raw": SMALL, "dedup": SMALL}, np.random.default_rng(0))
    return analyse(table, replicates=30, test_replicates=0).content


def test_curves_and_forest_render(content: dict, tmp_path) -> None:
    spec = figures.curves(content)
    assert len(spec["hconcat"]) == 2
    assert len(spec["datasets"]["points"]) == 20
    svg = figures.render(spec, tmp_path / "curves.svg").read_text()
    assert svg.startswith("<svg")
    assert "dedup" in svg
    assert figures.render(figures.forest(content), tmp_path / "forest.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"figures are .svg or .png"):
        figures.render(spec, tmp_path / "curves.pdf")


@pytest.mark.parametrize("law", ["additive", "data", "size"])
def test_a_fit_renders(law: str, tmp_path) -> None:
    grid = Grid((2e5, 8e5, 3e6), tuple(np.geomspace(1e6, 3.2e7, 5)), seeds=1, row=0.002)
    found = fit(table_of(grid, {"all": SMALL}, np.random.default_rng(0)), law=law, intervals="none")
    assert figures.render(figures.fitted(found), tmp_path / "fit.svg").read_text().startswith("<svg")
