"""Which documents a run reads, phase by phase, and how much of each: derived from its windows, so nothing is written for it.

A window of a whole context is of one document; the others hold the ends of several, each to the token (training/order.py).

Shapes: W windows of a level in the run's order, P parts of documents, R rows (pieces of documents).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from training.course import borders
from training.order import Order
from training.plan import Plan, Run, Stack
from training.reading import Library, level_rows, order_of

SCHEMA = pa.schema(
    [
        pa.field("course", pa.string(), nullable=False),  # or the level that is read alone
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("phase", pa.int16(), nullable=False),  # from 1
        pa.field("level", pa.string(), nullable=False),  # that the phase reads, or replays
        pa.field("doc_id", pa.uint64(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),  # read of the document, ends of text included
        pa.field("times", pa.float64(), nullable=False),  # those that the level holds of it were read: 0.5 is a half once
    ]
)


def documents_read(plan: Plan, stack: Stack, tokens: int, scratch: Path | None = None) -> pa.Table:
    """A row per run of the stack, phase, level and document that the run to `tokens` reads, as SCHEMA has it; levels are laid
    out in `scratch`. Raises DatasetError."""
    stack = replace(stack, tokens=(tokens,))
    library, steps = Library(plan, stack, scratch), stack.steps(tokens)
    reads = {run: library.reading(run, steps) for run in stack.runs}
    tables = []
    for level, seed in library.levels:
        order = order_of(plan, stack, seed, level_rows(plan, level, scratch))
        for run, read in reads.items():
            if run.seed != seed or level not in read.levels:
                continue
            here_N = read.level_N == read.levels.index(level)
            for phase, (start, end) in enumerate(pairwise(borders(plan.course(run.level), steps)), 1):
                slots = slice(start * library.batch, end * library.batch)
                windows = read.window_N[slots][here_N[slots]]
                if len(windows):
                    tables.append(_by_document(order, windows, run, phase, level))
    return pa.concat_tables(tables).sort_by([(name, "ascending") for name in ("course", "seed", "phase", "level", "doc_id")])


def _by_document(order: Order, windows: np.ndarray, run: Run, phase: int, level: str) -> pa.Table:
    document_R, of_R = np.unique(order.rows.doc_id_R, return_inverse=True)
    held, read = (
        np.bincount(of_R[order.row_P], weights, len(document_R)).astype(np.int64)
        for weights in (order.size_P, tokens_of_parts(order, np.bincount(windows, minlength=len(order.complete_P))))
    )
    there = np.flatnonzero(read)
    of_all = [
        pa.repeat(pa.scalar(one, SCHEMA.field(k).type), len(there)) for k, one in enumerate((run.level, run.seed, phase, level))
    ]
    return pa.table([*of_all, document_R[there], read[there], read[there] / held[there]], SCHEMA)


def tokens_of_parts(order: Order, times_W: np.ndarray) -> np.ndarray:
    """Tokens read of each part where window w is read times_W[w] times: int64[P]."""
    whole_W = order.size_P[order.complete_P] == order.context
    read_P = np.zeros(len(order.size_P), np.int64)
    read_P[order.complete_P[whole_W]] = times_W[whole_W] * order.context
    packed_P = order.size_P < order.context
    edges = np.arange((~whole_W).sum() + 1) * order.context
    through = np.concatenate(([0], np.cumsum(times_W[~whole_W]))) * order.context
    ends = order.left_P[packed_P]
    at_ends, at_starts = (np.interp(place, edges, through) for place in (ends, ends - order.size_P[packed_P]))
    read_P[packed_P] = np.rint(at_ends - at_starts).astype(np.int64)
    return read_P
