"""What the levels are mixed to: with a pinned mixture the baseline is not the pool as it is, and a level may be."""

from pipelines.report.facts import Facts


def said(facts: Facts, eval_set: str) -> str:
    """The domain whose share of the baseline's training is furthest from that in the level with the natural mixture, and how
    that level does. "" where no level of the study has the baseline's rules and the pool's own shares."""
    base, verdicts = facts.baseline, facts.fit.sets[eval_set].answer.verdicts
    name = next((level["name"] for level in facts.levels if _natural(level["declaration"]) and level["extends"] == base), None)
    if name is None or name not in verdicts:
        return ""
    own, natural = (_shares(facts, level) for level in (base, name))
    most = max(natural | own, key=lambda domain: abs(own.get(domain, 0.0) - natural.get(domain, 0.0)), default=None)
    if most is None:
        return ""
    mixed = f"Here {base} is the pool mixed anew: {100 * own.get(most, 0):.0f} % {most}, where the pool has "
    gap, better = verdicts[name].gap.mean, {"better": "lower", "worse": "higher"}
    direction = verdicts[name].direction
    found = f"has {abs(gap.value):.1f} % {better[direction]} loss" if direction in better else "is not told apart from it"
    unranked = "as its topics are others, it is shown and not ranked"
    return f"{mixed}{100 * natural.get(most, 0):.0f} %. The pool in its own shares ({name}) {found}; {unranked}."


def _natural(declaration: dict[str, object]) -> bool:
    mixture = declaration.get("mixture")
    return isinstance(mixture, dict) and mixture.get("kind") == "natural"


def _shares(facts: Facts, level: str) -> dict[str, float]:
    """Of a level's training tokens by domain."""
    tokens = {row["domain"]: row["tokens"] for row in facts.domains if row["level"] == level}
    return {domain: count / (sum(tokens.values()) or 1) for domain, count in tokens.items()}
