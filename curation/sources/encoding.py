"""The characters of a page: WHATWG's order of claims (HTML standard, 13.2.3.2), each checked against the bytes.

Servers declare Latin-1 by default, editors write UTF-8 under any declaration, and one byte of a long page may be damaged. So a
byte order mark is believed; else UTF-8 where the bytes have its form, which text in no other encoding has. Else the claims are
the HTTP header, the page's own meta element and a guess from the bytes (`resiliparse`, after uchardet), and of those that
the bytes fit the one under which words look least broken (`charset_normalizer`) holds, in that order where they look alike.
"""

import codecs
import re
from itertools import islice

from curation.sources.payload import foreign

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_BE: "utf-16-be", codecs.BOM_UTF16_LE: "utf-16-le"}
WIDER = {"gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs", "iso8859-11": "cp874"}
MAX_SAMPLE = 500  # words that tell encodings apart
NOT_MARKUP = re.compile(rb"<!--(?:.*?-->|.*)|<(script|style)\b(?:.*?</\1|.*)", re.IGNORECASE | re.DOTALL)
META = re.compile(rb"<(?:meta|\?xml)[\s/]([^<>]{0,1000})", re.IGNORECASE)  # bounded: a page may have many without an end
ATTRIBUTE = re.compile(rb"""([^\s"'>/=]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""")


def decode(page: bytes, charset: str | None = None, markup: bool = True) -> str:
    """Text of a page (or, without `markup`, a plain text) of which the HTTP header said `charset`, without NULs.

    Bytes that the encoding does not have become U+FFFD. Raises ValueError for a PDF, an image or other binary data.
    """
    mark = next((mark for mark in MARKS if page.startswith(mark)), b"")
    text = page[len(mark) :].decode(MARKS[mark] if mark else encoding(page, charset, markup), "replace")
    if reason := foreign(page, text):
        raise ValueError(reason)
    return text.replace("\0", "")


def encoding(page: bytes, charset: str | None, markup: bool) -> str:
    """Python's name of the encoding of a page without a byte order mark."""
    from charset_normalizer.md import mess_ratio
    from resiliparse.parse.encoding import detect_encoding

    n_zeros = page.count(b"\0")
    if 8 * n_zeros > len(page) > 8:  # ASCII characters in UTF-16
        return "utf-16-be" if page[::2].count(b"\0") > n_zeros // 2 else "utf-16-le"
    if page.isascii():
        return "iso2022_jp" if b"\x1b$" in page else "utf-8"
    text = page.decode(errors="replace")
    n_bad = text.count("\ufffd") - page.count(b"\xef\xbf\xbd")
    if len(text) - len(text.encode("ascii", "ignore")) - n_bad >= n_bad:
        return "utf-8"
    sample = b" ".join(islice((word for word in re.split(rb"[\s<>]+", page) if not word.isascii()), MAX_SAMPLE))
    header, own = _codec(charset or ""), _codec(_declared(page)) if markup else None
    guess = _codec(detect_encoding(sample, from_html_meta=False) or "")
    claims = (own, header, guess) if own == guess else (header, own, guess)
    texts = {name: sample.decode(name, "replace") for name in claims if name and not name.startswith("utf")}
    fitting = [name for name, text in texts.items() if text.count("\ufffd") * 20 <= len(text)]
    return min(fitting, key=lambda name: mess_ratio(texts[name], 1.0), default=next(iter(texts), "utf-8"))


def _codec(label: str) -> str | None:
    """Python's codec for a label of the Encoding standard; None for one that it does not have."""
    from resiliparse.parse.encoding import map_encoding_to_html5

    name = map_encoding_to_html5(label.strip(" \t\r\n\"'"), fallback_utf8=False)
    return WIDER.get(name, name) if name else None


def _declared(page: bytes) -> str:
    """What the page's first meta element (or XML declaration) with a charset says, wherever it stands; empty without one."""
    for element in META.finditer(NOT_MARKUP.sub(b"", page)):
        attributes = {name.lower(): value.strip(b"\"'") for name, value in reversed(ATTRIBUTE.findall(element[1]))}
        label = attributes.get(b"charset") or attributes.get(b"encoding")
        if label is None and attributes.get(b"http-equiv", b"").lower() == b"content-type":
            _, _, label = attributes.get(b"content", b"").lower().partition(b"charset=")
        if label:
            return label.partition(b";")[0].decode("ascii", "replace")
    return ""
