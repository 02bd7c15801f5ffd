"""The true continuation among four: a passage's last quarter, and that of three others of its domain.

All four are text of one kind and about one length, so that nothing but the context tells them apart (after HellaSwag,
Zellers et al. 2019, whose wrong endings are written by a model; these are written by people).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from curation.hashing import mix64
from curation.tasks.items import Item
from curation.tasks.passages import WINDOWS, Document

CHOICES, NEAREST = 4, 4  # wrong ones are drawn from the nearest in length, since a longer text is less likely for that alone


def continuation(documents: Sequence[Document], n_words: int) -> Iterator[Item]:
    """Items from passages of `n_words`, a document's first before any document's second."""
    cut = n_words - max(2, n_words // 4)
    endings: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for document in documents:
        if len(document.spans) >= n_words:
            endings[document.domain].append((document.words(cut, n_words), document.key))
    length = {domain: np.array([len(text) for text, _ in found]) for domain, found in endings.items()}
    for turn in range(WINDOWS):
        for document in documents:
            starts, there = list(document.windows(n_words)), endings[document.domain]
            if turn >= len(starts) or len(there) < CHOICES:
                continue
            first, key = starts[turn], document.key ^ turn
            right = document.words(first + cut, first + n_words)
            nearest = np.argsort(np.abs(length[document.domain] - len(right)), kind="stable")[: NEAREST + 1].tolist()
            near = np.array([i for i in nearest if there[i][1] != document.key][:NEAREST])
            wrong = [there[i][0] for i in near[np.argsort(mix64(key, near))][: CHOICES - 1].tolist()]
            answer = int(mix64(key, np.array([len(there)]))[0] % np.uint64(CHOICES))
            choices = (*wrong[:answer], right, *wrong[answer:])
            if len({choice.strip() for choice in choices}) == CHOICES:
                yield Item("choice", document.words(first, first + cut).lstrip(), choices, answer)
