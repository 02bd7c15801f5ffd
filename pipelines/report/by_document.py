"""Document by document in a sentence: a level improves most documents and has the worse mean, or the other way round."""

import math
from statistics import fmean

from pipelines.report import law_tables
from pipelines.report.facts import Facts
from pipelines.report.frames import JsonObject


def said(facts: Facts, eval_set: str) -> str:
    """Of the levels that could replace the baseline, at the most tokens of the largest shape: the one whose mean is worse while
    most documents improve, or the other way round. "" where means and documents point the same way."""
    shapes, contenders = law_tables.shapes(facts.fit), facts.fit.settings.contenders(facts.fit.levels)
    rows = [row for row in law_tables.documents(facts.paired) if row["eval_set"] == eval_set and row["level"] in contenders]
    largest = max((shapes.index(row["shape"]) for row in rows), default=0)
    apart = [
        row for row in rows
        if row["shape"] == shapes[largest] and row["better"] != 0.5 and (row["better"] > 0.5) != (row["difference"] < 0)
    ]  # fmt: skip
    if not apart:
        return ""
    most = max(apart, key=lambda row: abs(row["better"] - 0.5) * abs(row["difference"]))
    return _apart(most, percent(facts, most), facts.baseline)


def _apart(row: JsonObject, mean: float, baseline: str) -> str:
    share, level = f"{row['better']:.0%} of the documents improve under {row['level']}", row["level"]
    if row["difference"] > 0:
        return f"{share}, though its mean is {mean:.1f}% worse than {baseline}'s: {level} loses much on the others."
    return f"Only {share}, though its mean is {-mean:.1f}% better than {baseline}'s: {level} gains much on those."


def percent(facts: Facts, row: JsonObject) -> float:
    """A row's difference in percent of the baseline's mean loss at the same shape and tokens."""
    base = [
        one["loss"] for one in facts.observations
        if (one["level"], one["eval_set"], one["shape"], one["tokens"])
        == (facts.baseline, row["eval_set"], row["shape"], row["D"])
    ]  # fmt: skip
    return 100 * math.log1p(row["difference"] / fmean(base)) if base else math.nan
