"""The tokenizer's sample: so many bytes of the pool's free documents, every domain in proportion, drawn by hash of `uid`.

Documents are taken whole, in the order of their hash, until their domain has its part of the bytes: a radix search
(`curation.levels.search`) finds the document in which that happens, whatever the size of the pool. This last document is in
the sample or not by chance, in proportion to the bytes of it that are wanted, so many small domains do not overfill the sample.

Documents are frames with `uid`, `domain` and `n_bytes`. Shapes: D documents.
"""

from dataclasses import replace

import numpy as np
import polars as pl
import xxhash

from curation.hashing import mix64, stream
from curation.levels.search import Search, histogram, taken


def measure(state: Search, documents: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Map: a shard's part of the next round of the search, which begins as ``Search(total=max_bytes)``."""
    return histogram(state, _key(documents, seed), documents["n_bytes"].to_numpy(), documents["domain"])


def settle_ends(state: Search, seed: int) -> Search:
    """The finished search without the last documents that chance leaves out."""
    assert state.targets is not None
    ends = state.targets
    name = np.array([xxhash.xxh3_64_intdigest(domain.encode()) for domain in ends["group"]], np.uint64)
    chance = mix64(stream(seed, "end of the tokenizer sample"), name) * 2.0**-64
    inside = pl.col("before") + pl.Series(chance) * (pl.col("through") - pl.col("before")) < pl.col("target")
    left = ends.filter(inside | (pl.col("key") > 0)).with_columns(key=pl.when(inside).then("key").otherwise(pl.col("key") - 1))
    return replace(state, targets=left)


def drawn(state: Search, documents: pl.DataFrame, seed: int) -> np.ndarray:
    """Which documents are in the sample: bool[D], after `settle_ends`."""
    return taken(state, _key(documents, seed), documents["domain"])


def _key(documents: pl.DataFrame, seed: int) -> np.ndarray:
    return mix64(stream(seed, "tokenizer sample"), documents["uid"].to_numpy())
