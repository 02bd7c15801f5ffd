import pyarrow as pa

from curation.document import SCHEMA, Batch, doc_id


def test_doc_id_packs_shard_and_row():
    assert doc_id(3, 2).tolist() == [3 << 32, 3 << 32 | 1]


def test_a_batch_scans_once():
    batch = Batch(pa.table({"text": pa.array(["a b"], SCHEMA.field("text").type)}))
    assert batch.words is batch.words
    assert batch.words.spelled(0) == ["a", "b"]
