from scaling_fit.courses.effect import Course
from scaling_fit.courses.repetition import repetition
from scaling_fit.settings import FitSettings

COURSES = [Course("short", "repetition", "", "plain"), Course("long", "repetition", "", "plain")]
SETTINGS = FitSettings(replicates=60)


def test_a_planted_r_star_is_recovered(planted):
    data = planted({"plain": 1.0, "short": 1.0, "long": 1.0, "worse": 1.015}, unique={"short": 5e5, "long": 2e6}, r_star=4.0)
    (found,) = repetition(data, COURSES, ["plain", "worse"], "heldout", SETTINGS)
    assert found.courses == ("short", "long")
    assert found.r_star.low < 4 < found.r_star.high
    assert found.r_star.high < 8
    assert found.laws[0].squares < found.laws[1].squares, "the law that made the runs fits them best"
    assert "short loses to plain from 1M tokens on and worse from 2M tokens on" in found.answer
    crossing = next(one for one in found.against["short"] if one.against == "worse")
    assert crossing.at[0].percent.value < 0 < crossing.at[-1].percent.low


def test_repeats_that_cost_nothing_leave_r_star_open(planted):
    data = planted({"plain": 1.0, "short": 1.0}, unique={"short": 8e6}, r_star=50.0, noise=0.003)
    (found,) = repetition(data, COURSES[:1], ["plain"], "heldout", SETTINGS)
    assert found.r_star.high == float("inf")
    assert ", open] repeats (R*)" in found.answer


def test_what_cannot_be_fitted_says_why(planted):
    data = planted({"plain": 1.0})
    one_size = data.where([i for i, N in enumerate(data.N) if data.N[0] == N])
    (found,) = repetition(one_size, COURSES[:1], ["plain"], "heldout", SETTINGS)
    assert not found.r_star.bounded
    assert "No law of repetition could be fitted on plain: law 'repetition' needs at least two distinct N" in found.answer
