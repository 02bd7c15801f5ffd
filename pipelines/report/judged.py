"""The judge on the page: what each evaluation set is made of, and what its domain weighs in verdict, pool and training."""

from dataclasses import dataclass

from pipelines.report.facts import Facts, JudgedSet
from scaling_fit.wording import count, listed


@dataclass(frozen=True)
class SetRow:
    """One evaluation set; shares as text, "" for a set that is no domain. `training`: of what the baseline trains on."""

    name: str
    documents: int
    tokens: int
    verdict: str
    pool: str
    training: str


def rows(facts: Facts) -> list[SetRow]:
    trained = _training(facts)
    return [
        SetRow(
            one["set"], one["documents"], one["tokens"], _share(one["weight"]), _share(one["pool_share"]),
            _share(trained.get(_domain(one))) if one["set"].startswith("domain:") else "",
        )
        for one in facts.judge
    ]  # fmt: skip


def size_of(facts: Facts) -> dict[str, str]:
    """What stands beside a set's name: its documents and tokens."""
    told = {one["set"]: f"{one['documents']:,} documents, {count(one['tokens'])} tokens" for one in facts.judge}
    return told | ({"heldout-pool": told["heldout"]} if "heldout" in told else {})


def said(facts: Facts) -> str:
    """How far the weights of the verdict are from those of the pool, by the domain where that is most."""
    domains = [one for one in facts.judge if one["set"].startswith("domain:") and one["weight"] is not None]
    if len(domains) < 2:
        return ""
    most = max(domains, key=lambda one: abs((one["pool_share"] or 0) - (one["weight"] or 0)))
    weighed = "; judged on held-out text weighed as the pool, it counts as there" if "heldout-pool" in facts.fit.sets else ""
    outside = [_domain(one) for one in domains if one["pool_share"] == 0]
    beside = f" ({listed(outside)} {'are' if len(outside) > 1 else 'is'} in no level)" if outside else ""
    return (
        f"All held-out text is the mean over the tokens of {len(domains)} domains{beside}, of which each gives about as many: "
        f"{_domain(most)} is {_share(most['pool_share'])} of the pool and {_share(most['weight'])} of the verdict{weighed}."
    )


def _domain(one: JudgedSet) -> str:
    return one["set"].removeprefix("domain:")


def _training(facts: Facts) -> dict[str, float]:
    own = {row["domain"]: row["tokens"] for row in facts.domains if row["level"] == facts.baseline}
    return {domain: tokens / (sum(own.values()) or 1) for domain, tokens in own.items()}


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}%"
