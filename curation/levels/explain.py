"""Looking at levels: why a document is where it is, which documents stand at a rule's threshold, how two levels differ."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from curation.levels.level import Level
from curation.levels.search import ranking_score
from curation.levels.select import EVERYWHERE, Thresholds, holds, observed, percentiles, prepared, rule_search

KEPT = "kept"
REST = "not in the stream: edits, or no room in the mixture"  # of documents that are kept
AMOUNTS = ("bytes", "tokens")


@dataclass(frozen=True)
class Verdict:
    """What one rule says of one document: whether it holds, what was seen, and the limit it was held against.

    `limit` is the number where one was searched for or compared with ("3.5", or the score that the best have), else None.
    """

    rule: str
    holds: bool
    value: str | None
    limit: str | None


def explain(level: Level, document: pl.DataFrame, thresholds: Thresholds) -> list[Verdict]:
    """What every rule of the level says of a document (a frame of one row, as for `select.select`), in order."""
    assert len(document) == 1
    frame = prepared(document)
    holds_R = holds(level, frame, thresholds, len(level.rules))[:, 0]
    verdicts = []
    for index, rule in enumerate(level.rules):
        compared = _comparison(level, thresholds, index)
        limit = None if compared is None else frame.select(x=compared[2].cast(pl.String)).item()
        value = frame.select(x=observed(level, thresholds, index)).item()
        verdicts.append(Verdict(rule.reason, bool(holds_R[index]), value, limit))
    return verdicts


def found(level: Level, thresholds: Thresholds) -> pl.DataFrame:
    """The numbers that were searched for: `rule`, `what`, `group` (a domain, or empty), `value`; for reports."""
    rows = []
    for index, rule in enumerate(level.rules):
        for percentile, value in percentiles(level, thresholds, index).items():
            rows.append((rule.reason, f"percentile {percentile.q:g} of {percentile.column}", EVERYWHERE, value))
        if rule.by is not None:
            scores = _lowest_scores(level, thresholds, index)
            rows += [(rule.reason, f"lowest {rule.by.text} taken", group, scores[group]) for group in sorted(scores)]
    return pl.DataFrame(rows, {"rule": pl.String, "what": pl.String, "group": pl.String, "value": pl.Float64}, orient="row")


def margins(level: Level, frame: pl.DataFrame, thresholds: Thresholds, rule: int) -> pl.Series | None:
    """How far each document is on the right side of rule number `rule`: float64[D], negative where it fails.

    In the units of the value that is compared. None for rules that compare no number with a limit.
    """
    compared = _comparison(level, thresholds, rule)
    if compared is None or not compared[1]:
        return None
    value, sign, limit = compared
    margin = (value.cast(pl.Float64) - limit.cast(pl.Float64)) * sign
    return prepared(frame).select(margin=margin).to_series()


def _lowest_scores(level: Level, thresholds: Thresholds, rule: int) -> dict[str, float]:
    return {group: ranking_score(key) for group, key in rule_search(level, thresholds, rule).keys().items()}


def _comparison(level: Level, thresholds: Thresholds, index: int) -> tuple[pl.Expr, int, pl.Expr] | None:
    """(value, sign, limit): the rule holds where ``(value - limit) * sign`` is not negative; sign 0 if order says nothing."""
    rule = level.rules[index]
    if rule.by is not None and rule.top is not None:
        scores = _lowest_scores(level, thresholds, index)
        group = pl.col("domain") if rule.top.within else pl.lit(EVERYWHERE)
        return rule.by.polars(), 1, group.replace_strict(scores, default=None, return_dtype=pl.Float64)
    sides = rule.condition.sides(percentiles(level, thresholds, index)) if rule.condition is not None else None
    if sides is None:
        return None
    value, operator, limit = sides
    return value, {">": 1, ">=": 1, "<": -1, "<=": -1}.get(operator, 0), limit


def nearest(margin: pl.Series, n: int) -> np.ndarray:
    """Row numbers of the `n` documents closest to the threshold on each side, failing ones first, in order of `margins`."""
    margin_D = margin.fill_null(np.nan).to_numpy()
    order = np.argsort(margin_D, kind="stable")
    order = order[~np.isnan(margin_D[order])]
    cut = int(np.searchsorted(margin_D[order], 0.0))
    return order[max(0, cut - n) : cut + n]


def diff(a: pl.DataFrame, b: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """How the ledgers of two levels differ over a shard: `a`, `b` (kept, or the reason), `documents`, `bytes`, `tokens`.

    A document counts once, where both ledgers have it; its bytes and tokens are split as the funnels split them: a level keeps
    what is in its training stream, and the rest of a kept document (edits took it, or the mixture had no room) is `REST`. Of
    two parts the smaller is in both, since pieces of a domain stand in the same order in every level.
    """

    def fate(ledger: pl.DataFrame) -> pl.Series:
        return ledger["reason"].cast(pl.String).fill_null(KEPT)

    rows = frame.select("n_bytes", "n_tokens").with_columns(a=fate(a), b=fate(b))
    for amount in AMOUNTS:
        here, there, whole = a[amount].cast(pl.Int64), b[amount].cast(pl.Int64), rows[f"n_{amount}"].cast(pl.Int64)
        both = pl.select(pl.min_horizontal(here, there)).to_series()
        either = pl.select(pl.max_horizontal(here, there)).to_series()
        cells = {"both": both, "a only": here - both, "b only": there - both, "neither": whole - either}
        rows = rows.with_columns(**{f"{cell} {amount}": n for cell, n in cells.items()})
    rest = {side: pl.when(pl.col(side) == KEPT).then(pl.lit(REST)).otherwise(side).alias(side) for side in ("a", "b")}
    is_in = {side: pl.col(side) for side in ("a", "b")}
    split = {
        "both": (is_in["a"], is_in["b"]), "a only": (is_in["a"], rest["b"]),
        "b only": (rest["a"], is_in["b"]), "neither": (rest["a"], rest["b"]),
    }  # fmt: skip
    parts = [rows.group_by("a", "b").agg(documents=pl.len(), bytes=pl.lit(0), tokens=pl.lit(0))]
    for cell, sides in split.items():
        sums = {amount: pl.col(f"{cell} {amount}").sum() for amount in AMOUNTS}
        parts.append(rows.group_by(*sides).agg(documents=pl.lit(0), **sums))
    found = merge_diffs(parts)
    return found.filter((pl.col("documents") > 0) | (pl.col("bytes") > 0) | (pl.col("tokens") > 0))


def merge_diffs(diffs: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The differences of several shards together, the most tokens first."""
    columns = pl.col("documents", *AMOUNTS).cast(pl.Int64)
    counts = pl.concat(part.with_columns(columns) for part in diffs).group_by("a", "b").agg(pl.col("documents", *AMOUNTS).sum())
    return counts.sort("tokens", "documents", "a", "b", descending=[True, True, False, False])
