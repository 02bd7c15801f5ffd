import gzip
import random
import tarfile
import zlib
from io import BytesIO

import brotli
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.sources.encoding import decode
from curation.sources.payload import decoded

LIMIT = 100_000
PAGE = b"<html><body><p>" + b"A paragraph about boats in the harbour. " * 30 + b"</p></body></html>"


class Headers(list[tuple[str, str]]):
    def astuples(self) -> tuple[tuple[str, str], ...]:
        return tuple(self)


def raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


def chunked(data: bytes, size: int = 7) -> bytes:
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def two_members(data: bytes) -> bytes:
    return gzip.compress(data[:9]) + gzip.compress(data[9:])


ENCODERS = {  # by a name of ours: its name in a header, and how to encode
    "gzip": ("gzip", gzip.compress),
    "members": ("X-GZIP", two_members),
    "zstd": ("zstd", lambda data: pa.compress(data, "zstd", asbytes=True)),
    "brotli": ("br", brotli.compress),
    "zlib": ("deflate", zlib.compress),
    "deflate": ("deflate", raw_deflate),
}


@given(
    text=st.text(min_size=1, max_size=300).map(str.encode),
    codings=st.lists(st.sampled_from(sorted(ENCODERS)), max_size=3),
    is_chunked=st.booleans(),
)
def test_any_stack_of_codings_comes_off(text: bytes, codings: list[str], is_chunked: bool) -> None:
    body, headers = text, Headers()
    for coding in codings:
        body = ENCODERS[coding][1](body)
        headers.append(("Content-Encoding", ENCODERS[coding][0]))
    if is_chunked:
        body = chunked(body)
        headers.append(("transfer-encoding", "chunked"))
    assert decoded(body, headers, LIMIT) == text
    joined = Headers({"Content-Encoding": ", ".join(value for name, value in headers if name[0] == "C")}.items())
    assert decoded(body, Headers([*joined, *headers[len(codings) :]]), LIMIT) == text


@pytest.mark.parametrize("coding", [*ENCODERS, "compress"])
def test_a_coding_that_the_archive_removed(coding: str) -> None:
    declared = Headers([("Content-Encoding", ENCODERS.get(coding, (coding,))[0]), ("Transfer-Encoding", "chunked")])
    assert decoded(PAGE, declared, LIMIT) == PAGE


@pytest.mark.parametrize("coding", ["gzip", "members", "zstd"])
def test_an_undeclared_coding(coding: str) -> None:
    encode = ENCODERS[coding][1]
    assert decoded(encode(PAGE), Headers(), LIMIT) == PAGE
    assert decoded(encode(encode(PAGE)), Headers([("Content-Encoding", ENCODERS[coding][0])]), LIMIT) == PAGE


@pytest.mark.parametrize("coding", ENCODERS)
def test_what_is_broken_or_too_large_is_said(coding: str) -> None:
    name, encode = ENCODERS[coding]
    headers = Headers([("Content-Encoding", name)])
    noise = random.Random(0).randbytes(30_000)
    with pytest.raises(ValueError, match="broken"):
        decoded(encode(noise)[:-100], headers, LIMIT)
    assert len(decoded(encode(bytes(3_000_000)), headers, LIMIT)) == LIMIT
    assert len(decoded(encode(encode(bytes(3_000_000))), Headers(headers * 2), LIMIT)) <= LIMIT


def test_traps() -> None:
    with pytest.raises(ValueError, match="encoded 900 times over"):
        decoded(b"", Headers([("Content-Encoding", ",".join(["gzip"] * 900))]), LIMIT)
    with pytest.raises(ValueError, match="unknown encoding 'compress'"):
        decoded(b"\x1f\x9d\x90\x00\x01", Headers([("Content-Encoding", "compress")]), LIMIT)
    body = PAGE
    for _ in range(9):
        body = gzip.compress(body)
    with pytest.raises(ValueError, match="application/gzip, not text"):
        decode(decoded(body, Headers(), LIMIT))


def test_chunks() -> None:
    headers = Headers([("Transfer-Encoding", "chunked")])
    assert decoded(chunked(PAGE), headers, LIMIT) == PAGE
    assert decoded(b"plain text", headers, LIMIT) == b"plain text"
    assert decoded(b"", headers, LIMIT) == b""
    for broken in (b"3\r\nabc\r\nrubbish", chunked(PAGE)[:40]):
        with pytest.raises(ValueError, match="broken chunked encoding"):
            decoded(broken, headers, LIMIT)


def tar() -> bytes:
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return file.getvalue()


BINARY = {
    "application/pdf": b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" * 20,
    "application/rtf": b"{\\rtf1\\ansi some text}",
    "image/png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + random.Random(1).randbytes(500),
    "application/zip": b"PK\x03\x04\x14\0\0\0" + PAGE,
    "an archive": tar(),
    "noise": random.Random(2).randbytes(5000),
    "brotli": brotli.compress(random.Random(3).randbytes(5000)),
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("charset", [None, "utf-8", "iso-8859-1", "shift_jis", "utf-16"])
def test_binary_data_is_no_text(name: str, charset: str | None) -> None:
    with pytest.raises(ValueError, match=f"{name}, not text" if "/" in name else "binary data, or in an unknown encoding"):
        decode(BINARY[name], charset)


@pytest.mark.parametrize(
    "text", ["BMW builds cars", "ID3 tags", "PK", "BZh is not a word", "%PDF is a format", "a\x01b" * 3 + "c" * 99]
)
def test_text_that_begins_like_a_file_is_text(text: str) -> None:
    assert decode(text.encode()) == text
