"""Observations to laws, shifts and plans. numpy and scipy; usable alone on any table of runs."""

from scaling_fit.checks import Fault, check
from scaling_fit.law.fit import Fit, fit
from scaling_fit.law.laws import LAWS, Law, law_named
from scaling_fit.levels.analysis import Analysis, analyse, faults_of
from scaling_fit.observations import Observations, observations

__all__ = [
    "LAWS",
    "Analysis",
    "Fault",
    "Fit",
    "Law",
    "Observations",
    "analyse",
    "check",
    "faults_of",
    "fit",
    "law_named",
    "observations",
]
