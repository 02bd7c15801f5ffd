"""Labels of components: one task and partitions agree, in the layout that later phases read."""

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from curation.duplicates.clusters import components
from pipelines.duplicates import components as step_under_test
from pipelines.duplicates.components import label_components
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import Workdir


def write_edges(out, root, node):
    out.write_table(f"edges-{out.index:05d}.parquet", pa.table({"root": root, "node": node}))
    return {"edges": len(root)}


def edges(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of 40 shards of 100 documents: random pairs, a long path and a large star."""
    random = np.random.default_rng(seed)
    place = (np.arange(4000) // 100 << 32 | np.arange(4000) % 100).astype(np.uint64)
    pairs = random.integers(0, 2500, (700, 2))
    path = np.stack([np.arange(2500, 2900), np.arange(2501, 2901)], axis=1)
    star = np.stack([np.full(500, 3000), np.arange(3100, 3600)], axis=1)
    table = np.concatenate([pairs[pairs[:, 0] != pairs[:, 1]], path, star])
    return place[table.min(axis=1)], place[table.max(axis=1)]


def written(context: Context, units: list) -> Manifest:
    return run_step(context, Step("edges", {}, compute=write_edges, units=lambda: units))


@pytest.mark.parametrize(("ranges", "shards_per_range"), [(1, 64), (5, 8), (40, 1)])
@pytest.mark.parametrize("in_memory", [10**6, 10])
def test_labels_are_the_components_in_ranges_of_shards(tmp_path, monkeypatch, ranges, shards_per_range, in_memory):
    monkeypatch.setattr(step_under_test, "IN_MEMORY", in_memory)
    monkeypatch.setattr(step_under_test, "EDGES_PER_PARTITION", 300)
    workdir = Workdir(str(tmp_path))
    context = Context(workdir, InProcess(), Progress(workdir, Console(quiet=True)))
    root, node = edges(1)
    units = [(root[i::4], node[i::4]) for i in range(4)]
    manifest = label_components(context, written(context, units), ranges, shards_per_range)
    tables = [workdir.read_table(file) for file in manifest.files()]
    assert len(tables) == ranges
    for r, table in enumerate(tables):
        shard = table["place"].to_numpy() >> np.uint64(32)
        assert ((shard // shards_per_range) == r).all()
        assert (np.diff(table["place"].to_numpy().astype(np.int64)) > 0).all()
    found = pa.concat_tables(tables)
    want_node, want_root = components(root, node)
    np.testing.assert_array_equal(found["place"].to_numpy(), want_node)
    np.testing.assert_array_equal(found["component"].to_numpy(), want_root)
    _, component, sizes = np.unique(want_root, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(found["size"].to_numpy(), sizes[component])
    assert manifest.total("documents") == len(want_node)
    assert ("stars-01-large" in workdir.listing("duplicates")) == (in_memory == 10)


def test_no_edges_make_empty_labels(tmp_path):
    workdir = Workdir(str(tmp_path))
    context = Context(workdir, InProcess(), Progress(workdir, Console(quiet=True)))
    none = np.empty(0, np.uint64)
    manifest = label_components(context, written(context, [(none, none)]), 2, 64)
    assert [workdir.read_table(file).num_rows for file in manifest.files()] == [0, 0]
