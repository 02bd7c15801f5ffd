"""A tiny synthetic study: token shards, evaluation documents and a plan, in the contracts' schemas.

Text is a Markov chain over VOCAB tokens with sharp transitions, so a model learns within a few steps; the level
"noisy" replaces a share of its tokens by uniform noise, so the two levels differ as curation levels do.
"""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from training.order import Rows
from training.tokens import load_rows

VOCAB = 96
EOT = 0
CONTEXT = 32
PIECE = 64


def markov_documents(n: int, noise: float, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    after = np.random.default_rng(0).integers(1, VOCAB, size=(VOCAB, 4))
    documents = []
    for _ in range(n):
        tokens = [int(rng.integers(1, VOCAB))]
        for _ in range(int(rng.integers(3, 120))):
            tokens.append(int(after[tokens[-1], rng.integers(4)]))
        array = np.array(tokens, dtype=np.uint16)
        noisy = rng.random(len(array)) < noise
        array[noisy] = rng.integers(1, VOCAB, size=int(noisy.sum()))
        documents.append(array)
    return documents


def write_level(path: Path, documents: list[np.ndarray], shards: int = 2) -> int:
    """Contract: a row per piece in training order, dataset.json beside the shards. Returns unique tokens."""
    path.mkdir(parents=True)
    rows = [
        {
            "doc_id": doc,
            "uid": 0x9E3779B97F4A7C15 * (doc + 1) % 2**64,
            "piece": p,
            "last": i + PIECE >= len(text),
            "domain": "web",
            "tokens": text[i : i + PIECE],
            "n_bytes": 4 * len(text[i : i + PIECE]),
        }
        for doc, text in enumerate(documents)
        for p, i in enumerate(range(0, len(text), PIECE))
    ]
    schema = pa.schema(
        [
            ("doc_id", pa.uint64()),
            ("uid", pa.uint64()),
            ("piece", pa.uint32()),
            ("last", pa.bool_()),
            ("domain", pa.string()),
            ("tokens", pa.list_(pa.uint16())),
            ("n_bytes", pa.uint32()),
        ]
    )
    names = [f"tokens-{i:05d}.parquet" for i in range(shards)]
    bounds = np.linspace(0, len(rows), shards + 1).astype(int)
    facts = []
    for name, low, high in zip(names, bounds[:-1], bounds[1:], strict=True):
        pq.write_table(pa.Table.from_pylist(rows[low:high], schema=schema), path / name)
        facts.append({"path": name, "rows": int(high - low), "tokens": sum(len(r["tokens"]) for r in rows[low:high])})
    unique = sum(len(text) for text in documents)
    card = {
        "level": path.name,
        "unique_tokens": unique,
        "documents": len(documents),
        "bytes": 4 * unique,
        "domains": {"web": unique},
        "vocab_size": VOCAB,
        "eot": EOT,
        "tokenizer": "t0",
        "order_seed": 0,
        "piece_tokens": PIECE,
        "shards": facts,
    }
    (path / "dataset.json").write_text(json.dumps(card))
    return unique


def write_evaluation(path: Path, documents: list[np.ndarray]) -> None:
    path.mkdir(parents=True)
    rows = [
        {
            "doc_id": 10_000 + q,
            "domain": "web" if q % 2 else "books",
            "tokens": text,
            "n_bytes": 4 * len(text),
            "sets": ["heldout", "domain:web" if q % 2 else "domain:books"],
        }
        for q, text in enumerate(documents)
    ]
    schema = pa.schema(
        [
            ("doc_id", pa.uint64()),
            ("domain", pa.string()),
            ("tokens", pa.list_(pa.uint16())),
            ("n_bytes", pa.uint32()),
            ("sets", pa.list_(pa.string())),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path / "documents.parquet")


@pytest.fixture(scope="session")
def synthetic() -> SimpleNamespace:
    """The builders above, for tests that write a study of their own."""
    return SimpleNamespace(
        CONTEXT=CONTEXT,
        EOT=EOT,
        VOCAB=VOCAB,
        markov_documents=markov_documents,
        write_level=write_level,
        write_evaluation=write_evaluation,
    )


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with levels clean and noisy, and evaluation documents."""
    base = tmp_path_factory.mktemp("study")
    write_level(base / "levels" / "clean", markov_documents(500, 0.0, 1))
    write_level(base / "levels" / "noisy", markov_documents(400, 0.3, 2))
    write_evaluation(base / "evaluation", markov_documents(30, 0.0, 3))
    return base


@pytest.fixture(scope="session")
def levels(study: Path) -> list[Rows]:
    """The rows of clean and noisy."""
    return [load_rows(study / "levels" / level, CONTEXT, VOCAB, EOT) for level in ("clean", "noisy")]


@pytest.fixture(scope="session")
def make_plan(study: Path) -> Callable[..., dict[str, Any]]:
    """plan.json as a dict: two levels, one seed, D of 1,280 to 5,120 tokens; keyword arguments replace fields of the stack."""

    def make(**stack: Any) -> dict[str, Any]:
        unique = {
            level: json.loads((study / "levels" / level / "dataset.json").read_text())["unique_tokens"]
            for level in ("clean", "noisy")
        }
        return {
            "version": 1,
            "context": CONTEXT,
            "vocab_size": VOCAB,
            "eot": EOT,
            "tokenizer": "t0",
            "order_key": 11,
            "datasets": {
                level: {"path": str(study / "levels" / level), "digest": level, "unique_tokens": unique[level]}
                for level in ("clean", "noisy")
            },
            "evaluation": {"path": str(study / "evaluation"), "digest": "e0"},
            "shapes": {"tiny": {"width": 16, "depth": 2, "heads": 2, "ff": 32}},
            "optimizer": {"beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.1, "clip": 1.0},
            "schedule": {"kind": "trunk", "cooldown": 0.2},
            "precision": "float32",
            "threads": 1,
            "stacks": [
                {
                    "id": "s0",
                    "shape": "tiny",
                    "runs": [{"level": "clean", "seed": 0}, {"level": "noisy", "seed": 0}],
                    "tokens": [1280, 2560, 5120],
                    "batch_tokens": 128,
                    "lr": 0.01,
                    "warmup_tokens": 256,
                    **stack,
                }
            ],
        }

    return make


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
