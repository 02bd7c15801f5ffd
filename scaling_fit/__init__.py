"""Observations to laws, shifts and plans. numpy and scipy; usable alone on any table of runs."""

from scaling_fit.checks import Fault, check
from scaling_fit.law.fit import fit
from scaling_fit.law.fitted import Fit
from scaling_fit.law.laws import LAWS, Law, law_named
from scaling_fit.levels.analysis import analyse, faults_of
from scaling_fit.levels.quality import Axes, read_axes
from scaling_fit.levels.summary import summary
from scaling_fit.observations import Observations, observations
from scaling_fit.result import Result
from scaling_fit.settings import FitSettings, Settings
from scaling_fit.tasks.analysis import with_tasks
from scaling_fit.tasks.scores import Scores, read_scores

__all__ = [
    "LAWS",
    "Axes",
    "Fault",
    "Fit",
    "FitSettings",
    "Law",
    "Observations",
    "Result",
    "Scores",
    "Settings",
    "analyse",
    "check",
    "faults_of",
    "fit",
    "law_named",
    "observations",
    "read_axes",
    "read_scores",
    "summary",
    "with_tasks",
]
