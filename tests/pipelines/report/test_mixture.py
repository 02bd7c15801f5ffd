"""A baseline that is mixed to pinned shares is not the pool, and the page says how far off."""

from collections.abc import Callable
from dataclasses import replace

from pipelines.report import mixture, page
from pipelines.report.facts import Facts


def test_the_domain_furthest_from_the_pool_is_told_beside_the_level_that_has_the_pools_shares(facts: Facts):
    levels = [dict(level) for level in facts.levels]
    natural = next(level for level in levels if level["name"] == "top")
    natural |= {"extends": "raw", "declaration": {"mixture": {"kind": "natural"}}}
    shares = {"raw": {"docs": 54, "modules": 46}, "top": {"docs": 26, "modules": 70, "licences": 4}}
    domains = [{"level": n, "domain": d, "tokens": t} for n, of in shares.items() for d, t in of.items()]
    mixed = replace(facts, levels=levels, domains=domains)
    said = mixture.said(mixed, "heldout")
    gap = facts.fit.answer.verdicts["top"].gap.mean.value
    assert said.startswith("Here raw is the pool mixed anew: 54 % docs, where the pool has 26 %. ")
    assert f"(top) has {abs(gap):.1f} % {'lower' if gap < 0 else 'higher'} loss" in said
    assert said in page.render(mixed)
    assert mixture.said(facts, "heldout") == "", "no level of its own has the pool's shares"


def test_warnings_and_what_was_not_shown_are_those_of_the_chosen_set(facts: Facts, edit: Callable[..., Facts]):
    def warn(body):
        for name, one in body["sets"].items():
            one["answer"].update(warnings=[f"a warning on {name}"], not_shown=f"not shown on {name}")

    words = page.words(edit(facts, warn))
    assert [told for name, (told,) in words["warnings"]] == [f"a warning on {name}" for name in facts.fit.fits]
    assert [one[3] for one in words["headlines"]] == [f"not shown on {name}" for name in facts.fit.fits]
