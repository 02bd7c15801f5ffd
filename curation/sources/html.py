"""The main text of a web page: encoding found, markup and boilerplate (menus, footers, asides) removed, by a kept library.

`resiliparse` (Bevendorff et al. 2018) is the fast one, 10 to 50 times trafilatura's speed; `trafilatura` (Barbaresi 2021) cuts
closer and is what FineWeb used. Both are in the extra `web`.
"""

from collections.abc import Callable


def main_text(page: bytes, extract: str, charset: str | None = None) -> str:
    """The main text of an HTML page, paragraphs by newlines; empty where there is none.

    charset: what the HTTP header said. Without one, or where it does not fit, the encoding comes from the page's meta tag, then
    from its bytes; what still does not decode becomes U+FFFD.
    """
    return _extractor(extract)(decode(page, charset))


def decode(page: bytes, charset: str | None = None) -> str:
    """Text of a page or plain-text file of unknown encoding, without NULs."""
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5

    named = map_encoding_to_html5(charset, fallback_utf8=False) if charset else None
    encoding = named or detect_encoding(page, from_html_meta=True) or "utf-8"
    return bytes_to_str(page, encoding, errors="replace").replace("\0", "")


def _extractor(extract: str) -> Callable[[str], str]:
    if extract == "resiliparse":
        from resiliparse.extract.html2text import extract_plain_text

        return lambda page: extract_plain_text(page, main_content=True, alt_texts=False)
    import trafilatura

    return lambda page: trafilatura.extract(page, favor_precision=True, include_comments=False) or ""
