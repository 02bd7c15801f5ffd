"""Edits: what repeats below the document, as signals, and the pool without it.

`repeated_lines` makes the signal `lines` (lines that stand elsewhere too, but for their first occurrence, over the whole pool
or within a source), `repeated_substrings` the signal `substrings` (paragraphs whose 13-grams were mostly seen, by a Bloom
filter). Both have the columns of `curation.duplicates.paragraphs.CUTS`: a level may drop by `removed_share`, and
`edited_pool` makes the pool with the cuts taken out, whose manifest stands wherever a pool's does.
"""

from math import ceil

import numpy as np
import pyarrow as pa

from curation.document import SCHEMA
from curation.duplicates.bloom import Filter, unseen
from curation.duplicates.candidates import exact_keys, partition_cuts
from curation.duplicates.paragraphs import CUTS, cut_table, line_hashes, paragraphs, repeats, without
from curation.words import scan
from pipelines.duplicates.duplicate_shards import scopes
from pipelines.engine.exchange import receive, send, send_by
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject
from pipelines.signals.shards import Shard, shard_file, shards

BYTES_PER_PARTITION = 2**28  # of pool text: some 4 million lines, 100 MB while they are sorted
SHARDS_PER_RANGE = 64
SIGNAL = pa.schema([("doc_id", pa.uint64()), *CUTS])


def repeated_lines(context: Context, pool: Manifest, *, min_words: int = 5, scope: str = "global") -> Manifest:
    """The signal `lines`. Lines of fewer than `min_words` words (headings, brackets, dates) are never cut."""
    here = shards(context.workdir, pool, {})
    partitions = ceil(pool.total("text_bytes") / BYTES_PER_PARTITION) or 1
    ranges = ceil(len(here) / SHARDS_PER_RANGE)
    config = {"min_words": min_words, "scope": scope}
    keys = Step(
        "lines/keys", config | {"partitions": partitions}, {"pool": pool}, compute=send_lines,
        units=lambda: [(shard, min_words, scope, partitions) for shard in here],
    )  # fmt: skip
    lines = run_step(context, keys)
    repeats = Step(
        "lines/repeats", {"ranges": ranges}, {"lines": lines}, compute=reduce_lines,
        units=lambda: [(lines.files(), p, ranges) for p in range(partitions)], unit="partitions",
    )  # fmt: skip
    repeated = run_step(context, repeats)
    signal = Step(
        "signals/lines", config, {"pool": pool, "repeats": repeated}, compute=cut_lines,
        units=lambda: [(shard, repeated.files()) for shard in here], summarize=totals,
    )  # fmt: skip
    return run_step(context, signal)


def repeated_substrings(context: Context, pool: Manifest, *, ngram: int = 13, threshold: float = 0.8) -> Manifest:
    """The signal `substrings`, in one task: the filter reads the pool in its order. 2 bytes of memory per word of the pool."""
    here = shards(context.workdir, pool, {})
    capacity = pool.total("text_bytes") // 5  # an n-gram a word, a word some six bytes
    step = Step(
        "signals/substrings", {"ngram": ngram, "threshold": threshold}, {"pool": pool}, compute=cut_substrings,
        units=lambda: [(here, capacity, ngram, threshold)], summarize=totals, unit="pools",
    )  # fmt: skip
    return run_step(context, step)


EDITS = {"lines": repeated_lines, "substrings": repeated_substrings}
"""The edits by the name of their signal, with their default parameters."""


def edited_pool(context: Context, pool: Manifest, cuts: Manifest) -> Manifest:
    """The pool with the cuts of a signal taken out; documents keep their doc_id and uid, also where nothing is left of them.

    The summary is the pool's (its sources, what was quarantined) with the share that was removed as `edited`.
    """
    what = cuts.step.name.rpartition("/")[2]
    edited = pool.summary.get("edited", {}) | {what: cuts.summary}
    step = Step(
        f"pool-without-{what}", {}, {"pool": pool, "cuts": cuts}, compute=edit_shard,
        units=lambda: [(shard,) for shard in shards(context.workdir, pool, {"cuts": cuts})],
        summarize=lambda parts: pool.summary | {"edited": edited},
    )  # fmt: skip
    return run_step(context, step)


def totals(parts: list[JsonObject]) -> JsonObject:
    """What the edit removed, for the report: documents touched, bytes and their share."""
    total = {key: sum(part[key] for part in parts) for key in ("documents", "touched", "bytes", "removed_bytes")}
    return total | {"removed_share": total["removed_bytes"] / max(total["bytes"], 1)}


def counts(table: pa.Table) -> JsonObject:
    removed = table["removed_bytes"].to_numpy()
    return {
        "documents": table.num_rows, "touched": int((removed > 0).sum()),
        "bytes": int(table["n_bytes"].to_numpy().sum(dtype=np.int64)), "removed_bytes": int(removed.sum(dtype=np.int64)),
    }  # fmt: skip


def send_lines(out: Output, shard: Shard, min_words: int, scope: str, partitions: int) -> JsonObject:
    """(key, uid, place, line) of every line of enough words of one shard."""
    uid_D = out.workdir.read_table(shard.pool, ["uid"])["uid"].to_numpy()
    scope_D = scopes(shard, scope)
    tables, start = [], 0
    for documents in out.workdir.batches(shard.pool, ["text"]):
        words = scan(documents["text"])
        cut = paragraphs(words)
        row_Q = np.repeat(np.arange(documents.num_rows), np.diff(cut.bounds)) + start
        line_Q = np.arange(len(row_Q)) - np.repeat(cut.bounds[:-1], np.diff(cut.bounds))
        long = cut.n_words >= min_words
        row_Q, key_Q = row_Q[long], exact_keys(line_hashes(words, cut)[long], scope_D[row_Q[long]])
        place_Q = (np.uint64(shard.index << 32) + row_Q.astype(np.uint64)).astype(np.uint64)
        tables.append(pa.table({"key": key_Q, "uid": uid_D[row_Q], "place": place_Q, "line": line_Q[long].astype(np.uint32)}))
        start += documents.num_rows
    table = pa.concat_tables(tables)
    order = np.argsort(table["key"].to_numpy())
    table = table.take(pa.array(order))
    send(out, f"lines-{out.index:05d}.parquet", table, partition_cuts(table["key"].to_numpy(), partitions))
    return {"lines": table.num_rows}


def reduce_lines(out: Output, files: list[str], partition: int, ranges: int) -> JsonObject:
    """(place, line) of every repeated line of one partition."""
    table = receive(out.workdir, files, partition)
    again = repeats(table["key"].to_numpy(), table["uid"].to_numpy(), table["line"].to_numpy())
    found = table.select(["place", "line"]).filter(pa.array(again))
    home = (found["place"].to_numpy() >> np.uint64(32)).astype(np.int64) // SHARDS_PER_RANGE
    send_by(out, f"repeats-{partition:05d}.parquet", found, home, ranges)
    return {"repeats": found.num_rows}


def cut_lines(out: Output, shard: Shard, files: list[str]) -> JsonObject:
    """The signal of one shard from the repeats of its range."""
    found = receive(out.workdir, files, shard.index // SHARDS_PER_RANGE)
    row_K = found["place"].to_numpy().astype(np.int64) - (shard.index << 32)
    mine = (row_K >= 0) & (row_K < 2**32)
    row_K, line_K = row_K[mine], found["line"].to_numpy()[mine]
    order = np.argsort(row_K)
    row_K, line_K = row_K[order], line_K[order]
    made, start = [], 0
    for documents in out.workdir.batches(shard.pool, ["doc_id", "text"]):
        cut = paragraphs(scan(documents["text"]))
        first, end = np.searchsorted(row_K, [start, start + documents.num_rows])
        keep_Q = np.ones(len(cut.start_Q) - 1, bool)
        keep_Q[cut.bounds[row_K[first:end] - start] + line_K[first:end]] = False
        made.append(cut_table(cut, keep_Q).add_column(0, SIGNAL.field(0), documents["doc_id"]))
        start += documents.num_rows
    table = pa.concat_tables(made)
    out.write_table(shard_file(shard.index), table)
    return counts(table)


def cut_substrings(out: Output, here: list[Shard], capacity: int, ngram: int, threshold: float) -> JsonObject:
    """The signal of all shards, in order, through one filter."""
    seen, total = Filter.of_capacity(capacity), []
    for shard in here:
        made = []
        for documents in out.workdir.batches(shard.pool, ["doc_id", "text"]):
            words = scan(documents["text"])
            cut = paragraphs(words)
            keep_Q = unseen(seen, words, cut, ngram=ngram, threshold=threshold)
            made.append(cut_table(cut, keep_Q).add_column(0, SIGNAL.field(0), documents["doc_id"]))
        table = pa.concat_tables(made)
        out.write_table(shard_file(shard.index), table)
        total.append(counts(table))
    return {key: sum(part[key] for part in total) for key in total[0]} | {"filter_fill": round(seen.fill, 4)}


def edit_shard(out: Output, shard: Shard) -> JsonObject:
    """One shard of the edited pool, under the name and with the facts of a pool shard."""
    cuts, start = out.workdir.read_table(shard.signals["cuts"], ["cuts", "n_bytes", "removed_bytes"]), 0
    left = cuts["n_bytes"].to_numpy().astype(np.int64) - cuts["removed_bytes"].to_numpy()
    facts = {"documents": cuts.num_rows, "text_bytes": int(left.sum())}
    with out.parquet(shard.pool.rpartition("/")[2], SCHEMA, **facts) as writer:
        for documents in out.workdir.batches(shard.pool):
            text = without(documents["text"], cuts["cuts"].slice(start, documents.num_rows))
            writer.write_table(documents.set_column(SCHEMA.get_field_index("text"), SCHEMA.field("text"), text))
            start += documents.num_rows
    return facts
