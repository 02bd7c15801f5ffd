"""The payload of an HTTP message without its content and transfer codings (RFC 9110, 8.4; RFC 9112, 7), and what kind it is.

Archives keep the headers of codings that they removed, and some drop the headers of codings that they kept. So a declared
coding counts as removed where the payload has not its form, and gzip and zstd, which can be told, are decoded undeclared.
"""

import re
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa

MAX_CODINGS = 4  # one over the other; more are a trap
MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
SAME = {"x-gzip": "gzip"}
CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r\x1b"))
ODD = re.compile(f"[{re.escape(CONTROLS.decode())}\ufffd]")
ASCII_FORMATS = (b"%PDF-", b"%!PS-", b"{\\rtf")  # formats that may do without a control character


def decoded(body: bytes, headers: Any, limit: int) -> bytes:
    """A payload without the codings of its HTTP `headers` (FastWARC's), at most `limit` bytes of it.

    Raises ValueError for a payload that is encoded and broken, by an unknown coding, or more than `MAX_CODINGS` times.
    """
    declared = [
        SAME.get(coding, coding)
        for name in ("content-encoding", "transfer-encoding")
        for header, value in headers.astuples()
        if header.lower() == name
        for coding in map(str.strip, value.lower().split(","))
    ]
    if len(declared) > MAX_CODINGS:
        raise ValueError(f"encoded {len(declared)} times over")
    for coding in reversed(declared):
        body = _without(coding, body, limit)
    for _ in range(MAX_CODINGS):
        body = _without(next((coding for coding, magic in MAGIC.items() if body.startswith(magic)), ""), body, limit)
    return body


def foreign(body: bytes, text: str) -> str | None:
    """Why a payload that was declared to be text, and decodes to `text`, is none: a PDF, an image, or other binary data."""
    from resiliparse.parse.encoding import detect_mime

    kind = detect_mime(body[:1024])
    is_named = kind.partition("/")[0] != "text" and not kind.endswith(("xml", "octet-stream"))
    if is_named and (body.startswith(ASCII_FORMATS) or not _is_readable(body[:1024])):
        return f"{kind}, not text"
    return "binary data, or in an unknown encoding" if 20 * (len(ODD.findall(text)) - 1) > len(text) else None


def _is_readable(body: bytes) -> bool:
    return len(body.translate(None, CONTROLS)) == len(body)


def _without(coding: str, body: bytes, limit: int) -> bytes:
    if len(body) >= limit or coding in ("", "identity") or not body.startswith(MAGIC.get(coding, b"")):
        return body
    try:
        if coding not in DECODERS:
            raise ValueError(f"unknown encoding {coding!r}")
        return DECODERS[coding](body, limit)
    except Exception as error:  # zlib, pyarrow and brotli have a kind each
        if coding != "chunked" and _is_readable(body):
            return body
        raise ValueError(f"broken {coding} encoding: {error}" if coding in DECODERS else str(error)) from error


def _inflated(body: bytes, limit: int) -> bytes:
    """gzip (any number of members) and deflate, with zlib's header or without."""
    pieces: list[bytes] = []
    while not pieces or (body.startswith(MAGIC["gzip"]) and limit):
        inflate = zlib.decompressobj(47 if body[:2] == MAGIC["gzip"] or body[:1] == b"\x78" else -zlib.MAX_WBITS)
        pieces.append(inflate.decompress(body, limit))
        limit -= len(pieces[-1])
        if limit and not inflate.eof:
            raise ValueError("it ends early")
        body = inflate.unused_data
    return b"".join(pieces)


def _unzstd(body: bytes, limit: int) -> bytes:
    return pa.CompressedInputStream(pa.BufferReader(body), "zstd").read(limit)


def _unbrotli(body: bytes, limit: int) -> bytes:
    import brotli

    stream = brotli.Decompressor()
    pieces = [stream.process(body, output_buffer_limit=limit)]
    while not stream.can_accept_more_data() and (n_left := limit - sum(map(len, pieces))) > 0:
        pieces.append(stream.process(b"", output_buffer_limit=n_left))
    if not stream.is_finished() and sum(map(len, pieces)) < limit:
        raise ValueError("it ends early")
    return b"".join(pieces)[:limit]


def _dechunked(body: bytes, limit: int) -> bytes:
    """The data of HTTP chunks (RFC 9112, 7.1); the body itself where it does not begin with a chunk."""
    pieces, at = [], 0
    while at < len(body):
        line_end = body.find(b"\r\n", at, at + 100)
        try:
            size = int(body[at:line_end].partition(b";")[0], 16) if line_end >= 0 else -1
        except ValueError:
            size = -1
        if size < 0:
            if not pieces:
                return body
            raise ValueError("a chunk without its size")
        if size == 0:
            break
        piece = body[line_end + 2 : line_end + 2 + size]
        if len(piece) < size:
            raise ValueError("it ends early")
        pieces.append(piece)
        at = line_end + 2 + size + 2
    return b"".join(pieces)[:limit]


DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _inflated, "deflate": _inflated, "zstd": _unzstd, "br": _unbrotli, "chunked": _dechunked,
}  # fmt: skip
