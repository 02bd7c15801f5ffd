"""Agreement in minimal pairs from a small grammar of English (after BLiMP, Warstadt et al. 2020).

    The key near the lamps is old.     The key near the lamps are old.
    These boxes were heavy.            This boxes were heavy.
    We found two letters there.        We found two letter there.

A third of the pairs each: a verb with its subject, past a noun of the other number; a demonstrative with its noun; a numeral
with its noun. The two sentences differ in one word.
"""

from collections.abc import Iterator

import numpy as np

from curation.hashing import mix64
from curation.tasks.items import Item

NOUNS = (
    ("key", "keys"), ("box", "boxes"), ("letter", "letters"), ("book", "books"), ("line", "lines"), ("file", "files"),
    ("name", "names"), ("value", "values"), ("house", "houses"), ("river", "rivers"), ("picture", "pictures"),
    ("question", "questions"), ("answer", "answers"), ("window", "windows"), ("number", "numbers"), ("story", "stories"),
    ("city", "cities"), ("table", "tables"), ("message", "messages"), ("list", "lists"), ("road", "roads"), ("tree", "trees"),
    ("ship", "ships"), ("lamp", "lamps"),
)  # fmt: skip
ADJECTIVES = ("old", "new", "small", "large", "heavy", "empty", "long", "short", "open", "ready", "different", "important")
PLACES = ("near", "behind", "beside", "above", "below", "between the wall and")
VERBS = ("found", "saw", "lost", "wrote down", "remembered", "changed", "used", "bought")
NUMERALS = ("two", "three", "four", "five", "several", "many")
ENDS = ("there", "yesterday", "again", "in the end", "at last", "this morning")


def agreement(key: int, n_words: int, n_items: int) -> Iterator[Item]:
    """`n_items` different pairs, of some eight words whatever passages have; `key` is the stream of chance."""
    seen: set[str] = set()
    for row in mix64(key, np.arange(8 * 4 * n_items)).reshape(-1, 8).tolist():
        good, bad = (_subject_and_verb, _demonstrative, _numeral)[len(seen) % 3](row)
        if good not in seen:
            seen.add(good)
            yield Item("pair", "", (good, bad))
        if len(seen) == n_items:
            return


def _of(words: tuple, number: int):
    return words[number % len(words)]


def _subject_and_verb(row: list[int]) -> tuple[str, str]:
    plural = row[0] % 2
    noun, other = _of(NOUNS, row[1])[plural], _of(NOUNS, row[2])[1 - plural]
    verbs = (("is", "are"), ("was", "were"), ("seems", "seem"))[row[3] % 3]
    start, end = f"The {noun} {_of(PLACES, row[4])} the {other}", f"{_of(ADJECTIVES, row[5])}."
    return f"{start} {verbs[plural]} {end}", f"{start} {verbs[1 - plural]} {end}"


def _demonstrative(row: list[int]) -> tuple[str, str]:
    plural = row[0] % 2
    words = (("This", "These"), ("That", "Those"))[row[2] % 2]
    rest = f"{_of(NOUNS, row[1])[plural]} {('was', 'were')[plural]} {_of(ADJECTIVES, row[3])} {_of(ENDS, row[4])}."
    return f"{words[plural]} {rest}", f"{words[1 - plural]} {rest}"


def _numeral(row: list[int]) -> tuple[str, str]:
    noun, plural = _of(NOUNS, row[1]), row[0] % 2
    start = f"We {_of(VERBS, row[2])} {_of(NUMERALS, row[3]) if plural else 'one'}"
    end = f"{_of(ENDS, row[4])}."
    return f"{start} {noun[plural]} {end}", f"{start} {noun[1 - plural]} {end}"
