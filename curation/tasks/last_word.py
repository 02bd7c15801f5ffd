"""The last word of a passage, where it stands earlier in the passage but not near (after LAMBADA, Paperno et al. 2016).

A word of at least four letters that was read before and is not among the last five: what comes next is known to a reader who
remembers, not to one who sees the last few words.
"""

import re
from collections.abc import Iterator, Sequence

from curation.tasks.items import Item
from curation.tasks.passages import WINDOWS, Document

NEAR = 5
WORD = re.compile(r"([^\W\d_]{4,})[^\w\s]*")


def last_word(documents: Sequence[Document], n_words: int) -> Iterator[Item]:
    """Items of passages of `n_words`, a document's first before any document's second."""
    found = [list(_items(document, n_words)) for document in documents]
    for turn in range(WINDOWS):
        yield from (items[turn] for items in found if turn < len(items))


def _items(document: Document, n_words: int) -> Iterator[Item]:
    words = [document.text[start:stop] for start, stop in document.spans]
    said = [match.group(1).lower() if (match := WORD.fullmatch(word)) else "" for word in words]
    last, made = n_words - 1, 0
    while last < len(said) and made < WINDOWS:
        first, word = last - n_words + 1, said[last]
        if word and word in said[first : last - NEAR] and word not in said[last - NEAR : last]:
            target = document.words(last, last + 1)
            end = len(target) - len(target.lstrip()) + len(word)
            yield Item("cloze", document.words(first, last).lstrip(), (target[:end],))
            made, last = made + 1, last + n_words
        else:
            last += 1
