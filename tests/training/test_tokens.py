import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from training.order import Order
from training.tokens import Batches, DatasetError, load_rows


@pytest.fixture
def level(study, tmp_path):
    return shutil.copytree(study / "levels" / "clean", tmp_path / "clean")


CONTEXT, VOCAB, EOT = 32, 96, 0  # of the synthetic study


def load(path, **changes):
    return load_rows(path, **{"context": CONTEXT, "vocab_size": VOCAB, "eot": EOT, **changes})


def test_rows_are_laid_out_between_ends_of_text(synthetic, tmp_path):
    synthetic.write_level(tmp_path / "level", [np.arange(1, 91, dtype=np.uint16), np.array([7, 7], dtype=np.uint16)], shards=1)
    file = tmp_path / "level" / "tokens-00000.parquet"
    table = pq.read_table(file)
    pq.write_table(table.take([0, 2, 1]), file)  # piece 0 of the first, the second document, piece 1 of the first
    rows = load(tmp_path / "level")
    expected = np.concatenate([[EOT], np.arange(1, 65), [EOT, 7, 7, EOT], [EOT], np.arange(65, 91), [EOT]])
    np.testing.assert_array_equal(rows.tokens, expected)
    assert rows.start_R.tolist() == [0, 65, 69, 97]
    assert (rows.doc_id_R.tolist(), rows.piece_R.tolist()) == ([0, 1, 0], [0, 0, 1])
    assert rows.uid_R[0] == rows.uid_R[2] != rows.uid_R[1]
    assert (rows.domains, rows.domain_R.tolist()) == (("web",), [0, 0, 0])


def test_batches_are_consecutive_windows_of_each_run():
    one, other = (np.arange(n * 9, dtype=np.uint16).reshape(n, 9) for n in (20, 30))
    batches = Batches([one, other, one], 4, torch.device("cpu"))
    assert sum(len(held) for held, _ in batches.held) == 50  # shared windows are held once
    for step in (0, 1, 1000):  # 1000 steps go round
        for windows, ids_BU in zip((one, other, one), batches(torch.tensor(step)).numpy(), strict=True):
            np.testing.assert_array_equal(ids_BU, windows[(4 * step + np.arange(4)) % len(windows)])


def test_wide_vocabularies_keep_their_ids(synthetic, tmp_path):
    synthetic.write_level(tmp_path / "level", [np.array([1, 40_000, 65_535] * 30, dtype=np.uint16)])
    windows = Order.of(load(tmp_path / "level", vocab_size=65_536), 0, CONTEXT).windows(2)
    ids = Batches([windows], 1, torch.device("cpu"))(0)
    assert ids.max() == 65_535
    assert ids.min() >= 0


def test_a_token_outside_the_vocabulary_is_refused(level):
    with pytest.raises(DatasetError, match=r"hold token 9\d, but the embedding has 50 rows"):
        load(level, vocab_size=50)


def test_a_truncated_shard_is_refused(level):
    file = level / "tokens-00001.parquet"
    pq.write_table(pq.read_table(file).slice(3), file)
    with pytest.raises(DatasetError, match=r"tokens-00001.parquet holds .* truncated"):
        load(level)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DatasetError, match=r"cannot read the token shard .*tokens-00001"):
        load(level)


def test_a_missing_or_empty_level_is_refused(level, tmp_path):
    with pytest.raises(DatasetError, match=r"no dataset\.json"):
        load(tmp_path)
    (level / "tokens-00000.parquet").unlink()
    with pytest.raises(DatasetError, match="cannot read"):
        load(level)
    card = json.loads((level / "dataset.json").read_text())
    (level / "dataset.json").write_text(json.dumps(card | {"unique_tokens": 0, "shards": []}))
    with pytest.raises(DatasetError, match="kept no documents"):
        load(level)


def test_a_level_shorter_than_one_window_is_refused(synthetic, tmp_path):
    synthetic.write_level(tmp_path / "level", [np.array([1, 2, 3], dtype=np.uint16)], shards=1)
    with pytest.raises(DatasetError, match="lower the context"):
        load(tmp_path / "level")


def test_a_level_of_another_context_is_refused(level):
    with pytest.raises(DatasetError, match="in pieces of 64 tokens, which windows of 48 do not divide"):
        load(level, context=48)
