import pytest

from scaling_fit.courses.effect import Course
from scaling_fit.courses.reading import Reading, read
from scaling_fit.settings import Settings

COURSES = [
    Course("rising", "order", "plain", "plain"),
    Course("on-good", "annealing", "plain", "good"),
    Course("again", "repetition", "", "plain"),
    Course("add", "continual", "plain", "good", 0.1),
]
SETTINGS = Settings(eval_set="heldout", eval_sets=("heldout", "domain:code"), replicates=60, test_replicates=0)


@pytest.fixture(scope="module")
def found(planted) -> Reading:
    factors = {"plain": 1.0, "good": 0.95, "rising": 1.05, "on-good": 0.98, "again": 1.0, "add": 0.97}
    return read(planted(factors, unique={"again": 2e6}), COURSES, SETTINGS)


def test_every_kind_of_course_has_its_answer(found):
    assert [one.course.name for one in found.courses] == ["rising", "on-good", "again", "add"]
    rising = found.courses[0]
    assert [one.eval_set for one in rising.effects] == ["heldout", "domain:code"]
    assert rising.effects[0].longest.percent.low < 5 < rising.effects[0].longest.percent.high
    assert rising.law.badge
    assert not rising.law.reason
    assert bool(rising.law.caution) == ("what moved is said of these tokens alone" in rising.answer)
    assert len(found.sentences) == 4
    assert found.sentences[1].startswith("At 16M tokens rising differs from plain by +5.")


def test_the_planner_gets_the_r_star_that_was_measured(found):
    measured = found.repetition[0].r_star
    assert measured.bounded
    assert found.r_star("plain") == found.r_star("good") == measured.value


def test_the_record_reads_back(found):
    assert Reading.from_json(found.to_json()).to_json() == found.to_json()
    with pytest.raises(ValueError, match=r"courses\.json is of another version"):
        Reading.from_json('{"version": 0}')
