"""What documents say beside the mean: the level where the two point apart is named."""

import math
from dataclasses import replace
from statistics import fmean
from typing import Any

from pipelines.report import by_document
from pipelines.report.facts import Facts, Paired


def of(facts: Facts, **changes: tuple[float, float]) -> Facts:
    """The planted pairs, with the share of better documents and the mean difference of some levels changed."""
    rows: list[Any] = [
        {**row, **dict(zip(("better", "difference"), changes[row["level"]], strict=True))} if row["level"] in changes else row
        for row in facts.paired
    ]
    paired: list[Paired] = rows
    return replace(facts, paired=paired)


def test_a_level_whose_mean_hides_most_documents_is_named(facts: Facts):
    said = by_document.said(of(facts, filtered=(0.57, 0.3)), "heldout")
    base = fmean(
        row["loss"] for row in facts.observations
        if (row["level"], row["eval_set"], row["shape"], row["tokens"]) == ("raw", "heldout", "m", facts.paired[-1]["tokens"])
    )  # fmt: skip
    worse = 100 * math.log1p(0.3 / base)
    assert said.startswith(f"57% of the documents improve under filtered, though its mean is {worse:.1f}% worse than raw's")
    other = by_document.said(of(facts, top=(0.41, -0.2)), "heldout")
    assert other.startswith("Only 41% of the documents improve under top, though its mean is ")
    assert "better than raw's" in other


def test_where_documents_and_means_agree_there_is_nothing_to_say(facts: Facts):
    assert by_document.said(facts, "heldout") == ""
    assert by_document.said(replace(facts, paired=[]), "heldout") == ""


def test_controls_are_not_asked(marked: Facts):
    said = by_document.said(of(marked, top=(0.9, 0.3)), "heldout")
    assert said == ""
