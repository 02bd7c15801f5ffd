"""What a run of a course reads of every document, against its windows taken apart by hand."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.ledger import documents_read
from training.plan import Run, parse_plan
from training.reading import Library, level_rows, order_of

COURSES = {
    "add": [{"level": "clean", "share": 0.5}, {"level": "noisy", "share": 0.5, "replay": 0.25}],
    "rising": [{"level": "clean", "share": 0.5, "by": "number"}, {"level": "noisy", "share": 0.5, "replay": 0.25}],
    "again": [{"level": "clean", "unique_tokens": 1280, "epochs": 4}],
}


@pytest.fixture(scope="module")
def plan(make_plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ledger")
    ids = np.arange(500, dtype=np.uint64)
    pq.write_table(pa.table({"doc_id": ids, "value": np.sin(ids.astype(float))}), folder / "number.parquet")
    runs = [{"level": name, "seed": 0} for name in ("clean", "noisy", *COURSES)]
    body = make_plan(runs=runs) | {"courses": COURSES, "orders": {"number": {"path": "number.parquet", "digest": "n"}}}
    return parse_plan(body, folder)


def read_by(plan, name):
    return [row for row in documents_read(plan, plan.stacks[0], 5120).to_pylist() if row["course"] == name]


def by_window(plan, level):
    """The doc_id of every token of every window of a level, laid end to end as training/order.py says."""
    order = order_of(plan, plan.stacks[0], 0, level_rows(plan, level, None))
    left, packed, whole = [], [], {}
    for p, (row, size) in enumerate(zip(order.row_P, order.size_P, strict=True)):
        document = int(order.rows.doc_id_R[row])
        if size == plan.context:
            whole[p] = [document] * plan.context
            continue
        left += [document] * int(size)
        if len(left) >= plan.context:
            packed.append((p, left[: plan.context]))
            left = left[plan.context :]
    return [documents for _, documents in sorted([*whole.items(), *packed])]


@pytest.mark.parametrize("name", ["clean", *COURSES])
def test_every_token_is_counted_for_its_document(plan, name):
    steps, stack = 40, plan.stacks[0]
    found = read_by(plan, name)
    read = Library(plan, stack).reading(Run(name, 0), steps)
    batch, windows = len(read.window_N) // steps, {level: by_window(plan, level) for level in read.levels}
    half = len(read.window_N) // 2 if len(plan.course(name)) > 1 else len(read.window_N)
    told = Counter(
        (1 + (n >= half), read.levels[level], document)
        for n, (level, window) in enumerate(zip(read.level_N, read.window_N, strict=True))
        for document in windows[read.levels[level]][window]
    )
    assert batch * plan.context == stack.batch_tokens
    assert {(row["phase"], row["level"], row["doc_id"]): row["tokens"] for row in found} == told
    assert sum(told.values()) == 5120


def test_what_is_repeated_says_how_often(plan):
    fresh, again = read_by(plan, "clean"), read_by(plan, "again")
    assert max(row["times"] for row in fresh) == 1
    assert {row["times"] for row in again} >= {4.0}, "1280 tokens, four times through"
    assert len(again) < len(fresh)
    replayed = [row for row in read_by(plan, "add") if row["phase"] == 2]
    assert sum(row["tokens"] for row in replayed if row["level"] == "clean") == 640, "a quarter of the second half"
