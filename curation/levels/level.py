"""A level: an ordered list of rules, made from its declaration and those of the levels it extends.

Rules apply in order: the parent's first, then `drop`, `keep` and `top` of the level itself. Each top-level `and` and each
chain of comparisons is taken apart, so every rule is one condition with its own reason in the ledger.
"""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from curation.levels.expression import Expression, ExpressionError, conjuncts, parse, parse_value

DUPLICATES = {
    "exact": ("exact duplicate", "duplicates.exact_survivor"),
    "near": ("near duplicate", "duplicates.survivor"),
}
DUPLICATE_REASONS = frozenset(reason for reason, _ in DUPLICATES.values())
CLUSTER = "duplicates.cluster"


@dataclass(frozen=True)
class Top:
    """The best `fraction` of the tokens by the value `by` (an expression), over the whole level or within each domain.

    Higher is better; a document without a value comes last; ties are cut by hash of `uid`.
    """

    fraction: float
    by: str
    within: Literal["domain"] | None = None


@dataclass(frozen=True)
class Random:
    """A random part of the documents with the given tokens of each domain: the control for a level that has that many."""

    tokens: Mapping[str, float]
    seed: int
    like: str


@dataclass(frozen=True)
class Declaration:
    """What a study says of a level. `keep` holds rule-set names and expressions; `random` makes it a control."""

    name: str
    extends: str | None = None
    drop: tuple[Literal["exact", "near"], ...] = ()
    keep: tuple[str, ...] = ()
    top: Top | None = None
    random: Random | None = None


@dataclass(frozen=True)
class Rule:
    """One condition, or one selection of the best or of a random part; `reason` is what the ledger says where it fails."""

    reason: str
    condition: Expression | None = None
    top: Top | None = None
    by: Expression | None = None
    random: Random | None = None

    @property
    def columns(self) -> set[str]:
        """The signal and document columns that it reads, besides `uid`, `domain` and `n_tokens`."""
        read: set[str] = set()
        if self.condition is not None:
            read |= {*self.condition.columns, *(p.column for p in self.condition.percentiles)}
            if self.reason in DUPLICATE_REASONS:
                read.add(CLUSTER)
        if self.by is not None:
            read |= {*self.by.columns}
        return read


@dataclass(frozen=True)
class Level:
    """A level that can be applied: see `select.py`."""

    name: str
    rules: tuple[Rule, ...] = field(default_factory=tuple)

    @property
    def columns(self) -> set[str]:
        """All that its rules read: the columns a shell must gather."""
        return set().union(*(rule.columns for rule in self.rules))


def build_level(
    name: str, declarations: Sequence[Declaration], known_columns: Collection[str], rule_sets: Mapping[str, str]
) -> Level:
    """The level `name` of a study.

    `rule_sets` gives published rules as expression text (`curation.signals.registry`). A rule that a parent already has is
    not repeated. Raises `ValueError` naming the level, the value and what would be right.
    """
    by_name = {declaration.name: declaration for declaration in declarations}
    lineage: list[Declaration] = []
    current: str | None = name
    while current is not None:
        if current not in by_name:
            child = f" (extended by {lineage[-1].name!r})" if lineage else ""
            raise ValueError(f"no level {current!r}{child}; the study declares {', '.join(by_name)}")
        if by_name[current] in lineage:
            chain = " extends ".join(repr(level.name) for level in [*lineage, by_name[current]])
            raise ValueError(f"levels extend each other in a circle: {chain}")
        lineage.append(by_name[current])
        current = by_name[current].extends
    rules = [rule for declaration in reversed(lineage) for rule in _own_rules(declaration, known_columns, rule_sets)]
    seen: dict[str, Rule] = {}
    for rule in rules:
        # a second selection with the same words is another one: half of a half
        alone = rule.condition is not None and not rule.condition.percentiles
        seen.setdefault(rule.reason if alone else f"{rule.reason}#{len(seen)}", rule)
    return Level(name, tuple(seen.values()))


def _own_rules(declaration: Declaration, columns: Collection[str], rule_sets: Mapping[str, str]) -> list[Rule]:
    where = f"level {declaration.name!r}"
    rules = []
    for kind in declaration.drop:
        if kind not in DUPLICATES:
            raise ValueError(f"{where}: drop: {kind!r} is not one of {', '.join(DUPLICATES)}")
        reason, survivor = DUPLICATES[kind]
        rules.append(Rule(reason, condition=_read(parse, survivor, columns, where)))
    for text in declaration.keep:
        if text.isidentifier() and text not in rule_sets and text not in columns:
            close = difflib.get_close_matches(text, rule_sets, n=3) or sorted(rule_sets)
            raise ValueError(f"{where}: keep: no rule set {text!r}; the closest are {', '.join(close)}")
        conditions = conjuncts(_read(parse, rule_sets.get(text, text), columns, where))
        rules += [Rule(condition.text, condition=condition) for condition in conditions]
    if declaration.top is not None:
        top = declaration.top
        if not 0 < top.fraction <= 1:
            raise ValueError(f"{where}: top: fraction {top.fraction} is outside (0, 1]")
        within = f" within each {top.within}" if top.within else ""
        by = _read(parse_value, top.by, columns, where)
        if by.percentiles:
            raise ValueError(f"{where}: top: by {top.by!r} must not name a percentile")
        rules.append(Rule(f"top {top.fraction:g} by {by.text}{within}", top=top, by=by))
    if declaration.random is not None:
        rules.append(Rule(f"random: the tokens of {declaration.random.like}", random=declaration.random))
    return rules


def _read(read, text: str, columns: Collection[str], where: str) -> Expression:
    try:
        return read(text, columns)
    except ExpressionError as error:
        raise ExpressionError(f"{where}: {error}") from None
