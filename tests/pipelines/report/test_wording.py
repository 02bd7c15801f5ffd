from pipelines.report.wording import declaration, duration, plain, size


def test_sizes_and_times():
    assert [size(900), size(1.5e6), size(2e12)] == ["900 B", "1.5 MB", "2 TB"]
    assert [duration(59), duration(600), duration(9000)] == ["59 s", "10 min", "2.5 h"]


def test_a_level_in_one_line():
    level = {
        "extends": "raw",
        "declaration": {"drop": ["exact", "near"], "keep": ["c4"], "top": {"fraction": 0.25, "by": "q.score"}},
    }
    assert declaration(level) == "raw, then drop exact and near duplicates; keep what passes c4; best 25% by q.score"
    assert declaration({"extends": None, "declaration": {}}) == "the whole pool"
    assert declaration({"extends": "raw", "declaration": {}}) == "raw"


def test_settings_of_any_shape_are_plain_words():
    value = {"lr": 0.0024, "betas": [0.9, 0.99], "code": "0a07af4b6818902f3466e1fbfa65d32e", "mask": False, "name": "deadbeef"}
    assert plain(value) == "lr 0.0024, betas 0.9 / 0.99, code 0a07af4b6818, mask False, name deadbeef"
