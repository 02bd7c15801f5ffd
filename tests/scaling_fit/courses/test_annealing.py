import math

import numpy as np

from scaling_fit.courses.annealing import agreement, annealing
from scaling_fit.courses.effect import Course

FULL = {"bad": 1.03, "fair": 0.98, "good": 0.95}
COURSES = [Course(f"on-{name}", "annealing", "plain", name) for name in FULL]
SETS = ("heldout", "domain:code")
SETS_B = np.arange(4).repeat(3)  # three levels on four evaluation sets


def test_a_cooldown_that_says_a_third_is_read_as_such(planted):
    cooled = {f"on-{name}": factor ** (1 / 3) for name, factor in FULL.items()}
    (found,) = annealing(planted({"plain": 1.0} | FULL | cooled), COURSES, SETS, 0.95)
    assert found.slope.low < 3 < found.slope.high
    assert found.slope.high - found.slope.low < 1
    assert found.rank.value == 1
    assert (found.by_cooldown, found.by_runs) == ("good", "good")
    assert len(found.points) == 6
    assert (found.same, found.sets, found.within.value) == (2, 2, 1)
    assert "would have chosen good; the full runs chose good" in found.answer


def test_a_cooldown_that_misleads_says_so(planted):
    cooled = {f"on-{name}": 1 / factor for name, factor in FULL.items()}
    (found,) = annealing(planted({"plain": 1.0} | FULL | cooled), COURSES, SETS, 0.95)
    assert found.rank.high < 0
    assert found.slope.high < 0
    assert "would have chosen bad; the full runs chose good" in found.answer


def test_the_trunks_own_level_may_be_the_choice_and_two_levels_have_no_ranks(planted):
    data = planted({"plain": 1.0, "bad": 1.03, "on-bad": 1.01})
    (found,) = annealing(data, COURSES[:1], ("heldout",), 0.95)
    assert (found.by_cooldown, found.by_runs) == ("plain", "plain")
    assert math.isnan(found.rank.value)
    assert "too few levels for a rank correlation" in found.answer
    assert annealing(data.where(np.flatnonzero(data.level != "bad")), COURSES[:1], ("heldout",), 0.95) == ()


def test_levels_that_do_not_differ_show_no_agreement():
    """The runs of the trunk's level are in both differences; their luck, a set's own, once made agreement out of nothing."""
    rng, held, found = np.random.default_rng(0), 0, []
    for _ in range(60):
        of_trunk = np.repeat(rng.standard_normal((4, 6)), 3, axis=0)  # four evaluation sets, three levels, six pairs
        annealed, full = (rng.standard_normal((12, 6)) - of_trunk for _ in range(2))
        _, rank, _ = agreement(annealed, full, SETS_B, 0.95)
        found.append(rank.value)
        held += rank.low < 0 < rank.high
    assert abs(np.mean(found)) < 0.12
    assert held >= 51


def test_ranks_of_sets_are_not_ranks_of_levels():
    """Sets that differ widely make a rank correlation over levels and sets, where on each set the levels stand at random."""
    rng = np.random.default_rng(2)
    of_set = 10 * np.arange(1, 5).repeat(3)[:, None]
    annealed, full = (of_set + rng.standard_normal((12, 1)) + 0.1 * rng.standard_normal((12, 6)) for _ in range(2))
    within, rank, _ = agreement(annealed, full, SETS_B, 0.95)
    assert rank.value > 0.85
    assert within.value < rank.value - 0.2
    assert within.high <= 1


def test_the_luck_of_cooldowns_does_not_flatten_the_slope():
    rng = np.random.default_rng(1)
    truth = rng.standard_normal((12, 1))
    slopes = []
    for _ in range(60):
        annealed, full = truth + rng.standard_normal((12, 6)), 3 * truth + rng.standard_normal((12, 6))
        slopes.append(agreement(annealed, full, SETS_B, 0.95)[2])
    assert abs(np.median([slope.value for slope in slopes]) - 3) < 0.15
    assert sum(slope.low < 3 < slope.high for slope in slopes) >= 51
