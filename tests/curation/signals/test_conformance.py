"""Gopher, C4 and FineWeb beside datatrove itself; benchmarks/curation/conformance.py does the same on 5,500 documents."""

import importlib.util
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("datatrove", reason="the reference; in the test extra")
BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "curation" / "conformance.py"


@pytest.fixture(scope="module")
def conformance():
    spec = importlib.util.spec_from_file_location("conformance", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def web(shared_data):
    text = pl.read_ndjson(shared_data / "text" / "pool" / "web.jsonl.zst")["text"].gather_every(19)
    return text.filter(text.str.len_bytes() < 20_000).to_list()


@pytest.fixture(scope="module", params=["sample", "web"])
def texts(request):
    """The sample of our own, and a part of the shared pool where that is."""
    return request.getfixturevalue(request.param)


def test_the_same_words_give_the_same_documents(conformance, texts):
    some = texts[:: 3 if len(texts) > 200 else 1]
    ours = conformance.kept_by_assay(some)
    with conformance.same_words():
        theirs = conformance.kept_by_datatrove(some)
    assert {family: kept.tolist() for family, kept in ours.items()} == {
        family: kept.tolist() for family, kept in theirs.items()
    }
    assert all(0 < sum(kept) < len(some) for kept in ours.values()), "a filter that keeps all or none compares nothing"


@pytest.mark.slow
def test_with_words_of_its_own_at_least_99_percent(conformance, web):
    ours, theirs = conformance.kept_by_assay(web), conformance.kept_by_datatrove(web)
    assert {family: (ours[family] == theirs[family]).mean() >= 0.99 for family in ours} == dict.fromkeys(ours, True)
