"""Two passages of one domain with their own last quarters, against the same two with these exchanged.

Both texts hold the same words, so what is likely for its length or its frequent words cancels. Of passages A a and B b,
p(a | A) p(b | B) against p(b | A) p(a | B) is whether an end fits its own beginning better. Ends offered one by one differ in
how likely they are anywhere, and by more than a small model gains from the beginning.
"""

from collections.abc import Iterator, Sequence

from curation.tasks.items import Item
from curation.tasks.passages import Document, passages


def continuation(documents: Sequence[Document], n_words: int) -> Iterator[Item]:
    """Items of two passages of `n_words` / 2, each from two documents; a document's first passages before any second."""
    size = n_words // 2
    cut = size - max(2, size // 4)
    waiting: dict[str, tuple[Document, str, str]] = {}
    for document, first in passages(documents, size):
        begin = document.words(first, first + cut).lstrip()
        end = document.words(first + cut, first + size)
        if document.domain not in waiting or waiting[document.domain][0] is document:
            waiting[document.domain] = (document, begin, end)
            continue
        _, other_begin, other_end = waiting.pop(document.domain)
        good, bad = (f"{other_begin}{x}\n\n{begin}{y}" for x, y in ((other_end, end), (end, other_end)))
        if good != bad:
            yield Item("pair", "", (good, bad))
