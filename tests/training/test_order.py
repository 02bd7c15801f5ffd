"""The order of windows: nothing cropped, whole contexts kept, shares at every prefix, documents apart, levels matched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.order import Order, Rows, run_key

T, PIECE, EOT = 8, 32, 0
DOMAINS = ("code", "news", "web")


def level(lengths, domains, documents=None) -> Rows:
    """Documents of so many tokens as rows; token 1,000 d + i + 1 is number i of document d."""
    documents = np.arange(len(lengths)) if documents is None else documents
    tokens, told = [], []
    for document, length, domain in zip(documents, lengths, domains, strict=True):
        for piece, start in enumerate(range(0, length, PIECE)):
            text = 1000 * document + 1 + np.arange(start, min(start + PIECE, length))
            tokens.append(np.concatenate([[EOT], text, [EOT] if start + PIECE >= length else []]).astype(np.uint32))
            told.append((document, piece, domain))
    document_R, piece_R, domain_R = np.array(told).T
    start_R = np.concatenate([[0], np.cumsum([len(text) for text in tokens])])
    uid_R = document_R.astype(np.uint64) * np.uint64(0xD6E8FEB86659FD93)
    return Rows(np.concatenate(tokens), start_R, document_R, uid_R, piece_R, domain_R, DOMAINS, PIECE)


def pool(n: int, seed: int, mean: float = 20) -> tuple[np.ndarray, np.ndarray]:
    """Lengths and domains of `n` documents; `web` holds half of them, some as long as a tenth of the mean's 400-fold."""
    rng = np.random.default_rng(seed)
    return np.minimum(rng.lognormal(np.log(mean), 1.0, n).astype(int) + 1, 900), rng.choice(3, n, p=[0.2, 0.3, 0.5])


levels = st.lists(st.tuples(st.integers(1, 100), st.integers(0, 2)), min_size=3, max_size=30)


@given(levels, st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_every_token_is_predicted_once_and_whole_contexts_stay_whole(documents, key):
    lengths, domains = zip(*documents, strict=True)
    windows = Order.of(level(lengths, domains), key, T).windows(10**6).astype(int)
    n_targets = sum(lengths) + len(lengths)  # each document's tokens and its end-of-text
    assert windows.shape == (windows.shape[0], T + 1)
    assert n_targets - T < windows[:, 1:].size <= n_targets
    read = windows[:, 1:][windows[:, 1:] != EOT]
    assert len(np.unique(read)) == len(read)
    found = {tuple(window) for window in windows}
    for document, length in enumerate(lengths):
        text = range(1000 * document + 1, 1000 * document + 1 + length)
        for start in range(0, length, PIECE):  # a piece begins anew
            row = [EOT, *text[start : start + PIECE], *([EOT] if start + PIECE >= length else [])]
            assert all(tuple(row[i : i + T + 1]) in found for i in range(0, len(row) - T, T))


def test_in_a_packed_window_an_end_of_text_stands_between_documents():
    lengths, domains = pool(200, 1)
    windows = Order.of(level(lengths, domains), 5, T).windows(10**6).astype(int)
    here, after = windows[:, :-1], windows[:, 1:]
    same = (here // 1000 == after // 1000) & (here + 1 == after)
    assert (same | (here == EOT) | (after == EOT)).all()


@given(st.integers(0, 10**6), st.integers(0, 2**64 - 1))
@settings(max_examples=20, deadline=None)
def test_every_prefix_has_the_shares_to_within_a_window_per_domain(seed, key):
    lengths, domains = pool(300, seed)
    windows = Order.of(level(lengths, domains), key, T).windows(10**6)
    domain_of = np.concatenate([domains, [len(DOMAINS)]])  # of each document; the last one for ends of text
    document_WT = np.where(windows[:, 1:] == EOT, len(lengths), windows[:, 1:] // 1000)
    read_WD = np.stack([(domain_of[document_WT] == d).sum(1) for d in range(3)], axis=1).cumsum(0)
    share_D = np.bincount(domains, lengths, 3) / lengths.sum()
    off = np.abs(read_WD - share_D * read_WD.sum(1, keepdims=True)).max()
    assert off <= T * len(DOMAINS)


def test_a_shorter_run_reads_a_prefix_of_a_longer():
    order = Order.of(level(*pool(300, 3)), 9, T)
    whole = order.windows(10**6)
    for most in (1, 7, 100, len(whole)):
        np.testing.assert_array_equal(order.windows(most), whole[:most])


@pytest.mark.parametrize("seed", range(4))
def test_nested_levels_read_what_they_share_in_one_order(seed):
    lengths, domains = pool(400, seed)
    kept = np.flatnonzero(np.random.default_rng(seed).random(400) < 0.4)
    whole, part = level(lengths, domains), level(lengths[kept], domains[kept], kept)
    for domain in range(3):
        firsts = []
        for rows in (whole, part):
            order = Order.of(rows, 77, T)
            mine = (rows.domain_R[order.row_P] == domain) & np.isin(rows.doc_id_R[order.row_P], kept)
            firsts.append(rows.tokens[order.before_P[mine] + 1].tolist())
        assert len(firsts[0]) > 20
        assert firsts[0] == firsts[1]


def test_a_batch_is_of_as_many_documents_as_it_has_windows():
    """No document here has more than a hundredth of its domain, so none of its parts can meet in 8 windows."""
    rng = np.random.default_rng(0)
    lengths, domains = rng.integers(8, 240, 1500), rng.choice(3, 1500, p=[0.2, 0.3, 0.5])
    order = Order.of(level(lengths, domains), 4, T)
    n_windows = len(order.complete_P)
    whole = order.size_P[order.complete_P] == T
    document_W = np.where(whole, order.rows.doc_id_R[order.row_P[order.complete_P]], -1 - np.arange(n_windows))
    batches = document_W[: n_windows // 8 * 8].reshape(-1, 8)
    assert all(len(set(batch)) == 8 for batch in batches.tolist())
    domain_of = order.rows.domain_R[order.row_P[order.complete_P]]
    assert all(len(set(batch)) == 3 for batch in domain_of[: n_windows // 8 * 8].reshape(-1, 8).tolist())


def test_a_prefix_holds_its_share_of_every_long_document():
    """900 tokens are 112 contexts: a tenth of the stream has 11 of them, whichever document it is."""
    lengths, domains = np.full(60, 900), np.arange(60) % 3
    order = Order.of(level(lengths, domains), 8, T)
    read = np.bincount(order.rows.doc_id_R[order.row_P[: len(order.row_P) // 10]], minlength=60)
    assert read.min() >= 9
    assert read.max() <= 14


def test_shapes_and_seeds_read_orders_that_know_nothing_of_each_other():
    rng = np.random.default_rng(6)
    rows = level(rng.integers(1, T - 1, 2000), rng.choice(3, 2000))  # a part each
    places = {}
    for shape, seed in (("nano", 0), ("nano", 1), ("micro", 0)):
        order = Order.of(rows, run_key(3, shape, seed), T)
        places[shape, seed] = np.argsort(order.row_P)
    correlation = np.corrcoef(list(places.values()))
    assert np.abs(correlation[~np.eye(3, dtype=bool)]).max() < 0.08
    assert run_key(3, "nano", 0) != run_key(4, "nano", 0)


def test_a_domain_that_is_gone_through_again_ends_one_round_before_the_next():
    lengths, domains = pool(100, 2)
    once = level(lengths, domains)
    again = np.flatnonzero(np.repeat(once.domain_R, np.diff(once.start_R)) == 0)
    code = once.domain_R == 0
    start_R = np.concatenate([once.start_R, once.start_R[-1] + np.cumsum(np.diff(once.start_R)[code])])
    both = (np.concatenate([column, column[code]]) for column in (once.doc_id_R, once.uid_R, once.piece_R, once.domain_R))
    twice = Rows(np.concatenate([once.tokens, once.tokens[again]]), start_R, *both, DOMAINS, PIECE)
    order = Order.of(twice, 5, T)
    read = order.before_P[twice.domain_R[order.row_P] == 0]
    half = len(read) // 2
    assert (read[:half] < once.start_R[-1]).all()
    np.testing.assert_array_equal(twice.tokens[read[:half] + 1], twice.tokens[read[half:] + 1])


@given(levels, st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_the_documents_of_windows_are_those_whose_tokens_they_predict(documents, key):
    order = Order.of(level(*zip(*documents, strict=True)), key, T)
    for w, window in enumerate(order.windows(10**6)):
        found = set(order.documents(np.array([w])))
        seen = {int(token) // 1000 for token in window[1:] if token != EOT}
        assert seen <= found  # and those of which there is but the end-of-text
        assert len(found) <= (window[1:] == EOT).sum() + 1


def test_golden_order():
    """Pinned: a change of these numbers is a change of every run's order, and of `RULE`."""
    order = Order.of(level([40, 3, 20, 9, 70, 15], [0, 1, 2, 2, 1, 0]), 1, T)
    found = list(zip(order.rows.doc_id_R[order.row_P[:8]].tolist(), order.size_P[:8].tolist(), strict=True))
    assert found == [
        (3, 2),
        (4, 8),
        (0, 8),
        (2, 8),
        (4, 8),
        (0, 8),
        (4, 7),
        (4, 8),
    ]
