"""Applying levels to pool shards: which documents stay, and why the others do not.

A shell runs, for each level, over the shards' frames:

    thresholds = Thresholds.of(level)
    while not thresholds.done:
        parts = [measure(level, frame, thresholds, withheld) for each shard]       # map, small tables
        thresholds = settle(level, thresholds, merge(parts))                       # reduce
    ledgers = [select(level, frame, thresholds, withheld) for each shard]          # map

A frame has `doc_id`, `uid`, `domain`, `n_tokens`, `n_bytes` and the level's columns (`Level.columns`); `withheld` is the
text column of `heldout.withheld`: the reason why a document is kept out of every level, or null.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import polars.selectors as cs
import pyarrow as pa

from curation.hashing import mix64, stream
from curation.levels.expression import Percentile
from curation.levels.heldout import EMPTY, WITHHELD
from curation.levels.level import CLUSTER, DUPLICATE_REASONS, Level, Random, Rule
from curation.levels.search import Search, histogram, key_value, narrow, ranking_key, search, taken, value_key

EVERYWHERE = ""  # the group of a selection over the whole level


@dataclass(frozen=True)
class Thresholds:
    """What is known of the level's tokens, in the order of `statistics`, of which there are `wanted`."""

    wanted: int = 0
    searches: tuple[Search, ...] = ()

    @classmethod
    def of(cls, level: Level) -> "Thresholds":
        """Nothing is known yet."""
        return cls(len(statistics(level)))

    @property
    def done(self) -> bool:
        return len(self.searches) == self.wanted and all(search.done for search in self.searches)


@dataclass(frozen=True)
class Statistic:
    """A number that rule `rule` of a level needs from all shards: a percentile, or (None) the last key that it takes."""

    rule: int
    percentile: Percentile | None


def statistics(level: Level) -> list[Statistic]:
    """All that must be known of the pool before the level can be applied, in the order in which it can be found."""
    searched = []
    for index, rule in enumerate(level.rules):
        if rule.condition is None:
            searched.append(Statistic(index, None))
        else:
            searched += [Statistic(index, percentile) for percentile in rule.condition.percentiles]
    return searched


def measure(level: Level, frame: pl.DataFrame, thresholds: Thresholds, withheld: pl.Series) -> pl.DataFrame:
    """Map: a shard's part of the next statistic; `search.merge` adds parts up."""
    state, statistic = _current(level, thresholds)
    frame = prepared(frame)
    survives_D = withheld.is_null().to_numpy() & ~_is_empty(frame) & holds(level, frame, thresholds, statistic.rule).all(axis=0)
    here = frame.filter(pl.Series(survives_D))
    if statistic.percentile is not None:
        here = here.filter(pl.col(statistic.percentile.column).is_not_null())
    key_D, group_D = _keys(level.rules[statistic.rule], statistic.percentile, here)
    return histogram(state, key_D, here["n_tokens"].to_numpy(), group_D)


def settle(level: Level, thresholds: Thresholds, bins: pl.DataFrame) -> Thresholds:
    """Reduce: the next statistic, one round further (at most four), from the merged parts of all shards.

    Raises `ValueError` where no document is left to choose from, or fewer tokens than a `random` control wants.
    """
    state, statistic = _current(level, thresholds)
    if bins.is_empty():
        raise ValueError(
            f"level {level.name!r}: no document with tokens is left when it comes to {level.rules[statistic.rule].reason!r}; "
            "loosen the rules before it"
        )
    state = narrow(state, bins)
    control = level.rules[statistic.rule].random
    if control is not None and state.done:
        _check_size(level, control, state)
    begun = len(thresholds.searches) and not thresholds.searches[-1].done
    return replace(thresholds, searches=(*(thresholds.searches[:-1] if begun else thresholds.searches), state))


def select(level: Level, frame: pl.DataFrame, thresholds: Thresholds, withheld: pl.Series) -> pl.DataFrame:
    """The shard's ledger: `doc_id`, `keep`, `reason`, `value`, `failed`, `values`.

    `reason` is the first failing rule and `value` what was observed there; they are null where the document is kept. Every
    rule is tried on every document: `failed` lists all failing ones and `values` what each observed ("missing" where the
    signal has no value, null where there is none to see).
    """
    frame = prepared(frame)
    why = withheld.cast(pl.String)
    shut_RD = np.stack([(why == reason).fill_null(False).to_numpy() for reason in WITHHELD])
    shut_RD[WITHHELD.index(EMPTY)] |= _is_empty(frame)
    failed_RD = np.concatenate([shut_RD, ~holds(level, frame, thresholds, len(level.rules))])
    reasons = [*WITHHELD, *(rule.reason for rule in level.rules)]
    names = pl.Enum(list(dict.fromkeys(reasons)))
    # failures rule by rule, then put document by document, each document's in the order of the rules
    rule_F, document_F = np.nonzero(failed_RD)
    order_F = np.argsort(document_F, kind="stable")
    seen = [pl.repeat(None, int(shut_RD.sum()), dtype=pl.String, eager=True)]
    for index in range(len(level.rules)):
        failing = frame.filter(pl.Series(failed_RD[len(WITHHELD) + index]))
        seen.append(failing.select(x=observed(level, thresholds, index)).to_series())
    reason_F = pl.Series(reasons, dtype=names).gather(rule_F[order_F])
    value_F = pl.concat(seen).gather(order_F)
    bounds_D = np.concatenate([[0], np.cumsum(failed_RD.sum(axis=0))])
    kept_D = bounds_D[1:] == bounds_D[:-1]
    nothing = pl.Series([None], dtype=pl.String)
    first_D = np.where(kept_D, len(reason_F), bounds_D[:-1])
    return pl.DataFrame(
        {
            "doc_id": frame["doc_id"],
            "keep": kept_D,
            "reason": pl.concat([reason_F, nothing.cast(names)]).gather(first_D),
            "value": pl.concat([value_F, nothing]).gather(first_D),
            "failed": pl.Series(pa.LargeListArray.from_arrays(bounds_D, reason_F.to_arrow())),
            "values": pl.Series(pa.LargeListArray.from_arrays(bounds_D, value_F.to_arrow())),
        }
    )


def _current(level: Level, thresholds: Thresholds) -> tuple[Search, Statistic]:
    """The search under way, or the next one."""
    todo = statistics(level)
    if thresholds.searches and not thresholds.searches[-1].done:
        return thresholds.searches[-1], todo[len(thresholds.searches) - 1]
    statistic = todo[len(thresholds.searches)]
    rule = level.rules[statistic.rule]
    if statistic.percentile is not None:
        return Search(share=statistic.percentile.q / 100), statistic
    if rule.top is not None:
        return Search(share=rule.top.fraction), statistic
    assert rule.random is not None
    return search(rule.random.tokens), statistic


def _check_size(level: Level, control: Random, state: Search) -> None:
    assert state.targets is not None
    reached = dict(state.targets.select("group", "through").iter_rows())
    short = {domain: n - reached.get(domain, 0) for domain, n in control.tokens.items() if n > reached.get(domain, 0)}
    if short:
        missing = ", ".join(f"{domain} by {tokens:,} tokens" for domain, tokens in sorted(short.items()))
        raise ValueError(
            f"level {level.name!r} cannot have the tokens of {control.like!r}: short of {missing}; "
            f"let it extend a level that keeps what {control.like!r} keeps"
        )


def _keys(rule: Rule, percentile: Percentile | None, frame: pl.DataFrame) -> tuple[np.ndarray, pl.Series]:
    """What the rule sorts documents by, smallest first, and the group each belongs to."""
    everywhere = pl.repeat(EVERYWHERE, len(frame), dtype=pl.String, eager=True)
    uid_D = frame["uid"].to_numpy()
    if percentile is not None:
        return value_key(frame[percentile.column].cast(pl.Float64).to_numpy()), everywhere
    if rule.random is not None:
        return mix64(stream(rule.random.seed, "random control"), uid_D), frame["domain"]
    assert rule.by is not None
    assert rule.top is not None
    score_D = frame.select(x=rule.by.polars().cast(pl.Float32).fill_nan(None).fill_null(-np.inf)).to_series().to_numpy()
    return ranking_key(score_D, uid_D), frame["domain"] if rule.top.within else everywhere


def percentiles(level: Level, thresholds: Thresholds, rule: int) -> dict[Percentile, float]:
    """The percentiles found for a rule.

    The same words in two rules are two percentiles: fewer documents are left at the second.
    """
    searched = zip(statistics(level), thresholds.searches, strict=False)
    return {
        statistic.percentile: key_value(search.keys()[EVERYWHERE])
        for statistic, search in searched
        if statistic.rule == rule and statistic.percentile is not None
    }


def holds(level: Level, frame: pl.DataFrame, thresholds: Thresholds, n_rules: int) -> np.ndarray:
    """Whether each document satisfies each of the first `n_rules` rules: bool[R, D]."""
    holds_RD = np.ones((n_rules, len(frame)), bool)
    conditions = {}
    for index, rule in enumerate(level.rules[:n_rules]):
        if rule.condition is not None:
            conditions[str(index)] = rule.condition.polars(percentiles(level, thresholds, index))
        else:
            key_D, group_D = _keys(rule, None, frame)
            holds_RD[index] = taken(rule_search(level, thresholds, index), key_D, group_D)
    # one query for all conditions: Polars shares what they have in common
    answers = frame.select(**{name: condition.fill_null(False) for name, condition in conditions.items()})
    for name in answers.columns:
        holds_RD[int(name)] = answers[name].to_numpy()
    return holds_RD


def rule_search(level: Level, thresholds: Thresholds, rule: int) -> Search:
    """The search that settled a `top` or `random` rule."""
    searched = zip(statistics(level), thresholds.searches, strict=False)
    return next(search for statistic, search in searched if statistic.rule == rule)


def observed(level: Level, thresholds: Thresholds, index: int) -> pl.Expr:
    """What rule number `index` looks at, as text: the value of its ledger entries."""
    rule = level.rules[index]
    if rule.condition is not None:
        if rule.reason in DUPLICATE_REASONS:
            return pl.format("cluster {}", pl.col(CLUSTER))
        return rule.condition.observed(percentiles(level, thresholds, index)).fill_null("missing")
    if rule.by is not None:
        return rule.by.polars().cast(pl.String).fill_null("missing")
    return pl.repeat(None, pl.len(), dtype=pl.String)


def _is_empty(frame: pl.DataFrame) -> np.ndarray:
    return (frame["n_tokens"] == 0).to_numpy()


def prepared(frame: pl.DataFrame) -> pl.DataFrame:
    """NaN is a missing value: Polars would hold it to be larger than every number."""
    return frame.with_columns(cs.float().fill_nan(None))
