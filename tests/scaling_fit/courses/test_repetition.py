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
    assert found.laws[0].miss < found.laws[1].miss, "the law that made the runs fits them best"
    assert found.laws[0].miss < 0.12, "and misses by their noise, a tenth of a percent"
    assert "short loses to the level read fresh from 1M tokens on and worse from 2M on" in found.answer
    assert "trust R* less" not in found.answer
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


def test_where_the_loss_rises_r_star_is_read_from_what_came_before(planted):
    """A course that overfits after 4M tokens: 12 % up, then 30 %."""

    def times(_, D):
        return 1.0 if D < 6e6 else 1.12 if D < 1e7 else 1.3

    rising = planted({"plain": 1.0, "short": times}, unique={"short": 5e5}, r_star=4.0)
    (found,) = repetition(rising, COURSES[:1], ["plain"], "heldout", SETTINGS)
    assert (found.laws[0].runs, found.laws[1].runs) == (48, 60), "6 trunks leave two of their five D out"
    assert found.r_star.low < 4 < found.r_star.high


def test_a_level_that_loses_by_itself_is_said_apart(planted):
    data = planted({"plain": 1.0, "short": 1.0, "better": 0.97}, unique={"short": 5e5})
    (found,) = repetition(data, COURSES[:1], ["plain", "better"], "heldout", SETTINGS)
    assert found.answer.endswith("short loses to the level read fresh from 1M tokens on. plain read fresh loses to better.")
