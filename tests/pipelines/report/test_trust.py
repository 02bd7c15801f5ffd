from dataclasses import replace

from pipelines.report import trust
from pipelines.report.facts import Facts


def test_the_fits_own_checks_come_first_then_those_run_apart(facts: Facts):
    questions = [check.question for check in trust.checks(facts, "heldout")]
    own = [check.question for check in facts.fit.answer.checks]
    assert questions[: len(own)] == own
    assert questions[len(own) :] == ["Luck, measured apart", "Is one learning rate fair?", "Branches against a cosine"]
    assert "Branches against a cosine" not in [check.question for check in trust.checks(facts, "domain:docs")]


def test_untested_learning_rates_and_mixed_certificates_are_told(facts: Facts):
    assert any("learning rate" in line for line in trust.not_tested(replace(facts, optima=[])))
    assert not any("learning rate" in line for line in trust.not_tested(facts))
    two = [*facts.certificates, {**facts.certificates[0], "certificate": "other"}]
    assert "2 different certificates" in trust.warnings(replace(facts, certificates=two), "heldout")[-1]
    assert trust.warnings(facts, "heldout") == list(facts.fit.answer.warnings)
