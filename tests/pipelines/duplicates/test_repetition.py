"""Edits of the pool: repeated lines and substrings against plain Python, over shards and partitions."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from curation.document import SCHEMA, doc_id
from curation.hashing import uid
from pipelines.duplicates import repetition
from pipelines.duplicates.repetition import edited_pool, repeated_lines, repeated_substrings
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Step
from pipelines.engine.workdir import Workdir


def corpus() -> pa.Table:
    """Documents of lines from a small stock and of their own; some lines have only case or punctuation in common."""
    random = np.random.default_rng(0)
    stock = [" ".join(f"w{i}" for i in random.integers(0, 9999, random.integers(1, 25))) for _ in range(40)]

    def line(d: int, k: int) -> str:
        old = stock[random.integers(0, 40)]
        return [old, old.upper() + ".", " ".join(f"own{d}x{k}x{i}" for i in range(15)), ""][random.integers(0, 4)]

    texts = ["\n".join(line(d, k) for k in range(random.integers(0, 6))) for d in range(150)]
    blank = [None] * 150
    columns = [uid("s", "f", np.arange(150)), texts, [f"source{d % 2}" for d in range(150)], ["web"] * 150, blank, blank, blank]
    names = [name for name in SCHEMA.names if name != "doc_id"]
    return pa.table(columns, schema=pa.schema([SCHEMA.field(name) for name in names]))


def write_shard(out, documents):
    facts = {"documents": documents.num_rows, "text_bytes": sum(len(t.encode()) for t in documents["text"].to_pylist())}
    table = pa.table([pa.array(doc_id(out.index, documents.num_rows)), *documents.columns], schema=SCHEMA)
    with out.parquet(f"shard-{out.index:08d}.parquet", SCHEMA, **facts) as writer:
        for start in range(0, table.num_rows, 17):
            writer.write_table(table.slice(start, 17))
    return facts


def pool_at(path, shards: int):
    workdir = Workdir(str(path))
    context = Context(workdir, InProcess(), Progress(workdir, Console(quiet=True)))
    bounds = np.linspace(0, 150, shards + 1).astype(int).tolist()
    parts = [(corpus().slice(a, b - a),) for a, b in pairwise(bounds)]
    return context, run_step(context, Step("pool", {"shards": shards}, compute=write_shard, units=lambda: parts))


def texts_of(context: Context, pool) -> list[str]:
    return [t for file in pool.files(".parquet") for t in context.workdir.read_table(file, ["text"])["text"].to_pylist()]


def without_repeats(documents: pa.Table, min_words: int, by_source: bool) -> list[str]:
    """The rule in plain Python: the first occurrence is that of the lowest uid, then of the lowest line."""
    rows = documents.to_pylist()
    seen: set[tuple[str, str]] = set()
    result = {}
    for row in sorted(rows, key=lambda r: r["uid"]):
        kept = ""
        for line in row["text"].splitlines(keepends=True):
            words = line.lower().replace(".", " ").split()
            key = (row["source"] if by_source else "", " ".join(words))
            if len(words) < min_words or key not in seen:
                kept += line
            if len(words) >= min_words:
                seen.add(key)
        result[row["uid"]] = kept
    return [result[row["uid"]] for row in rows]


@pytest.mark.parametrize("scope", ["global", "source"])
def test_repeated_lines_are_cut_but_for_the_first(tmp_path, scope, monkeypatch):
    monkeypatch.setattr(repetition, "BYTES_PER_PARTITION", 5_000)
    monkeypatch.setattr(repetition, "SHARDS_PER_RANGE", 2)
    context, pool = pool_at(tmp_path, 5)
    signal = repeated_lines(context, pool, min_words=4, scope=scope)
    edited = edited_pool(context, pool, signal)
    want = without_repeats(corpus(), 4, scope == "source")
    assert texts_of(context, edited) == want
    size = sum(len(t.encode()) for t in corpus()["text"].to_pylist())
    left = sum(len(t.encode()) for t in want)
    assert signal.summary["removed_bytes"] == size - left
    assert signal.summary["removed_share"] == pytest.approx(1 - left / size)
    assert edited.total("text_bytes") == left
    assert edited.summary["edited"] == {"lines": signal.summary}
    assert 0.05 < signal.summary["removed_share"] < 0.9


@pytest.mark.parametrize("edit", [repeated_lines, repeated_substrings])
def test_shards_change_nothing(tmp_path, edit):
    edited = []
    for shards in (1, 6):
        context, pool = pool_at(tmp_path / str(shards), shards)
        edited.append(texts_of(context, edited_pool(context, pool, edit(context, pool))))
    assert edited[0] == edited[1]
    assert edited[0] != corpus()["text"].to_pylist()


def test_substrings_record_what_they_removed(tmp_path):
    context, pool = pool_at(tmp_path, 3)
    signal = repeated_substrings(context, pool, ngram=5, threshold=0.8)
    rows = pa.concat_tables([context.workdir.read_table(file) for file in signal.files()])
    texts = corpus()["text"].to_pylist()
    for text, row, left in zip(texts, rows.to_pylist(), texts_of(context, edited_pool(context, pool, signal)), strict=True):
        assert row["n_bytes"] == len(text.encode())
        assert row["removed_bytes"] == len(text.encode()) - len(left.encode())
    assert signal.summary["touched"] == sum(1 for n in rows["removed_bytes"].to_pylist() if n)
    assert signal.parts[0]["filter_fill"] < 0.5
