"""What the phases read of a shard: scopes, keys, labels and shingle sets of chosen rows."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.document import SCHEMA, Batch, doc_id
from curation.duplicates.candidates import Bands, band_keys
from curation.signals.signatures import exact, minhash, shingle_sets, units, url
from pipelines.duplicates.duplicate_shards import Duplicates, brings_shingles, candidate_sets, scopes, shard_keys, shard_labels
from pipelines.engine.output import Output
from pipelines.engine.workdir import Workdir
from pipelines.signals.shards import Shard

SIX = "one two three four five six"
TEXTS = [SIX, "", "seven", "One two: three four five six!", "a b c d e f g h i j", "one two three four five 6"]
SOURCES = ["x", "y", "x", "y", "x", "x"]


@pytest.fixture
def shard(tmp_path) -> Shard:
    workdir, n = Workdir(str(tmp_path)), len(TEXTS)
    out = Output(workdir, "pool/0", 0)
    urls = ["http://a.b/c", None, "https://www.a.b/c/", "", "a.b/d", None]
    columns = [doc_id(0, n), np.arange(n, dtype=np.uint64), TEXTS, SOURCES, ["d"] * n, urls, [None] * n, [None] * n]
    table = pa.table(columns, schema=SCHEMA)
    with out.parquet("shard-00000000.parquet", SCHEMA) as writer:
        for start in range(0, n, 2):
            writer.write_table(table.slice(start, 2))
    for name, made in (("minhash", minhash(Batch(table))), ("exact", exact(Batch(table))), ("url", url(Batch(table)))):
        out.write_table(f"{name}.parquet", made)
    files = {name: f"{out.path}/{name}.parquet" for name in ("minhash", "exact", "url")}
    return Shard(workdir, 3, f"{out.path}/shard-00000000.parquet", files)


def test_scopes_agree_within_a_source_only(shard):
    assert scopes(shard, "global").tolist() == [0] * 6
    by_source = scopes(shard, "source")
    for a in range(6):
        for b in range(6):
            assert (by_source[a] == by_source[b]) == (SOURCES[a] == SOURCES[b])
    assert len(set(scopes(shard, "date").tolist())) == 1  # all without one


def test_keys_are_those_of_the_signals(shard):
    key_DB, signed_D, exact_D, named_D = shard_keys(shard, Duplicates(bands=14, rows=8))
    table = shard.workdir.read_table(shard.signals["minhash"])
    signature_DP = np.array(table["signature"].to_pylist(), np.uint32)
    np.testing.assert_array_equal(key_DB, band_keys(signature_DP, Bands(14, 8), np.zeros(6, np.uint64)))
    assert signed_D.tolist() == [True, False, False, True, True, True]
    assert named_D.all()
    assert exact_D[0] == exact_D[3]
    assert len(set(exact_D.tolist())) == 5
    apart = shard_keys(shard, Duplicates(bands=14, rows=8, scope="source"))
    assert apart[2][0] != apart[2][3]
    assert (apart[0][0] != apart[0][3]).all()


def test_url_keys_are_for_documents_with_a_url(shard):
    key_DB, signed_D, exact_D, named_D = shard_keys(shard, Duplicates(by="url"))
    assert key_DB.shape == (6, 0)
    assert not signed_D.any()
    assert named_D.tolist() == [True, False, True, False, True, False]
    assert exact_D[0] == exact_D[2] != exact_D[4]


def test_labels_of_a_shard_are_a_slice_of_its_range(shard):
    place = np.array([2 << 32, 3 << 32, 3 << 32 | 5, 4 << 32], np.uint64)
    out = Output(shard.workdir, "labels/0", 0)
    out.write_table("labels.parquet", pa.table({"place": place, "component": place, "size": place}))
    assert shard_labels(shard.workdir, shard, [f"{out.path}/labels.parquet"])["place"].to_pylist() == place[1:3].tolist()


def test_the_lowest_uid_of_copies_brings_the_shingles():
    uids, keys = np.array([9, 3, 5, 4, 8], np.uint64), np.array([1, 1, 2, 1, 2], np.uint64)
    assert brings_shingles(uids, keys).tolist() == [False, True, True, False, False]
    assert brings_shingles(uids[:0], keys[:0]).tolist() == []


def test_sets_of_chosen_rows_over_row_groups(shard):
    rows, reads = np.array([0, 2, 3, 5]), np.array([True, False, False, True])
    hash_S, bounds, n_bytes = candidate_sets(shard, rows, reads, Duplicates(ngram=2))
    batch = Batch(pa.table({"text": pa.array([TEXTS[0], TEXTS[5]], pa.large_string())}))
    want, _ = shingle_sets(units(batch.words, "word"), 2)
    np.testing.assert_array_equal(hash_S, want)
    assert np.diff(bounds).tolist() == [5, 0, 0, 5]
    assert n_bytes.tolist() == [len(TEXTS[row].encode()) for row in rows]


def test_text_is_read_only_where_there_is_a_candidate(shard, monkeypatch):
    """Row groups of two rows: rows 2 and 3 are candidates, and with none at all nothing is read."""
    read, read_row_groups = [], pq.ParquetFile.read_row_groups

    def recorded(file, groups, *args, **kwargs):
        read.extend(groups)
        return read_row_groups(file, groups, *args, **kwargs)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", recorded)
    none = np.zeros(0, np.int64)
    hash_S, bounds, n_bytes = candidate_sets(shard, none, none.astype(bool), Duplicates(bands=14, rows=8))
    assert (len(hash_S), bounds.tolist(), len(n_bytes), read) == (0, [0], 0, [])
    candidate_sets(shard, np.array([2, 3]), np.array([True, True]), Duplicates(bands=14, rows=8))
    assert read == [1]
