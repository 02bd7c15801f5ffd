import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.document import SCHEMA, Batch
from curation.signals.urls import url_rules


def batch(*urls: str | None) -> Batch:
    return Batch(pa.table({"url": pa.array(urls, SCHEMA.field("url").type)}))


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lists")
    contents = {
        "hosts": "# bad\nbad.com\nsub.ok.org\nlocalhost\n",
        "urls": "http://ok.org/One\n",
        "hard_words": "Poker\n\nroulette",
        "soft_words": "bet\nwin\ncash",
        "substrings": "free-casino\n",
    }
    for name, text in contents.items():
        (folder / f"{name}.txt").write_text(text)
    return {name: str(folder / f"{name}.txt") for name in contents}


def row(lists, url: str | None) -> dict[str, int]:
    return {name: count for name, count in url_rules(batch(url), **lists).to_pylist()[0].items() if count}


GOLDEN = {
    None: {},
    "": {},
    "not an address": {},
    "https://ok.org/": {},
    "https://BAD.com": {"blocked_host": 1},
    "http://a.b.bad.com:80/x?y#z": {"blocked_host": 1},
    "http://user:pass@bad.com/": {"blocked_host": 1},
    "//bad.com/path": {"blocked_host": 1},
    "http://notbad.com/": {},
    "http://ok.org/?u=bad.com": {},
    "http://sub.ok.org": {"blocked_host": 1},
    "http://localhost/": {"blocked_host": 1},
    "http://ok.org/One": {"blocked_url": 1},
    "http://ok.org/one": {},
    "http://ok.org/POKER-night": {"hard_words": 1},
    "http://ok.org/pokers": {},
    "http://ok.org/bet-win_bet.html?cash=1": {"soft_words": 3},
    "http://free.Casino.org/": {"substrings": 1},
    "http://ok.org/\u00e9/\U0001f600/bet": {"soft_words": 1},
}


@pytest.mark.parametrize("url", GOLDEN)
def test_golden(lists, url):
    assert row(lists, url) == GOLDEN[url]


def test_a_document_is_measured_alone(lists):
    table = url_rules(batch(*GOLDEN), **lists)
    assert table.schema.types == [pa.uint32()] * 5
    assert [{k: v for k, v in found.items() if v} for found in table.to_pylist()] == list(GOLDEN.values())


def test_without_lists_nothing_is_blocked():
    assert url_rules(batch("http://bad.com", None)).to_pylist() == [dict.fromkeys(GOLDEN_COLUMNS, 0)] * 2


GOLDEN_COLUMNS = ("blocked_host", "blocked_url", "hard_words", "soft_words", "substrings")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["a", "bad", "com", "evil-bad", "ok", "org"]), min_size=1, max_size=7))
def test_a_blocked_domain_blocks_what_is_below_it(lists, labels):
    host = ".".join(labels)
    assert row(lists, f"http://{host}/").get("blocked_host", 0) == int(f".{host}".endswith((".bad.com", ".sub.ok.org")))
