"""Tasks that come with Assay: made from a study's held-out text, or from rules alone, the same for the same study and seed."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from curation.tasks.agreement import agreement
from curation.tasks.continuation import continuation
from curation.tasks.induction import induction
from curation.tasks.items import Item
from curation.tasks.last_word import last_word
from curation.tasks.passages import Document
from curation.tasks.word_order import word_order

FROM_TEXT: dict[str, Callable[[Sequence[Document], int], Iterator[Item]]] = {
    "continuation": continuation,
    "word_order": word_order,
    "last_word": last_word,
}
FROM_RULES: dict[str, Callable[[int, int, int], Iterator[Item]]] = {"induction": induction, "agreement": agreement}


def make(name: str, documents: Sequence[Document], n_words: int, key: int, n_items: int) -> list[Item]:
    """At most `n_items` items of a task of `FROM_TEXT` or `FROM_RULES`, in passages of `n_words`; `key`: the stream of chance.

    `documents` come in the order of their keys.
    """
    if name in FROM_TEXT:
        return list(islice(FROM_TEXT[name](documents, n_words), n_items))
    return list(islice(FROM_RULES[name](key, n_words, n_items), n_items))
