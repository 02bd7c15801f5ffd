"""Doubts: what failed is said, what could not be tested is not passed over, and a control that differs is a warning."""

from dataclasses import replace

import pytest

from scaling_fit import Result, Settings, analyse
from scaling_fit.intervals import Interval
from scaling_fit.law.adequacy import LackOfFit, checks
from scaling_fit.levels import doubts


@pytest.fixture(scope="module")
def found(levels) -> Result:
    return analyse(levels, Settings(replicates=50, test_replicates=0, roles={"steeper": "control"}, random_parts=("steeper",)))


def test_a_law_that_does_not_fit_is_said(found: Result) -> None:
    adequacy = found.fits["loss"].adequacy
    assert checks(adequacy.lack_of_fit, adequacy.interaction)[0].meaning == "No sign that the law has the wrong form."
    bad, _ = checks(LackOfFit(30.0, 10, 20, 1e-6, 0.1, 1.2), None)
    assert bad.answer == "misses by 1.20% beside luck of 0.10% (p < 0.001)"
    assert "local slopes" in bad.meaning


def test_what_could_not_be_tested_is_not_passed_over(found: Result) -> None:
    assert [check.answer for check in checks(None, None)] == ["could not be tested"] * 2
    no_rate = replace(found.fits["loss"].extrapolation, rate_percent_per_e_fold=None)
    assert doubts.forecasts(no_rate).answer == "could not be measured"
    assert "2.7 in compute" in doubts.forecasts(replace(no_rate, rate_percent_per_e_fold=1.0, bias_percent=0.1)).answer


def test_luck_says_where_it_is_from(found: Result) -> None:
    noise = found.fits["loss"].noise
    assert "measured between seeds" in doubts.luck(noise, False).answer
    unmeasured = replace(noise, trunk_replicates=False, assumed=True)
    assert "is assumed" in doubts.luck(unmeasured, False).answer
    assert "repeated apart" in doubts.luck(unmeasured, True).answer
    alone = doubts.luck(replace(noise, rows_per_trunk=1.0), False).answer
    assert alone.endswith("% per run (from the fit's own residuals; no two runs share a trunk)")
    once = doubts.luck(replace(noise, rows_per_trunk=1.0, trunk_replicates=False), False)
    assert once.meaning.startswith("No run was repeated: this is what the law leaves over")
    assert "differ only in their seed" in doubts.luck(noise, False).meaning


def test_a_random_part_that_differs_from_the_baseline_is_a_warning(found: Result) -> None:
    control = found.answer.verdicts["steeper"]
    assert found.answer.warnings[-1].startswith("Control: steeper: ")
    told = next(check for check in found.answer.checks if check.question == "Control: steeper")
    assert "luck of the draw, or the price of fewer documents; several draws" in told.meaning
    equal = replace(control, gap=replace(control.gap, mean=Interval(0.1, -0.3, 0.5)))
    check, warning = doubts.random_part(equal, "raw", False)
    assert "as good as the whole" in check.meaning
    assert warning == ""
    _, warning = doubts.random_part(control, "raw", True)
    assert "Several draws miss raw alike: at equal tokens a run reads further into fewer documents." in warning


def test_a_shift_that_no_run_could_show_is_not_called_none(found: Result) -> None:
    verdicts = [replace(one, detectable_beta=None) for one in found.answer.verdicts.values()]
    assert doubts.smallest_shift(verdicts, "raw").answer == "cannot be said"
