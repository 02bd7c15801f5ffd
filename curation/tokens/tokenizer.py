"""The tokenizer: byte-level BPE, trained once on a neutral sample and shared by every level.

Byte-level, so every text has tokens and decodes to itself; the split into words is GPT-2's (Radford et al. 2019). Training
and encoding use the `tokenizers` library, whose result does not depend on its threads. In a worker that owns one core the
shell sets TOKENIZERS_PARALLELISM=false, and nothing here changes the environment.

Shapes: D documents, T tokens of all documents.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from curation.document import Batch, mix64

END_OF_TEXT = "<|endoftext|>"  # id 0; it stands between documents and is never made from text
MIN_VOCAB = 257  # all bytes and the end of text
SAMPLE_SEED = 0x70C
PIECE = 1 << 20  # characters encoded as one: a longer document is cut after white space, so that memory stays bounded


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


def sample(tables: Iterable[pa.Table], max_bytes: float, pool_bytes: float, seed: int = SAMPLE_SEED) -> Iterator[str]:
    """Texts of about `max_bytes` of a pool of `pool_bytes`, from tables with `uid` and `text`: each document is in or out by
    a hash of its uid, so shards, their order and their number do not matter."""
    share = min(max_bytes / max(pool_bytes, 1), 1.0)
    for table in tables:
        chosen_D = mix64(seed, table["uid"].to_numpy()) <= np.uint64(min(int(share * 2**64), 2**64 - 1))
        yield from table["text"].filter(pa.array(chosen_D)).to_pylist()


def digest(tokenizer: str) -> str:
    """Identity of a tokenizer: hash of its JSON, 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(tokenizer.encode())


def load(tokenizer: str) -> Tokenizer:
    """A tokenizer from its JSON, built once per process, that takes `<|endoftext|>` in a text for text."""
    return _load(tokenizer)


def vocab_size(tokenizer: str) -> int:
    return load(tokenizer).get_vocab_size()


def encode(tokenizer: str, texts: pa.ChunkedArray | pa.Array | Sequence[str], batch: int = 256) -> pa.Array:
    """Tokens of each text, without end-of-text: list<uint16>, or list<uint32> for a vocabulary over 65,536."""
    loaded = load(tokenizer)
    dtype = np.uint16 if loaded.get_vocab_size() <= 1 << 16 else np.uint32
    strings: Sequence[str] = texts if isinstance(texts, list) else texts.to_pylist()  # pyright: ignore[reportAttributeAccessIssue]
    found: list[np.ndarray] = []
    n_tokens_D = np.zeros(len(strings), np.int64)
    for start in range(0, len(strings), batch):
        pieces = [(d, piece) for d in range(start, min(start + batch, len(strings))) for piece in _pieces(strings[d])]
        encoded = loaded.encode_batch_fast([piece for _, piece in pieces], add_special_tokens=False)
        for (d, _), piece in zip(pieces, encoded, strict=True):
            ids = np.array(piece.ids, dtype)
            found.append(ids)
            n_tokens_D[d] += len(ids)
    values_T = np.concatenate(found) if found else np.empty(0, dtype)
    if len(values_T) > np.iinfo(np.int32).max:
        raise ValueError(
            f"{len(values_T)} tokens in one call; an Arrow list array holds {np.iinfo(np.int32).max}: pass fewer texts"
        )
    offsets = np.concatenate([[0], np.cumsum(n_tokens_D)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values_T))


def compute(batch: Batch, tokenizer: str) -> pa.Table:
    """The signal: `tokens` list<uint16|uint32>, `n_tokens` and `n_bytes` (of UTF-8 text) uint32. `tokenizer` is its JSON."""
    tokens = encode(tokenizer, batch.text)
    n_tokens = np.diff(tokens.offsets.to_numpy()).astype(np.uint32)
    n_bytes = pc.binary_length(batch.text).cast(pa.uint32())  # pyright: ignore[reportAttributeAccessIssue]
    return pa.table({"tokens": tokens, "n_tokens": n_tokens, "n_bytes": n_bytes})


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
