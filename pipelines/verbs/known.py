"""What the work directory of a study already tells who designs its ladder; of what is not there, what is assumed and said."""

from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines import run_study
from pipelines.engine.run import Context, StepMissingError
from pipelines.engine.workdir import JsonObject
from pipelines.outcomes import outcome
from pipelines.runs.checks import NOISE_FILE
from pipelines.runs.designs import ASSUMED, EVALUATION_SETS, Facts
from pipelines.runs.ladder import rungs
from pipelines.study.study import Study
from scaling_fit.instrument.repeats import measure
from scaling_fit.instrument.shoulder import shoulders
from scaling_fit.levels.best_ladder import Luck
from scaling_fit.levels.settle import REACH, SMALL_MODELS, law_of
from scaling_fit.observations import observations
from scaling_fit.result import Result


@dataclass(frozen=True)
class Known:
    """What a design rests on, where the noise and the law come from, and the fit of a trained study."""

    facts: Facts
    luck_from: str
    law_from: str
    fit: Result | None

    def to_json(self) -> JsonObject:
        return asdict(self.facts) | {"luck_from": self.luck_from, "law_from": self.law_from}


def known(context: Context, study: Study, base: Path, unique_tokens: float | None = None) -> Known:
    """Read, never computed. `unique_tokens`: of every level before curation counts them (None: the
    ladder's longest D)."""
    otherwise = unique_tokens or float(rungs(study)[0].tokens[-1])
    reading, unique, fit, begin = context.only_reading("assay run"), {}, None, 0.0
    evaluation_tokens = float(EVALUATION_SETS * study.evaluation.tokens_per_set)
    try:
        curated = run_study.curate(reading, study, base)
        unique = {name: int(made.summary["unique_tokens"]) for name, made in curated.levels.items()}
        assert curated.evaluation is not None, "a study with a ladder is judged on something"
        sets = curated.evaluation.summary
        evaluation_tokens = float(sum(one["tokens"] for name, one in sets.items() if name != "heldout"))
        trained = run_study.train_levels(reading, study, curated)
        begin = _shoulder_end(context, trained.observations.files(".parquet")[0])
        fit = outcome.verdict(context, run_study.fit_observations(reading, study, curated, trained))
    except StepMissingError:
        pass
    luck, luck_from = ASSUMED.luck, "assumed; `assay noise` measures it"
    found = fit.fits.get(fit.primary) if fit else None
    if found is not None and found.noise.trunk_replicates:
        luck, luck_from = Luck(found.noise.row, found.noise.trunk, REACH), "of the trained ladder"
    elif context.workdir.exists(NOISE_FILE):
        luck, luck_from = _repeated(context, study), "of repeated runs, noise.parquet"
    law, law_from = (fit and _fitted_law(fit)) or SMALL_MODELS, "assumed, of small models on mixed text"
    if law is not SMALL_MODELS:
        law_from = f"fitted to {study.baseline}"
    return Known(Facts(unique, otherwise, evaluation_tokens, luck, law, begin), luck_from, law_from, fit)


def _shoulder_end(context: Context, path: str) -> float:
    """The largest D at which a shape's curve is steepest; 0 where every curve only flattens."""
    return max((one.begin for one in shoulders(observations(context.workdir.read_table(path)))), default=0.0)


def _repeated(context: Context, study: Study) -> Luck:
    repeats = measure(context.workdir.read_table(NOISE_FILE), study.scored_set)
    return Luck(repeats.row or ASSUMED.luck.row, repeats.trunk, REACH)


def _fitted_law(fit: Result) -> dict[str, float] | None:
    """The baseline's law on the primary set, where its exponent is known well enough."""
    if fit.primary not in fit.fits:
        return None
    smallest = fit.shapes[0]
    return law_of(fit.fits[fit.primary].levels[fit.baseline].parameters, (smallest.name, smallest.N))
