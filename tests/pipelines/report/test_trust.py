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
    told = trust.not_tested(replace(facts, lr_check=[]))
    assert any("learning rate" in line for line in told)
    assert not any("learning rate" in line for line in trust.not_tested(facts))
    two = [*facts.certificates, {**facts.certificates[0], "certificate": "other"}]
    assert "2 different certificates" in trust.warnings(replace(facts, certificates=two), "heldout")[-1]
