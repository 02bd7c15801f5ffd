"""The tokenizer: byte-level BPE, trained once on a neutral sample and shared by every level.

Byte-level, so every text has tokens and decodes to itself; the split into words is GPT-2's (Radford et al. 2019). Training
uses the `tokenizers` library, whose result does not depend on its threads; encoding equals it, token for token, and is
compiled (`bpe`).

Shapes: D documents, T tokens of all documents.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from curation.document import Batch
from curation.tokens import bpe
from curation.words import utf8_buffer

END_OF_TEXT = "<|endoftext|>"  # id 0; it stands between documents and is never made from text
MIN_VOCAB = 257  # all bytes and the end of text
PIECE = 1 << 20  # characters that the library encodes as one; a longer document is cut before a space to bound its memory


def train(texts: Iterable[str], vocab_size: int = 4096) -> str:
    """Train on texts; the tokenizer as JSON (what `tokenizer.json` holds). The same texts in any order give the same bytes.

    Raises ValueError when `vocab_size` cannot hold the bytes, or the texts are too few to fill it.
    """
    if vocab_size < MIN_VOCAB:
        raise ValueError(f"vocab_size is {vocab_size}; byte-level BPE needs at least {MIN_VOCAB}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=[END_OF_TEXT], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2, show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    if (size := tokenizer.get_vocab_size()) < vocab_size:
        raise ValueError(
            f"the tokenizer's sample fills only {size} of vocab_size {vocab_size}; enlarge the sample or lower vocab_size"
        )
    return tokenizer.to_str()


def digest(tokenizer: str) -> str:
    """Identity of a tokenizer: hash of its JSON, 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(tokenizer.encode())


def load(tokenizer: str) -> Tokenizer:
    """A tokenizer from its JSON, built once per process, that takes `<|endoftext|>` in a text for text."""
    return _load(tokenizer)


def vocab_size(tokenizer: str) -> int:
    return load(tokenizer).get_vocab_size()


def encode(tokenizer: str, texts: pa.ChunkedArray | pa.Array | Sequence[str]) -> pa.ListArray:
    """Tokens of each text, without end-of-text: list<uint16>, or list<uint32> for a vocabulary over 65,536.

    They are the library's, made by `bpe` where it can and by the library itself for the odd document. Raises ValueError for
    more than 2**31 tokens in one call.
    """
    array: pa.Array = pa.array(texts, pa.large_string()) if isinstance(texts, list) else texts  # pyright: ignore[reportAssignmentType]
    ids_T, n_tokens_D = bpe.encode(*utf8_buffer(array), _merges(tokenizer))  # pyright: ignore[reportArgumentType]
    left = np.flatnonzero(n_tokens_D < 0)
    if len(left):
        ends_D = np.cumsum(np.maximum(n_tokens_D, 0))
        spliced, start = [], 0
        for d in left:
            tokens = _by_library(load(tokenizer), array.take([int(d)]).to_pylist()[0])
            spliced += [ids_T[start : ends_D[d]], tokens]
            start, n_tokens_D[d] = ends_D[d], len(tokens)
        ids_T = np.concatenate([*spliced, ids_T[start:]])
    if len(ids_T) > np.iinfo(np.int32).max:
        raise ValueError(
            f"{len(ids_T)} tokens in one call; an Arrow list array holds {np.iinfo(np.int32).max}: pass fewer texts"
        )
    dtype = np.uint16 if vocab_size(tokenizer) <= 1 << 16 else np.uint32
    offsets = np.concatenate([[0], np.cumsum(n_tokens_D)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids_T.astype(dtype)))


def compute(batch: Batch, tokenizer: str) -> pa.Table:
    """The signal: `tokens` list<uint16|uint32>, `n_tokens` and `n_bytes` (of UTF-8 text) uint32. `tokenizer` is its JSON."""
    tokens = encode(tokenizer, batch.text)
    n_tokens = np.diff(tokens.offsets.to_numpy()).astype(np.uint32)
    n_bytes = pc.binary_length(batch.text).cast(pa.uint32())  # pyright: ignore[reportAttributeAccessIssue]
    return pa.table({"tokens": tokens, "n_tokens": n_tokens, "n_bytes": n_bytes})


def _by_library(loaded: Tokenizer, text: str) -> np.ndarray:
    """uint32 tokens of one document."""
    encoded = loaded.encode_batch_fast(list(_pieces(text)), add_special_tokens=False)
    return np.concatenate([np.array(piece.ids, np.uint32) for piece in encoded])


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces of about `PIECE` characters that begin with a white space before a word, where BPE never joins."""
    start = 0
    while len(text) - start > PIECE:
        stop = text.rfind(" ", start + 1, start + PIECE)
        stop = stop if stop > 0 else start + PIECE
        yield text[start:stop]
        start = stop
    yield text[start:]


@lru_cache(maxsize=4)
def _merges(tokenizer: str) -> bpe.Merges:
    return bpe.merges(tokenizer)


@lru_cache(maxsize=4)
def _load(tokenizer: str) -> Tokenizer:
    loaded = Tokenizer.from_str(tokenizer)
    loaded.encode_special_tokens = True
    return loaded


def byte_lengths(tokenizer: str) -> np.ndarray:
    """Bytes of text that each token stands for: int64[V], 0 for end-of-text. Byte-level BPE spells a byte as one character."""
    vocab = load(tokenizer).get_vocab()
    lengths_V = np.zeros(len(vocab), np.int64)
    for spelled, token in vocab.items():
        lengths_V[token] = 0 if spelled == END_OF_TEXT else len(spelled)
    return lengths_V
