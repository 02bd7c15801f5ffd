"""WARC and WET archives (ISO 28500): pages that were fetched well, and text that was extracted before.

Documents are responses with HTTP status 200 (and resources) of type HTML, whose main text is extracted, or plain text; and
conversion records (WET), whose text is taken as it is. Requests, metadata, redirects, errors and images are no documents.
"""

import io
import zlib
from typing import Any

from curation.sources import encoding, html, storage
from curation.sources.source import Malformed, Part, Record, Records, Source

HTML_TYPES = ("text/html", "application/xhtml+xml")
END_OF_RECORD = b"\r\n\r\n"


def read(part: Part, source: Source, since: int = 0) -> Records:
    """The documents of an archive, from number `since` on; a record's number is its offset in the uncompressed file."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    wanted = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion
    offset, reason = 0, ""
    with storage.Uncompressed(part.location, storage.stored(part.path)[1]) as content:
        file = _Ending(content)
        try:
            for record in ArchiveIterator(file, record_types=wanted, stream_detect=False):  # pyright: ignore[reportArgumentType]
                offset = record.stream_pos
                if offset < since:
                    continue
                found = _document(record, part, source)
                if file.error is not None:
                    break
                if found is not None:
                    yield found
        except OSError as error:  # FastWARC's own: errors of the stream end it instead
            reason = f"not WARC: {error}"
        if isinstance(file.error, storage.BrokenFileError):
            reason = str(file.error)
        elif file.error is not None:
            raise file.error
        elif not reason and content.tell() and file.tail != END_OF_RECORD:
            reason = "the archive ends inside a record"
    if reason:
        yield Malformed(part.path, f"after byte {offset}", f"{reason}; the rest of the file is not read")


class _Ending:
    """A content that ends where reading it fails, and keeps the error: FastWARC 2.0 aborts on an exception from its stream."""

    def __init__(self, content: storage.Uncompressed) -> None:
        self.content = content
        self.error: Exception | None = None
        self.tail = b""

    def read(self, size: int = -1) -> bytes:
        try:
            data = b"" if self.error else self.content.read(size)
        except Exception as error:
            self.error = error
            return b""
        self.tail = (self.tail + data[-len(END_OF_RECORD) :])[-len(END_OF_RECORD) :]
        return data

    def tell(self) -> int:
        return self.content.tell()


def _document(record: Any, part: Part, source: Source) -> Record | Malformed | None:
    kind = _text_type(record)
    if kind is None:
        return None
    place, url, limit = f"byte {record.stream_pos}", record.headers.get("WARC-Target-URI"), source.max_record_bytes
    body = record.reader.read(limit + 1)
    if len(body) < min(record.content_length, limit):
        return Malformed(part.path, f"{place}, byte {len(body)} of it", "the record ends early", body[:200])
    if record.http_headers is not None:
        try:
            body = decoded(body, record.http_headers, limit + 1)
        except ValueError as error:
            return Malformed(part.path, place, str(error), body[:200])
    if len(body) > limit:
        return Malformed(part.path, place, f"over the record limit of {limit} bytes", body[:200])
    if kind == "conversion":
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            return Malformed(part.path, f"{place}, byte {error.start} of it", f"not UTF-8: {error.reason}", body[:200])
    else:
        charset = record.http_charset if record.http_headers is not None else None
        text = (
            html.main_text(body, source.extract, charset)
            if kind in HTML_TYPES
            else encoding.decode(body, charset, markup=False)
        )
    return Record(part.path, record.stream_pos, text, source.domain or source.name, url, record.headers.get("WARC-Date"))


def _text_type(record: Any) -> str | None:
    """Media type of a record to read; "conversion" for extracted text."""
    if str(record.record_type) == "conversion":
        return "conversion"
    if record.http_headers is not None:
        if record.http_headers.status_code != 200:
            return None
        found = record.http_content_type
    else:
        found = record.headers.get("Content-Type")
    media_type = (found or "").partition(";")[0].strip().lower()
    return media_type if media_type in (*HTML_TYPES, "text/plain") else None


def decoded(body: bytes, headers: Any, limit: int) -> bytes:
    """A payload without its HTTP transfer and content encoding, at most `limit` bytes of it.

    Archives often keep the headers of encodings that they removed, so a payload that is not encoded is taken as it is. Raises
    ValueError for one that is encoded and broken.
    """
    if "chunked" in (headers.get("Transfer-Encoding") or "").lower():
        body = _dechunked(body)
    encoding = (headers.get("Content-Encoding") or "").strip().lower()
    if encoding in ("gzip", "x-gzip", "deflate") and (body[:2] == b"\x1f\x8b" or encoding == "deflate"):
        wbits = 47 if body[:2] == b"\x1f\x8b" or body[:1] == b"\x78" else -zlib.MAX_WBITS
        inflate = zlib.decompressobj(wbits)
        try:
            found = inflate.decompress(body, limit)
        except zlib.error as error:
            raise ValueError(f"broken {encoding} encoding: {error}") from error
        if not inflate.eof and len(found) < limit:
            raise ValueError(f"broken {encoding} encoding: it ends early")
        return found
    if encoding == "br":
        from fastwarc.stream_io import BrotliReader

        try:
            return BrotliReader(io.BytesIO(body)).read(limit)
        except OSError as error:
            raise ValueError(f"broken br encoding: {error}") from error
    return body


def _dechunked(body: bytes) -> bytes:
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
            raise ValueError("broken chunked encoding")
        if size == 0:
            break
        piece = body[line_end + 2 : line_end + 2 + size]
        if len(piece) < size:
            raise ValueError("broken chunked encoding: it ends early")
        pieces.append(piece)
        at = line_end + 2 + size + 2
    return b"".join(pieces)
