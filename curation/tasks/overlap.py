"""Which items stand in the text that models are trained on.

An item with its right answer is sought by its word 13-grams (Brown et al. 2020, appendix C), one of fewer words whole: public
pipelines, which seek 13-grams alone, miss those. Words are those of `curation.words`: case and punctuation do not count.

Shapes: I items, K keys sought, S slots of a hash table, W words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation.compiled import kernel
from curation.signals.phrases import leading_power, n_gram_keys, roll
from curation.signals.repeats import SMALLEST, clear, find, key_of
from curation.words import Words, scan

N_GRAM = 13


@dataclass(frozen=True)
class Sought:
    """For each length in words: a hash table of the keys sought, and the slot and the item of each key."""

    n_items: int
    tables: tuple[tuple[int, np.ndarray, int, np.ndarray, np.ndarray], ...]  # (length, slot_S, mask, slot_K, item_K)


def sought(texts: Sequence[str]) -> Sought:
    """What to look for of the items' texts."""
    words = scan(pa.array(list(texts), pa.large_string()))
    length_I = np.diff(words.bounds)
    tables = []
    for length in np.unique(np.minimum(length_I[length_I > 0], N_GRAM)).tolist():
        key_W = n_gram_keys(words, length)
        item_W = np.repeat(np.arange(len(length_I)), length_I)
        wanted = (length_I >= N_GRAM if length == N_GRAM else length_I == length)[item_W] & (key_W != 0)
        key_K, slot_S = key_W[wanted], np.empty(max(SMALLEST, 1 << (2 * int(wanted.sum())).bit_length()), np.uint64)
        slot_K = np.empty(len(key_K), np.int64)
        tables.append((length, slot_S, _enter(slot_S, key_K, slot_K), slot_K, item_W[wanted]))
    return Sought(len(length_I), tuple(tables))


def found(words: Words, items: Sought) -> np.ndarray:
    """bool[I]: whether any of an item's keys stands in one of the documents."""
    found_I = np.zeros(items.n_items, bool)
    for length, slot_S, mask, slot_K, item_K in items.tables:
        seen_S = np.zeros(len(slot_S), np.bool_)
        _look(words.hash_W, words.bounds, length, slot_S, mask, seen_S)
        found_I[item_K[seen_S[slot_K]]] = True
    return found_I


@kernel
def _enter(slot_S, key_K, slot_K):
    mask = clear(slot_S, len(key_K))
    for k in range(len(key_K)):
        slot_K[k] = find(slot_S, mask, key_K[k])
        slot_S[slot_K[k]] = key_K[k]
    return mask


@kernel
def _look(hash_W, bounds, n, slot_S, mask, seen_S):
    power = leading_power(n)
    for d in range(len(bounds) - 1):
        state = np.uint64(0)
        for w in range(bounds[d], bounds[d + 1] - n + 1):
            state = roll(hash_W, w, n, state, power if w > bounds[d] else np.uint64(0))
            slot = find(slot_S, mask, key_of(state))
            if slot_S[slot] != 0:
                seen_S[slot] = True
