import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.document import Batch
from curation.tokens import tokenizer as tok

TEXTS = [
    f"The {noun} isn't {kind}; see {noun}s, {kind}ly written \u2014 caf\u00e9 {i * i}.\n\n\tIndented  twice.\n"
    for i, noun in enumerate(("garden", "theorem", "river", "signal", "document", "page"))
    for kind in ("careful", "open", "quick", "final", "slow")
]


@pytest.fixture(scope="module")
def trained() -> str:
    return tok.train(TEXTS, 350)


def test_the_same_texts_in_any_order_and_with_any_threads_give_the_same_bytes(
    trained: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shuffled = TEXTS.copy()
    random.Random(1).shuffle(shuffled)
    for parallel in ("true", "false"):
        monkeypatch.setenv("TOKENIZERS_PARALLELISM", parallel)
        assert tok.train(shuffled, 350) == trained
    assert tok.digest(trained) == tok.digest(tok.train(shuffled, 350))
    assert tok.digest(trained) != tok.digest(tok.train(TEXTS, 340))


def test_end_of_text_is_id_0_and_is_not_made_from_text(trained: str) -> None:
    assert tok.load(trained).token_to_id(tok.END_OF_TEXT) == 0
    assert tok.vocab_size(trained) == 350
    (ids,) = tok.encode(trained, ["a<|endoftext|>b"]).to_pylist()
    assert 0 not in ids
    assert tok.load(trained).decode(ids) == "a<|endoftext|>b"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=20))
def test_every_text_decodes_to_itself(trained: str, texts: list[str]) -> None:
    tokens = tok.encode(trained, texts)
    assert tokens.type == pa.list_(pa.uint16())
    assert [tok.load(trained).decode(ids) for ids in tokens.to_pylist()] == texts
    assert tokens == tok.encode(trained, pa.chunked_array([texts[:3], texts[3:]], pa.large_string()))


def test_ids_are_those_of_the_library(trained: str) -> None:
    from tokenizers import Tokenizer

    reference = Tokenizer.from_str(trained)
    assert tok.encode(trained, TEXTS).to_pylist() == [encoding.ids for encoding in reference.encode_batch(TEXTS)]


@pytest.mark.parametrize("text", ["word  two\n three\t\tfour " * 40, "nospaces" * 100, " " * 500, "\u4e2d\u6587 " * 200])
def test_cutting_a_long_document_changes_no_token(trained: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tok.load(trained)
    whole = tok._by_library(library, text).tolist()
    monkeypatch.setattr(tok, "PIECE", 64)
    pieces = list(tok._pieces(text))
    assert len(pieces) > 1
    assert "".join(pieces) == text
    if " w" in text or " \u4e2d" in text:
        assert tok._by_library(library, text).tolist() == whole
    assert library.decode(tok._by_library(library, text).tolist()) == text


def test_documents_left_to_the_library_keep_their_place(trained: str) -> None:
    odd = ["\U000323b1 new", "x" * 5000, "a\u0378b"]
    texts = [odd[0], "first", odd[1], "", odd[2], odd[0], "last one"]
    expected = [tok.load(trained).encode(text).ids for text in texts]
    assert tok.encode(trained, texts).to_pylist() == expected
    assert tok.encode(trained, odd).to_pylist() == [tok.load(trained).encode(text).ids for text in odd]


def test_a_large_vocabulary_has_wide_ids() -> None:
    import json

    large = json.loads(tok.train(TEXTS, 300))
    large["model"]["vocab"] |= {f"filler{i}": i for i in range(300, 70_000)}
    assert tok.encode(json.dumps(large), ["a b"]).type == pa.list_(pa.uint32())


def test_errors_name_value_and_fix() -> None:
    with pytest.raises(ValueError, match="vocab_size is 256; byte-level BPE needs at least 257"):
        tok.train(TEXTS, 256)
    with pytest.raises(ValueError, match=r"sample fills only .* of vocab_size 60000; enlarge the sample or lower vocab_size"):
        tok.train(TEXTS, 60_000)


def test_signal(trained: str) -> None:
    documents = pa.table({"text": pa.array(["caf\u00e9", "", *TEXTS], pa.large_string())})
    table = tok.compute(Batch(documents), tokenizer=trained)
    assert table.schema == pa.schema({"tokens": pa.list_(pa.uint16()), "n_tokens": pa.uint32(), "n_bytes": pa.uint32()})
    assert table["n_tokens"].to_pylist() == [len(ids) for ids in table["tokens"].to_pylist()]
    assert table["n_bytes"].to_pylist() == [len(text.encode()) for text in documents["text"].to_pylist()]
