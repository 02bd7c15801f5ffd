"""A study from its sources to its fit: the order of the steps and what each takes from the ones before.

pool -> signals -> duplicates -> withheld -> classifiers -> tokeniser -> tokens -> levels -> evaluation     (curate)
     -> checks -> runs -> observations                                                                      (train)
     -> fit                                                                                                 (fit)
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.duplicates.duplicates import Duplicates, find_duplicates
from pipelines.engine.run_step import Context
from pipelines.engine.workdir import Manifest
from pipelines.levels import evaluation, streams, withheld
from pipelines.levels.selections import Pool, select_levels
from pipelines.outcomes import fit
from pipelines.runs import checks, observations, train
from pipelines.signals import classifiers, edits, pool, signals, tokens
from pipelines.study.study import Study


@dataclass(frozen=True)
class Curated:
    """What curation made of a study."""

    pool: Pool
    selections: Mapping[str, Manifest]
    ledgers: Mapping[str, Manifest]
    levels: Mapping[str, Manifest]
    evaluation: Manifest
    own: Mapping[str, Manifest]


@dataclass(frozen=True)
class Trained:
    """What training made: the checks before it, the runs by step name, and their table."""

    checks: checks.Checks
    cells: list[train.Cell]
    runs: Mapping[str, Manifest]
    observations: Manifest


def curate(context: Context, study: Study, base: Path) -> Curated:
    """Everything before the first training step; `base` is the folder that relative paths of the study start from."""
    signals.check(study.signal_params)
    made = pool.pool(context, study, base)
    for edit in study.pool.edit:
        made = edits.edited_pool(context, made, edits.EDITS[edit](context, made))
    near, also = Duplicates.of(study.duplicates), study.duplicates.also
    by_url = replace(near, by="url")
    needed = {**study.signal_params, **near.signals(), **(by_url.signals() if "url" in also else {})}
    known = signals.annotate(context, made, [*signals.declared(made, needed, base), tokens.sizes(made)])
    by_name = {name.removeprefix("signals/"): manifest for name, manifest in known.items()}
    by_name["duplicates"] = find_duplicates(context, made, by_name, near)
    if "url" in also:
        by_name["duplicates_url"] = find_duplicates(context, made, by_name, by_url)
    by_name |= {name: edits.EDITS[name](context, made) for name in also if name != "url"}
    by_name["withheld"] = withheld.withheld(context, study, made, by_name["duplicates"])
    late = [classifiers.classifier(context, name, c, made, by_name, base) for name, c in study.classifiers.items()]
    tokenizer = tokens.train_tokenizer(context, study, made, by_name)
    late.append(tokens.tokens(context.workdir, made, tokenizer))
    scored = signals.annotate(context, made, late, label="scores and tokens")
    by_name |= {name.removeprefix("signals/"): manifest for name, manifest in scored.items()}
    annotated = Pool(made, by_name, tokenizer)
    selections = select_levels(context, study, annotated)
    ledgers, levels = streams.lay_out_levels(context, study, annotated, selections)
    documents = evaluation.evaluation(context, study, annotated)
    own = {name: evaluation.own(context, name, documents, s) for name, s in selections.items()} if study.evaluation.own else {}
    return Curated(annotated, selections, ledgers, levels, documents, own)


def train_levels(context: Context, study: Study, curated: Curated) -> Trained:
    """The declared checks, the ladder on every level, and its observation table."""
    tested = checks.run_checks(context, study, check_inputs(curated))
    digest = curated.pool.tokenizer.summary["tokenizer"]
    cells = train.cells(study, curated.levels, curated.evaluation, digest)
    runs = train.train(context, study, curated.levels, curated.evaluation, digest)
    return Trained(tested, cells, runs, observations.gather(context, cells, runs, curated.own))


def check_inputs(curated: Curated) -> checks.Inputs:
    """What the checks train on."""
    return checks.Inputs(curated.levels, curated.evaluation, curated.pool.tokenizer.summary["tokenizer"])


def fit_observations(context: Context, study: Study, trained: Trained) -> Manifest:
    return fit.fit(context, study, trained.observations, trained.checks.noise)
