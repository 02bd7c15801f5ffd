from typing import get_args

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.hashing import GOLDEN, UINT64, Purpose, copy_uid, mix64, piece_uid, stream, uid

PURPOSES = get_args(Purpose)
UIDS = uid("forum", "a.jsonl", np.arange(20_000))


def test_mix64_is_splitmix64():
    # The first outputs of splitmix64 seeded with 1234567 (Rosetta Code, "Pseudo-random numbers/Splitmix64").
    state = np.array([1234567], np.uint64)
    outputs = [int(mix64(step, state)[0]) for step in range(1, 6)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]


def test_uid_depends_on_source_path_and_record_only():
    records = np.arange(1000)
    reference = uid("forum", "a.jsonl", records)
    assert len(np.unique(reference)) == 1000
    np.testing.assert_array_equal(uid("forum", "a.jsonl", records[::-1])[::-1], reference)
    for source, path in (("web", "a.jsonl"), ("forum", "b.jsonl")):
        assert not np.isin(uid(source, path, records), reference).any()


def test_streams_are_the_same_everywhere():
    # golden values: a study's samples and orders must not change with the version of a library
    assert stream(0, "training order") == 3664775337622061128
    assert stream(7, "held-out clusters") == 3640320388317030375


@given(seed=st.integers(0, 2**63), other=st.integers(0, 2**63))
def test_no_two_purposes_and_no_two_seeds_share_a_stream(seed, other):
    keys = {(s, p): stream(s, p) for s in {seed, other} for p in PURPOSES}
    assert len(set(keys.values())) == len(keys)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**63))
def test_what_one_purpose_draws_says_nothing_of_what_another_draws(seed):
    """Lowest fractions overlap as by chance, and ranks do not correlate (5.5 standard deviations, over all pairs)."""
    key_PN = np.stack([mix64(stream(seed, purpose), UIDS) for purpose in PURPOSES])
    rank_PN = np.argsort(np.argsort(key_PN, axis=1), axis=1)
    pairs = np.triu_indices(len(PURPOSES), 1)
    correlation_PP = np.corrcoef(rank_PN)
    assert np.abs(correlation_PP[pairs]).max() < 5.5 / np.sqrt(len(UIDS))
    for share in (0.01, 0.1, 0.5):
        lowest_PN = (rank_PN < share * len(UIDS)).astype(np.float64)
        expected, sd = share**2 * len(UIDS), share * (1 - share) * np.sqrt(len(UIDS))
        assert np.abs((lowest_PN @ lowest_PN.T)[pairs] - expected).max() < 5.5 * sd + 3, share


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**63))
def test_a_stream_is_uniform(seed):
    for purpose in PURPOSES:
        counts = np.bincount((mix64(stream(seed, purpose), UIDS) >> np.uint64(60)).astype(np.int64), minlength=16)
        assert ((counts - len(UIDS) / 16) ** 2).sum() / (len(UIDS) / 16) < 60, purpose  # chi-square, 15 degrees: p < 1e-6


@given(key=st.integers(0, 2**64 - 1), numbers=st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=50))
def test_mix64_is_a_bijection_for_every_key(key, numbers):
    z = mix64(key, np.array(numbers, np.uint64))
    assert len(np.unique(z)) == len(numbers)
    np.testing.assert_array_equal(undone(key, z), np.array(numbers, np.uint64))


def undone(key: int, z_N: np.ndarray) -> np.ndarray:
    """The numbers that `mix64` made `z_N` of: each of its steps backwards."""
    for shift, odd in ((31, 0x94D049BB133111EB), (27, 0xBF58476D1CE4E5B9), (30, 1)):
        x = z_N
        for _ in range(64 // shift):
            x = z_N ^ (x >> np.uint64(shift))
        z_N = x * np.uint64(pow(odd, -1, 2**64))
    return z_N - np.uint64(key * GOLDEN & UINT64)


def test_pieces_and_copies_have_identities_of_their_own():
    pieces = np.concatenate([piece_uid(UIDS, np.full(len(UIDS), k, np.uint64)) for k in range(4)])
    copies = np.concatenate([copy_uid(UIDS, np.full(len(UIDS), k, np.uint64)) for k in range(4)])
    assert len(np.unique(np.concatenate([pieces, copies]))) == 8 * len(UIDS)
    np.testing.assert_array_equal(pieces[: len(UIDS)], UIDS)
