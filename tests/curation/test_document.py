import numpy as np
import pyarrow as pa

from curation.document import SCHEMA, Batch, doc_id, mix64, uid


def test_mix64_is_splitmix64():
    # The first outputs of splitmix64 seeded with 1234567 (Rosetta Code, "Pseudo-random numbers/Splitmix64").
    state = np.array([1234567], np.uint64)
    outputs = [int(mix64(step, state)[0]) for step in range(1, 6)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]


def test_uid_depends_on_source_path_and_record_only():
    records = np.arange(1000)
    reference = uid("forum", "a.jsonl", records)
    assert len(np.unique(reference)) == 1000
    np.testing.assert_array_equal(uid("forum", "a.jsonl", records[::-1])[::-1], reference)
    for source, path in (("web", "a.jsonl"), ("forum", "b.jsonl")):
        assert not np.isin(uid(source, path, records), reference).any()


def test_doc_id_packs_shard_and_row():
    assert doc_id(3, 2).tolist() == [3 << 32, 3 << 32 | 1]


def test_a_batch_scans_once():
    batch = Batch(pa.table({"text": pa.array(["a b"], SCHEMA.field("text").type)}))
    assert batch.words is batch.words
    assert batch.words.spelled(0) == ["a", "b"]
