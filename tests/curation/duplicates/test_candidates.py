"""Candidates: keys, partitions, stars, and the S-curve against planted similarities."""

import numpy as np
import pytest

from curation.duplicates.candidates import EXACT, Bands, band_keys, exact_keys, partition_cuts, star_edges
from curation.duplicates.clusters import components
from curation.signals.signatures import EMPTY, _signatures, permutations


def signatures(hash_U: np.ndarray, bounds: np.ndarray, num_perm: int, seed: int = 1) -> np.ndarray:
    """Signatures of sets of distinct units (shingles of one unit)."""
    out = np.empty((len(bounds) - 1, num_perm), np.uint32)
    _signatures(hash_U, bounds, 1, *permutations(num_perm, seed), out)
    return out


@pytest.mark.parametrize("jaccard", [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_match_probability_follows_the_s_curve(jaccard):
    """Pairs of exactly this similarity are candidates as often as 14 x 8 promises, within three standard errors."""
    pairs, union = 4000, 200
    common = round(jaccard * union)
    alone = union - common
    random = np.random.default_rng(int(jaccard * 100))
    hashes = random.integers(0, 2**64, (pairs, union), np.uint64)
    left = hashes[:, : common + alone // 2]
    right = np.concatenate([hashes[:, :common], hashes[:, common + alone // 2 :]], axis=1)
    bands, scope = Bands(14, 8), np.zeros(pairs, np.uint64)
    keys = []
    for side in (left, right):
        bounds = np.arange(0, side.size + 1, side.shape[1]).astype(np.int64)
        keys.append(band_keys(signatures(side.ravel(), bounds, 112), bands, scope))
    rate = (keys[0] == keys[1]).any(axis=1).mean()
    promised = float(bands.probability(common / union))
    assert abs(rate - promised) <= 3 * np.sqrt(promised * (1 - promised) / pairs) + 1e-12


def test_keys_agree_exactly_where_bands_do():
    random = np.random.default_rng(0)
    signature_DP = random.integers(0, 3, (300, 12), dtype=np.uint32)  # few values, so that bands collide
    scope_D = random.integers(0, 2, 300).astype(np.uint64)
    key_DB = band_keys(signature_DP, Bands(4, 3), scope_D)
    assert not (key_DB & EXACT).any()
    bands = signature_DP.reshape(300, 4, 3)
    same = (bands[:, None] == bands[None]).all(axis=3) & (scope_D[:, None] == scope_D[None])[:, :, None]
    np.testing.assert_array_equal(key_DB[:, None] == key_DB[None], same)
    assert len(np.intersect1d(key_DB[:, 0], key_DB[:, 1])) == 0  # bands do not meet each other


def test_too_few_permutations_are_refused():
    with pytest.raises(ValueError, match=r"need 112 permutations and the signatures have 64"):
        band_keys(np.full((1, 64), EMPTY), Bands(14, 8), np.zeros(1, np.uint64))
    with pytest.raises(ValueError, match="at least 1"):
        Bands(0, 8)


def test_exact_keys_keep_hashes_and_scopes_apart():
    hash_D = np.array([5, 5, 6, 5], np.uint64)
    keys = exact_keys(hash_D, np.array([0, 0, 0, 1], np.uint64))
    assert keys[0] == keys[1]
    assert len(set(keys.tolist())) == 3
    assert (keys & EXACT).all()


@pytest.mark.parametrize("partitions", [1, 3, 64])
def test_partitions_cut_every_key_once_and_alike(partitions):
    keys = np.sort(np.random.default_rng(1).integers(0, 2**64, 5000, np.uint64))
    cuts = partition_cuts(keys, partitions)
    assert (cuts[0], cuts[-1]) == (0, 5000)
    assert (np.diff(cuts) > 0).all()
    half = keys[::2]
    for p in range(partitions):
        mine = keys[cuts[p] : cuts[p + 1]]
        others = half[slice(*partition_cuts(half, partitions)[p : p + 2])]
        assert np.isin(others, mine).all()


def test_stars_connect_exactly_what_shares_a_bucket():
    random = np.random.default_rng(2)
    key_K, id_K = random.integers(0, 900, 1500).astype(np.uint64), random.integers(0, 700, 1500).astype(np.uint64)
    centre_E, id_E = star_edges(key_K, id_K)
    assert (centre_E < id_E).all()
    assert len(id_E) < 1500
    tripartite = components(id_K, key_K + np.uint64(10_000))  # documents joined through their keys
    want = {n: r for n, r in zip(*(x.tolist() for x in tripartite), strict=True) if n < 10_000}
    got = {n: n for n in want} | dict(zip(*(x.tolist() for x in components(centre_E, id_E)), strict=True))
    assert got == want


def test_curve_is_the_formula():
    assert dict(Bands(14, 8).curve())[0.8] == pytest.approx(1 - (1 - 0.8**8) ** 14)
    assert Bands(14, 8).threshold == pytest.approx((1 / 14) ** (1 / 8))


def test_golden_keys():
    signature_DP = np.arange(8, dtype=np.uint32).reshape(1, 8)
    keys = band_keys(signature_DP, Bands(2, 4), np.zeros(1, np.uint64)).tolist()
    assert (keys, exact_keys(np.array([7], np.uint64), np.array([0], np.uint64)).tolist()) == (
        [[12703379730911824522, 15828891985779192164]],
        [1346066267577507605],
    )
