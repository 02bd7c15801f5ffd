import pickle

import pytest

from curation.sources import Source


def test_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'web': kind 'csv' is not known; use one of python_environment, text, jsonl"):
        Source("web", "csv", ("a.csv",))


def test_files_need_paths_and_the_environment_has_none() -> None:
    with pytest.raises(ValueError, match="'web' of kind jsonl has 0 paths; give `paths`"):
        Source("web", "jsonl")
    with pytest.raises(ValueError, match="remove its paths"):
        Source("python", "python_environment", ("/usr",))


def test_limits_are_positive() -> None:
    with pytest.raises(ValueError, match="max_record_megabytes is 0; it must be above 0"):
        Source("web", "jsonl", ("a",), max_record_megabytes=0)


def test_a_source_travels() -> None:
    source = Source("web", "jsonl", ("a",))
    assert pickle.loads(pickle.dumps(source)) == source


def test_a_missing_extra_is_named_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.sources.source.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"'crawl' of kind warc needs fastwarc: pip install 'assay\[web\]'"):
        Source("crawl", "warc", ("a.warc",))
