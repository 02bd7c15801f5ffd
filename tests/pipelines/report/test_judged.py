"""The judge's weights as the page tells them."""

from dataclasses import replace

from pipelines.report import judged, page
from pipelines.report.facts import Facts


def test_the_domain_whose_weight_is_furthest_from_its_share_of_the_pool_is_named(facts: Facts):
    said = judged.said(facts)
    assert "docs is 8.0% of the pool and 50.0% of the verdict" in said or "modules is 92.0% of the pool and 50.0%" in said
    assert "2 domains, of which" in said
    apart = [one | {"pool_share": 0.0} if one["set"] == "domain:docs" else one for one in facts.judge]
    assert "2 domains (docs is in no level), of which" in judged.said(replace(facts, judge=apart))
    assert "weighed as the pool" not in said, "a table without that set does not offer it"
    assert judged.said(replace(facts, judge=facts.judge[:2])) == "", "one domain is the verdict"


def test_every_set_stands_with_its_documents_tokens_and_shares(facts: Facts):
    rows = {row.name: row for row in judged.rows(facts)}
    own = {row["domain"]: row["tokens"] for row in facts.domains if row["level"] == "raw"}
    assert (rows["domain:docs"].documents, rows["domain:docs"].tokens) == (120, 30_000)
    assert (rows["domain:docs"].verdict, rows["domain:docs"].pool) == ("50.0%", "8.0%")
    assert rows["domain:docs"].training == f"{100 * own['docs'] / sum(own.values()):.1f}%"
    assert rows["heldout"].training == ""
    text = page.render(facts)
    assert "What the verdict is judged on" in text
    assert "What the verdict is judged on" not in page.render(replace(facts, judge=[])), "a table of runs does not know"
