import re
from pathlib import Path

import pytest

from curation.quality import axes
from curation.quality.axes import Measure

PAGE = Path(__file__).parents[3] / "docs/reference/quality.md"


def test_the_manual_lists_every_axis_as_it_is():
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (\w+) \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [(axis.name, axis.unit, axis.better, axis.source) for axis in axes.AXES]


def test_every_name_has_its_axis():
    known = axes.names(["quality", "edu-score"], ["gopher_quality"])
    assert {"kept", "quality.score", "edu-score.score.p90", "removed.gopher_quality", "removed.mixture", "zstd"} <= set(known)
    assert not [name for name in known if name.startswith(axes.OVERLAP) or "{" in name]
    assert {axes.described(name).name for name in known} == {axis.name for axis in axes.AXES} - {"overlap:{set}"}
    assert axes.described("quality.score.p50").name == "{classifier}.score.{quantile}"
    assert axes.described("overlap:domain:code").unit == "share of the set's 3-grams"


def test_a_wrong_name_is_told_the_right_one():
    known = axes.names(["quality"], [])
    axes.check("quality.score", known)
    with pytest.raises(ValueError, match=r"'quality_score' is no quality axis of this study; the closest are quality\.score"):
        axes.check("quality_score", known)


def test_a_mean_of_groups_has_their_scatter():
    assert Measure.of_groups([1, 2, 3]) == Measure(2.0, pytest.approx(1 / 3**0.5))
    assert Measure.of_groups([5]) == Measure(5.0, None)


def test_every_axis_has_words_for_a_figure_and_another_name_stays():
    assert list(axes.WORDS) == [axis.name for axis in axes.AXES]
    assert axes.worded("kept") == "share of the pool's tokens kept"
    assert axes.worded("good.score.p10") == "p10 of the score of the classifier good"
    assert axes.worded("overlap:domain:code") == "share of the 3-grams of domain:code that it has"
    assert axes.worded("my column") == "my column"
