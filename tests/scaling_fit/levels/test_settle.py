"""What would settle an open verdict: the design of the named ladder, assessed apart, sees the shift that it promises."""

import numpy as np
import pytest

from scaling_fit import Result, Settings, analyse
from scaling_fit.intervals import Interval
from scaling_fit.levels.design import Grid, assess, table_of
from scaling_fit.levels.settle import SMALL_MODELS, law_of, wanted

LAW = dict(SMALL_MODELS)
GRID = Grid((4e5, 8e5), (2.5e5, 5e5, 1e6, 2e6, 4e6), seeds=2, row=0.004, trunk=0.002)


@pytest.fixture(scope="module")
def found() -> Result:
    table = table_of(GRID, {"raw": LAW, "level": LAW | {"B": 36.0}}, np.random.default_rng(2))
    return analyse(table, Settings("raw", replicates=100, test_replicates=0, margin=0.05))


def test_the_named_ladder_sees_the_shift_it_promises(found: Result) -> None:
    told = found.answer.settling
    assert told is not None
    assert found.answer.verdicts["level"].kind == "not identifiable"
    sizes = {shape.name: shape.N for shape in found.shapes}
    noise = found.fits[found.primary].noise
    grid = Grid(tuple(sizes[name] for name in told.shapes), told.D, told.seeds, noise.row, noise.trunk, 1.2)
    law = law_of(found.fits[found.primary].levels["raw"].parameters, (found.shapes[0].name, found.shapes[0].N))
    assert assess(grid, law or LAW).detectable() == pytest.approx(told.shift, rel=0.2)
    assert told.shift == wanted(found.fits[found.primary].tests["level"].delta_beta, 0.05)
    assert told.D[-1] <= 4e6, "no text that is not there"
    assert told.runs == len(told.shapes) * len(told.D) * told.seeds * 2
    assert sum(told.tokens_of.values()) == len(told.shapes) * told.D[-1] * told.seeds * 2, "branches share their trunk"
    assert f"{told.runs:,} runs" in told.said


def test_where_no_ladder_would_it_says_so(found: Result) -> None:
    table = table_of(GRID, {"raw": LAW, "level": LAW | {"B": 36.0}}, np.random.default_rng(2))
    told = analyse(table, Settings("raw", replicates=50, test_replicates=0, margin=0.001)).answer.settling
    assert told is not None
    assert not told.shapes
    assert told.said.startswith("What would settle it: more text.")


def test_an_exponent_that_is_not_known_is_no_ground_for_a_design() -> None:
    vague = {"beta": Interval(0.3, 0.1, 0.5), "B": Interval(20.0, 1.0, 90.0), "E[s]": Interval(3.0, 2.0, 4.0)}
    assert law_of(vague, ("s", 1e6)) is None
    known = law_of(vague | {"beta": Interval(0.3, 0.28, 0.32)}, ("s", 1e6))
    assert known is not None
    assert known["E"] == pytest.approx(3.0 - 112 * 1e6**-0.35)
