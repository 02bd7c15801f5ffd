"""Edits of a study file: what was asked for changes, every other byte stays."""

from pathlib import Path

import pytest
import yaml

from pipelines.study.edit import put_ladder, with_values
from pipelines.study.study import StudyError, load
from pipelines.study.training import ShapeSection, ShortRunsSection

STUDY = """\
name: small  # a name
sources: [{ kind: text, name: t, path: a.txt }]
levels: { raw: {}, dedup: { drop: [exact] } }

ladder: # the same runs on every level
  shapes:
    a: { width: 16, depth: 1, heads: 1 } # tiny
    b: { width: 32, depth: 1, heads: 1 }
  # these were chosen by hand
  tokens: [4096, 8_192] # past the shoulder
  context: 32

# the end
fit: { replicates: 50 }"""

ONE = {"w32d2": ShapeSection(width=32, depth=2, heads=2, ff=96)}


def test_a_ladder_is_put_in_its_place_and_nothing_else_moves(tmp_path: Path):
    path = tmp_path / "s.yaml"
    path.write_text(STUDY)
    put_ladder(path, ONE, (65_536, 131_072), 3)
    lines, before = path.read_text().split("\n"), STUDY.split("\n")
    assert lines[:5] == before[:5]
    assert lines[5:9] == [
        "  shapes: { w32d2: { width: 32, depth: 2, heads: 2, ff: 96 } }",
        "  # these were chosen by hand",
        "  tokens: [65_536, 131_072] # past the shoulder",
        "  context: 32",
    ]
    assert lines[9:] == ["  seeds: 3", *before[11:]]
    ladder = load(path).ladder
    assert (ladder.tokens, ladder.seeds, ladder.shapes) == ([65_536, 131_072], 3, ONE)
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.yaml"]


def test_short_runs_are_put_in_and_taken_out_with_their_ladder(tmp_path: Path):
    path = tmp_path / "s.yaml"
    path.write_text(STUDY)
    put_ladder(path, ONE, (65_536, 131_072), 3, ShortRunsSection(tokens=65_536, seeds=9))
    assert load(path).ladder.short == ShortRunsSection(tokens=65_536, seeds=9)
    put_ladder(path, ONE, (32_768, 131_072), 3)
    assert load(path).ladder.short is None


@pytest.mark.parametrize(
    "text",
    [
        "ladder: {shapes: [a], tokens: [1]} # c\nx: 1\n",
        "ladder:\n  shapes:\n    - a # yes\n    - b\n  # before\n  tokens: [1] # c\nx: 1",
        "x: 1\nladder:\n    tokens:\n    - 1\n    - 2\n    shapes: [a]\n",
        "ladder: { tokens: [1] }",
    ],
)
def test_every_form_of_a_section_reads_back_as_asked(text: str):
    edited = yaml.safe_load(with_values(text, "ladder", {"shapes": "[c]", "tokens": "[7, 8]", "seeds": "3"}))
    assert edited == yaml.safe_load(text) | {"ladder": {"shapes": ["c"], "tokens": [7, 8], "seeds": 3}}


def test_a_check_outside_the_new_ladder_is_named_and_nothing_is_written(tmp_path: Path):
    path = tmp_path / "s.yaml"
    text = STUDY + "\nchecks: { noise: { cells: { a: [4096] } } }\n"
    path.write_text(text)
    with pytest.raises(StudyError, match=r"checks.noise.cells.a: checks shape a at D 4,096, and the new ladder has w32d2"):
        put_ladder(path, ONE, (65_536, 131_072), 3)
    assert path.read_text() == text


def test_a_section_that_is_not_there_is_named():
    with pytest.raises(StudyError, match="ladder: is not in the study file"):
        with_values("name: x\n", "ladder", {"seeds": "3"})
