import copy
from dataclasses import replace

from pipelines.report import trust
from pipelines.report.facts import Facts


def test_a_law_that_does_not_fit_is_said_in_the_table_and_before_the_numbers(facts: Facts):
    fit = copy.deepcopy(facts.fit)
    adequacy = fit["sets"]["heldout"]["adequacy"]
    adequacy["lack_of_fit"] = {"p": 1e-6, "misfit_percent": 1.2, "pure_error_percent": 0.1}
    adequacy["warning"] = "The law misses the cell means."
    bad = replace(facts, fit=fit)
    answers = {row[0]: row for row in trust.checks(bad, "heldout")}
    assert "p < 0.001" in answers["Does the law fit?"][1]
    assert "local slopes" in answers["Does the law fit?"][2]
    assert trust.warnings(bad, "heldout")[0] == "The law misses the cell means."
    assert trust.checks(facts, "heldout") != trust.checks(bad, "heldout")


def test_what_could_not_be_tested_is_not_passed_over(facts: Facts):
    fit = copy.deepcopy(facts.fit)
    one = fit["sets"]["heldout"]
    one["adequacy"].update(lack_of_fit=None, interaction=None)
    one["extrapolation"].update(rate_percent_per_e_fold=None, bias_percent=None)
    answers = [row[1] for row in trust.checks(replace(facts, fit=fit), "heldout")]
    assert answers.count("could not be tested") == 2
    assert "could not be measured" in answers


def test_untested_learning_rates_and_mixed_certificates_are_told(facts: Facts):
    told = trust.not_tested(replace(facts, optima=[]))
    assert any("learning rate" in line for line in told)
    assert not any("learning rate" in line for line in trust.not_tested(facts))
    two = [*facts.certificates, {**facts.certificates[0], "certificate": "other"}]
    assert "2 different certificates" in trust.warnings(replace(facts, certificates=two), "heldout")[-1]


def row(facts: Facts, name: str) -> tuple[str, str]:
    return next((answer, meaning) for check, answer, meaning in trust.checks(facts, "heldout") if check == name)


def test_measured_luck_says_what_pairing_is_worth(facts: Facts):
    answer, meaning = row(facts, "Luck, measured apart")
    assert answer.startswith("0.62% between seeds (24 degrees of freedom), 0.31% at the same seed (18)")
    assert meaning.endswith("worth 4.0 times as many seeds.")
    useless = [{**spread, "paired": spread["unpaired"]} for spread in facts.spreads]
    assert "did not" in row(replace(facts, spreads=useless), "Luck, measured apart")[1]
    assert not any(check.startswith("Luck,") for check, *_ in trust.checks(replace(facts, spreads=[]), "heldout"))


def test_an_unfair_learning_rate_is_told_with_its_size(facts: Facts):
    name = "Is one learning rate fair?"
    assert "one rate serves" in row(facts, name)[1]
    raw, top = facts.optima
    far = replace(facts, optima=[raw, {**top, "lr": 0.016, "cost_of_used": 0.03}])
    assert "up to 0.0300 nats" in row(far, name)[1]
    outside = replace(facts, optima=[raw, {**top, "inside": False}])
    assert "below its best" in row(outside, name)[1]


def test_a_random_control_that_differs_from_the_baseline_is_a_warning(facts: Facts):
    declared = [
        {**level, "kind": "control", "extends": "raw", "declaration": {"random": "top"}}
        if level["name"] == "filtered"
        else level
        for level in facts.levels
    ]
    control = replace(facts, levels=declared)
    assert "are luck here" in row(control, "Control: filtered")[1]
    assert any(told.startswith("Control: filtered") for told in trust.warnings(control, "heldout"))
    fit = copy.deepcopy(facts.fit)
    fit["sets"]["heldout"]["verdicts"]["filtered"]["difference_percent"] = {"value": 0.1, "low": -0.3, "high": 0.5}
    equal = replace(control, fit=fit)
    assert "as it must be" in row(equal, "Control: filtered")[1]
    assert not any(told.startswith("Control") for told in trust.warnings(equal, "heldout"))


def test_a_shift_that_no_run_could_show_is_not_called_none(facts: Facts):
    fit = copy.deepcopy(facts.fit)
    for one in fit["sets"]["heldout"]["verdicts"].values():
        one["detectable_beta"] = None
    assert row(replace(facts, fit=fit), "Smallest shift this design can see")[0] == "cannot be said"


def test_the_schedule_check_is_in_percent_of_the_loss(facts: Facts):
    answer, _ = row(facts, "Branches against a cosine")
    assert answer == "+1.00 ± 0.26% at 1 times the rate (4 pairs); -0.20 ± 0.26% at 2 times the rate (4 pairs)"
    assert not any(gap["eval_set"] == "domain:docs" for gap in facts.gaps)
    assert not any(check.startswith("Branches") for check, *_ in trust.checks(facts, "domain:docs"))


def test_luck_that_was_not_measured_by_the_ladder_says_where_it_is_from(facts: Facts):
    fit = copy.deepcopy(facts.fit)
    fit["sets"]["heldout"]["noise"].update(trunk_replicates=False, trunk_assumed=True)
    said = {
        bool(spreads): trust.checks(replace(facts, fit=fit, spreads=spreads), "heldout")[0][1]
        for spreads in ([], facts.spreads)
    }
    assert "assumed" in said[False]
    assert "repeated apart" in said[True]
    assert "assumed" not in said[True]
