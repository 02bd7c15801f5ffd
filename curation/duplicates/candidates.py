"""Candidates: which documents share a band of their signatures, as keys, partitions of keys, and star edges.

Two documents of Jaccard similarity s agree on one row with probability s, so on a whole band of r rows with s**r, and on at
least one of b bands with 1 - (1 - s**r)**b (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, ch. 3): the S-curve.

Keys of exact copies (of the normalised text, or of a URL) go the same way; their lowest bit is 1, that of band keys 0. Keys are
uniform 64-bit numbers: a partition is a range of them, so a sorted array of keys is cut into partitions without moving a row.

Shapes: D documents, P permutations, B bands, K keys, E edges.
"""

from dataclasses import dataclass

import numba
import numpy as np

EXACT = np.uint64(1)  # the bit that tells a key of exact copies, which need no verification


@dataclass(frozen=True)
class Bands:
    """`bands` bands of `rows` rows of a signature."""

    bands: int
    rows: int

    def __post_init__(self) -> None:
        if self.bands < 1 or self.rows < 1:
            raise ValueError(f"{self.bands} bands of {self.rows} rows: both must be at least 1; 14 x 8 is FineWeb's choice")

    @property
    def num_perm(self) -> int:
        return self.bands * self.rows

    @property
    def threshold(self) -> float:
        """The similarity near which the S-curve is steepest: (1 / b) ** (1 / r)."""
        return (1 / self.bands) ** (1 / self.rows)

    def probability(self, jaccard: np.ndarray | float) -> np.ndarray:
        """Probability that a pair of this similarity becomes a candidate."""
        return 1 - (1 - np.asarray(jaccard, float) ** self.rows) ** self.bands

    def curve(self, similarities: np.ndarray | None = None) -> list[tuple[float, float]]:
        """(similarity, probability) pairs to print or draw; by default from 0.3 to 1.0 in steps of 0.05."""
        s = np.arange(30, 101, 5) / 100 if similarities is None else similarities
        return list(zip(s.tolist(), self.probability(s).tolist(), strict=True))


def band_keys(signature_DP: np.ndarray, bands: Bands, scope_D: np.ndarray) -> np.ndarray:
    """uint64[D, B]: the key of every band; documents meet only where `scope_D` (uint64, a hash of their source, say) agrees.

    Raises ValueError when the signature has fewer values than the bands need.
    """
    if signature_DP.shape[1] < bands.num_perm:
        raise ValueError(
            f"{bands.bands} bands of {bands.rows} rows need {bands.num_perm} permutations and the signatures have "
            f"{signature_DP.shape[1]}; give the signal `minhash` more, or use fewer bands"
        )
    key_DB = np.empty((len(signature_DP), bands.bands), np.uint64)
    _band_keys(signature_DP, bands.rows, scope_D, key_DB)
    return key_DB


def exact_keys(hash_D: np.ndarray, scope_D: np.ndarray) -> np.ndarray:
    """uint64[D]: keys that equal exactly when the hashes do (within a scope); no verification is made of them."""
    z = hash_D ^ (scope_D * np.uint64(0x9E3779B97F4A7C15))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))) | EXACT


def partition_cuts(key_K: np.ndarray, partitions: int) -> np.ndarray:
    """int64[partitions + 1]: where each partition of ascending keys begins and ends."""
    edges = np.array([(i << 64) // partitions for i in range(1, partitions)], np.uint64)
    return np.concatenate([[0], np.searchsorted(key_K, edges), [len(key_K)]]).astype(np.int64)


def star_edges(key_K: np.ndarray, id_K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(centre_E, id_E): every document of a bucket joined to the bucket's lowest id; buckets of one give nothing.

    A star keeps the bucket connected with one edge per document, so a bucket of any size costs its sort and no more. The edges
    say which documents *may* belong together (candidate components), never which do: see `curation.duplicates.verify`.
    """
    if len(key_K) == 0:
        return np.empty(0, np.uint64), np.empty(0, np.uint64)
    order = np.argsort(key_K)
    key_K, id_K = key_K[order], id_K[order]
    first = np.flatnonzero(np.concatenate([[True], key_K[1:] != key_K[:-1]]))
    size = np.diff(np.append(first, len(key_K)))
    centre_K = np.repeat(np.minimum.reduceat(id_K, first), size)
    leaf = id_K != centre_K
    return centre_K[leaf], id_K[leaf]


@numba.njit(cache=True, nogil=True)
def _band_keys(signature_DP, rows, scope_D, key_DB):
    for d in range(key_DB.shape[0]):
        for band in range(key_DB.shape[1]):
            h = scope_D[d] * np.uint64(0x9E3779B97F4A7C15)
            h = ((h ^ (h >> np.uint64(32))) + np.uint64(band + 1)) * np.uint64(0xD6E8FEB86659FD93)
            h ^= h >> np.uint64(32)
            for r in range(band * rows, (band + 1) * rows):
                h = (h ^ np.uint64(signature_DP[d, r])) * np.uint64(0xBF58476D1CE4E5B9)
                h ^= h >> np.uint64(29)
            h *= np.uint64(0x94D049BB133111EB)
            key_DB[d, band] = (h ^ (h >> np.uint64(32))) & ~np.uint64(1)
