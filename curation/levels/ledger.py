"""The ledger of a level: every document is kept or has a reason, and the funnel adds up exactly, or the step fails."""

from collections.abc import Iterable, Mapping

import polars as pl

from curation.levels.layout import Laid
from curation.levels.mixture import Budget

IN = "in"
ADDED = "added: copies"
EDITED_AWAY = "edits"
KEPT = "kept"
AMOUNTS = ("documents", "bytes", "tokens")


class ConservationError(RuntimeError):
    """A funnel that does not add up: documents were lost or counted twice. A defect, never the user's doing."""


def settle_mixture(ledger: pl.DataFrame, kept: pl.DataFrame, layout: Laid, budget: Budget) -> pl.DataFrame:
    """The shard's ledger after the stream was laid out, with `tokens` and `bytes`: what of each document is in it.

    `kept` are the documents that were laid (`doc_id`, `domain`, `n_tokens`, `n_bytes`). One of which no piece found room is
    dropped with the reason `mixture: <group> budget`; one that found room in part stays, and the funnel counts the rest of it
    under that reason. Where the level edits, `kept` has what the edits left (in the ledger `edited_tokens`, `edited_bytes`),
    without the documents of which nothing is left: they are dropped with the reason `EDITED_AWAY`.
    """
    room = kept.select("doc_id", edited_tokens="n_tokens", edited_bytes="n_bytes", why=_budget_reason(budget)).with_columns(
        tokens=pl.Series(layout.tokens_K, dtype=pl.UInt32), bytes=pl.Series(layout.bytes_K, dtype=pl.UInt32)
    )
    reasons = pl.Enum(list(dict.fromkeys([*_categories(ledger), EDITED_AWAY, *_reasons(budget)])))
    late = pl.col("keep") & (pl.col("tokens").fill_null(0) == 0)
    why = pl.col("why").fill_null(EDITED_AWAY)
    return (
        ledger.join(room, on="doc_id", how="left", maintain_order="left")
        .with_columns(
            keep=pl.col("keep") & ~late,
            reason=pl.when(late).then(why).otherwise(pl.col("reason").cast(pl.String)).cast(reasons),
            failed=pl.when(late).then(pl.concat_list(why)).otherwise(pl.col("failed").cast(pl.List(pl.String))),
            values=pl.when(late).then(pl.concat_list(pl.lit(None, pl.String))).otherwise("values"),
        )
        .with_columns(pl.col("tokens", "bytes", "edited_tokens", "edited_bytes").fill_null(0))
        .drop("why")
    )


def funnel(ledger: pl.DataFrame, frame: pl.DataFrame, budget: Budget) -> pl.DataFrame:
    """A shard's counts: `reason`, `documents`, `bytes`, `tokens`, and the `order` of the rows.

    `ledger` is that of `settle_mixture`; `frame` has the shard's `domain`, `n_tokens` and `n_bytes`. The first row is `IN`, all
    of the pool, the last one `KEPT`; the others say where the rest went, in the order of the rules.
    """
    rows = frame.select("n_bytes", "n_tokens", why=_budget_reason(budget))
    fates = ledger.select("keep", "reason", "bytes", "tokens", "edited_bytes", "edited_tokens")
    return _counts(IN, rows.hstack(fates), _categories(ledger))


def funnel_copies(added: pl.DataFrame, layout: Laid, ledger: pl.DataFrame, budget: Budget) -> pl.DataFrame:
    """The counts of the copies that a control adds (`controls.copies`), to be merged with the shard's funnel.

    They enter in a row of their own, `ADDED`. `ledger` is that of the shard's documents.
    """
    rows = added.select("n_bytes", "n_tokens", why=_budget_reason(budget)).with_columns(
        tokens=pl.Series(layout.tokens_K, dtype=pl.Int64), bytes=pl.Series(layout.bytes_K, dtype=pl.Int64)
    )
    rows = rows.with_columns(keep=pl.col("tokens") > 0, reason="why", edited_bytes="n_bytes", edited_tokens="n_tokens")
    return _counts(ADDED, rows, _categories(ledger))


def _counts(entered: str, rows: pl.DataFrame, categories: list[str]) -> pl.DataFrame:
    reasons = [IN, ADDED, *categories, KEPT]
    amounts = [f"{stage}{amount}" for stage in ("n_", "edited_", "") for amount in ("bytes", "tokens")]
    rows = rows.with_columns(pl.col(amounts).cast(pl.Int64))
    documents, n_bytes, n_tokens = pl.len().cast(pl.Int64), pl.col("n_bytes"), pl.col("n_tokens")
    kept, dropped = rows.filter(pl.col("keep")), rows.filter(~pl.col("keep"))

    def lost(before: str, after: str) -> dict[str, pl.Expr]:
        nothing = {"documents": pl.lit(0, pl.Int64)}
        return nothing | {x: (pl.col(before + x) - pl.col(after + x)).sum() for x in ("bytes", "tokens")}

    edited = kept.filter((pl.col("edited_tokens") != n_tokens) | (pl.col("edited_bytes") != n_bytes))
    partly = kept.filter(pl.col("edited_tokens") > pl.col("tokens"))
    counts = [
        rows.select(reason=pl.lit(entered), documents=documents, bytes=n_bytes.sum(), tokens=n_tokens.sum()),
        dropped.group_by(pl.col("reason").cast(pl.String)).agg(documents=documents, bytes=n_bytes.sum(), tokens=n_tokens.sum()),
        edited.with_columns(reason=pl.lit(EDITED_AWAY)).group_by("reason").agg(**lost("n_", "edited_")),
        partly.group_by(reason="why").agg(**lost("edited_", "")),
        kept.select(reason=pl.lit(KEPT), documents=documents, bytes=pl.col("bytes").sum(), tokens=pl.col("tokens").sum()),
    ]
    order = pl.col("reason").replace_strict({reason: index for index, reason in enumerate(reasons)}, return_dtype=pl.Int64)
    return merge([pl.concat(counts).with_columns(order=order)])


def merge(funnels: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The funnel of several shards of one level, rows in the order of its rules."""
    counts = pl.concat(funnels).group_by("order", "reason").agg(pl.col(AMOUNTS).sum())
    return counts.sort("order").select("reason", *AMOUNTS, "order")


def check_conservation(level: str, funnel: pl.DataFrame, pool: Mapping[str, int] | None = None) -> None:
    """Raise `ConservationError` unless in + added = kept + dropped in documents, bytes and tokens, and `in` is the pool.

    `pool` gives what the pool's own manifest counts of any of `AMOUNTS`.
    """
    sums = {row["reason"]: row for row in funnel.iter_rows(named=True)}
    for amount in AMOUNTS:
        entered = sum(row[amount] for reason, row in sums.items() if reason in (IN, ADDED))
        left = sum(row[amount] for reason, row in sums.items() if reason not in (IN, ADDED))
        if entered != left:
            raise ConservationError(
                f"level {level!r}: {entered:,} {amount} went in, but kept and dropped make {left:,} ({left - entered:+,}): "
                + ", ".join(f"{reason} {row[amount]:,}" for reason, row in sums.items())
            )
        if pool is not None and amount in pool and pool[amount] != sums[IN][amount]:
            raise ConservationError(
                f"level {level!r}: the pool holds {pool[amount]:,} {amount}, but {sums[IN][amount]:,} went in"
            )


def _categories(ledger: pl.DataFrame) -> list[str]:
    dtype = ledger.schema["reason"]
    assert isinstance(dtype, pl.Enum)
    return dtype.categories.to_list()


def _budget_reason(budget: Budget) -> pl.Expr:
    reasons = {domain: f"mixture: {group} budget" for domain, group in budget.group.items()}
    return pl.col("domain").replace_strict(reasons, default=None, return_dtype=pl.String)


def _reasons(budget: Budget) -> list[str]:
    return [f"mixture: {group} budget" for group in sorted(set(budget.group.values()))]
