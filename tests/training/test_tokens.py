import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from training.tokens import Batches, DatasetError, load_stream


@pytest.fixture
def level(study, tmp_path):
    return shutil.copytree(study / "levels" / "clean", tmp_path / "clean")


CONTEXT, VOCAB, EOT = 32, 96, 0  # of the synthetic study


def load(path, **changes):
    return load_stream(path, **{"context": CONTEXT, "vocab_size": VOCAB, "eot": EOT, **changes})


def test_stream_is_the_documents_each_followed_by_end_of_text(synthetic, study):
    documents = synthetic.markov_documents(500, 0.0, 1)  # what the fixture wrote, most in several pieces
    expected = np.concatenate([np.append(text, EOT) for text in documents])
    np.testing.assert_array_equal(load(study / "levels" / "clean").tokens, expected)


def test_scattered_pieces_get_their_end_of_text_at_the_last(synthetic, tmp_path):
    synthetic.write_level(tmp_path / "level", [np.arange(1, 91, dtype=np.uint16), np.array([7, 7], dtype=np.uint16)], shards=1)
    file = tmp_path / "level" / "tokens-00000.parquet"
    table = pq.read_table(file)
    pq.write_table(table.take([0, 2, 1]), file)  # piece 0 of the first, the second document, piece 1 of the first
    stream = load(tmp_path / "level")
    expected = np.concatenate([np.arange(1, 51), [7, 7, EOT], np.arange(51, 91), [EOT]])
    np.testing.assert_array_equal(stream.tokens, expected)


def test_batches_equal_the_windows_of_the_contract(study):
    """Window i is stream[i*T : i*T+T+1]; seed s starts at floor(frac(s * 0.618...) * n) and wraps."""
    clean, noisy = load(study / "levels" / "clean"), load(study / "levels" / "noisy")
    streams, seeds, batch = [clean, noisy, clean], [0, 1, 5], 4
    batches = Batches(streams, seeds, batch, torch.device("cpu"))
    assert sum(len(tokens) for tokens, _ in batches.levels) == len(clean.tokens) + len(noisy.tokens)  # a shared level once
    for step in (0, 1, 1000):  # 1000 steps wrap around
        ids_KBU = batches(torch.tensor(step)).numpy()
        for k, (stream, seed) in enumerate(zip(streams, seeds, strict=True)):
            n = (len(stream.tokens) - 1) // CONTEXT
            first = int((seed * 0.6180339887498949 % 1) * n)
            for b in range(batch):
                i = (first + step * batch + b) % n
                np.testing.assert_array_equal(ids_KBU[k, b], stream.tokens[i * CONTEXT : i * CONTEXT + CONTEXT + 1])
            np.testing.assert_array_equal(
                stream.windows(seed, step, batch), [(first + step * batch + b) % n for b in range(batch)]
            )


def test_documents_of_a_window_are_those_it_covers(study):
    stream = load(study / "levels" / "clean")
    owner = np.repeat(stream.doc_id_R, np.diff(stream.start_R))
    for window in (0, 3, 17, stream.n_windows - 1):
        covered = owner[window * CONTEXT : window * CONTEXT + CONTEXT + 1]
        assert stream.documents(np.array([window])) == list(dict.fromkeys(covered.tolist()))


def test_wide_vocabularies_keep_their_ids(synthetic, tmp_path):
    synthetic.write_level(tmp_path / "level", [np.array([1, 40_000, 65_535] * 30, dtype=np.uint16)])
    stream = load(tmp_path / "level", vocab_size=65_536)
    ids = Batches([stream], [0], 1, torch.device("cpu"))(0)
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
