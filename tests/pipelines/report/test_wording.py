import pytest

from pipelines.report.wording import count, declaration, duration, eval_words, interval, plain, probability, size, times


@pytest.mark.parametrize(
    ("value", "text"), [(950, "950"), (12_345_678, "12.3M"), (999_999, "1M"), (2e9, "2B"), (3.2e13, "32T")]
)
def test_count(value: float, text: str):
    assert count(value) == text


def test_sizes_times_and_odds():
    assert [size(900), size(1.5e6), size(2e12)] == ["900 B", "1.5 MB", "2 TB"]
    assert [duration(59), duration(600), duration(9000)] == ["59 s", "10 min", "2.5 h"]
    assert [times(1.4267), times(12.4)] == ["1.43×", "12×"]
    assert [probability(p) for p in (None, 1e-9, 0.0432, 0.5)] == ["not tested", "p < 0.001", "p = 0.043", "p = 0.50"]


def test_an_open_interval_says_so():
    assert interval({"value": 0.0, "low": -0.1, "high": None}, "%+.1f") == "+0.0 [-0.1, open]"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("heldout", "all held-out text"),
        ("domain:web", "web (held out)"),
        ("reference:wiki", "wiki (reference)"),
        ("own:top", "top's own text"),
    ],
)
def test_evaluation_sets(name: str, words: str):
    assert eval_words(name) == words


def test_a_level_in_one_line():
    level = {
        "extends": "raw",
        "declaration": {"drop": ["exact", "near"], "keep": ["c4"], "top": {"fraction": 0.25, "by": "q.score"}},
    }
    assert declaration(level) == "raw, then drop exact and near duplicates; keep c4; best 25% by q.score"
    assert declaration({"extends": None, "declaration": {}}) == "the whole pool"
    assert declaration({"extends": "raw", "declaration": {}}) == "raw"


def test_settings_of_any_shape_are_plain_words():
    value = {"lr": 0.0024, "betas": [0.9, 0.99], "code": "0a07af4b6818902f3466e1fbfa65d32e", "mask": False, "name": "deadbeef"}
    assert plain(value) == "lr 0.0024, betas 0.9 / 0.99, code 0a07af4b6818, mask False, name deadbeef"
