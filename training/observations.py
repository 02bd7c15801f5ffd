"""The tables a stack leaves: a row per document (losses), per choice of a task (scores), per evaluation set (observations)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from training.checkpoint import writing
from training.choices import Choices, Scores
from training.course import unique_tokens
from training.evaluate import Documents, set_loss
from training.plan import Plan, Stack

LOSSES = pa.schema(
    [
        ("level", pa.string()),
        ("seed", pa.int64()),
        ("tokens", pa.int64()),
        ("doc_id", pa.uint64()),
        ("nats", pa.float64()),
        ("n_tokens", pa.uint32()),
        ("n_bytes", pa.uint32()),
    ]
)
SCORES = pa.schema(
    [
        ("level", pa.string()),
        ("seed", pa.int64()),
        ("tokens", pa.int64()),
        ("task", pa.string()),
        ("item", pa.uint32()),
        ("choice", pa.uint16()),
        ("nats", pa.float64()),
        ("greedy", pa.bool_()),
    ]
)
OBSERVATIONS = pa.schema(
    [
        ("level", pa.string()),
        ("seed", pa.int64()),
        ("trunk", pa.string()),
        ("shape", pa.string()),
        ("params_body", pa.int64()),
        ("params_head", pa.int64()),
        ("params_embedding", pa.int64()),
        ("tokens", pa.int64()),
        ("unique_tokens", pa.int64()),
        ("repeated", pa.bool_()),
        ("flops", pa.float64()),
        ("eval_set", pa.string()),
        ("loss", pa.float64()),
        ("bits_per_byte", pa.float64()),
        ("eval_tokens", pa.int64()),
        ("loss_se", pa.float64()),
        ("certificate", pa.string()),
    ]
)


def trunk_id(plan: Plan, stack: Stack, run: int, tokens: int) -> str:
    """level/shape/seed, with the learning rate where the runs of a stack differ in it, and D where a course is sorted: then no
    two runs share a step."""
    base = f"{stack.runs[run].level}/{stack.shape}/{stack.runs[run].seed}"
    if plan.course(stack.runs[run].level)[0].by is not None:
        base += f"/D={tokens}"
    return f"{base}/lr={stack.lr_K[run]:g}" if isinstance(stack.lr, tuple) else base


def losses_table(stack: Stack, tokens: int, documents: Documents, nats_KQ: np.ndarray) -> pa.Table:
    """The LOSSES rows of one branch end: every run, every document."""
    K, Q = nats_KQ.shape
    columns = {
        "level": np.repeat([run.level for run in stack.runs], Q),
        "seed": np.repeat([run.seed for run in stack.runs], Q),
        "tokens": np.full(K * Q, tokens),
        "doc_id": np.tile(documents.doc_id_Q, K),
        "nats": nats_KQ.ravel(),
        "n_tokens": np.tile(documents.n_tokens_Q, K).astype(np.uint32),
        "n_bytes": np.tile(documents.n_bytes_Q, K).astype(np.uint32),
    }
    return pa.table(columns, schema=LOSSES)


def scores_table(stack: Stack, tokens: int, choices: Choices, scores: Scores) -> pa.Table:
    """The SCORES rows of one branch end: every run, every choice of every task."""
    K, C = scores.nats_KC.shape
    columns = {
        "level": np.repeat([run.level for run in stack.runs], C),
        "seed": np.repeat([run.seed for run in stack.runs], C),
        "tokens": np.full(K * C, tokens),
        **{name: pa.concat_arrays(choices.key[name].chunks * K) for name in choices.key.column_names},
        "nats": scores.nats_KC.ravel(),
        "greedy": scores.greedy_KC.ravel(),
    }
    return pa.table(columns, schema=SCORES)


def observation_rows(
    plan: Plan, stack: Stack, tokens: int, documents: Documents, nats_KQ: np.ndarray, certificate: str
) -> list[dict]:
    """The OBSERVATIONS rows of one branch end: every run, every evaluation set."""
    shape = plan.shapes[stack.shape]
    rows = []
    for k, run in enumerate(stack.runs):
        unique = unique_tokens(plan.course(run.level), tokens, {name: one.unique_tokens for name, one in plan.datasets.items()})
        for name, members in documents.sets.items():
            measured = set_loss(nats_KQ[k, members], documents.n_tokens_Q[members], documents.n_bytes_Q[members])
            rows.append(
                {
                    "level": run.level,
                    "seed": run.seed,
                    "trunk": trunk_id(plan, stack, k, tokens),
                    "shape": stack.shape,
                    "params_body": shape.params_body,
                    "params_head": shape.params_head(plan.vocab_size),
                    "params_embedding": shape.params_embedding(plan.vocab_size),
                    "tokens": tokens,
                    "unique_tokens": unique,
                    "repeated": tokens > unique,
                    "flops": float(shape.flops_per_token(plan.vocab_size, plan.context)) * tokens,
                    "eval_set": name,
                    "loss": measured.loss,
                    "bits_per_byte": measured.bits_per_byte,
                    "eval_tokens": measured.n_tokens,
                    "loss_se": measured.loss_se,
                    "certificate": certificate,
                }
            )
    return rows


def write_table(table: pa.Table, path: Path) -> None:
    """Parquet, whole or not at all. Raises CheckpointError where the disk refuses."""
    with writing(path, table.nbytes) as aside:
        pq.write_table(table, aside, compression="zstd")
