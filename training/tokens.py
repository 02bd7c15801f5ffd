"""A level's token shards as one stream, and batches as pure functions of (seed, step).

The stream is the shards' rows in order, an end-of-text where a document ends (`last`). Window i is
stream[i*T : i*T + T + 1], so consecutive windows share one token and nothing is cropped. A seed starts at its own
window and wraps: step s of a batch of B windows takes windows first + s*B ... first + s*B + B - 1, modulo the count.

K runs, B windows per batch, T context, U = T + 1, R rows (pieces of documents).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

GOLDEN = 0.6180339887498949  # fractional parts of its multiples spread evenly, so seeds start far apart


class DatasetError(ValueError):
    """Token shards that cannot be trained on: absent, truncated, empty or of another vocabulary."""


@dataclass(frozen=True)
class Stream:
    """`tokens` uint16|uint32 with end-of-texts; row r covers tokens[start_R[r] : start_R[r + 1]] (end-of-text too) and
    belongs to doc_id_R[r]."""

    tokens: np.ndarray
    start_R: np.ndarray
    doc_id_R: np.ndarray
    context: int

    @property
    def n_windows(self) -> int:
        return (len(self.tokens) - 1) // self.context

    def first_window(self, seed: int) -> int:
        return int((seed * GOLDEN % 1.0) * self.n_windows)

    def windows(self, seed: int, step: int, batch: int) -> np.ndarray:
        """int64[B]: the windows that `seed` sees at `step`."""
        return (self.first_window(seed) + step * batch + np.arange(batch)) % self.n_windows

    def documents(self, windows: np.ndarray) -> list[int]:
        """doc_id of every document that a window touches, in stream order, each once."""
        rows = set()
        for start in windows * self.context:
            first = np.searchsorted(self.start_R, start, side="right") - 1
            last = np.searchsorted(self.start_R, start + self.context, side="right")
            rows.update(range(first, min(last, len(self.doc_id_R))))
        return list(dict.fromkeys(int(self.doc_id_R[row]) for row in sorted(rows)))


def load_stream(path: Path, context: int, vocab_size: int, eot: int) -> Stream:
    """Read the token shards beside `path`/dataset.json. Raises DatasetError."""
    card_path = path / "dataset.json"
    if not card_path.is_file():
        raise DatasetError(f"no dataset.json in {path}; a level's token shards come with one")
    card = json.loads(card_path.read_text())
    shards = sorted(card["shards"], key=lambda shard: shard["path"])
    if not card["unique_tokens"]:
        raise DatasetError(f"{card_path} counts no tokens: the level kept no documents; loosen its rules")
    tables = [_read_shard(path / shard["path"], shard["tokens"]) for shard in shards]
    table = pa.concat_tables(tables)
    lists = table["tokens"].combine_chunks()
    values = lists.flatten().to_numpy(zero_copy_only=False)
    length_R = np.diff(lists.offsets.to_numpy()).astype(np.int64)
    if (largest := int(values.max())) >= vocab_size or eot >= vocab_size:
        raise DatasetError(
            f"the shards in {path} hold token {max(largest, eot)}, but the embedding has {vocab_size} rows; "
            "the level was tokenised with another tokenizer than the plan's"
        )
    doc_id_R = table["doc_id"].to_numpy()
    ends_R = table["last"].to_numpy()
    start_R = np.concatenate(([0], np.cumsum(length_R + ends_R)))
    tokens = np.full(start_R[-1], eot, dtype=values.dtype)
    is_text = np.ones(len(tokens), dtype=bool)
    is_text[start_R[1:][ends_R] - 1] = False
    tokens[is_text] = values
    stream = Stream(tokens, start_R, doc_id_R, context)
    if stream.n_windows < 1:
        raise DatasetError(f"{path} holds {len(tokens)} tokens; one window needs {context + 1}: lower the context")
    return stream


def _read_shard(path: Path, n_tokens: int) -> pa.Table:
    try:
        table = pq.read_table(path, columns=["doc_id", "last", "tokens"])
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(f"cannot read the token shard {path}: {error}; make the level's token shards again") from error
    if (found := sum(len(chunk.flatten()) for chunk in table["tokens"].chunks)) != n_tokens:
        raise DatasetError(
            f"the token shard {path} holds {found} tokens, its dataset.json says {n_tokens}: it is truncated or of "
            "another run; make the level's token shards again"
        )
    return table


class Batches:
    """The streams of a stack, resident on the device; `batches(step)` gathers ids_KBU without touching the host.

    Levels that several runs share are held once. Tokens take 2 bytes where the vocabulary is at most 32,768, else 4.
    """

    def __init__(self, streams: list[Stream], seeds: list[int], batch: int, device: torch.device) -> None:
        context = streams[0].context
        offset, parts, total = {}, [], 0
        for stream in streams:
            if id(stream) not in offset:
                offset[id(stream)] = total
                total += len(stream.tokens)
                parts.append(stream.tokens)
        width = np.int16 if max(int(part.max()) for part in parts) < 2**15 else np.int32
        self.tokens = torch.from_numpy(np.concatenate(parts).astype(width)).to(device)
        self.offset_K11 = torch.tensor([offset[id(stream)] for stream in streams], device=device)[:, None, None]
        first = [stream.first_window(seed) for stream, seed in zip(streams, seeds, strict=True)]
        self.first_K1 = torch.tensor(first, device=device)[:, None]
        self.n_windows_K1 = torch.tensor([stream.n_windows for stream in streams], device=device)[:, None]
        self.window_B = torch.arange(batch, device=device)
        self.position_U = torch.arange(context + 1, device=device)
        self.context = context
        self.batch = batch

    def __call__(self, step: Tensor | int) -> Tensor:
        """ids_KBU int64 of `step` (0-based; a device scalar, or an int)."""
        window_KB = (self.first_K1 + step * self.batch + self.window_B) % self.n_windows_K1
        return self.tokens[self.offset_K11 + window_KB[:, :, None] * self.context + self.position_U].long()
