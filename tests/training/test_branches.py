"""Courses in training: the same bytes as the levels they are made of, phases that begin where they say, kills and halves."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from training.branches import Branch, branches_of, trunks_of
from training.course import trained_steps
from training.plan import Run, parse_plan
from training.reading import Library, level_rows, order_of
from training.run import run_stack
from training.step import Trainer

COURSES = {
    "same": [{"level": "clean"}],
    "whole": [{"level": "clean", "share": 0.6}, {"level": "clean", "share": 0.4}],
    "anneal": [{"level": "noisy", "share": 0.8}, {"level": "clean", "share": 0.2}],
    "add": [{"level": "clean", "share": 0.5}, {"level": "noisy", "share": 0.5, "replay": 0.25}],
    "rising": [{"level": "clean", "by": "number"}],
    "again": [{"level": "clean", "unique_tokens": 1280, "epochs": 4}],
}


@pytest.fixture(scope="module")
def with_courses(make_plan, tmp_path_factory):
    """A plan of both levels and all of COURSES, and the folder of its orders."""
    folder = tmp_path_factory.mktemp("courses")
    ids = np.random.default_rng(5).permutation(500).astype(np.uint64)
    pq.write_table(pa.table({"doc_id": ids, "value": np.sin(ids.astype(float))}), folder / "number.parquet")
    runs = [{"level": name, "seed": 0} for name in ("clean", "noisy", *COURSES)]
    body = make_plan(runs=runs) | {"courses": COURSES, "orders": {"number": {"path": "number.parquet", "digest": "n"}}}
    return parse_plan(body, folder)


@pytest.fixture(scope="module")
def trained(with_courses, tmp_path_factory):
    return run_stack(with_courses, "s0", tmp_path_factory.mktemp("trained"))


def nats(folder, level, tokens=None):
    table = pq.read_table(folder / "losses.parquet")
    rows = pc.equal(table["level"], level)
    return table.filter(rows if tokens is None else pc.and_(rows, pc.equal(table["tokens"], tokens)))["nats"].to_numpy()


def observed(folder, level):
    return [row for row in pq.read_table(folder / "observations.parquet").to_pylist() if row["level"] == level]


def test_a_course_of_one_level_has_the_bytes_of_the_level(trained):
    for name in ("same", "whole"):
        assert (nats(trained, name) == nats(trained, "clean")).all(), name
    named = [{**row, "level": "clean", "trunk": "clean/tiny/0"} for row in observed(trained, "same")]
    assert named == observed(trained, "clean")


def test_courses_beside_a_level_change_nothing_of_it_but_rounding(trained, make_plan, tmp_path):
    """The size of a stack decides how its sums are cut (docs/training.md), as everywhere."""
    levels_alone = run_stack(parse_plan(make_plan(), tmp_path), "s0", tmp_path)
    for level in ("clean", "noisy"):
        np.testing.assert_allclose(nats(trained, level), nats(levels_alone, level), rtol=1e-5)
    same = ("level", "trunk", "tokens", "unique_tokens", "repeated", "certificate")
    both = ([[row[name] for name in same] for row in observed(folder, "noisy")] for folder in (trained, levels_alone))
    assert next(both) == next(both), "its certificate too: what is read is no part of it"


def test_what_leaves_together_trains_together(with_courses):
    stack = with_courses.stacks[0]
    names = [run.level for run in stack.runs]
    assert [names[k] for k in trunks_of(with_courses, stack)] == [
        "clean", "noisy", "clean", "clean", "noisy", "clean", "clean", "again",
    ]  # fmt: skip
    at_cooldown, halfway, sorted_one = (names.index(name) for name in ("anneal", "add", "rising"))
    found = [branch for branch in branches_of(with_courses, stack) if branch.end == 40]
    assert [(branch.start, branch.end) for branch in found] == [(0, 40), (20, 40), (24, 40), (32, 40)]
    assert found[0].runs == (sorted_one,)
    assert found[1].runs == (halfway,)
    assert at_cooldown in found[3].runs
    steps = sum((branch.end - branch.start) * len(branch.runs) for branch in branches_of(with_courses, stack)) + 3 * 32
    assert steps == trained_steps([with_courses.course(name) for name in names], [10, 20, 40], 0.2)
    assert Branch(0, 40, (6,)) < Branch(20, 40, (5,))


def test_a_phase_begins_at_the_token_it_says(with_courses):
    stack = with_courses.stacks[0]
    library, run = Library(with_courses, stack), Run("add", 0)
    clean, noisy = (library.levels[level, 0].windows_WU for level in ("clean", "noisy"))
    stream = library.stream(run, 40, 0, 40)
    half = 5120 // 2 // with_courses.context
    np.testing.assert_array_equal(stream[:half], clean[:half])
    fresh = np.arange(half) % 4 != 3
    np.testing.assert_array_equal(stream[half:][fresh], noisy[half : half + fresh.sum()])
    np.testing.assert_array_equal(stream[half:][~fresh], clean[: half : half // (~fresh).sum()])
    np.testing.assert_array_equal(stream[64:80], library.stream(run, 40, 16, 20))


def test_a_sorted_course_rises_in_the_signal_of_its_documents(with_courses):
    stack = with_courses.stacks[0]
    library, rows = Library(with_courses, stack), level_rows(with_courses, "clean", None)
    stream = library.stream(Run("rising", 0), 20, 0, 20)
    random = library.stream(Run("clean", 0), 20, 0, 20)
    assert set(map(bytes, stream)) == set(map(bytes, random)), "the multiset of tokens, to the window"
    assert len(stream) == len(random) == 80
    # by hand, from the tokens alone: a window that lies inside one row has the signal of that row's document
    inside = {}
    for start, end, document in zip(rows.start_R[:-1], rows.start_R[1:], rows.doc_id_R, strict=True):
        for first in range(start, end - with_courses.context, with_courses.context):
            inside[bytes(rows.tokens[first : first + with_courses.context + 1])] = np.sin(float(document))
    found = [inside[bytes(window)] for window in stream if bytes(window) in inside]
    assert len(found) > 20
    assert found == sorted(found)
    assert (np.diff(library.levels["clean", 0].value_W["number"]) < 0).any(), "the level itself is not sorted"


def test_a_window_of_several_documents_is_their_mean_by_tokens(with_courses):
    stack = with_courses.stacks[0]
    library, rows = Library(with_courses, stack), level_rows(with_courses, "clean", None)
    order = order_of(with_courses, stack, 0, rows)
    by_token = [[] for _ in order.complete_P]
    packed = np.flatnonzero(order.size_P[order.complete_P] < with_courses.context)
    filled = 0
    for p, size in enumerate(order.size_P):
        value = np.sin(float(rows.doc_id_R[order.row_P[p]]))
        if size == with_courses.context:
            by_token[np.flatnonzero(order.complete_P == p)[0]] += [value] * int(size)
            continue
        for _ in range(size):
            if filled // with_courses.context < len(packed):
                by_token[packed[filled // with_courses.context]].append(value)
            filled += 1
    value_W = library.levels["clean", 0].value_W["number"]
    assert [len(tokens) for tokens in by_token] == [with_courses.context] * len(by_token)
    np.testing.assert_allclose(value_W, [np.mean(tokens) for tokens in by_token[: len(value_W)]])


def test_each_observation_says_what_was_read_again(trained):
    repeated = {name: [row["repeated"] for row in observed(trained, name) if row["eval_set"] == "heldout"] for name in COURSES}
    assert repeated == {
        "same": [False] * 3, "whole": [False] * 3, "anneal": [False] * 3, "add": [True] * 3, "rising": [False] * 3,
        "again": [False, True, True],
    }  # fmt: skip
    assert {row["unique_tokens"] for row in observed(trained, "again")} == {1280}
    assert [row["trunk"] for row in observed(trained, "rising")][::3] == [f"rising/tiny/0/D={d}" for d in (1280, 2560, 5120)]
    assert {row["trunk"] for row in observed(trained, "anneal")} == {"anneal/tiny/0"}
    first = nats(trained, "again", 1280)
    np.testing.assert_array_equal(first, nats(trained, "clean", 1280))
    assert (nats(trained, "again", 2560) != nats(trained, "clean", 2560)).any()


class KilledError(Exception):
    pass


@pytest.mark.parametrize("kill_at", [30, 90])
def test_a_kill_across_a_border_of_phases_changes_no_bit(with_courses, trained, tmp_path, kill_at):
    plan, seen = replace(with_courses, checkpoint_seconds=0.0), []

    def kill(line):
        seen.append(line)
        if len(seen) > kill_at:
            raise KilledError

    with pytest.raises(KilledError):
        run_stack(plan, "s0", tmp_path, kill)
    folder = run_stack(plan, "s0", tmp_path)
    assert pq.read_table(folder / "losses.parquet").equals(pq.read_table(trained / "losses.parquet"))
    assert pq.read_table(folder / "observations.parquet").equals(pq.read_table(trained / "observations.parquet"))


def test_halves_train_the_same(with_courses, trained, tmp_path, monkeypatch):
    advance = Trainer.advance
    runs = tuple(Run(name, 0) for name in ("noisy", "anneal", "add"))
    plan = replace(with_courses, stacks=(replace(with_courses.stacks[0], runs=runs, tokens=(1280,)),))

    def small_memory(trainer):
        if len(trainer.lr_K) > 1:
            raise torch.OutOfMemoryError("full")
        advance(trainer)

    monkeypatch.setattr(Trainer, "advance", small_memory)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    folder = run_stack(plan, "s0", tmp_path)
    for run in runs:
        np.testing.assert_allclose(nats(folder, run.level), nats(trained, run.level, 1280), rtol=1e-5)
