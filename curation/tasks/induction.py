"""Copying by induction: names that nobody knows, each with its word, and a name again (Olsson et al. 2022).

    mabido kerupa. tofise nalogi. ... mabido  ->  kerupa

All words are random syllables and all choices stand in the context, so that neither memory nor frequency helps: a model has to
find the name's first place and copy what followed it. A list is asked for each of its names, so one who prefers a word
whatever the name is right once per list: at chance exactly.
"""

from collections.abc import Iterator

import numpy as np

from curation.hashing import mix64
from curation.tasks.items import Item

CONSONANTS, VOWELS, SYLLABLES = "bdfgklmnprstvz", "aeiou", 3
SHORT = 16  # words of a passage below which two pairs are asked instead of four


def induction(key: int, n_words: int, n_items: int) -> Iterator[Item]:
    """`n_items` items of four pairs, or of two where passages are short; `key` is the stream of chance."""
    n_pairs = 4 if n_words >= SHORT else 2
    n_lists = -(-n_items // n_pairs)
    for row in mix64(key, np.arange(n_lists * 2 * n_pairs)).reshape(n_lists, -1).tolist():
        words = [_word(number) for number in row]
        if len({*words}) < len(words):
            continue
        names, values = words[:n_pairs], words[n_pairs:]
        told = " ".join(f"{name} {value}." for name, value in zip(names, values, strict=True))
        yield from (Item("choice", f"{told} {name}", tuple(values), answer) for answer, name in enumerate(names))


def _word(number: int) -> str:
    syllables = []
    for _ in range(SYLLABLES):
        number, consonant = divmod(number, len(CONSONANTS))
        number, vowel = divmod(number, len(VOWELS))
        syllables.append(CONSONANTS[consonant] + VOWELS[vowel])
    return "".join(syllables)
