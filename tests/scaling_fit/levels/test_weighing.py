"""A finding that flips between the weights of the domains is said, and one that does not is checked."""

from dataclasses import replace

import numpy as np
import pytest

from scaling_fit import Result, Settings, analyse
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.weighing import weights

GRID = Grid((1e8, 3e8), (2e9, 4e9, 8e9, 1.6e10), seeds=2, row=0.001)


def analysed(worth_pooled: float) -> Result:
    """A level whose tokens are worth 1.5 of raw's with all domains about alike, and `worth_pooled` weighed as the pool."""
    tables = []
    for name, worth in (("heldout", 1.5), ("heldout-pool", worth_pooled)):
        laws = {"raw": TRUTH, "level": TRUTH | {"B": TRUTH["B"] * worth ** -TRUTH["beta"]}}
        one = table_of(GRID, laws, np.random.default_rng(4))
        columns = ("level", "shape", "seed", "trunk", "N", "D", "loss")
        tables.append({key: getattr(one, key).tolist() for key in columns} | {"eval_set": [name] * len(one)})
    table = {key: tables[0][key] + tables[1][key] for key in tables[0]}
    return analyse(table, Settings("raw", "heldout", replicates=60, test_replicates=0))


@pytest.mark.parametrize("worth_pooled", [0.6, 1.6])
def test_a_finding_that_flips_is_said_on_both_sets(worth_pooled: float) -> None:
    found = analysed(worth_pooled)
    for one in found.sets.values():
        said = [text for text in one.answer.warnings if text.startswith("The weights of the domains decide")]
        (check,) = [check for check in one.answer.checks if check.question == "Do the weights of the domains decide?"]
        if worth_pooled == 0.6:
            assert len(said) == 1
            assert "level has a lower loss (-" in said[0]
            assert "a higher loss (+" in said[0]
            assert check.answer == "yes, for level"
        else:
            assert said == []
            assert check.answer.startswith("no:")


def test_controls_are_not_asked() -> None:
    found = analysed(0.6)
    verdicts = {name: one.answer.verdicts for name, one in found.sets.items()}
    assert weights(verdicts, replace(found.settings, roles={"level": "control"}))[1] == ""  # type: ignore[index]
    assert weights({"heldout": verdicts["heldout"]}, found.settings) is None
