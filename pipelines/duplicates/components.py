"""Components: the candidate component of every document with an edge, in one task or over partitions.

Up to `IN_MEMORY` edges one task closes them with scipy. Above, large-star and small-star alternate over partitions
(`curation.duplicates.clusters`), each a step of its own, until the edges stand still; no task holds more than its partition.
"""

from itertools import pairwise
from math import ceil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.duplicates.clusters import both_ways, components, downwards, edge_sum, large_star, partition_of, small_star
from pipelines.engine.exchange import receive, send_by
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import PARQUET, JsonObject

IN_MEMORY = 10_000_000  # edges: about 1 GB in one task
EDGES_PER_PARTITION = 4_000_000
LARGE = 50_000  # documents: a larger component is not brought together in one task (`large_components`)


def label_components(context: Context, edges: Manifest, ranges: int, shards_per_range: int) -> Manifest:
    """Labels of all documents in an edge: file r has (place ascending, component, size) of the r-th range of pool shards.

    `edges` holds files of (root, node), edges-*. A component is named by its lowest place. The parts count `documents`, and
    those in `large` components.
    """
    total, files = edges.total("edges"), [path for path in edges.files() if "/edges-" in path]
    config = {"ranges": ranges, "shards_per_range": shards_per_range}
    if total <= IN_MEMORY:
        step = Step(
            "duplicates/components", config, {"edges": edges}, compute=label_in_memory,
            units=lambda: [(files, ranges, shards_per_range)], unit="tasks",
        )  # fmt: skip
        return run_step(context, step)
    stars = close_stars(context, edges, ceil(total / EDGES_PER_PARTITION))
    partitions = stars.step.config["partitions"]
    step = Step(
        "duplicates/components-spread", config, {"edges": stars}, compute=spread_labels,
        units=lambda: [(stars.files(), p, ranges, shards_per_range) for p in range(partitions)], unit="partitions",
    )  # fmt: skip
    spread = run_step(context, step)
    step = Step(
        "duplicates/components", config, {"labels": spread}, compute=gather_labels,
        units=lambda: [(spread.files(), r) for r in range(ranges)], unit="ranges",
    )  # fmt: skip
    return run_step(context, step)


def close_stars(context: Context, edges: Manifest, partitions: int) -> Manifest:
    """The edges after as many turns of large-star and small-star as it takes until their sum stands still."""
    config = {"partitions": partitions}
    step = Step(
        "duplicates/stars-start", config, {"edges": edges}, compute=spread_edges,
        units=lambda: [(file, partitions) for file in edges.files() if "/edges-" in file], unit="partitions",
    )  # fmt: skip
    stars, sums = run_step(context, step), [-1, -2]
    while sums[-1] != sums[-2]:
        turn = len(sums) - 1
        for kind in ("large", "small"):
            stars = run_step(context, star_step(f"duplicates/stars-{turn:02d}-{kind}", kind, stars, partitions))
        sums.append(stars.total("sum") % 2**64)
    return stars


def star_step(name: str, kind: str, stars: Manifest, partitions: int) -> Step:
    """One operation, `kind` large or small, on the edges `stars`."""
    return Step(
        name, {"partitions": partitions}, {"edges": stars}, compute=turn_stars,
        units=lambda: [(stars.files(), p, partitions, kind) for p in range(partitions)], unit="partitions",
    )  # fmt: skip


def write_labels(out: Output, labels: pa.Table, number: int) -> dict[str, int]:
    """File `number` of the labels, in order of place; documents by the size of their component."""
    labels = labels.take(pa.array(np.argsort(labels["place"].to_numpy())))
    with out.writing(f"labels-{number:05d}.parquet", rows=labels.num_rows) as stream:
        pq.write_table(labels, stream, **PARQUET)
    return {"documents": labels.num_rows, "large": int((labels["size"].to_numpy() > LARGE).sum())}


def label_in_memory(out: Output, files: list[str], ranges: int, shards_per_range: int) -> JsonObject:
    edges = pa.concat_tables([out.workdir.read_table(file) for file in files])
    node, root = components(edges["root"].to_numpy(), edges["node"].to_numpy())
    _, component, sizes = np.unique(root, return_inverse=True, return_counts=True)
    labels = pa.table({"place": node, "component": root, "size": sizes[component].astype(np.uint64)})
    inner = np.array([r * shards_per_range << 32 for r in range(1, ranges)], np.uint64)
    cuts = [0, *np.searchsorted(node, inner).tolist(), len(node)]
    counts = [write_labels(out, labels.slice(a, b - a), r) for r, (a, b) in enumerate(pairwise(cuts))]
    return {key: sum(count[key] for count in counts) for key in ("documents", "large")}


def spread_edges(out: Output, file: str, partitions: int) -> JsonObject:
    """The edges of one file, from both ends, to the partitions of their nodes."""
    edges = out.workdir.read_table(file)
    u, v = both_ways(edges["root"].to_numpy(), edges["node"].to_numpy())
    send_by(out, f"rows-{out.index:05d}.parquet", pa.table({"u": u, "v": v}), partition_of(u, partitions), partitions)
    return {}


def turn_stars(out: Output, files: list[str], partition: int, partitions: int, kind: str) -> JsonObject:
    """One star operation on one partition; what it makes goes where the other operation reads it."""
    rows = receive(out.workdir, files, partition)
    star, laid = (large_star, downwards) if kind == "large" else (small_star, both_ways)
    a, b = star(rows["u"].to_numpy(), rows["v"].to_numpy())
    u, v = laid(a, b)
    send_by(out, f"rows-{out.index:05d}.parquet", pa.table({"u": u, "v": v}), partition_of(u, partitions), partitions)
    return {"sum": edge_sum(a, b)}


def spread_labels(out: Output, files: list[str], partition: int, ranges: int, shards_per_range: int) -> JsonObject:
    """Labels from one partition's roots: the edges are stars now, and a root, lower than its leaves, sees all of them."""
    rows = receive(out.workdir, files, partition)
    u, v = rows["u"].to_numpy(), rows["v"].to_numpy()
    root, leaf = u[u < v], v[u < v]
    roots, component, leaves = np.unique(root, return_inverse=True, return_counts=True)
    sizes = (leaves + 1).astype(np.uint64)
    table = pa.table(
        {
            "place": np.concatenate([leaf, roots]),
            "component": np.concatenate([root, roots]),
            "size": np.concatenate([sizes[component], sizes]),
        }
    )
    shard = (table["place"].to_numpy() >> np.uint64(32)).astype(np.int64)
    send_by(out, f"spread-{out.index:05d}.parquet", table, shard // shards_per_range, ranges)
    return {}


def gather_labels(out: Output, files: list[str], number: int) -> JsonObject:
    return write_labels(out, receive(out.workdir, files, number), number)
