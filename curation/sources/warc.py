"""WARC and WET archives (ISO 28500): pages that were fetched well, and text that was extracted before.

Documents are responses with HTTP status 200 (and resources) of type HTML, whose main text is extracted, or plain text; and
conversion records (WET), whose text is taken as it is. Requests, metadata, redirects, errors and images are no documents.
"""

import json
import re
from typing import Any

from curation.sources import encoding, html, payload, storage
from curation.sources.source import Malformed, Part, Record, Records, Source

HTML_TYPES = ("text/html", "application/xhtml+xml")
TYPES = (*HTML_TYPES, "text/plain")
CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\s;\"']+)", re.IGNORECASE)
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
                document = _document(record, part, source)
                if file.error is not None:
                    break
                if document is not None:
                    yield document
        except OSError as error:  # FastWARC's own: errors of the stream end it instead
            reason = f"not WARC: {error}"
        if isinstance(file.error, storage.BrokenFileError):
            reason = str(file.error)
        elif file.error is not None:
            raise file.error
        elif not reason and content.tell() and file.tail != END_OF_RECORD:
            reason = "the archive ends inside a record"
        if reason:
            reason = f"{reason}; the rest of the file is not read"
            yield Malformed(part.path, f"after byte {offset}", reason, lost=content.lost(part.size))


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
    """The document of an archive's record, or why it has none; None where its type is not read."""
    headers = record.headers if record.http_headers is None else record.http_headers
    content_type = headers.get("Content-Type") or ""
    media_type = content_type.partition(";")[0].strip().lower()
    is_extracted = str(record.record_type) == "conversion"
    failed = record.http_headers is not None and record.http_headers.status_code != 200
    if not is_extracted and (failed or media_type not in TYPES):
        return None
    place, url, limit = f"byte {record.stream_pos}", record.headers.get("WARC-Target-URI"), source.max_record_bytes
    body = record.reader.read(limit + 1)
    if len(body) < min(record.content_length, limit):
        return Malformed(part.path, f"{place}, byte {len(body)} of it", "the record ends early", body[:200])
    try:
        if record.http_headers is not None:
            body = payload.decoded(body, record.http_headers, limit + 1)
        if len(body) > limit:
            raise ValueError(f"over the record limit of {limit} bytes")
        charset = declared[1] if (declared := CHARSET.search(content_type)) else None
        if is_extracted:
            text = body.decode()
        elif media_type in HTML_TYPES:
            text = html.main_text(body, source.extract, charset)
        else:
            text = encoding.decode(body, charset, markup=False)
    except UnicodeDecodeError as error:
        return Malformed(part.path, f"{place}, byte {error.start} of it", f"not UTF-8: {error.reason}", body[:200])
    except ValueError as error:
        return Malformed(part.path, place, str(error), body[:200])
    rest = {name: value for name, value in record.headers if name not in ("WARC-Target-URI", "WARC-Date")}
    meta = json.dumps(rest, ensure_ascii=False) if source.fields.meta else None
    return Record(part.path, record.stream_pos, text, source.domain, url, record.headers.get("WARC-Date"), meta)
