"""One run that is off the others is named; a table that follows a law has none."""

import numpy as np
import pytest

from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.strays import strays

GRID = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 6)), seeds=2, row=0.004, trunk=0.004)


@pytest.mark.parametrize("seed", range(5))
def test_a_table_that_follows_a_law_has_no_stray(seed):
    assert strays(table_of(GRID, {"all": TRUTH}, np.random.default_rng(seed))) == ()


@pytest.mark.parametrize(("row", "factor", "said"), [(0, 1.25, "25% above"), (17, 1.25, "above"), (35, 0.8, "below")])
def test_a_run_off_the_others_is_named_wherever_it_stands(row, factor, said):
    table = table_of(GRID, {"all": TRUTH}, np.random.default_rng(0))
    table.loss[row] *= factor
    (fault,) = strays(table)
    assert fault.rows == (int(table.row[row]),)
    assert said in fault.message or f"{abs(factor - 1):.0%}" not in said
