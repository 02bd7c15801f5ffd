"""A small corpus with planted duplicates and junk, and a study of it that runs in seconds."""

import json
import random
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app

WORDS = [
    "the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on", "not", "he", "his",
    "but", "at", "are", "this", "have", "from", "or", "had", "an", "they", "which", "one", "you", "were", "all", "her", "she",
    "there", "would", "their", "we", "him", "been", "has", "when", "who", "will", "no", "more", "if", "out", "so", "up",
    "said", "what", "its", "about", "than", "into", "them", "can", "only", "other", "time", "new", "some", "could", "these",
    "two", "may", "first", "then", "do", "any", "like", "my", "now", "over", "such", "our", "man", "me", "even", "most",
    "made", "after", "also", "did", "many", "off", "before", "must", "well", "back", "through", "years", "much", "where",
    "your", "way", "down", "should", "because", "long", "each", "just", "state", "those", "people", "too", "mister", "how",
    "little", "good", "world", "make", "very", "year", "still", "see", "own", "work", "men", "day", "get", "here", "old",
    "life", "both", "between", "being", "under", "three", "never", "know", "same", "last", "another", "while", "us", "might",
    "great", "go", "come", "since", "against", "right", "came", "take", "used", "himself", "few", "house",
]  # fmt: skip


def sentence(rng: random.Random) -> str:
    words = [rng.choice(WORDS) for _ in range(rng.randint(6, 14))]
    return " ".join(words).capitalize() + "."


def document(rng: random.Random) -> str:
    return "\n".join(" ".join(sentence(rng) for _ in range(rng.randint(2, 4))) for _ in range(rng.randint(3, 8)))


def records(n: int = 360) -> list[dict]:
    """Prose in three domains; every sixth document is a copy, every seventh a near copy, every tenth junk."""
    rng = random.Random(7)
    made: list[dict] = []
    for i in range(n):
        domain = ("essays", "letters", "notes")[i % 3]
        if i % 6 == 5:
            text = made[i - 3]["text"]
        elif i % 7 == 6:
            text = made[i - 6]["text"] + " " + sentence(rng)
        elif i % 10 == 9:
            text = "buy now $$$ " * rng.randint(20, 60)
        else:
            text = document(rng)
        made.append({"text": text, "domain": domain, "url": f"https://example.org/{i}"})
    return made


STUDY = {
    "name": "small",
    "sources": [{"kind": "jsonl", "name": "small", "path": "corpus/*.jsonl"}],
    "pool": {"shard_megabytes": 0.08},
    "signals": ["gopher_quality", "gopher_repetition"],
    "classifiers": {"quality": {"positives": "domain == 'essays'", "examples": 100, "bucket": 1000, "dim": 4, "epochs": 2}},
    "levels": {
        "raw": {},
        "dedup": {"extends": "raw", "drop": ["exact", "near"]},
        "clean": {"extends": "dedup", "keep": ["gopher_quality.n_words >= 60", "gopher_repetition.top_2_gram <= 0.3"]},
        "top": {"extends": "clean", "top": {"fraction": 0.6, "by": "quality.score", "within": "domain"}},
    },
    "mixture": {"kind": "pinned", "to": "dedup"},
    "tokenizer": {"vocab_size": 384, "sample_megabytes": 0.1},
    "ladder": {
        "shapes": {"a": {"width": 16, "depth": 1, "heads": 1}, "b": {"width": 32, "depth": 1, "heads": 1}},
        "tokens": [1024, 2048, 4096],
        "context": 32,
        "batch_tokens": 128,
        "warmup_tokens": 256,
    },
    "evaluation": {
        "heldout": 0.1,
        "tokens_per_set": 1500,
        "passage_tokens": 128,
        "tasks": {"continuation": {"made": "continuation", "error": 0.2}},
    },
    "fit": {"replicates": 50, "test_replicates": 0},
}


def write_study(folder: Path) -> Path:
    """Write `study.yaml` and its corpus, in two files, into `folder`."""
    (folder / "corpus").mkdir()
    rows = records()
    for name, part in (("a.jsonl", rows[:200]), ("b.jsonl", rows[200:])):
        (folder / "corpus" / name).write_text("".join(json.dumps(row) + "\n" for row in part))
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    return folder


@pytest.fixture
def study_folder(tmp_path: Path) -> Path:
    return write_study(tmp_path)


@pytest.fixture(scope="module")
def module_study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def session_study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study run to its end by `assay run --json`: its work directory in work/, its answer in answer.json, what it told people
    in told.txt. Tests that write into it take a copy."""
    folder = write_study(tmp_path_factory.mktemp("finished"))
    command = ["run", str(folder / "study.yaml"), "--workdir", str(folder / "work"), "--executor", "in-process", "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    (folder / "answer.json").write_text(result.stdout)
    (folder / "told.txt").write_text(result.stderr)
    return folder
