"""One pool shard's part of a level: what it lays out after the selection, the level's edits and its copies."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curation.levels import controls
from pipelines.engine.step import Manifest
from pipelines.engine.workdir import Workdir
from pipelines.levels.selections import AnnotatedPool
from pipelines.signals.shards import Shard, shards
from pipelines.signals.tokens import token_lists


@dataclass(frozen=True)
class LevelShard:
    """Paths only, so it travels to workers: the shard, its selection and, where the level has any, the files of its edited
    documents and of the near copies that it adds."""

    shard: Shard
    selection: str
    reasons: tuple[str, ...]
    edited: str | None
    copied: str | None
    duplicate: float
    seed: int

    def decided(self) -> pl.DataFrame:
        """The shard's selection (reasons as an Enum again: Parquet knows only dictionaries)."""
        table = pl.DataFrame(self.shard.workdir.read_table(self.selection))
        return table.with_columns(pl.col("reason").cast(pl.String).cast(pl.Enum(self.reasons)))

    def kept(self, frame: pl.DataFrame, keep: pl.Series) -> pl.DataFrame:
        """The frame of the documents that are laid out, with the tokens and bytes that the edits left."""
        kept = frame.filter(keep)
        if self.edited is None:
            return kept
        return kept.with_columns(*self._sizes(self.edited)).filter(pl.col("n_tokens") > 0)

    def tokens(self, keep: pl.Series) -> pa.Array:
        """Their token lists."""
        if self.edited is None:
            return token_lists(self.shard.workdir, self.shard.signals["tokens"]).filter(keep.to_arrow())
        lists = token_lists(self.shard.workdir, self.edited)
        return lists.filter(pc.greater(lists.value_lengths(), 0))  # pyright: ignore[reportAttributeAccessIssue]

    def added(self, kept: pl.DataFrame) -> pl.DataFrame:
        """The copies that the `duplicate` control adds; they are laid out like the documents of one more shard."""
        added = controls.copies(kept, self.duplicate, self.seed)
        return added if self.copied is None else added.with_columns(*self._sizes(self.copied))

    def added_tokens(self, added: pl.DataFrame, tokens: pa.Array) -> pa.Array:
        """The copies' token lists; `tokens` are those of the documents that they copy."""
        if self.copied is None:
            return tokens.take(added["row"].to_arrow())
        return token_lists(self.shard.workdir, self.copied)

    def _sizes(self, path: str) -> Sequence[pl.Series]:
        return pl.DataFrame(self.shard.workdir.read_table(path, ["n_tokens", "n_bytes"])).get_columns()


def level_shards(
    workdir: Workdir,
    pool: AnnotatedPool,
    selection: Manifest,
    *,
    edited: Manifest | None,
    copied: Manifest | None,
    duplicate: float,
    seed: int,
) -> list[LevelShard]:
    """A level's shards, one per pool shard."""

    def file(manifest: Manifest | None, shard: Shard) -> str | None:
        return manifest.files(".parquet")[shard.index] if manifest is not None else None

    files, reasons = selection.files(".parquet"), tuple(selection.summary["reasons"])
    return [
        LevelShard(shard, files[shard.index], reasons, file(edited, shard), file(copied, shard), duplicate, seed)
        for shard in shards(workdir, pool.documents, pool.signals)
    ]
