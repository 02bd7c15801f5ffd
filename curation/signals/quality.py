"""Quality by a classifier: fastText trained on declared good examples against the rest, then scored over the pool.

The recipe is DCLM's (Li et al. 2024, arXiv 2406.11794; `baselines/train_fasttext_classifier.py`): a document is one line, words
and word bigrams, softmax over `__label__hq` and `__label__cc`, score = probability of the first. DCLM keeps the library's two
million buckets of 100 dimensions, 819 MB for every process that scores; 100,000 buckets of 16 dimensions hold 6.4 MB.

One thread, because fastText with several is not reproducible; so the same examples and settings give the same bytes.

Shapes: D documents, E examples of a class, L labels of a model.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import polars as pl
import pyarrow as pa
import xxhash

from curation.document import Batch
from curation.hashing import mix64, stream
from curation.signals.pretokenized import Words, pretokenized

GOOD, REST = "__label__hq", "__label__cc"
MAX_MODEL_BYTES = 100_000_000  # every process that scores holds the model
MIN_HELD_OUT = 5  # examples of each class, below which an AUC says nothing


# With one thread fastText 0.9.3 sets only the first tenth of its input matrix (densematrix.cc, `uniform`) and trains on
# whatever malloc returned for the rest: NaN, or another model each time. A process of its own, whose malloc returns zeroed
# memory (glibc writes the complement of MALLOC_PERTURB_; elsewhere a fresh process gets fresh pages), makes that nothing.
ZEROED_MEMORY = {"MALLOC_PERTURB_": "255", "MALLOC_MMAP_THRESHOLD_": "65536"}
TRAINER = "import fasttext, json, sys; fasttext.train_supervised(**json.loads(sys.argv[1])).save_model(sys.argv[2])"


@dataclass(frozen=True)
class Settings:
    """fastText's settings: vectors of `dim`, `bucket` hash buckets for the word n-grams up to `word_ngrams`, passes over the
    examples, learning rate, and the rarest word kept. `held_out` is the share of examples that only measures; `words` is how
    texts are pretokenized, which scoring must do alike."""

    dim: int = 16
    bucket: int = 100_000
    word_ngrams: int = 2
    epochs: int = 5
    lr: float = 0.1
    min_count: int = 2
    seed: int = 0
    held_out: float = 0.1
    words: Words = "separated"


@dataclass(frozen=True)
class Report:
    """How well a classifier tells held-out examples apart, and what else its score follows.

    auc: chance that a held-out good example outscores another (ties count half), with its 95 % interval (`auc_error`).
    calibration: per tenth of the score range that occurs: mean score, share of good examples, number of held-out examples.
    length_bias: Spearman correlation of score and length in characters, among the held-out examples of each class.
    domains: mean score of the held-out examples per domain, and their number.
    """

    auc: float
    auc_low: float
    auc_high: float
    n_good: int
    n_rest: int
    n_held_out: int
    n_dropped: int  # negatives that were also positives (same text), left out of the training
    calibration: list[dict[str, float]]
    length_bias: dict[str, float]
    domains: dict[str, dict[str, float]]
    settings: dict[str, object]


@dataclass(frozen=True)
class Classifier:
    """A trained model as the bytes of its fastText file, and its report."""

    model: bytes
    report: Report

    def save(self, directory: Path) -> None:
        """Write `model.bin`, which any fastText loads, and `report.json`."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "model.bin").write_bytes(self.model)
        (directory / "report.json").write_text(json.dumps(asdict(self.report), indent=1), "utf-8")


def train(positives: pa.Table, negatives: pa.Table, settings: Settings = Settings()) -> Classifier:
    """Train on tables with a `text` column and, where known, `domain` (for the report) and `cluster` (see `disjoint`).

    Examples are used in the order of a hash of their text, and held out by that hash, so the order of the tables does not
    matter and copies stay on one side. Raises ValueError for a class that is empty or too small, and for a model over 100 MB.
    """
    n_before = len(negatives)
    negatives = disjoint(negatives, positives)
    good, rest = _examples(positives, settings), _examples(negatives, settings)
    for name, examples, given in (("positives", good, len(positives)), ("negatives", rest, n_before)):
        if not MIN_HELD_OUT <= examples.held_out_E.sum() <= len(examples) - MIN_HELD_OUT:
            raise ValueError(
                f"the classifier has {len(examples)} usable {name} (of {given} given); training and hold-out "
                f"({settings.held_out:.0%}) need {MIN_HELD_OUT} each of both classes; declare wider {name}"
            )
    model = _fit(_training_lines(good, rest, settings.words), settings)
    report = _report(model, good, rest, n_before - len(negatives), settings)
    return Classifier(model, report)


def disjoint(negatives: pa.Table, positives: pa.Table) -> pa.Table:
    """The negatives that are not, as text or by duplicate `cluster` (where both tables have it), among the positives."""
    keep_D = ~np.isin(_hashes(negatives), _hashes(positives))
    if "cluster" in negatives.column_names and "cluster" in positives.column_names:
        keep_D &= ~np.isin(negatives["cluster"].to_numpy(), positives["cluster"].to_numpy())
    return negatives.filter(pa.array(keep_D))


def load(path: str) -> Any:
    """A fastText model from a local path or URL, once per process and file."""
    info = fsspec.url_to_fs(path)[0].info(path) if "://" in path else {"mtime": Path(path).stat().st_mtime_ns}
    return _load(path, str(info.get("mtime") or info.get("ETag")))


def score(model: Any, texts: list[str] | pa.ChunkedArray, label: str = GOOD, words: Words = "separated") -> np.ndarray:
    """Probability of `label` for each text: float32[D] in [0, 1] (fastText itself may say 1.00003).

    Raises ValueError when the model has no such label.
    """
    names = model.labels
    if label not in names:
        raise ValueError(f"the classifier has no label {label!r}; it has {', '.join(names[:8])}; set `label`")
    if not len(texts):
        return np.empty(0, np.float32)
    array = pa.array(texts, pa.large_string()) if isinstance(texts, list) else texts.combine_chunks()
    # UTF-8 goes from Arrow's buffer to the C++ library as it is: `model.predict` would take it through str and back
    lines = [text + b"\n" for text in pretokenized(array, words).cast(pa.large_binary()).to_pylist()]
    labels_D, probabilities_D = model.f.multilinePredict(lines, len(names), 0.0, "strict")
    scores = [
        probability_L[label_L.index(label)] if label in label_L else 0.0
        for label_L, probability_L in zip(labels_D, probabilities_D, strict=True)
    ]
    return np.clip(np.array(scores, np.float32), 0, 1)


def compute(batch: Batch, model: str, label: str = GOOD, words: Words = "separated") -> pa.Table:
    """The signal: column `score`, float32, by the fastText model at `model`."""
    return pa.table({"score": score(load(model), batch.text, label, words)})


def random(batch: Batch, seed: int = 0) -> pa.Table:
    """The control: a `score` in [0, 1) that knows nothing of the text, from `uid` and `seed`."""
    bits_D = mix64(stream(seed, "random score"), batch.documents["uid"].to_numpy()) >> np.uint64(40)
    return pa.table({"score": bits_D.astype(np.float32) / np.float32(1 << 24)})


@dataclass(frozen=True)
class _Examples:
    """The E distinct examples of one class: rows of a table, so that texts are copied one at a time."""

    table: pa.Table
    row_E: np.ndarray  # int64
    key_E: np.ndarray  # uint64: hash of the text, the order of training
    held_out_E: np.ndarray  # bool

    def __len__(self) -> int:
        return len(self.row_E)

    def text(self, example: int) -> str:
        return self.table["text"][int(self.row_E[example])].as_py()

    def domain(self, example: int) -> str:
        return self.table["domain"][int(self.row_E[example])].as_py() if "domain" in self.table.column_names else "all"


def _hashes(table: pa.Table) -> np.ndarray:
    """uint64 per row, of the text as fastText reads it."""
    columns = (batch.column(0).cast(pa.large_string()) for batch in table.select(["text"]).to_batches(1024))
    texts = (text for column in columns for text in pretokenized(column, "separated").to_pylist())
    return np.fromiter((xxhash.xxh3_64_intdigest(text.encode()) for text in texts), np.uint64, len(table))


def _examples(table: pa.Table, settings: Settings) -> _Examples:
    key, row = np.unique(_hashes(table), return_index=True)  # copies of a text count once
    by = table["cluster"].to_numpy()[row] if "cluster" in table.column_names else key  # near copies stay on one side
    place = mix64(stream(settings.seed, "classifier test split"), by)
    apart = np.unique(place)[: round(settings.held_out * len(np.unique(place)))]
    order = mix64(stream(settings.seed, "classifier line order"), key)
    return _Examples(table.combine_chunks(), row, order, np.isin(place, apart))


def _training_lines(good: _Examples, rest: _Examples, words: Words) -> Iterator[str]:
    """What fastText learns from, in the order of the hash."""
    both = [(examples, label, np.flatnonzero(~examples.held_out_E)) for examples, label in ((good, GOOD), (rest, REST))]
    choices = [(examples, label, int(e)) for examples, label, chosen in both for e in chosen]
    for place in np.argsort(np.concatenate([examples.key_E[chosen] for examples, _, chosen in both])):
        examples, label, e = choices[place]
        yield f"{label} {pretokenized(pa.array([examples.text(e)], pa.large_string()), words)[0]}\n"


def _fit(lines: Iterable[str], settings: Settings) -> bytes:
    """The bytes of the model file that fastText makes of labelled lines."""
    with tempfile.TemporaryDirectory() as directory:
        examples, file = Path(directory, "examples.txt"), Path(directory, "model.bin")
        with examples.open("w", encoding="utf-8") as out:
            out.writelines(lines)
        arguments = {
            "input": str(examples), "dim": settings.dim, "bucket": settings.bucket, "wordNgrams": settings.word_ngrams,
            "epoch": settings.epochs, "lr": settings.lr, "minCount": settings.min_count, "seed": settings.seed,
            "thread": 1, "verbose": 0,
        }  # fmt: skip
        command = [sys.executable, "-c", TRAINER, json.dumps(arguments), str(file)]
        done = subprocess.run(
            command, env=os.environ | ZEROED_MEMORY, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            fix = f"lower `lr` (it is {settings.lr})" if "NaN" in reason else "see the message"
            raise ValueError(f"fastText could not train the classifier: {reason}; {fix}")
        size = file.stat().st_size
        if size > MAX_MODEL_BYTES:
            raise ValueError(
                f"the classifier is {size / 1e6:.0f} MB (bucket {settings.bucket}, dim {settings.dim}); the limit is "
                f"{MAX_MODEL_BYTES / 1e6:.0f} MB, as every worker holds it; lower `bucket` or `dim`, or raise `min_count`"
            )
        return file.read_bytes()


def _report(model: bytes, good: _Examples, rest: _Examples, n_dropped: int, settings: Settings) -> Report:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "model.bin").write_bytes(model)
        loaded = _load(str(Path(directory, "model.bin")), xxhash.xxh3_64_hexdigest(model))
    parts = [(examples, np.flatnonzero(examples.held_out_E).tolist()) for examples in (good, rest)]
    texts = [examples.text(e) for examples, chosen in parts for e in chosen]
    domains = np.array([examples.domain(e) for examples, chosen in parts for e in chosen])
    is_good = np.repeat([True, False], [len(chosen) for _, chosen in parts])
    score_D, length_D = score(loaded, texts, words=settings.words), np.array([len(text) for text in texts])
    bin_D = np.minimum((score_D * 10).astype(int), 9)
    area = auc(score_D, is_good)
    margin = 1.96 * auc_error(area, int(is_good.sum()), int((~is_good).sum()))
    return Report(
        auc=area,
        auc_low=max(area - margin, 0.0),
        auc_high=min(area + margin, 1.0),
        n_good=len(good),
        n_rest=len(rest),
        n_held_out=len(texts),
        n_dropped=n_dropped,
        calibration=[
            {"score": float(score_D[here].mean()), "good": float(is_good[here].mean()), "n": int(here.sum())}
            for here in (bin_D == tenth for tenth in range(10))
            if here.any()
        ],
        length_bias={
            name: rank_correlation(score_D[here], length_D[here]) for name, here in (("good", is_good), ("rest", ~is_good))
        },
        domains={
            str(domain): {"score": float(score_D[domains == domain].mean()), "n": int((domains == domain).sum())}
            for domain in np.unique(domains)
        },
        settings=asdict(settings),
    )


def auc(score_D: np.ndarray, good_D: np.ndarray) -> float:
    """Area under the ROC curve by the Mann-Whitney statistic; ties count half."""
    n_good, n_rest = int(good_D.sum()), int((~good_D).sum())
    ranks = _ranks(score_D)[good_D].sum()
    return float((ranks - n_good * (n_good + 1) / 2) / (n_good * n_rest))


def auc_error(area: float, n_good: int, n_rest: int) -> float:
    """Standard error of an AUC by the formula of Hanley and McNeil (1982, Radiology 143, equation 1); 0 for a perfect one."""
    two_good, two_rest = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (n_good - 1) * (two_good - area**2) + (n_rest - 1) * (two_rest - area**2)
    return float(np.sqrt(max(spread, 0) / (n_good * n_rest)))


def _ranks(x_D: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties sharing their mean."""
    return pl.Series(x_D).rank("average").to_numpy()


def rank_correlation(x_D: np.ndarray, y_D: np.ndarray) -> float:
    """Spearman's: 0 where one of the two does not vary."""
    ranks = np.stack([_ranks(x_D), _ranks(y_D)])
    return float(np.corrcoef(ranks)[0, 1]) if ranks.std(axis=1).all() else 0.0


@lru_cache(maxsize=8)
def _load(path: str, _version: str) -> Any:
    import fasttext

    if "://" not in path:
        return fasttext.load_model(path)
    fs, remote = fsspec.url_to_fs(path)
    with tempfile.TemporaryDirectory() as directory:
        fs.get_file(remote, f"{directory}/model.bin")
        return fasttext.load_model(f"{directory}/model.bin")
