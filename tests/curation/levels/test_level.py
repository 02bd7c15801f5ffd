"""Levels made from declarations: order of rules, inheritance, and what mistakes are told."""

import pytest

from curation.levels.level import Declaration, Random, Top, build_level

COLUMNS = (
    "domain",
    "duplicates.cluster",
    "duplicates.survivor",
    "duplicates.exact_survivor",
    "gopher_quality.n_words",
    "gopher_quality.mean_word_length",
    "quality.score",
)
RULE_SETS = {
    "gopher_quality": "gopher_quality.n_words >= 50 and 3 <= gopher_quality.mean_word_length <= 10",
}
STUDY = [
    Declaration("raw"),
    Declaration("deduplicated", extends="raw", drop=("exact", "near")),
    Declaration(
        "filtered", extends="deduplicated", keep=("gopher_quality", "gopher_quality.n_words >= 50", "domain != 'spam'")
    ),
    Declaration("best", extends="filtered", top=Top(0.1, "quality.score", within="domain")),
    Declaration("best of best", extends="best", top=Top(0.1, "quality.score", within="domain")),
]


def build(name, study=STUDY):
    return build_level(name, study, COLUMNS, RULE_SETS)


def test_rules_come_parents_first_and_once():
    assert build("raw").rules == ()
    assert [rule.reason for rule in build("best").rules] == [
        "exact duplicate",
        "near duplicate",
        "gopher_quality.n_words >= 50",
        "3 <= gopher_quality.mean_word_length",
        "gopher_quality.mean_word_length <= 10",
        "domain != 'spam'",
        "top 0.1 by quality.score within each domain",
    ]
    assert build("filtered").columns == set(COLUMNS) - {"quality.score"}


def test_a_tenth_of_a_tenth_is_two_rules():
    assert [rule.reason for rule in build("best of best").rules].count("top 0.1 by quality.score within each domain") == 2


@pytest.mark.parametrize(
    ("declaration", "says"),
    [
        (Declaration("x", extends="rwa"), r"no level 'rwa' \(extended by 'x'\); the study declares raw"),
        (Declaration("x", extends="x"), "in a circle: 'x' extends 'x'"),
        (Declaration("x", drop=("fuzzy",)), "level 'x': drop: 'fuzzy' is not one of exact, near"),  # pyright: ignore
        (Declaration("x", keep=("gopher_qualty",)), "no rule set 'gopher_qualty'; the closest are gopher_quality"),
        (Declaration("x", keep=("quality.scor > 1",)), "level 'x': level expression .*unknown column 'quality.scor'"),
        (Declaration("x", top=Top(1.5, "quality.score")), r"fraction 1.5 is outside \(0, 1\]"),
        (Declaration("x", top=Top(0.5, "quality.scores")), "level 'x': .*unknown column 'quality.scores'"),
        (Declaration("x", top=Top(0.5, "quality.score - percentile(quality.score, 5)")), "must not name a percentile"),
    ],
)
def test_mistakes_are_told_with_their_place(declaration, says):
    with pytest.raises(ValueError, match=says):
        build("x", [*STUDY, declaration])


def test_an_unknown_level():
    with pytest.raises(ValueError, match="no level 'bset'; the study declares raw, dedup"):
        build("bset")


def test_a_random_part_is_a_rule():
    (rule,) = build("x", [Declaration("x", random=Random({"web": 10}, 1, "best"))]).rules
    assert rule.reason == "random: the tokens of best"
