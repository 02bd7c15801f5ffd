"""How surprising a document is to a small n-gram model of the study's own: CCNet's measure, low for boilerplate, high for junk.

The model is KenLM's, ARPA or binary, of lower-cased words between spaces: train it with KenLM's lmplz on text that is prepared
as by `lines`. Scoring is KenLM's and holds the interpreter, so this is the slowest signal but for a classifier.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from curation.document import Batch
from curation.words import scan


def perplexity(batch: Batch, model: str | None = None) -> pa.Table:
    """Columns: n_tokens int32 (words, and one end for each line that has any) and perplexity float64, null without a word.

    perplexity = 10 ** (-log10 P(lines) / n_tokens) (Wenzek et al. 2020, CCNet, section 3.3), each line scored on its own.
    `model` is the path of a KenLM file. Raises ValueError if the package `kenlm` (extra `perplexity`) or the file is missing.
    """
    if model is None:
        raise ValueError("perplexity: no model is given; set `model` to the path of a KenLM file")
    language_model = _model(model)
    n_tokens_D = np.zeros(len(batch.text), np.int32)
    log_D = np.zeros(len(batch.text))
    for d, text in enumerate(batch.text.to_pylist()):
        for line in lines(text):
            n_tokens_D[d] += line.count(" ") + 2
            log_D[d] += language_model.score(line)
    none_D = n_tokens_D == 0
    value_D = 10.0 ** (-log_D / np.where(none_D, 1, n_tokens_D))
    return pa.table({"n_tokens": n_tokens_D, "perplexity": pa.array(value_D, mask=none_D)})


def lines(text: str) -> list[str]:
    """The lines of a text that have words: these, lower-cased, between single spaces."""
    pieces = text.splitlines()
    words = scan(pa.array(pieces, pa.large_string()))
    return [" ".join(spelled).lower() for k in range(len(pieces)) if (spelled := words.spelled(k))]


@lru_cache(maxsize=2)
def _model(path: str) -> Any:
    try:
        import kenlm
    except ImportError:
        raise ValueError("perplexity needs the package kenlm: pip install 'assay[perplexity]'") from None
    try:
        return kenlm.Model(path)
    except OSError as error:
        raise ValueError(f"perplexity: {path} is not a KenLM model: {error}") from None
