"""A level's token shards in memory, and batches as pure functions of the step.

Rows are laid out one after another, each with an end-of-text before its text, and one after it where its document ends
(`last`); `training.order` says in which windows and in which order a run reads them. Step s of a batch of B windows takes
windows s*B ... s*B + B - 1 of the run's order, modulo their number.

K runs, B windows per batch, W windows, U = context + 1, R rows (pieces of documents).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from training.order import Rows

ROWS_READ = 8192  # rows of a shard in memory at once
COLUMNS = ["doc_id", "uid", "piece", "last", "domain", "tokens"]


class DatasetError(ValueError):
    """Token shards that cannot be trained on: absent, truncated, empty or of another vocabulary."""


def load_rows(path: Path, context: int, vocab_size: int, eot: int, scratch: Path | None = None) -> Rows:
    """Lay out the token shards beside `path`/dataset.json for windows of `context`. Raises DatasetError.

    The tokens lie in a file without a name in the folder `scratch` (default: the system's for temporary files), mapped
    into memory: a level of any length takes some bytes a row of memory, and the file is gone with the process.
    """
    card_path = path / "dataset.json"
    if not card_path.is_file():
        raise DatasetError(f"no dataset.json in {path}; a level's token shards come with one")
    card = json.loads(card_path.read_text("utf-8"))
    if not card["unique_tokens"]:
        raise DatasetError(f"{card_path} counts no tokens: the level kept no documents; loosen its rules")
    if card["piece_tokens"] % context:
        raise DatasetError(
            f"{card_path} was laid out in pieces of {card['piece_tokens']} tokens, which windows of {context} do not divide; "
            "make the level's token shards again for this context"
        )
    dtype = np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32)
    lengths, columns, largest = [np.zeros(1, np.int64)], [], eot
    with tempfile.TemporaryFile(dir=scratch) as file:
        for shard in sorted(card["shards"], key=lambda shard: shard["path"]):
            for table in _rows(path / shard["path"], shard["tokens"]):
                tokens, length_R = _with_ends(table, eot)
                largest = max(largest, int(tokens.max()))
                lengths.append(length_R)
                columns.append(table.select(["doc_id", "uid", "piece", "domain"]))
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
        if start_R[-1] - len(start_R) < context:
            raise DatasetError(f"{path} holds {start_R[-1]} tokens; one window needs {context + 1}: lower the context")
        mapped = np.memmap(file, dtype, mode="r+", shape=(int(start_R[-1]),))
    told = pa.concat_tables(columns)
    names, domain_R = np.unique(told["domain"].to_numpy(), return_inverse=True)
    doc_id_R, uid_R, piece_R = (told[name].to_numpy() for name in ("doc_id", "uid", "piece"))
    return Rows(mapped, start_R, doc_id_R, uid_R, piece_R, domain_R, tuple(names), card["piece_tokens"])


def _rows(path: Path, n_tokens: int) -> Iterator[pa.Table]:
    """The shard's rows, some at a time; raises where they are not all there."""
    found = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_READ, columns=COLUMNS, use_threads=False):
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
    """The rows' tokens with an end-of-text before each and where a document ends, and each row's length with them."""
    lists, ends_R = table["tokens"].combine_chunks(), table["last"].to_numpy()
    values = lists.flatten().to_numpy(zero_copy_only=False)
    length_R = np.diff(lists.offsets.to_numpy()).astype(np.int64) + 1 + ends_R
    tokens = np.full(length_R.sum(), eot, dtype=values.dtype)
    is_text, after_R = np.ones(len(tokens), dtype=bool), np.cumsum(length_R)
    is_text[after_R - length_R] = False
    is_text[after_R[ends_R] - 1] = False
    tokens[is_text] = values
    return tokens, length_R


class Batches:
    """The windows_WU of each run of a stack, on the device; `batches(step)` gathers ids_KBU without touching the host.

    Windows that several runs share are held once, at 2 bytes a token where the vocabulary is at most 65,536, else 4.
    """

    def __init__(self, windows: Sequence[np.ndarray], batch: int, device: torch.device) -> None:
        self.held: list[tuple[Tensor, Tensor]] = []  # windows_WU, and which of the runs read them
        for shared in {id(windows_WU): windows_WU for windows_WU in windows}.values():
            runs = [k for k, windows_WU in enumerate(windows) if windows_WU is shared]
            signed = shared.view(np.int16 if shared.itemsize == 2 else np.int32)  # torch gathers no unsigned
            self.held.append((torch.from_numpy(signed).to(device), torch.tensor(runs, device=device)))
        self.window_B = torch.arange(batch, device=device)
        self.shape = (len(windows), batch, windows[0].shape[1])
        self.context = windows[0].shape[1] - 1
        self.batch = batch
        self.device = device

    def __call__(self, step: Tensor | int) -> Tensor:
        """ids_KBU int64 of `step` (0-based; a device scalar, or an int)."""
        ids_KBU = torch.empty(self.shape, dtype=torch.int64, device=self.device)
        for windows_WU, runs in self.held:
            unsigned = (1 << 8 * windows_WU.element_size()) - 1
            ids_BU = windows_WU[(step * self.batch + self.window_B) % len(windows_WU)].long() & unsigned
            ids_KBU.index_copy_(0, runs, ids_BU.expand(len(runs), -1, -1))
        return ids_KBU
