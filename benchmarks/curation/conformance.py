"""Assay's filters beside datatrove's own on the same documents: do they keep and drop the same ones?

Twice: each with its own word cutting, and with the same words fed to both (datatrove's splitter replaced by Assay's segments).
Where the first disagrees, the document's words are compared, so that a disagreement that is not word cutting is counted apart.

    python benchmarks/curation/conformance.py ../shared/data/text/pool/web.jsonl.zst [--documents 5500]
"""

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import polars as pl
import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter
from datatrove.utils.text import split_into_words

from curation.document import Batch
from curation.segments import segments
from curation.signals import web
from curation.signals.registry import RULES, SIGNALS

FILTERS: dict[str, Callable[[], object]] = {
    "gopher_quality": GopherQualityFilter,
    "gopher_repetition": GopherRepetitionFilter,
    "fineweb": FineWebQualityFilter,
    "c4_datatrove": C4QualityFilter,
    "c4_fineweb": lambda: C4QualityFilter(filter_no_terminal_punct=False),
}
MODULES = "datatrove.pipeline.filters."


def kept_by_assay(texts: list[str]) -> dict[str, np.ndarray]:
    """For each family, which documents pass all its published rules."""
    batch = Batch(pa.table({"text": pa.array(texts, pa.large_string())}))
    columns = {}
    for name in ("gopher_quality", "gopher_repetition", "c4_datatrove", "fineweb"):
        table = SIGNALS[name].compute(batch, **SIGNALS[name].params)
        columns |= {f"{name}.{column}": table[column].to_numpy() for column in table.column_names}
    compare = {">=": np.greater_equal, "<=": np.less_equal, ">": np.greater, "<": np.less, "==": np.equal}
    kept = {}
    for family in FILTERS:
        conjuncts = (rule.split() for rule in re.split(r"\band\b", RULES[family]))
        kept[family] = np.all([compare[sign](columns[column], float(limit)) for column, sign, limit in conjuncts], axis=0)
    return kept


def kept_by_datatrove(texts: list[str]) -> dict[str, np.ndarray]:
    filters = {family: make() for family, make in FILTERS.items()}
    kept = {family: np.zeros(len(texts), bool) for family in FILTERS}
    for d, text in enumerate(texts):  # document by document: datatrove remembers the words of the last few
        for family, keep in filters.items():
            try:
                kept[family][d] = keep.filter(Document(text=text, id=str(d))) is True  # type: ignore[attr-defined]
            except ZeroDivisionError:  # text without a single word: datatrove counts it as an error and drops it
                kept[family][d] = False
    return kept


@contextmanager
def same_words() -> Iterator[None]:
    """datatrove reads Assay's segments and sentences."""
    memory: dict[str, list[str]] = {}

    def words(text: str, language: str = "en") -> list[str]:
        if text not in memory:
            memory.clear()
            memory[text] = segments(pa.array([text], pa.large_string())).spelled(0)
        return memory[text]

    def sentences(text: str, language: str = "en") -> range:
        return range(web.sentences_of(pa.array([text], pa.large_string()))[0])

    with (
        patch(MODULES + "gopher_quality_filter.split_into_words", words),
        patch(MODULES + "gopher_repetition_filter.split_into_words", words),
        patch(MODULES + "fineweb_quality_filter.split_into_words", words),
        patch(MODULES + "c4_filters.split_into_sentences", sentences),
    ):
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("--documents", type=int, default=5500)
    arguments = parser.parse_args()
    text = pl.read_ndjson(arguments.pool)["text"]
    text = text.filter(text.str.len_bytes() < 60_000).head(arguments.documents)
    texts = text.to_list()
    ours = kept_by_assay(texts)
    theirs = kept_by_datatrove(texts)
    with same_words():
        theirs_same = kept_by_datatrove(texts)
    print(f"{len(texts)} documents, {text.str.len_bytes().sum() / 1e6:.1f} MB")
    print(f"{'family':20}{'kept':>8}{'agree, own words':>18}{'agree, same words':>19}{'not word cutting':>18}")
    for family in FILTERS:
        different = np.flatnonzero(ours[family] != theirs[family])
        unexplained = 0
        for d in different.tolist():
            same = segments(pa.array([texts[d]], pa.large_string())).spelled(0) == list(split_into_words(texts[d]))
            unexplained += same and "c4" not in family
        own, fed = np.mean(ours[family] == theirs[family]), np.mean(ours[family] == theirs_same[family])
        print(f"{family:20}{np.mean(theirs[family]):8.1%}{own:18.3%}{fed:19.3%}{unexplained:18}")


if __name__ == "__main__":
    main()
