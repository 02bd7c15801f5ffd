"""The true continuation among four: a passage's last quarter, and that of three others of its domain.

All four are text of one kind and length, so that nothing but the context tells them apart (after HellaSwag, Zellers et al.
2019, whose wrong endings are written by a model; these are written by people).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from curation.hashing import mix64
from curation.tasks.items import Item
from curation.tasks.passages import WINDOWS, Document

CHOICES = 4


def continuation(documents: Sequence[Document], n_words: int) -> Iterator[Item]:
    """Items from passages of `n_words`, a document's first before any document's second."""
    cut = n_words - max(2, n_words // 4)
    by_domain: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        if len(document.spans) >= n_words:
            by_domain[document.domain].append(document)
    for turn in range(WINDOWS):
        for document in documents:
            others = [other for other in by_domain[document.domain] if other is not document]
            starts = list(document.windows(n_words))
            if turn >= len(starts) or len(others) < CHOICES - 1:
                continue
            first, key = starts[turn], document.key ^ turn
            right = document.words(first + cut, first + n_words)
            order = np.argsort(mix64(key, np.arange(len(others))))[: CHOICES - 1]
            wrong = [others[i].words(cut, n_words) for i in order.tolist()]
            answer = int(mix64(key, np.array([len(others)]))[0] % np.uint64(CHOICES))
            choices = (*wrong[:answer], right, *wrong[answer:])
            if len({choice.strip() for choice in choices}) == CHOICES:
                yield Item("choice", document.words(first, first + cut).lstrip(), choices, answer)
