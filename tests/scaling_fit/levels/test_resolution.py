"""Signal, noise and detectable shift per evaluation set: planted differences and planted noise come back."""

from dataclasses import replace

import numpy as np
import pytest

from scaling_fit import Settings, analyse
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.resolution import sampled
from scaling_fit.levels.summary import resolution_rows, summary
from scaling_fit.observations import Observations

GRID = Grid((2e7,), tuple(np.geomspace(2e8, 2e10, 6)), seeds=4, row=0.002)


def one_set(name: str, row: float, sampling: float, seed: int) -> Observations:
    """raw, one level 2 % better at every D, and one 1 % worse."""
    truths = {"raw": TRUTH, "good": {k: v * (0.98 if k in "EAB" else 1) for k, v in TRUTH.items()}}
    truths["bad"] = {k: v * (1.01 if k in "EAB" else 1) for k, v in TRUTH.items()}
    table = table_of(replace(GRID, row=row), truths, np.random.default_rng(seed))
    return replace(table, eval_set=np.full(len(table), name, object), loss_se=table.loss * sampling)


@pytest.fixture(scope="module")
def result():
    quiet, loud = one_set("heldout", 0.001, 0.0002, 0), one_set("loud", 0.006, 0.02, 1)
    both = {k: np.concatenate([getattr(quiet, k), getattr(loud, k)]) for k in
            ("level", "shape", "seed", "trunk", "N", "D", "loss", "eval_set", "loss_se")}  # fmt: skip
    return analyse({k: v.tolist() for k, v in both.items()}, Settings(replicates=200, test_replicates=0))


def test_what_was_planted_is_what_the_table_says(result):
    quiet, loud = (result.sets[name].resolution for name in ("heldout", "loud"))
    assert quiet.signal == pytest.approx(3.0, abs=0.3)
    assert loud.signal == pytest.approx(3.0, abs=1.0)
    assert (quiet.sampling, loud.sampling) == pytest.approx((0.02, 2.0))
    assert quiet.run == pytest.approx(0.1, rel=0.3)
    assert loud.run == pytest.approx(0.6, rel=0.3)
    assert 3 < quiet.ratio / loud.ratio < 12
    assert quiet.ratio == pytest.approx(quiet.signal / quiet.noise)
    for name in ("heldout", "loud"):
        answer = result.sets[name].answer
        assert result.sets[name].resolution.detectable_beta == max(v.detectable_beta for v in answer.verdicts.values())


def test_noise_is_the_standard_error_of_a_difference(result):
    """Two levels, 24 runs each: the mean of n runs scatters by run / sqrt(n), a difference by sqrt 2 of it."""
    quiet = result.sets["heldout"].resolution
    assert quiet.noise == pytest.approx(quiet.run * np.sqrt(2 / 24), rel=0.5)


def test_too_few_documents_are_told_with_how_many_it_takes(result):
    found = {name: one.resolution for name, one in result.sets.items()}
    check = sampled(found)
    assert (
        f"1 of 2 have too little text: on loud other documents move a loss by 2.0%, another seed by {found['loud'].run:.1f}%"
        in check.answer
    )
    assert check in result.answer.checks
    times = (2.0 / (found["loud"].run / 3)) ** 2
    assert f"{times:,.0f} times as many" in check.meaning
    assert sampled({"heldout": found["heldout"]}).answer == "yes, all 1"
    assert sampled({"heldout": replace(found["heldout"], sampling=None)}) is None


def test_the_table_in_words_begins_with_the_set_that_tells_most(result):
    rows = resolution_rows(result)
    assert [row[0] for row in rows] == ["all held-out text", "loud"]
    assert f"| all held-out text | {result.sets['heldout'].resolution.signal:.1f}% |" in summary(result)
