"""From tokens back to text: what a model trains on, after edits, cuts and copies, and not what the pool once held.

Shapes: V tokens of the vocabulary, T tokens of all lists, N bytes of their text, L lists.
"""

import json
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pyarrow as pa

from curation.compiled import kernel
from curation.tokens.bpe import byte_characters
from curation.tokens.tokenizer import END_OF_TEXT


def decode(tokenizer: str, lists: pa.ListArray | pa.LargeListArray) -> pa.LargeStringArray:
    """The text of each list of tokens of a byte-level BPE, whose JSON is `tokenizer`.

    A list may begin or end within a character, since tokens are of bytes: what is left of such a character becomes U+FFFD.
    """
    utf8_N, bounds = decoded_bytes(tokenizer, lists)
    texts = [utf8_N[begin:end].tobytes().decode("utf-8", "replace") for begin, end in pairwise(bounds)]
    return pa.array(texts, pa.large_string())


def decoded_bytes(tokenizer: str, lists: pa.ListArray | pa.LargeListArray) -> tuple[np.ndarray, np.ndarray]:
    """(utf8_N uint8, bounds int64[L + 1]): the bytes of all lists, one after another."""
    byte_B, start_V = _spelled(tokenizer)
    offsets_L = lists.offsets.to_numpy().astype(np.int64)
    token_T = lists.values.to_numpy()
    bounds = np.zeros(len(offsets_L), np.int64)
    n = _lengths(token_T, offsets_L, start_V, bounds)
    utf8_N = np.empty(n, np.uint8)
    _copy(token_T, offsets_L, byte_B, start_V, utf8_N)
    return utf8_N, bounds


@kernel
def _lengths(token_T, offsets_L, start_V, bounds):
    n = 0
    for k in range(len(offsets_L) - 1):
        for t in range(offsets_L[k], offsets_L[k + 1]):
            n += start_V[token_T[t] + 1] - start_V[token_T[t]]
        bounds[k + 1] = n
    return n


@kernel
def _copy(token_T, offsets_L, byte_B, start_V, utf8_N):
    n = 0
    for t in range(offsets_L[0], offsets_L[-1]):
        for i in range(start_V[token_T[t]], start_V[token_T[t] + 1]):
            utf8_N[n] = byte_B[i]
            n += 1


@lru_cache(maxsize=4)
def _spelled(tokenizer: str) -> tuple[np.ndarray, np.ndarray]:
    """(the bytes of all tokens one after another, start_V int64[V + 1]); end-of-text has none."""
    byte_of = {ord(character): byte for byte, character in enumerate(byte_characters())}
    vocab = json.loads(tokenizer)["model"]["vocab"]
    spelled = {
        token: b"" if text == END_OF_TEXT else text.translate(byte_of).encode("latin-1") for text, token in vocab.items()
    }
    pieces = [spelled[token] for token in range(len(spelled))]
    return np.frombuffer(b"".join(pieces), np.uint8), np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
