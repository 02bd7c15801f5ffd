"""Held-out text as passages: what made tasks are cut from.

A word here is a run of characters without white space, so that code keeps its punctuation and layout.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

EXCERPT = 4096  # characters that are kept of a document
WINDOWS = 4  # passages that one document gives a task, at most
LONGEST, SHORTEST, TOKENS_PER_WORD = 64, 8, 4  # words of a passage; 4 tokens a word, so that most fit (code has 2 to 3)


@dataclass(frozen=True)
class Document:
    """An excerpt of a held-out document; `key` is its hash under the tasks' stream of chance."""

    key: int
    domain: str
    text: str

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        return [found.span() for found in re.finditer(r"\S+", self.text)]

    def words(self, first: int, last: int) -> str:
        """Words first to last - 1, with the white space between them and before the first."""
        return self.text[self.spans[first - 1][1] if first else self.spans[0][0] : self.spans[last - 1][1]]

    def windows(self, n_words: int) -> Iterator[int]:
        """The first word of each passage of `n_words` that follow one another, `WINDOWS` of them at most."""
        return iter(range(0, len(self.spans) - n_words + 1, n_words)[:WINDOWS])


def passages(documents: Sequence[Document], n_words: int) -> Iterator[tuple[Document, int]]:
    """Every passage of `n_words`: its document and its first word; a document's first before any document's second."""
    starts = [(document, list(document.windows(n_words))) for document in documents]
    for turn in range(WINDOWS):
        yield from ((document, found[turn]) for document, found in starts if turn < len(found))


def passage_words(context: int) -> int:
    """Words of a passage for models that read `context` tokens: a quarter of it, from 8 to 64."""
    return min(LONGEST, max(SHORTEST, context // TOKENS_PER_WORD))


def excerpt(text: str, key: int) -> str:
    """At most `EXCERPT` characters of a document, from the beginning of a word on: from anywhere in it, by its hash."""
    if len(text) <= EXCERPT:
        return text
    start = key % (len(text) - EXCERPT)
    space = re.compile(r"\s").search(text, start)
    cut = text[space.start() if space else start :][:EXCERPT]
    return cut[: cut.rstrip().rfind(" ")] if " " in cut.strip() else cut
