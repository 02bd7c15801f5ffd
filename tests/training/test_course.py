"""What courses read, slot by slot, without a model."""

import numpy as np
import pytest

from training.course import (
    Phase,
    alone,
    borders,
    leaves,
    read_tokens,
    reading,
    too_long,
    trained_steps,
    trunk_of,
    unique_tokens,
)

BATCH = 4
WINDOWS = {"old": 1000, "new": 300}


def read(course, steps, windows=WINDOWS, value=None):
    found = reading(course, steps, BATCH, lambda phase: windows[phase.level], lambda phase: value)
    return [(found.levels[level], int(window)) for level, window in zip(found.level_N, found.window_N, strict=True)]


def test_a_level_is_the_course_that_reads_it_alone():
    whole = [("old", i) for i in range(200 * BATCH)]
    assert read(alone("old"), 200) == whole
    assert read((Phase("old", 0.7), Phase("old", 0.3)), 200) == whole
    assert read(alone("old"), 300, {"old": 900}) == [("old", i % 900) for i in range(1200)]


def test_a_second_phase_begins_at_its_share_and_reads_what_a_whole_run_on_it_would():
    course = (Phase("old", 0.7), Phase("new", 0.3))
    found = read(course, 100)
    assert borders(course, 100) == [0, 70, 100]
    assert found[: 70 * BATCH] == read(alone("old"), 100)[: 70 * BATCH]
    assert found[70 * BATCH :] == read(alone("new"), 100)[70 * BATCH :]


def test_replay_has_its_share_in_every_hundred_steps_and_goes_once_through_what_was_read():
    course = (Phase("old", 0.5), Phase("new", 0.5, replay=0.13))
    found = read(course, 1000, {"old": 4000, "new": 4000})[500 * BATCH :]
    old = np.array([level == "old" for level, _ in found])
    shares = np.convolve(old, np.ones(100 * BATCH), "valid") / (100 * BATCH)
    assert abs(shares - 0.13).max() <= 1 / (100 * BATCH)
    again = [window for level, window in found if level == "old"]
    assert again == sorted(set(again)), "in its order, none twice"
    assert again[0] == 0
    assert again[-1] > 0.99 * 500 * BATCH, "and evenly over all of it"
    fresh = [window for level, window in found if level == "new"]
    assert fresh == [500 * BATCH + q for q in range(len(fresh))], "no window of the new level is passed over"


def test_replay_in_a_third_phase_is_of_both_before():
    course = (Phase("a", 0.4), Phase("b", 0.4), Phase("c", 0.2, replay=0.5))
    found = read(course, 100, dict.fromkeys("abc", 10_000))[80 * BATCH :]
    counts = {level: sum(one == level for one, _ in found) for level in "abc"}
    assert counts == {"a": 10 * BATCH / 2, "b": 10 * BATCH / 2, "c": 10 * BATCH}


def test_a_sorted_course_reads_the_same_windows_in_the_order_of_the_signal():
    value = np.random.default_rng(0).random(1000)
    ordered = [window for _, window in read((Phase("old", by="score"),), 100, value=value)]
    assert sorted(ordered) == list(range(400)), "the multiset of the random order at the same D"
    assert (np.diff(value[ordered]) >= 0).all()
    backwards = [window for _, window in read((Phase("old", by="score"),), 100, value=-value)]
    assert backwards == ordered[::-1]
    assert read((Phase("old", by="score", smooth=1.0),), 100, value=value) == read(alone("old"), 100)
    half = [window for _, window in read((Phase("old", by="score", smooth=0.5),), 100, value=value)]
    falling = [np.corrcoef(value[order], np.arange(400))[0, 1] for order in (range(400), half, ordered)]
    assert falling[0] < 0.3 < falling[1] < 0.9 < falling[2]


def test_runs_leave_their_trunk_where_they_begin_to_differ():
    assert leaves(alone("old"), 100, 0.2) == 80
    assert leaves((Phase("old", 0.8), Phase("new", 0.2)), 100, 0.2) == 80
    assert leaves((Phase("old", 0.5), Phase("new", 0.5)), 100, 0.2) == 50
    assert leaves((Phase("old", 0.9), Phase("new", 0.1)), 100, 0.2) == 80
    assert leaves((Phase("old", by="score"),), 100, 0.2) == 0
    assert trunk_of((Phase("old", 0.5), Phase("new", 0.5))) == trunk_of(alone("old"))
    assert trunk_of((Phase("old", unique_tokens=100, epochs=4),)) != trunk_of(alone("old"))


def test_a_trunk_is_trained_once_for_all_that_share_it():
    anneal, sort = (Phase("old", 0.8), Phase("new", 0.2)), (Phase("old", by="score"),)
    ends = [100, 200]
    alone_on_old = 160 + 20 + 40
    assert trained_steps([alone("old")], ends, 0.2) == alone_on_old
    assert trained_steps([alone("old"), anneal], ends, 0.2) == alone_on_old + 20 + 40
    assert trained_steps([alone("old"), alone("new"), anneal], ends, 0.2) == 2 * alone_on_old + 60
    assert trained_steps([alone("old"), sort], ends, 0.2) == alone_on_old + 100 + 200


def test_what_is_read_again_counts_once():
    unique = {"old": 1000, "new": 300}
    assert unique_tokens(alone("old"), 900, unique) == 1000
    assert unique_tokens(alone("old"), 1500, unique) == 1000
    assert unique_tokens((Phase("old", unique_tokens=200, epochs=4),), 800, unique) == 200
    assert unique_tokens((Phase("old", 0.5), Phase("new", 0.5)), 600, unique) == 1300
    assert unique_tokens((Phase("old", 0.5), Phase("new", 0.5, replay=0.2)), 600, unique) == 300 + 240
    assert unique_tokens((Phase("old", 0.5), Phase("old", 0.5)), 1200, unique) == 1000
    assert read_tokens((Phase("old", 0.5), Phase("new", 0.5, replay=0.2)), 600) == [300, 240]


@pytest.mark.parametrize(
    ("course", "told"),
    [
        ((Phase("old", 0.5), Phase("new", 0.5)), "phase 2 reads 400 tokens of 'new', which has 300; set epochs to 2"),
        ((Phase("new", epochs=2),), "phase 1 reads 800 tokens of 'new', which has 300 for 2 epochs; set epochs to 3"),
        ((Phase("old", unique_tokens=100),), "phase 1 reads 800 tokens of 'old', which has 100; set epochs to 8"),
        ((Phase("old", 0.7), Phase("new", 0.3)), ""),
    ],
)
def test_a_phase_longer_than_its_level_says_so(course, told):
    found = too_long(course, 800, {"old": 1000, "new": 300})
    assert found.startswith(told) if told else found == ""
