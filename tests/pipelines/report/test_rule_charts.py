import json
from dataclasses import replace

import pytest

from pipelines.report import rule_charts
from pipelines.report.facts import Facts


@pytest.mark.parametrize("unit", rule_charts.UNITS)
def test_the_funnel_adds_up_to_the_pool_and_leaves_no_gap(facts: Facts, unit: str):
    rows = [row for row in rule_charts.funnel_rows(facts) if row["unit"] == unit]
    for level in facts.levels:
        pool, *parts = [row for row in rows if row["level"] == level["name"]]
        *dropped, kept = parts
        assert (pool["step"], kept["step"]) == ("whole pool", "kept")
        assert (
            kept["amount"] + sum(row["amount"] for row in dropped)
            == pool["amount"]
            == sum(r[unit] for r in facts.funnel if r["level"] == level["name"])
        )
        edges = [1.0, *(row["low"] for row in dropped)]
        assert [row["high"] for row in dropped] == pytest.approx(edges[:-1])
        assert kept["high"] == pytest.approx(edges[-1])


def test_only_the_longest_list_of_rules_is_shown_and_without_lonely_ones():
    def level(name: str, reasons: list[str], documents: list[list[int]]) -> dict:
        return {"level": name, "reasons": reasons, "documents": documents}

    short = level("a", ["x", "y"], [[5, 2], [2, 9]])
    long = level("b", ["x", "y", "z", "budget"], [[5, 2, 1, 0], [2, 9, 0, 0], [1, 0, 3, 0], [0, 0, 0, 7]])
    facts = Facts("n", "t", "a", [], {}, [], {}, [], overlap=[short, long])  # type: ignore[arg-type, list-item]
    (chart,) = rule_charts.overlap(facts)
    assert [panel["title"] for panel in chart.panels] == ["b"]
    cells = {(row["rule"], row["also"]): row["share"] for row in chart.tables["overlap"]}
    assert len(cells) == 9
    assert cells["1  x", "y"] == pytest.approx(0.4)
    assert cells["2  y", "x"] == pytest.approx(2 / 9)
    sibling = level("c", ["x", "y", "w"], [[5, 2, 1], [2, 9, 4], [1, 4, 6]])
    facts = Facts("n", "t", "a", [], {}, [], {}, [], overlap=[short, long, sibling])  # type: ignore[arg-type, list-item]
    (chart,) = rule_charts.overlap(facts)
    added = [(row["rule"], row["also"]) for row in chart.tables["overlap"] if row["level"] == "c"]
    assert added == [("3  w", "x"), ("3  w", "y"), ("3  w", "w")], "only what the matrix before it does not say"


def test_a_crowded_matrix_is_shades_without_numbers():
    def marks(rules: int) -> str:
        names = [f"signal.value_{i} <= 1" for i in range(rules)]
        matrix = {"level": "a", "reasons": names, "documents": [[5] * rules] * rules}
        (chart,) = rule_charts.overlap(Facts("n", "t", "a", [], {}, [], {}, [], overlap=[matrix]))  # type: ignore[arg-type, list-item]
        return json.dumps(chart.panels)

    assert '"text"' in marks(20)
    assert '"text"' not in marks(21)


def test_rules_shared_with_the_parent_are_one_row_unless_they_took_something_else(facts: Facts):
    def steps(level: str, rows: list) -> list[str]:
        return [row["step"] for row in rows if row["level"] == level and row["unit"] == "tokens"]

    rows = rule_charts.funnel_rows(facts)
    assert steps("top", rows) == ["whole pool", "as in filtered", "top 25% by quality.score", "kept"]
    mine = [row for row in facts.funnel if row["level"] == "top" and row["reason"]][:-1]
    together = next(
        row for row in rows if row["level"] == "top" and row["step"] == "as in filtered" and row["unit"] == "tokens"
    )
    assert together["amount"] == sum(row["tokens"] for row in mine)
    other = [
        {**row, "tokens": row["tokens"] + 1} if (row["level"], row["reason"]) == ("top", "exact duplicate") else row
        for row in facts.funnel
    ]
    assert "near duplicate" in steps("top", rule_charts.funnel_rows(replace(facts, funnel=other)))
