"""Choices of task items: what a run gives each of them after its context.

A choice is scored as a document is, in one window behind an end-of-text, but only from the end of its context on; the head is
multiplied there alone. `choices.parquet` beside the evaluation documents has a row per choice: task, item, choice, right,
tokens, n_context (how many of them are read and not scored), n_bytes.

K runs, C choices, B of them in a batch, T tokens of the longest, S scored positions of a batch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.nn import functional

from training.evaluate import Documents, Evaluator
from training.kernels import HEAD_ELEMENTS_CPU, HEAD_ELEMENTS_GPU
from training.model import hidden
from training.step import Trainer
from training.tokens import DatasetError

FILE = "choices.parquet"


def code_digest() -> str:
    """Hash of this module, which decides what a choice is given."""
    return hashlib.blake2b(Path(__file__).read_bytes(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Choices:
    """`key` has task, item and choice of each; choice c is tokens[start_C[c] : start_C[c + 1]], scored from n_context_C on."""

    key: pa.Table
    tokens: np.ndarray
    start_C: np.ndarray
    n_context_C: np.ndarray


def load_choices(path: Path, vocab_size: int, context: int) -> Choices | None:
    """Read `path`/choices.parquet; None where there is none. Raises DatasetError."""
    file = path / FILE
    if not file.exists():
        return None
    try:
        table = pq.read_table(file, columns=["task", "item", "choice", "tokens", "n_context"])
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(f"cannot read the choices of tasks {file}: {error}") from error
    lists = table["tokens"].combine_chunks()
    tokens = lists.flatten().to_numpy(zero_copy_only=False)
    n_tokens_C, n_context_C = np.diff(lists.offsets.to_numpy()), table["n_context"].to_numpy()
    if len(tokens) and (largest := int(tokens.max())) >= vocab_size:
        raise DatasetError(f"{file} holds token {largest}, but the embedding has {vocab_size} rows: another tokenizer")
    if (longest := int(n_tokens_C.max(initial=0))) > context:
        raise DatasetError(f"{file} has a choice of {longest} tokens with its context; one window holds {context}")
    if not (n_context_C < n_tokens_C).all():
        raise DatasetError(f"{file} has a choice of which no token is scored; make the tasks again")
    start_C = np.concatenate(([0], np.cumsum(n_tokens_C)))
    return Choices(table.select(["task", "item", "choice"]), tokens, start_C, n_context_C)


@dataclass(frozen=True)
class Scores:
    """nats_KC of each choice under each run, and greedy_KC: whether every token of it was the likeliest."""

    nats_KC: np.ndarray
    greedy_KC: np.ndarray


class ChoiceScorer:
    """Choices laid out in batches once, as `Evaluator` does it; `scores` runs a stack on them."""

    def __init__(self, choices: Choices, context: int, eot: int, n_runs: int, device: torch.device) -> None:
        count = len(choices.n_context_C)
        documents = Documents(np.arange(count), choices.tokens, choices.start_C, np.zeros(count), {})
        laid = Evaluator(documents, context, eot, n_runs, device)
        self.n_choices = count
        self.batches: list[tuple[torch.Tensor, torch.Tensor]] = []
        rows_S, first = [], 0
        for ids_BU, text_BT in laid.batches:
            rows_B = laid.document_W[first : first + len(ids_BU)]
            after_BT = np.arange(text_BT.shape[1]) >= choices.n_context_C[rows_B][:, None]
            scored_BT = text_BT.cpu().numpy() & after_BT
            self.batches.append((ids_BU, torch.from_numpy(np.flatnonzero(scored_BT)).to(device)))
            rows_S.append(np.repeat(rows_B, scored_BT.sum(1)))
            first += len(ids_BU)
        self.choice_S = np.concatenate(rows_S)

    @torch.inference_mode()
    def scores(self, trainer: Trainer) -> Scores:
        """Every choice under every run of the stack."""
        parts = [_scored(trainer, *batch) for batch in self.batches]
        nats_KS, hit_KS = (torch.cat(part, dim=1).double().cpu().numpy() for part in zip(*parts, strict=True))

        def summed(values_KS: np.ndarray) -> np.ndarray:
            return np.stack([np.bincount(self.choice_S, weights=values, minlength=self.n_choices) for values in values_KS])

        return Scores(summed(nats_KS), summed(1 - hit_KS) == 0)


def _scored(trainer: Trainer, ids_BU: torch.Tensor, at_S: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(nats_KS, hit_KS) of the scored positions: the loss of the token, and whether it was the likeliest."""
    head_KDV, T = trainer.views["head"], ids_BU.shape[1] - 1
    cos_TE, sin_TE, mask_TT = trainer.cos_TE[:T], trainer.sin_TE[:T], trainer.mask_TT[:T, :T]
    ids_KBT = ids_BU[:, :-1].expand(len(head_KDV), -1, -1)
    x_KSD = hidden(trainer.views, trainer.architecture.shape, ids_KBT, cos_TE, sin_TE, mask_TT)[:, at_S].float()
    target_S = ids_BU[:, 1:].flatten()[at_S]
    nats_KS, hit_KS = (torch.empty(x_KSD.shape[:2], device=ids_BU.device) for _ in range(2))
    rows = max(1, (HEAD_ELEMENTS_CPU if ids_BU.device.type == "cpu" else HEAD_ELEMENTS_GPU) // head_KDV.shape[-1])
    for k, head_DV in enumerate(head_KDV):
        for s in range(0, len(target_S), rows):
            logits = x_KSD[k, s : s + rows] @ head_DV
            nats_KS[k, s : s + rows] = functional.cross_entropy(logits, target_S[s : s + rows], reduction="none")
            hit_KS[k, s : s + rows] = (logits.argmax(-1) == target_S[s : s + rows]).float()
    return nats_KS, hit_KS
