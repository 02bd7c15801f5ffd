"""Per-document losses on fixed evaluation documents.

A document is scored alone: its tokens are predicted from an end-of-text and then from themselves, in consecutive windows
of the context; the end-of-text itself is never scored (nanochat `loss_eval.py`: special tokens have no bytes). Every
run scores every document once; an evaluation set is a subset of the documents, so levels are compared paired.

K runs, Q documents, W windows, U = window length + 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from training.model import token_losses
from training.step import Trainer
from training.tokens import DatasetError

BATCH_TOKENS_CPU = 4096
BATCH_TOKENS_GPU = 1 << 16


@dataclass(frozen=True)
class Documents:
    """Evaluation documents: flat `tokens`, document q at tokens[start_Q[q] : start_Q[q + 1]]; `sets` maps a set's
    name to the indices of its members."""

    doc_id_Q: np.ndarray
    tokens: np.ndarray
    start_Q: np.ndarray
    n_bytes_Q: np.ndarray
    sets: dict[str, np.ndarray]

    @property
    def n_tokens_Q(self) -> np.ndarray:  # noqa: N802
        return np.diff(self.start_Q)


def load_documents(path: Path, vocab_size: int) -> Documents:
    """Read `path`/documents.parquet. Raises DatasetError."""
    file = path / "documents.parquet"
    try:
        table = pq.read_table(file, columns=["doc_id", "tokens", "n_bytes", "sets"])
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(f"cannot read the evaluation documents {file}: {error}") from error
    lists = table["tokens"].combine_chunks()
    tokens = lists.flatten().to_numpy(zero_copy_only=False)
    start_Q = np.concatenate(([0], np.cumsum(np.diff(lists.offsets.to_numpy()))))
    if not len(tokens):
        raise DatasetError(f"{file} holds no tokens: make the evaluation set larger")
    if (largest := int(tokens.max())) >= vocab_size:
        raise DatasetError(f"{file} holds token {largest}, but the embedding has {vocab_size} rows: another tokenizer")
    members: dict[str, list[int]] = {}
    for q, names in enumerate(table["sets"].to_pylist()):
        for name in names:
            members.setdefault(name, []).append(q)
    if not members:
        raise DatasetError(f"{file} puts no document in any evaluation set")
    sets = {name: np.array(index) for name, index in sorted(members.items())}
    return Documents(table["doc_id"].to_numpy(), tokens, start_Q, table["n_bytes"].to_numpy(), sets)


class Evaluator:
    """Documents cut into windows and batched by length, once; `document_losses` scores a stack on them."""

    def __init__(self, documents: Documents, context: int, eot: int, n_runs: int, device: torch.device) -> None:
        self.documents = documents
        window_document, window_length, pieces = [], [], []
        for q in range(len(documents.doc_id_Q)):
            text = documents.tokens[documents.start_Q[q] : documents.start_Q[q + 1]]
            sequence = np.concatenate(([eot], text)).astype(np.int64)
            for start in range(0, len(text), context):
                pieces.append(sequence[start : start + context + 1])
                window_document.append(q)
                window_length.append(len(pieces[-1]) - 1)
        length_W = np.array(window_length)
        order = np.argsort(-length_W, kind="stable")
        budget = BATCH_TOKENS_CPU if device.type == "cpu" else BATCH_TOKENS_GPU
        self.batches: list[tuple[torch.Tensor, torch.Tensor]] = []
        first = 0
        while first < len(order):
            longest = int(length_W[order[first]])
            rows = order[first : first + max(1, budget // (longest * n_runs))]
            ids_WU = np.full((len(rows), longest + 1), eot, dtype=np.int64)
            for i, w in enumerate(rows):
                ids_WU[i, : length_W[w] + 1] = pieces[w]
            scored_WT = np.arange(longest) < length_W[rows][:, None]
            self.batches.append((torch.from_numpy(ids_WU).to(device), torch.from_numpy(scored_WT).to(device)))
            first += len(rows)
        self.document_W = np.array(window_document)[order]

    @torch.inference_mode()
    def document_losses(self, trainer: Trainer) -> np.ndarray:
        """Nats float64[K, Q] of each document under each run of the stack."""
        parts = [
            token_losses(trainer.views, trainer.architecture.shape, ids_WU, trainer.cos_TE, trainer.sin_TE, trainer.mask_TT)
            .mul_(scored_WT)
            .sum(-1)
            for ids_WU, scored_WT in self.batches
        ]
        nats_KW = torch.cat(parts, dim=1).double().cpu().numpy()
        n_documents = len(self.documents.doc_id_Q)
        return np.stack([np.bincount(self.document_W, weights=nats, minlength=n_documents) for nats in nats_KW])


@dataclass(frozen=True)
class SetLoss:
    """`loss` nats per token, `loss_se` its sampling error over documents (ratio estimator, Cochran 1977, 6.3)."""

    loss: float
    bits_per_byte: float
    loss_se: float
    n_tokens: int


def set_loss(nats_Q: np.ndarray, n_tokens_Q: np.ndarray, n_bytes_Q: np.ndarray) -> SetLoss:
    """The loss of one set from its members' nats, tokens and bytes."""
    n_tokens = int(n_tokens_Q.sum())
    loss = float(nats_Q.sum() / n_tokens)
    residual_Q = nats_Q - loss * n_tokens_Q
    n = len(nats_Q)
    error = math.sqrt(float((residual_Q**2).sum()) * n / (n - 1)) / n_tokens if n > 1 else math.nan
    return SetLoss(loss, float(nats_Q.sum() / (math.log(2) * n_bytes_Q.sum())), error, n_tokens)
