"""Agreement in minimal pairs from a small grammar of English (after BLiMP, Warstadt et al. 2020).

    The key near the lamps is old.     The key near the lamps are old.
    These boxes were heavy.            This boxes were heavy.
    We found two letters there.        We found two letter there.

A third of the pairs each: a verb with its subject, past a noun of the other number; a demonstrative with its noun; a numeral
with its noun. The two sentences differ in one word. Each pair is followed by its twin in the other number, with "are" right
where "is" was: one who prefers a word whatever the sentence is right in one of the two.
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
    rules = (_subject_and_verb, _demonstrative, _numeral)
    for i, row in enumerate(mix64(key, np.arange(5 * 2 * n_items)).reshape(-1, 5).tolist()):
        twins = [rules[i % len(rules)](row, plural) for plural in (0, 1)]
        if seen.isdisjoint(good for good, _ in twins):
            seen.update(good for good, _ in twins)
            yield from (Item("pair", "", pair) for pair in twins)


def _of(words: tuple, number: int):
    return words[number % len(words)]


def _subject_and_verb(row: list[int], plural: int) -> tuple[str, str]:
    noun, other = _of(NOUNS, row[0])[plural], _of(NOUNS, row[1])[1 - plural]
    verbs = (("is", "are"), ("was", "were"), ("seems", "seem"))[row[2] % 3]
    start, end = f"The {noun} {_of(PLACES, row[3])} the {other}", f"{_of(ADJECTIVES, row[4])}."
    return f"{start} {verbs[plural]} {end}", f"{start} {verbs[1 - plural]} {end}"


def _demonstrative(row: list[int], plural: int) -> tuple[str, str]:
    words = (("This", "These"), ("That", "Those"))[row[1] % 2]
    rest = f"{_of(NOUNS, row[0])[plural]} {('was', 'were')[plural]} {_of(ADJECTIVES, row[2])} {_of(ENDS, row[3])}."
    return f"{words[plural]} {rest}", f"{words[1 - plural]} {rest}"


def _numeral(row: list[int], plural: int) -> tuple[str, str]:
    noun = _of(NOUNS, row[0])
    start = f"We {_of(VERBS, row[1])} {_of(NUMERALS, row[2]) if plural else 'one'}"
    end = f"{_of(ENDS, row[3])}."
    return f"{start} {noun[plural]} {end}", f"{start} {noun[1 - plural]} {end}"
