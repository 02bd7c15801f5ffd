"""What a comparison of levels says: one frozen record, and the whole content of fit.json.

`Result.to_json` writes it and `Result.from_json` reads the same record back. Losses are in nats per token, sizes N in
parameters, D in training tokens. What a part means stands with the module that computes it.
"""

import json
from dataclasses import dataclass

import numpy as np

from scaling_fit.checks import Fault
from scaling_fit.encoding import Json, decode, encode
from scaling_fit.intervals import Interval
from scaling_fit.law.laws import Inputs, law_named
from scaling_fit.law.noise import Noise
from scaling_fit.law.search import Certificate
from scaling_fit.levels.adequacy import Adequacy
from scaling_fit.levels.answer import Answer
from scaling_fit.levels.companions import (
    MatchedLoss,
    MultiplierCurve,
    MultiplierSlope,
    SeedDifference,
    SeedSummary,
    SizeExponent,
)
from scaling_fit.levels.draws import DrawLuck
from scaling_fit.levels.identify import Identifiability, Sensitivity
from scaling_fit.levels.influence import Influence
from scaling_fit.levels.outlook import Budget, Curve, Extrapolation, ShapeCrossing
from scaling_fit.levels.over_quality import OverQuality, QualityWords
from scaling_fit.levels.quality import Axes
from scaling_fit.levels.resolution import Resolution
from scaling_fit.levels.shift import ShiftTest
from scaling_fit.settings import Settings
from scaling_fit.tasks.records import Tasks
from scaling_fit.wording import count

VERSION = 4
Array = np.ndarray


@dataclass(frozen=True)
class LawChoice:
    """The law that was fitted and why. `floor_per_shape`: every (level, shape) has its own floor, named E[shape]."""

    name: str
    reason: str
    floor_per_shape: bool

    @property
    def formula(self) -> str:
        return law_named(self.name).formula


@dataclass(frozen=True)
class LevelFit:
    """One level's law. N and D: the least and the most that were run."""

    parameters: dict[str, Interval]
    runs: int
    N: tuple[float, float]
    D: tuple[float, float]
    identifiability: Identifiability
    certificates: tuple[Certificate, ...]
    sensitivity: tuple[Sensitivity, ...]


@dataclass(frozen=True)
class Point:
    """One run. `used`: it was fitted; then `predicted`, the residual in percent of loss, and in standard deviations `z`."""

    level: str
    shape: str
    seed: str
    trunk: str
    N: float
    D: float
    loss: float
    repeated: bool
    used: bool
    predicted: float | None
    residual_percent: float | None
    z: float | None


@dataclass(frozen=True)
class AgainstBaseline:
    """One level beside the baseline, beyond the tests: tokens that a token is worth, measured between runs (`matched`, and
    how it grows with D) and by the laws (`fitted`, per shape); exponents at each size alone; the same seed on both."""

    matched: tuple[MatchedLoss, ...]
    slope: MultiplierSlope | None
    fitted: tuple[MultiplierCurve, ...]
    size_exponents: tuple[SizeExponent, ...]
    seeds: tuple[SeedDifference, ...]
    seed_summary: SeedSummary | None
    crossings: tuple[ShapeCrossing, ...]


@dataclass(frozen=True)
class SetFit:
    """The joint fit of all levels on one evaluation set; mappings are keyed by level, the baseline's own fit among `levels`.
    `quality`: the levels set against their quality, None where none was measured; `influence`: of every rung
    left out."""

    law: LawChoice
    noise: Noise
    levels: dict[str, LevelFit]
    curves: tuple[Curve, ...]
    tests: dict[str, ShiftTest]
    against: dict[str, AgainstBaseline]
    adequacy: Adequacy
    extrapolation: Extrapolation
    budget: Budget
    quality: OverQuality | None
    influence: tuple[Influence, ...]


@dataclass(frozen=True)
class SetResult:
    """One evaluation set. `fit` is None where no law could be fitted, and `reason` then says why; `resolution`: what it
    can tell apart, None where nothing is compared; `draws`: the luck of a level's documents, None where nothing was
    drawn twice."""

    points: tuple[Point, ...]
    fit: SetFit | None
    reason: str
    answer: Answer
    resolution: Resolution | None
    draws: DrawLuck | None


@dataclass(frozen=True)
class Shape:
    name: str
    N: float

    @property
    def title(self) -> str:
        """20M parameters; large: 20M parameters."""
        size = count(self.N)
        return f"{size} parameters" if self.name == size else f"{self.name}: {size} parameters"


@dataclass(frozen=True)
class Result:
    """Everything that `analyse` concludes. `levels`: the baseline first; `shapes`: by size; `sets`: by evaluation set, the
    primary one (verdicts are read from it) first; `quality`: the measured quality of the levels, `tasks`: what runs scored on
    tasks, both None where there is none."""

    settings: Settings
    levels: tuple[str, ...]
    shapes: tuple[Shape, ...]
    notes: tuple[str, ...]
    faults: tuple[Fault, ...]
    sets: dict[str, SetResult]
    quality: Axes | None = None
    tasks: Tasks | None = None
    version: int = VERSION

    @property
    def baseline(self) -> str:
        return self.settings.baseline

    @property
    def primary(self) -> str:
        return self.settings.eval_set

    @property
    def answer(self) -> Answer:
        """The answer on the primary evaluation set."""
        return self.sets[self.primary].answer

    @property
    def fits(self) -> dict[str, SetFit]:
        """The evaluation sets on which a law could be fitted, the primary one first, each level's own text last."""
        fits = {name: one.fit for name, one in self.sets.items() if one.fit is not None}
        return dict(sorted(fits.items(), key=lambda item: (item[0] != self.primary, item[0].startswith("own:"))))

    @property
    def axes(self) -> tuple[str, ...]:
        """The quality axes on which plain levels differ, the leading one first."""
        return self.quality.differing(self.settings.plain(self.levels)) if self.quality else ()

    def over_quality(self, axis: str = "") -> QualityWords | None:
        """What is said of the levels over a quality axis ("": the leading one) on the primary set; None where there is none."""
        fit = self.sets[self.primary].fit
        if fit is None or fit.quality is None or not self.axes:
            return None
        return fit.quality.words[axis or self.axes[0]]

    def predict(self, level: str, shape: str, D: Array | float, eval_set: str = "") -> Array:
        """Predicted loss (nats/token) of a level and tested shape at D tokens, all of them fresh."""
        fit = self.fits[eval_set or self.primary]
        law, parameters = law_named(fit.law.name), fit.levels[level].parameters
        floor = f"E[{shape}]" if fit.law.floor_per_shape else "E"
        values = {name: parameters[floor if name == "E" else name].value for name in law.names}
        D = np.atleast_1d(np.asarray(D, float))
        N = np.full(len(D), next(one.N for one in self.shapes if one.name == shape))
        inputs = Inputs(N, D, np.full(len(D), np.inf))
        with np.errstate(divide="ignore"):  # a floor of zero has no logarithm
            phi = np.maximum(law.solver(values, inputs.pivot()), -1e3)
        return np.exp(law.design(inputs, inputs.pivot()).predict(phi[None])[0])

    def to_json(self, indent: int | None = None) -> str:
        return json.dumps(encode(self), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Result":
        """Read fit.json. Errors: ValueError for another version, or naming the place that does not fit."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, body: Json) -> "Result":
        version = body.get("version") if isinstance(body, dict) else None
        if version != VERSION:
            raise ValueError(f"fit.json has version {version!r}, this one reads {VERSION}; run `assay fit` again")
        return decode(cls, body, "fit.json")
