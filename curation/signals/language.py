"""The language of each document, by a model that its library ships, or by any fastText model.

py3langid 0.4 (Barbaresi; after Lui and Baldwin 2012, langid.py; BSD licence) is a naive Bayes over byte n-grams found by a
finite automaton: 140 languages, no download. Its model is read from the installed library; the automaton runs here, compiled.

Shapes: N bytes, D documents, L languages, F features, Q states of the automaton, K lanes.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.compiled import kernel
from curation.document import Batch
from curation.signals.pretokenized import UNSPACED, pretokenized
from curation.signals.quality import load
from curation.words import composed, utf8_buffer

BUNDLED = "py3langid"
LANES = 8  # places of a text that are read at once
PARAMS = {"model": BUNDLED, "languages": ["en"], "n_chars": 4096, "min_letters": 10}
RULES = "language.en >= 0.65"  # FineWeb's and RefinedWeb's threshold, which they set for fastText's lid.176


def language(
    batch: Batch, model: str = BUNDLED, languages: Sequence[str] = ("en",), n_chars: int | None = 4096, min_letters: int = 10
) -> pa.Table:
    """Columns: language (the likeliest, in the model's own codes), score float32 (its probability), and a float32 column
    with the probability of each of `languages`.

    `model` is "py3langid" (ISO 639-1 codes such as "de"; probabilities as its norm_probs=True) or the path of a fastText model
    with labels "__label__en", such as lid.176.bin or GlotLID; line feeds are then read as spaces. Only the first `n_chars`
    characters are read (None: all, as FineWeb did), as the rest of a long document costs much and says little. A text of fewer
    letters than `min_letters` (a third of that in scripts without spaces) is "und", ISO 639's undetermined, with scores of 0.
    Raises ValueError for a language that the model does not know.
    """
    text = batch.text.combine_chunks()
    if n_chars is not None:
        text = pc.utf8_slice_codeunits(text, 0, n_chars)
    names, probability_DL = _bundled(text) if model == BUNDLED else _fasttext(text, model)
    for wanted in languages:
        if wanted not in names:
            some = ", ".join(names[:8])
            raise ValueError(f"language: {wanted!r} is none of the {len(names)} languages of {model} ({some}, ...)")
    best_D = probability_DL.argmax(axis=1)
    columns = {wanted: probability_DL[:, names.index(wanted)].astype(np.float32) for wanted in languages}
    columns = {"score": probability_DL[np.arange(len(best_D)), best_D].astype(np.float32), **columns}
    enough = rf"(?s)(?:\pL\PL*){{{min_letters}}}|(?:[{UNSPACED}][^{UNSPACED}]*){{{-(-min_letters // 3)}}}"
    few = pc.invert(pc.match_substring_regex(text, enough))
    named = pc.if_else(few, "und", pa.array(names).take(pa.array(best_D)))
    return pa.table({"language": named, **{name: np.where(few, np.float32(0), values) for name, values in columns.items()}})


class Automaton(NamedTuple):
    """A naive Bayes over what an automaton finds, as its kernel reads it."""

    weight_FL: np.ndarray  # float32, log-probabilities
    prior_L: np.ndarray  # float32
    next_Q: np.ndarray  # uint32, rows of 256 next states
    row_Q: np.ndarray  # int64, where the row of a state begins
    feature_Q: np.ndarray  # int32, the feature that a state completes, or -1
    depth: int  # bytes that a state remembers, at most


class Lanes(NamedTuple):
    """What is found in one text at the K places where it is read."""

    count_KF: np.ndarray  # int32, how often; zeros between texts
    feature_KF: np.ndarray  # int32, which features, in order
    n_features_K: np.ndarray  # int64, how many of these
    state_K: np.ndarray  # int64


@cache
def _automaton() -> tuple[list[str], np.ndarray, Automaton]:
    """(names of languages, label_L: index of the name of each class, as some have two, and the model)."""
    from py3langid import langid

    model = langid._load_identifier(norm_probs=True)
    names = list(dict.fromkeys(model.nb_classes))
    next_Q, row_Q = np.asarray(model.tk_nextmove, np.uint32), np.asarray(model.tk_row, np.int64) << 8
    automaton = Automaton(
        np.asarray(model.nb_ptc, np.float32),
        np.asarray(model.nb_pc, np.float32),
        next_Q,
        row_Q,
        np.asarray(model.tk_output, np.int32),
        _depth(next_Q, row_Q),
    )
    return names, np.array([names.index(name) for name in model.nb_classes]), automaton


def _depth(next_Q: np.ndarray, row_Q: np.ndarray) -> int:
    """The longest way from the first state to any, which in such an automaton is the longest string that a state stands for."""
    reached_Q, new, depth = np.zeros(len(row_Q), bool), np.array([0]), -1
    while len(new):
        reached_Q[new], depth = True, depth + 1
        reached = np.unique(next_Q[row_Q[new][:, None] + np.arange(256)])
        new = reached[~reached_Q[reached]]
    return depth


def _bundled(text: pa.LargeStringArray) -> tuple[list[str], np.ndarray]:
    """(names, probability_DL) by py3langid: text in upper case is lowered, and Unicode composed, as it does."""
    normal = composed(text)
    text = text if normal is None else normal
    upper = pc.utf8_is_upper(text)
    text = pc.replace_with_mask(text, upper, pc.utf8_lower(text.filter(upper)))
    utf8_N, text_bounds = utf8_buffer(text)
    names, label_L, model = _automaton()
    score_DL = np.empty((len(text_bounds) - 1, len(model.prior_L)), np.float32)
    count_KF = np.zeros((LANES, len(model.weight_FL)), np.int32)
    lanes = Lanes(count_KF, np.empty_like(count_KF), np.zeros(LANES, np.int64), np.zeros(LANES, np.int64))
    _scores(utf8_N, text_bounds, model, lanes, score_DL)
    score_DL /= np.sqrt(np.maximum(np.diff(text_bounds), 1))[:, None]  # py3langid's temperature, for any length
    probability_DL = np.exp(score_DL - score_DL.max(axis=1, keepdims=True))
    probability_DL /= probability_DL.sum(axis=1, keepdims=True)
    merged_DL = np.zeros((len(score_DL), len(names)), np.float64)
    np.add.at(merged_DL.T, label_L, probability_DL.T)
    return names, merged_DL


def _fasttext(text: pa.LargeStringArray, path: str) -> tuple[list[str], np.ndarray]:
    """(names, probability_DL) by a fastText model."""
    model = load(path)
    labels = [label.removeprefix("__label__") for label in model.get_labels()]
    index = {f"__label__{name}": k for k, name in enumerate(labels)}
    probability_DL = np.zeros((len(text), len(labels)), np.float64)
    for d, document in enumerate(pretokenized(text, "as written").to_pylist()):
        for probability, label in model.f.predict(document + "\n", -1, 0.0, "strict"):
            probability_DL[d, index[label]] = min(probability, 1.0)
    return labels, probability_DL


@kernel
def _scores(utf8_N, text_bounds, model, lanes, score_DL):
    weight_FL, prior_L, next_Q, row_Q, feature_Q, depth = model
    count_KF, feature_KF, n_features_K, state_K = lanes
    # A table of transitions outside the cache makes every step wait for memory, so a text is read at LANES places at once.
    # A state depends on no more than the last `depth` bytes: a lane begins so many before its own, and counts from there on.
    for d in range(len(text_bounds) - 1):
        begin, end = text_bounds[d], text_bounds[d + 1]
        length = (end - begin + LANES - 1) // LANES
        for k in range(LANES):
            n_features_K[k] = state_K[k] = 0
            first = begin + k * length
            for i in range(max(begin, first - depth), min(first, end)):
                state_K[k] = next_Q[row_Q[state_K[k]] + utf8_N[i]]
        for step in range(length):
            for k in range(LANES):
                i = begin + k * length + step
                if i < end:
                    state_K[k] = next_Q[row_Q[state_K[k]] + utf8_N[i]]
                    feature = feature_Q[state_K[k]]
                    if feature >= 0:
                        if count_KF[k, feature] == 0:
                            feature_KF[k, n_features_K[k]] = feature
                            n_features_K[k] += 1
                        count_KF[k, feature] += 1
        n_features = n_features_K[0]
        for k in range(1, LANES):  # features stay in the order in which they first stand in the text
            for f in range(n_features_K[k]):
                feature = feature_KF[k, f]
                if count_KF[0, feature] == 0:
                    feature_KF[0, n_features] = feature
                    n_features += 1
                count_KF[0, feature] += count_KF[k, feature]
                count_KF[k, feature] = 0
        for k in range(len(prior_L)):
            score_DL[d, k] = prior_L[k] if n_features else 0.0  # without a feature: every language alike
        for f in range(n_features):
            feature = feature_KF[0, f]
            weight = np.float32(np.log1p(count_KF[0, feature]))
            count_KF[0, feature] = 0
            for k in range(len(prior_L)):
                score_DL[d, k] += weight * weight_FL[feature, k]
