import math
from dataclasses import replace

import pytest
from scipy.stats import chi2

from pipelines.report import trust_charts
from pipelines.report.facts import Facts


def test_luck_is_in_percent_of_the_loss_with_the_interval_of_its_degrees_of_freedom(facts: Facts):
    (chart,) = trust_charts.luck(facts)
    rows = [row for row in chart.tables["luck"] if row["eval_set"] == "heldout" and row["cell"] == "s, 2M tokens"]
    assert {row["source"]: row["percent"] for row in rows} == pytest.approx(
        dict(zip(trust_charts.SOURCES.values(), (100 * 0.024 / 3.9, 100 * 0.012 / 3.9, 100 * 0.012 / 3.9), strict=True))
    )  # fmt: skip
    seeds, _, sampling = rows
    tail = (1 - facts.fit.settings.confidence) / 2
    assert seeds["low"] == pytest.approx(seeds["percent"] * math.sqrt(12 / chi2.isf(tail, 12)))
    assert seeds["high"] == pytest.approx(seeds["percent"] * math.sqrt(12 / chi2.isf(1 - tail, 12)))
    assert sampling["low"] == sampling["percent"], "no seeds behind it, so no interval from them"


def test_without_noise_runs_there_is_no_chart_and_one_level_has_no_pairs(facts: Facts):
    assert trust_charts.luck(replace(facts, spreads=[])) == []
    alone = [replace(row, paired=None, paired_df=0) for row in facts.spreads]
    (chart,) = trust_charts.luck(replace(facts, spreads=alone))
    assert {row["source"] for row in chart.tables["luck"]} == {"another seed", "other evaluation documents"}


def test_the_learning_rate_check_compares_each_level_with_its_own_best(facts: Facts):
    (chart,) = trust_charts.learning_rates(facts)
    rows = chart.tables["lr_check"]
    assert {row["lr"] for row in rows if row["excess"] == 0} == {0.008}
    assert min(row["excess"] for row in rows) == 0
    assert "raw 0.008, top 0.008" in chart.alt
    edge = [replace(one, inside=False) for one in facts.optima]
    assert "at the edge" in trust_charts.learning_rates(replace(facts, optima=edge))[0].alt


def test_the_noise_budget_is_the_fits_and_sets_stand_by_what_they_can_tell(facts: Facts):
    (chart,) = trust_charts.noise_budget(facts)
    noise, resolved = facts.fit.fits["heldout"].noise, facts.fit.sets["heldout"].resolution
    assert resolved is not None
    percents = [row["percent"] for row in chart.tables["noise_budget"] if row["eval_set"] == "heldout"]
    assert percents == pytest.approx([100 * noise.trunk, 100 * noise.row, resolved.sampling])
    ratios = {row["eval_set"]: row["ratio"] for row in chart.tables["signal_to_noise"]}
    assert ratios == {name: one.resolution.ratio for name, one in facts.fit.sets.items() if one.resolution}
