"""The main text of a web page: markup and boilerplate (menus, footers, asides) removed by a kept library.

`resiliparse` (Bevendorff et al. 2018) is the fast one, 10 to 50 times trafilatura's speed; `trafilatura` (Barbaresi 2021) cuts
closer and is what FineWeb used. Both are in the extra `web`.
"""

from curation.sources.encoding import decode


def main_text(page: bytes, extract: str, charset: str | None = None) -> str:
    """The main text of an HTML page, paragraphs by newlines; empty where there is none.

    extract: the library, one of `source.EXTRACTORS`. charset: what the HTTP header said.
    """
    if extract == "resiliparse":
        from resiliparse.extract.html2text import extract_plain_text

        return extract_plain_text(decode(page, charset), main_content=True, alt_texts=False)
    import trafilatura

    return trafilatura.extract(decode(page, charset), favor_precision=True, include_comments=False) or ""
