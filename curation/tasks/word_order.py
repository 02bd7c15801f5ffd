"""A passage against the same with two neighbouring words exchanged.

White space stays where it is, so both texts have the same words, bytes and lines, and only their order tells which was written.
"""

from collections.abc import Iterator, Sequence

from curation.tasks.items import Item
from curation.tasks.passages import SHORTEST, Document, passages


def word_order(documents: Sequence[Document], n_words: int) -> Iterator[Item]:
    """Items of passages of a quarter of `n_words`, at least `SHORTEST`; the document's key says which words."""
    size = max(SHORTEST, n_words // 4)
    for document, first in passages(documents, size):
        spans = document.spans[first : first + size]
        at = document.key % (size - 1)
        (a, b), (c, d) = spans[at], spans[at + 1]
        start, text, stop = spans[0][0], document.text, spans[-1][1]
        if text[a:b] != text[c:d]:
            yield Item("pair", "", (text[start:stop], text[start:a] + text[c:d] + text[b:c] + text[a:b] + text[d:stop]))
