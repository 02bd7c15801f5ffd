import gzip
import zlib
from pathlib import Path

import brotli
import pytest

from curation.sources import Malformed, Record, Source, read, slices
from curation.sources.storage import PIECE, Stored

HTML = b"<html><body><main><p>A paragraph of the page, long enough to be its content.</p></main></body></html>"
TEXT = "A paragraph of the page, long enough to be its content."


def record(kind: str, url: str, block: bytes, content_type: str = "application/http; msgtype=response") -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2024-05-06T07:08:09Z\r\n"
    return f"{head}Content-Type: {content_type}\r\nContent-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"


def page(
    url: str, body: bytes = HTML, status: str = "200 OK", kind: str = "text/html; charset=utf-8", extra: str = ""
) -> bytes:
    return record("response", url, f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{extra}\r\n".encode() + body)


def records(path: Path, data: bytes, **declared: object) -> list[Record | Malformed]:
    path.write_bytes(data)
    source = Source("s", "warc", (str(path),), **declared)  # type: ignore[arg-type]
    return [found for piece in slices(source) for found in read(piece)]


def test_pages_text_and_nothing_else(tmp_path: Path) -> None:
    archive = [
        record("warcinfo", "", b"software: x\r\n", "application/warc-fields"),
        record("request", "http://a/1", b"GET / HTTP/1.1\r\n\r\n", "application/http; msgtype=request"),
        page("http://a/1"),
        page("http://a/2", status="404 Not Found"),
        page("http://a/3", b"GIF89a", kind="image/gif"),
        page("http://a/4", "caf\u00e9".encode("latin-1"), kind="text/plain; charset=iso-8859-1"),
        record("resource", "http://a/5", HTML, "text/html"),
        record(
            "resource",
            "http://a/6",
            "caf\u00e9".encode("koi8-r", "replace") + b"\xf0\xd2\xc9\xd7\xc5\xd4",
            "text/plain; charset=koi8-r",
        ),
    ]
    found = records(tmp_path / "a.warc", b"".join(archive))
    assert [(r.url, r.text, r.date, r.domain) for r in found if isinstance(r, Record)] == [
        ("http://a/1", TEXT, "2024-05-06T07:08:09Z", None),
        ("http://a/4", "caf\u00e9", "2024-05-06T07:08:09Z", None),
        ("http://a/5", TEXT, "2024-05-06T07:08:09Z", None),
        ("http://a/6", "caf?\u041f\u0440\u0438\u0432\u0435\u0442", "2024-05-06T07:08:09Z", None),
    ]
    assert found[0].record == len(archive[0]) + len(archive[1])  # type: ignore[union-attr]
    packed = b"".join(gzip.compress(one) for one in archive)
    assert [r[1:] for r in records(tmp_path / "b.warc.gz", packed)] == [r[1:] for r in found]


def test_wet(tmp_path: Path) -> None:
    archive = record("conversion", "http://a/1", "caf\u00e9\n\u4e2d".encode(), "text/plain") + record(
        "conversion", "http://a/2", b"\xff\xfe", "text/plain"
    )
    good, bad = records(tmp_path / "a.warc.wet.gz", gzip.compress(archive))
    assert good[2] == "caf\u00e9\n\u4e2d"
    assert isinstance(bad, Malformed)
    assert bad.reason == "not UTF-8: invalid start byte"


def chunked(body: bytes) -> bytes:
    return (
        b"".join(b"%x;ext=1\r\n%s\r\n" % (len(body[i : i + 7]), body[i : i + 7]) for i in range(0, len(body), 7)) + b"0\r\n\r\n"
    )


RAW_DEFLATE = zlib.compressobj(wbits=-15)
ENCODED = {
    "gzip": ("Content-Encoding: gzip\r\n", gzip.compress(HTML)),
    "zlib": ("Content-Encoding: deflate\r\n", zlib.compress(HTML)),
    "deflate": ("Content-Encoding: deflate\r\n", RAW_DEFLATE.compress(HTML) + RAW_DEFLATE.flush()),
    "chunked": ("Transfer-Encoding: chunked\r\n", chunked(HTML)),
    "both": ("Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n", chunked(gzip.compress(HTML))),
    "removed": ("Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n", HTML),  # archivers keep the header
}


@pytest.mark.parametrize("name", ENCODED)
def test_http_encodings(tmp_path: Path, name: str) -> None:
    extra, body = ENCODED[name]
    (found,) = records(tmp_path / "a.warc", page("http://a", body, extra=extra))
    assert found[2] == TEXT


def test_broken_pages_do_not_take_their_neighbours_with_them(tmp_path: Path) -> None:
    archive = [
        page("http://a/1"),
        page("http://a/2", gzip.compress(HTML * 9)[:-20], extra="Content-Encoding: gzip\r\n"),
        page("http://a/3", chunked(HTML)[:40], extra="Transfer-Encoding: chunked\r\n"),
        page("http://a/4", gzip.compress(bytes(9_000_000)), extra="Content-Encoding: gzip\r\n"),
        page("http://a/5", b"x" * 3_000_000),
        page("http://a/6"),
        page("http://a/7", b"%PDF-1.4 of a server that calls it HTML"),
        page("http://a/8", brotli.compress(HTML), extra="Content-Encoding: br\r\n"),
    ]
    found = records(tmp_path / "a.warc", b"".join(archive), max_record_megabytes=1)
    assert [r.url if isinstance(r, Record) else r.reason for r in found] == [
        "http://a/1",
        "broken gzip encoding: it ends early",
        "broken chunked encoding: a chunk without its size",
        "over the record limit of 1000000 bytes",
        "over the record limit of 1000000 bytes",
        "http://a/6",
        "application/pdf, not text",
        "http://a/8",
    ]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_a_truncated_archive_keeps_what_is_there_and_says_so(tmp_path: Path, suffix: str, keep: float) -> None:
    archive = [page(f"http://a/{i}", b"%d" % i**300, kind="text/plain") for i in range(2, 400)]
    lost = 2 + PIECE // len(archive[0])
    if suffix:
        archive = [gzip.compress(one) for one in archive]
    data = b"".join(archive)
    *good, bad = records(tmp_path / f"a.warc{suffix}", data[: int(len(data) * keep)])
    assert isinstance(bad, Malformed)
    assert "the rest of the file is not read" in bad.reason
    good = [r for r in good if isinstance(r, Record)]
    assert [r.url for r in good] == [f"http://a/{i}" for i in range(2, 2 + len(good))]
    assert len(good) >= len(archive) * keep * 0.9 - lost


def test_rubbish_is_reported(tmp_path: Path) -> None:
    (bad,) = records(tmp_path / "a.warc", b"this is no archive\n" * 50)
    assert isinstance(bad, Malformed)
    assert bad.reason.startswith("not WARC: Invalid WARC header")
    good, bad = records(tmp_path / "a.warc", page("http://a/1") + b"rubbish\r\n" * 50 + page("http://a/2"))
    assert (type(good), type(bad)) == (Record, Malformed)


def test_a_failing_store_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(page("http://a/1") * 10_000)

    def fail(self: Stored, size: int = -1) -> bytes:
        if self.n_read > 100_000:
            self.failed = True
            raise OSError("connection lost")
        return read_before(self, size)

    read_before = Stored.read
    monkeypatch.setattr(Stored, "read", fail)
    with pytest.raises(OSError, match="connection lost"):
        list(read(slices(Source("s", "warc", (str(path),)))[0]))


def test_real_archive(shared_data: Path) -> None:
    source = Source("s", "warc", (str(shared_data / "text/warc/example.warc.gz"),))
    found = [r for piece in slices(source) for r in read(piece)]
    good = [r for r in found if isinstance(r, Record)]
    assert len(good) == len(found) >= 120
    assert len({r.record for r in good}) == len(good)
    assert sum(bool(r.text.strip()) for r in good) > 0.95 * len(good)
