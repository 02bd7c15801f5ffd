"""Large components split by bucket: the signal is the one that comes from verifying them whole."""

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from curation.document import SCHEMA, Batch, doc_id
from curation.hashing import uid
from curation.signals.signatures import exact, minhash
from pipelines.duplicates import components, large_components
from pipelines.duplicates.duplicates import Duplicates, find_duplicates
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Step
from pipelines.engine.workdir import Workdir


def template_documents() -> pa.Table:
    """300 documents: a common half and one of 60 second halves, slightly edited, with exact copies; candidates all chain."""
    random = np.random.default_rng(0)
    common = [f"c{i}" for i in range(60)]
    halves = [[f"h{h}x{i}" for i in range(60)] for h in range(60)]
    texts: list[str] = []
    for d in range(300):
        words = common + list(halves[random.integers(0, 60)])
        for _ in range(random.integers(0, 4)):
            words[random.integers(0, len(words))] = f"edit{random.integers(0, 10**6)}"
        texts.append(texts[random.integers(0, d)].upper() if d > 20 and d % 7 == 0 else " ".join(words))
    blank = [None] * 300
    names = [name for name in SCHEMA.names if name != "doc_id"]
    columns = [uid("s", "f", np.arange(300)), texts, ["s"] * 300, ["web"] * 300, blank, blank, blank]
    return pa.table(columns, schema=pa.schema([SCHEMA.field(name) for name in names]))


def write(out, documents, made):
    if made is None:
        made = pa.table([pa.array(doc_id(out.index, documents.num_rows)), *documents.columns], schema=SCHEMA)
    out.write_table(f"shard-{out.index:08d}.parquet", made)
    return {"documents": documents.num_rows, "text_bytes": documents["text"].nbytes}


def run(path, declared: Duplicates) -> tuple[list[dict], Context, dict]:
    workdir = Workdir(str(path))
    context = Context(workdir, InProcess(), Progress(workdir, Console(quiet=True)))
    parts = [template_documents().slice(a, 60) for a in range(0, 300, 60)]
    pool = run_step(context, Step("pool", {}, compute=write, units=lambda: [(part, None) for part in parts]))
    signals = {}
    for name, params in declared.signals().items():
        tables = [(part, {"minhash": minhash, "exact": exact}[name](Batch(part), **params)) for part in parts]
        step = Step(f"signals/{name}", params, {"pool": pool}, compute=write, units=lambda tables=tables: tables)
        signals[name] = run_step(context, step)
    manifest = find_duplicates(context, pool, signals, declared)
    return [row for file in manifest.files() for row in workdir.read_table(file).to_pylist()], context, manifest.summary


@pytest.mark.parametrize("in_memory", [10**6, 10])
@pytest.mark.parametrize("partition_bytes", [2**27, 20_000])
def test_the_signal_is_that_of_whole_components(tmp_path, monkeypatch, in_memory, partition_bytes):
    declared = Duplicates(bands=32, rows=3, threshold=0.75)
    whole, _, before = run(tmp_path / "whole", declared)
    monkeypatch.setattr(components, "LARGE", 20)
    monkeypatch.setattr(components, "IN_MEMORY", in_memory)
    monkeypatch.setattr(components, "EDGES_PER_PARTITION", 300)
    monkeypatch.setattr(large_components, "BYTES_PER_PARTITION", partition_bytes)
    split, context, after = run(tmp_path / "split", declared)
    assert split == whole
    assert "large-edges" in context.workdir.listing("duplicates")
    assert before["candidates"] > 250  # the documents do chain together
    assert len({row["cluster"] for row in whole}) > 50  # and fall apart
    assert after["candidates"] < before["candidates"]
