import numpy as np
import pytest

from scaling_fit.instrument.schedule import Gap, against_cosine, gaps
from scaling_fit.observations import observations


def row(level, seed, loss, lr=None):
    trunk = f"{level}/s/{seed}" + (f"/lr={lr:g}" if lr else "")
    return {"eval_set": "heldout", "level": level, "seed": seed, "N": 1e6, "tokens": 10, "loss": loss, "trunk": trunk}


def test_planted_gaps_are_found():
    rng = np.random.default_rng(0)
    luck = {(level, seed): rng.normal(0, 0.5) for level in "ab" for seed in range(300)}
    branches = [row(level, seed, 3 + luck[level, seed]) for level, seed in luck]
    cosines = [
        row(level, seed, 3 + luck[level, seed] + gap + rng.normal(0, 0.01), lr)
        for level, seed in luck
        for lr, gap in ((0.004, 0.02), (0.008, -0.03))
    ]
    same, twice = gaps(observations(branches), observations(cosines), 0.004)
    assert (same.factor, twice.factor, same.pairs) == (1.0, 2.0, 600)
    assert same.difference == pytest.approx(0.02, abs=3 * same.se)
    assert twice.difference == pytest.approx(-0.03, abs=3 * twice.se)
    assert same.se == pytest.approx(0.01 / np.sqrt(600), rel=0.15), "the luck that a pair shares must cancel"


def test_a_cosine_without_its_branch_is_named():
    with pytest.raises(ValueError, match="no branch of level 'a', seed 1, D 10 on 'heldout'"):
        gaps(observations([row("a", 0, 3.0)]), observations([row("a", 1, 3.0, 0.004)]), 0.004)


def test_the_cost_of_a_trunk_is_in_percent_of_the_loss():
    found = [Gap("heldout", 1.0, 0.039, 0.01, 4, 3.9), Gap("heldout", 2.0, -0.0078, None, 1, 3.9)]
    check = against_cosine(found, "heldout")
    assert check is not None
    assert check.answer == "+1.00 ± 0.26% at 1 times the rate (4 pairs); -0.20% at 2 times the rate (1 pairs)"
    assert against_cosine(found, "web") is None
