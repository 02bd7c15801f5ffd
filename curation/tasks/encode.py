"""Choices as tokens: of each, the context that is read and the tokens that are scored.

The split is lm-eval's: context and choice are tokenised as one text, and what follows as many tokens as the context alone has
is scored. `n_bytes` are the UTF-8 bytes of the choice as it is written, without what joins it to the context: what accuracy by
bytes and bits per byte are divided by.

Shapes: C choices of all items.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from curation.tasks.items import Item
from curation.tokens import tokenizer

COLUMNS = ("item", "choice", "right", "tokens", "n_context", "n_bytes")


def choices(items: Sequence[Item], trained: str) -> pa.Table:
    """A row per choice, item after item: item uint32 (its index), choice uint16, right bool, tokens list, n_context uint32,
    n_bytes uint32. `trained` is the tokenizer's JSON."""
    joined = [item.joined(choice) for item in items for choice in item.choices]
    whole = tokenizer.encode(trained, [read + scored for read, scored in joined])
    context = tokenizer.encode(trained, [read for read, _ in joined])
    n_whole_C, n_context_C = (np.diff(lists.offsets.to_numpy()) for lists in (whole, context))
    return pa.table(
        {
            "item": pa.array([i for i, item in enumerate(items) for _ in item.choices], pa.uint32()),
            "choice": pa.array([c for item in items for c in range(len(item.choices))], pa.uint16()),
            "right": pa.array([c == item.answer for item in items for c in range(len(item.choices))], pa.bool_()),
            "tokens": whole,
            "n_context": pa.array(np.minimum(n_context_C, n_whole_C - 1), pa.uint32()),
            "n_bytes": pa.array([len(choice.encode()) for item in items for choice in item.choices], pa.uint32()),
        }
    )


def fitting(table: pa.Table, context: int) -> np.ndarray:
    """bool of each item: whether all of its choices fit into `context` tokens."""
    n_tokens_C = np.diff(table["tokens"].combine_chunks().offsets.to_numpy())
    item_C = table["item"].to_numpy()
    fits_I = np.ones(int(item_C.max(initial=0)) + 1, bool)
    fits_I[item_C[n_tokens_C > context]] = False
    return fits_I
