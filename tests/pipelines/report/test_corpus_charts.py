from dataclasses import replace

import pytest

from pipelines.report import corpus_charts
from pipelines.report.facts import Facts


def test_shares_add_up_within_each_level(facts: Facts):
    for made, name in ((corpus_charts.domains(facts), "domains"), (corpus_charts.lengths(facts), "lengths")):
        rows = made[0].tables[name]
        for level in facts.levels:
            assert sum(r["share"] for r in rows if r["level"] == level["name"]) == pytest.approx(1, abs=0.01)


def test_empty_bins_at_the_ends_are_left_out_and_the_median_is_told(facts: Facts):
    lengths = [
        {"level": "raw", "low": 2.0**k, "high": 2.0 ** (k + 1), "documents": n}
        for k, n in enumerate([0, 0, 0, 0, 5, 9, 6, 0, 0])
    ]
    few = Facts("n", "t", facts.levels[:1], facts.fit, [], facts.provenance, [], lengths=lengths)
    (chart,) = corpus_charts.lengths(few)
    assert [row["low"] for row in chart.tables["lengths"]] == [8, 16, 32, 64, 128]
    assert "raw 64 tokens" in chart.alt


def test_a_classifier_shows_its_interval_and_only_the_scores_there_are(facts: Facts):
    item = {"name": "q", "auc": 0.896, "auc_low": 0.85, "auc_high": 0.94, "positives": 86, "negatives": 4649,
            "calibration": [{"low": 0.0, "high": 0.1, "examples": 4000, "positive_share": 0.01}],
            "scores": [{"low": 0.0, "high": 0.1, "documents": 990}, {"low": 0.1, "high": 0.2, "documents": 9},
                       {"low": 0.9, "high": 1.0, "documents": 1}]}  # fmt: skip
    one = Facts("n", "t", "raw", [], {}, [], facts.provenance, [], classifiers=[item])  # type: ignore[list-item]
    (chart,) = corpus_charts.classifiers(one)
    assert "AUC 0.896 [0.850, 0.940]" in chart.says
    assert chart.panels[0]["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0, 0.2]


def test_clusters_are_named_by_their_sizes(facts: Facts):
    rows = corpus_charts.clusters(facts)[0].tables["clusters"]
    assert [row["copies"] for row in rows] == ["1", "2", "3-4", "5-8", "9-16"]


def test_the_s_curve_is_the_one_of_the_bands_with_its_threshold(facts: Facts):
    (chart,) = corpus_charts.near(facts)
    found = {row["similarity"]: row["probability"] for row in chart.tables["near"]}
    assert found[0.7] == pytest.approx(1 - (1 - 0.7**9) ** 14)
    guide = next(layer for layer in chart.panels[0]["layer"] if layer["mark"]["type"] == "rule")
    assert guide["data"]["values"][0]["similarity"] == 0.7
    assert "4,300 of them joined" in chart.alt
    unchecked = replace(facts, near={**facts.near, "verify": "off"})
    assert all(layer["mark"]["type"] != "rule" for layer in corpus_charts.near(unchecked)[0].panels[0].get("layer", []))


def test_few_examples_leave_the_calibration_open(facts: Facts):
    few = {**facts.classifiers[0], "calibration": [{"low": 0.2, "high": 0.3, "examples": 4, "positive_share": 0.0}]}
    (chart,) = corpus_charts.classifiers(replace(facts, classifiers=[few]))
    (bin_,) = chart.tables["classifier-quality"]
    assert (bin_["from"], bin_["to"]) == pytest.approx((0.0, 0.4035), abs=1e-4)  # Wilson: z^2 / (n + z^2), z = 1.645
