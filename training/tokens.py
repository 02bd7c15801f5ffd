"""A level's token shards as one stream, and batches as pure functions of (seed, step).

The stream is the shards' rows in order, an end-of-text where a document ends (`last`). Window i is
stream[i*T : i*T + T + 1], so consecutive windows share one token and nothing is cropped. A seed starts at its own
window and wraps: step s of a batch of B windows takes windows first + s*B ... first + s*B + B - 1, modulo the count.

K runs, B windows per batch, T context, U = T + 1, R rows (pieces of documents).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

GOLDEN = 0.6180339887498949  # fractional parts of its multiples spread evenly, so seeds start far apart
ROWS_READ = 8192  # rows of a shard in memory at once


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


def load_stream(path: Path, context: int, vocab_size: int, eot: int, scratch: Path | None = None) -> Stream:
    """Lay the token shards beside `path`/dataset.json out as one stream. Raises DatasetError.

    The tokens lie in a file without a name in the folder `scratch` (default: the system's for temporary files), mapped
    into memory: a stream of any length takes a few rows of memory, and the file is gone with the process.
    """
    card_path = path / "dataset.json"
    if not card_path.is_file():
        raise DatasetError(f"no dataset.json in {path}; a level's token shards come with one")
    card = json.loads(card_path.read_text("utf-8"))
    if not card["unique_tokens"]:
        raise DatasetError(f"{card_path} counts no tokens: the level kept no documents; loosen its rules")
    dtype = np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32)
    lengths, doc_ids, largest = [np.zeros(1, np.int64)], [], eot
    with tempfile.TemporaryFile(dir=scratch) as file:
        for shard in sorted(card["shards"], key=lambda shard: shard["path"]):
            for table in _rows(path / shard["path"], shard["tokens"]):
                tokens, length_R = _with_ends(table, eot)
                largest = max(largest, int(tokens.max()))
                lengths.append(length_R)
                doc_ids.append(table["doc_id"].to_numpy())
                try:
                    file.write(tokens.astype(dtype).data)
                    file.flush()
                except OSError as error:
                    raise DatasetError(
                        f"cannot lay out the tokens of {path} in {scratch or tempfile.gettempdir()}: {error.strerror}; free "
                        f"some {dtype.itemsize * sum(s['tokens'] for s in card['shards'])} bytes there"
                    ) from error
        if largest >= vocab_size:
            raise DatasetError(
                f"the shards in {path} hold token {largest}, but the embedding has {vocab_size} rows; "
                "the level was tokenised with another tokenizer than the plan's"
            )
        start_R = np.cumsum(np.concatenate(lengths))
        if start_R[-1] <= context:
            raise DatasetError(f"{path} holds {start_R[-1]} tokens; one window needs {context + 1}: lower the context")
        mapped = np.memmap(file, dtype, mode="r+", shape=(int(start_R[-1]),))
    return Stream(mapped, start_R, np.concatenate(doc_ids), context)


def _rows(path: Path, n_tokens: int) -> Iterator[pa.Table]:
    """The shard's rows, some at a time; raises where they are not all there."""
    found = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_READ, columns=["doc_id", "last", "tokens"], use_threads=False):
                found += len(batch["tokens"].flatten())
                if len(batch):
                    yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(f"cannot read the token shard {path}: {error}; make the level's token shards again") from error
    if found != n_tokens:
        raise DatasetError(
            f"the token shard {path} holds {found} tokens, its dataset.json says {n_tokens}: it is truncated or of "
            "another run; make the level's token shards again"
        )


def _with_ends(table: pa.Table, eot: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows' tokens with an end-of-text where a document ends, and each row's length with it."""
    lists, ends_R = table["tokens"].combine_chunks(), table["last"].to_numpy()
    values = lists.flatten().to_numpy(zero_copy_only=False)
    length_R = np.diff(lists.offsets.to_numpy()).astype(np.int64) + ends_R
    tokens = np.full(length_R.sum(), eot, dtype=values.dtype)
    is_text = np.ones(len(tokens), dtype=bool)
    is_text[np.cumsum(length_R)[ends_R] - 1] = False
    tokens[is_text] = values
    return tokens, length_R


class Batches:
    """The streams of a stack, on the device; `batches(step)` gathers ids_KBU without touching the host.

    Levels that several runs share are held once, at 2 bytes a token where the vocabulary is at most 65,536, else 4.
    """

    def __init__(self, streams: list[Stream], seeds: list[int], batch: int, device: torch.device) -> None:
        self.levels: list[tuple[Tensor, Tensor]] = []  # a level's tokens, and which of the runs read them
        for stream in {id(stream): stream for stream in streams}.values():
            runs = [k for k, other in enumerate(streams) if other is stream]
            signed = stream.tokens.view(np.int16 if stream.tokens.itemsize == 2 else np.int32)  # torch gathers no unsigned
            self.levels.append((torch.from_numpy(signed).to(device), torch.tensor(runs, device=device)))
        first = [stream.first_window(seed) for stream, seed in zip(streams, seeds, strict=True)]
        self.first_K1 = torch.tensor(first, device=device)[:, None]
        self.n_windows_K1 = torch.tensor([stream.n_windows for stream in streams], device=device)[:, None]
        self.window_B = torch.arange(batch, device=device)
        self.position_U = torch.arange(streams[0].context + 1, device=device)
        self.context = streams[0].context
        self.batch = batch
        self.device = device

    def __call__(self, step: Tensor | int) -> Tensor:
        """ids_KBU int64 of `step` (0-based; a device scalar, or an int)."""
        window_KB = (self.first_K1 + step * self.batch + self.window_B) % self.n_windows_K1
        at_KBU = window_KB[:, :, None] * self.context + self.position_U
        ids_KBU = torch.empty_like(at_KBU)
        for tokens, runs in self.levels:
            unsigned = (1 << 8 * tokens.element_size()) - 1
            ids_KBU.index_copy_(0, runs, tokens[at_KBU[runs]].long() & unsigned)
        return ids_KBU
