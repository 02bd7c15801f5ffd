import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import trafilatura
from resiliparse.extract.html2text import extract_plain_text

from curation.sources.html import decode, main_text
from curation.sources.source import EXTRACTORS

PAGE = """<!DOCTYPE html><html><head><title>T</title><script>var x = "script";</script>
<style>p {color: red}</style></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/about">About us</a></li></ul></nav>
<main><article><h1>The garden in winter</h1>
<p>The first paragraph describes the garden, its paths, and the care that every season asks of those who keep it.</p>
<p>The second paragraph is about the tools, which are few, old, and kept dry \u2014 caf\u00e9 chairs included.</p>
</article></main><footer>Copyright 2024. All rights reserved. <a href="/privacy">Privacy</a></footer></body></html>"""


@pytest.mark.parametrize("extract", EXTRACTORS)
def test_boilerplate_goes_and_the_text_stays(extract: str) -> None:
    text = main_text(PAGE.encode(), extract)
    assert "The first paragraph describes the garden" in text
    assert "caf\u00e9 chairs included" in text
    for noise in ("About us", "Privacy", "script", "color", "<p>"):
        assert noise not in text


@pytest.mark.parametrize("extract", EXTRACTORS)
@pytest.mark.parametrize("page", [b"", b"   ", b"<html></html>", b"<" * 1000])
def test_pages_without_text(extract: str, page: bytes) -> None:
    assert not main_text(page, extract).strip("< ")


@pytest.mark.parametrize(
    ("encoding", "charset", "meta"),
    [
        ("utf-8", None, ""), ("utf-8", "utf-8", ""), ("windows-1252", "iso-8859-1", ""), ("latin-1", None, "iso-8859-1"),
        ("shift_jis", None, "shift_jis"), ("koi8-r", "KOI8-R", ""), ("utf-8-sig", None, ""), ("utf-16", "utf-16", ""),
        ("utf-8", "no-such-encoding", ""),
    ],
)  # fmt: skip
def test_encodings(encoding: str, charset: str | None, meta: str) -> None:
    words = {"shift_jis": "\u3053\u3093\u306b\u3061\u306f\u4e16\u754c", "koi8-r": "\u041f\u0440\u0438\u0432\u0435\u0442"}
    word = words.get(encoding, "caf\u00e9 na\u00efve")
    page = f'<html><head><meta charset="{meta}"></head><body><p>{word}</p></body></html>' if meta else f"<p>{word}</p>"
    assert word in decode(page.encode(encoding), charset)


def test_a_wrong_charset_and_mixed_bytes_still_give_text() -> None:
    assert "caf\u00e9" in decode("<p>caf\u00e9</p>".encode("windows-1252"), "utf-8")
    mixed = b"<p>caf\xc3\xa9 and caf\xe9</p>"
    decode(mixed).encode()
    assert "and" in decode(mixed)
    assert decode(b"a\0b") == "ab"


def test_pages_of_the_sample_equal_both_libraries(sample: list[str]) -> None:
    pages = [text.encode() for text in sample if text.startswith("<!DOCTYPE")]
    assert len(pages) == 5
    for page in pages:
        assert main_text(page, "trafilatura") == trafilatura.extract(
            page.decode(), favor_precision=True, include_comments=False
        )
        assert main_text(page, "resiliparse") == extract_plain_text(page.decode(), main_content=True, alt_texts=False)


def test_real_pages_equal_trafilatura(shared_data: Path) -> None:
    for page in sorted((shared_data / "text/html/pages").glob("*.html.gz"))[:6]:
        data = gzip.decompress(page.read_bytes())
        expected = trafilatura.extract(decode(data), favor_precision=True, include_comments=False) or ""
        assert main_text(data, "trafilatura") == expected


def test_real_pages_equal_the_library_and_hold_the_gold_text(shared_data: Path) -> None:
    recalls = []
    for page in sorted((shared_data / "text/html/pages").glob("*.html.gz"))[:40]:
        data = gzip.decompress(page.read_bytes())
        text = main_text(data, "resiliparse")
        assert text == extract_plain_text(decode(data), main_content=True, alt_texts=False)
        gold = json.loads((shared_data / "text/html/gold" / f"{page.name[:4]}.json").read_text())["ground_truth"]
        wanted = Counter(re.findall(r"\w+", gold["main_content"]))
        recalls.append((wanted & Counter(re.findall(r"\w+", text))).total() / max(wanted.total(), 1))
    assert sum(recalls) / len(recalls) > 0.8
