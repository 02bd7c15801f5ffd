"""The signals that a level can speak of: their functions, their parameters, and the published thresholds as rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import fsspec
import pyarrow as pa
import xxhash

from curation.signals import dclm, gopher, language, pages, perplexity, phrases, pii, quality, signatures, urls, web


@dataclass(frozen=True)
class Signal:
    """A pure function of a batch: raw values, one row per document, in the order of the documents.

    `params` are the keyword arguments of `compute` that a study may set, with their defaults. `rules` names the published
    thresholds over this signal's columns: the part of a level's grammar it stands for, each top-level conjunct one rule.
    `needs` are the columns of the documents it reads; `files` the parameters that name files (a path, or a list of them), whose
    contents the values depend on too. `version`, part of the identity, goes up when the same parameters give other values than
    before.
    """

    name: str
    compute: Callable[..., pa.Table]
    params: Mapping[str, object] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ("text",)
    files: tuple[str, ...] = ()
    version: int = 1


SIGNALS: dict[str, Signal] = {
    signal.name: signal
    for signal in (
        Signal(
            "gopher_quality",
            gopher.quality,
            rules={"gopher_quality": gopher.QUALITY_RULES, "gopher_quality_spaced": gopher.SPACED_RULES},
            version=2,
        ),
        Signal("gopher_repetition", gopher.repetition, rules={"gopher_repetition": gopher.REPETITION_RULES}),
        Signal("gopher_repetition_dclm", dclm.repetition, rules={"gopher_repetition_dclm": dclm.RULES}),
        Signal("c4_tfds", web.c4, {"definition": "tfds"}, {"c4_tfds": web.C4_RULES["c4_tfds"]}),
        Signal(
            "c4_datatrove",
            web.c4,
            {"definition": "datatrove"},
            {name: web.C4_RULES[name] for name in ("c4_datatrove", "c4_fineweb")},
        ),
        Signal("exact", signatures.exact),
        Signal("url", signatures.url, needs=("url",)),
        Signal("minhash", signatures.minhash, {"num_perm": 112, "seed": 1, "ngram": 5, "unit": "word"}),
        Signal("fineweb", web.fineweb, rules={"fineweb": web.FINEWEB_RULES}),
        Signal("refinedweb", pages.refinedweb, rules={"refinedweb": pages.REFINEDWEB_RULES}),
        Signal("language", language.language, language.PARAMS, {"language": language.RULES}, files=("model",)),
        Signal(
            "contamination",
            phrases.contamination,
            {"texts": [], "n": 13, "field": "text"},
            {"contamination": phrases.CONTAMINATION_RULES},
            files=("texts",),
        ),
        Signal("word_list", phrases.word_list, {"path": None}, files=("path",)),
        Signal("perplexity", perplexity.perplexity, {"model": None}, files=("model",)),
        Signal("pii", pii.pii),
        Signal("url_rules", urls.url_rules, urls.PARAMS, {"url_rules": urls.RULES}, ("url",), tuple(urls.PARAMS)),
        Signal("nemo", pages.nemo, rules={"nemo": pages.NEMO_RULES}),
        Signal("random", quality.random, {"seed": 0}, needs=("uid",)),
    )
}

RULES: dict[str, str] = {name: rules for signal in SIGNALS.values() for name, rules in signal.rules.items()}
"""Every named set of published thresholds: what a bare name in `keep` stands for."""


def contents(signal: Signal, params: Mapping[str, object]) -> dict[str, str]:
    """The xxh3_128 of every file that `params` name, by path: what identifies the values besides the parameters themselves.

    Raises FileNotFoundError for a path or glob without a file.
    """
    digests = {}
    for name in signal.files:
        value = params[name]
        for path in value if isinstance(value, (list, tuple)) else [value]:
            if path is None or path == signal.params[name]:  # no file, or a model that comes with its library
                continue
            files = fsspec.open_files(str(path), "rb")
            if not files:
                raise FileNotFoundError(f"{signal.name}: {name} names {path!r}, where there is no file")
            for file in files:
                digest = xxhash.xxh3_128()
                with file as stream:
                    while block := stream.read(1 << 20):
                        digest.update(block)
                digests[file.path] = digest.hexdigest()
    return digests
