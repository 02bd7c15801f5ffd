"""A study from its sources to its fit: the order of the steps and what each takes from the ones before.

pool -> signals -> duplicates -> withheld -> classifiers -> tokeniser -> tokens -> selections -> tasks -> evaluation
     -> levels -> quality                                                                                (curate)
     -> checks -> runs -> observations -> their tasks                                                    (train)
     -> fit                                                                                              (fit)

What trains and fits is imported where it is asked for: torch and scipy take seconds, and looking needs neither.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.duplicates import repetition
from pipelines.duplicates.duplicates import Duplicates, find_duplicates
from pipelines.duplicates.earlier import earlier_pools
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest
from pipelines.levels import evaluation, judge, quality, streams, withheld
from pipelines.levels.curated import Curated
from pipelines.levels.selections import AnnotatedPool, select_levels
from pipelines.runs import courses
from pipelines.runs.training_plan import TrainingData
from pipelines.signals import classifiers, pool, signals, tokens
from pipelines.signals.search_rounds import run_searched
from pipelines.study.study import Study, StudyError
from pipelines.tasks import choices

if TYPE_CHECKING:
    from pipelines.runs.trained import Trained


def curate(context: Context, study: Study, base: Path) -> Curated:
    """Everything before the first training step; `base` is the folder that relative paths of the study start from."""
    signals.check(study.signal_params)
    documents = pool.pool(context, study, base)
    for edit in study.pool.edit:
        documents = repetition.edited_pool(context, documents, repetition.EDITS[edit](context, documents))
    near, also = Duplicates.of(study.duplicates), study.duplicates.also
    by_url = replace(near, by="url")
    needed = {**study.signal_params, **near.signals(), **(by_url.signals() if "url" in also else {})}
    annotations = signals.annotate(context, documents, [*signals.declared(documents, needed, base), tokens.sizes(documents)])
    for name, kind in [("duplicates", near), *([("duplicates_url", by_url)] if "url" in also else [])]:
        before = earlier_pools(study.duplicates.earlier, base, documents, annotations, kind)
        annotations[name] = find_duplicates(context, documents, annotations, kind, before)
    annotations |= {name: repetition.EDITS[name](context, documents) for name in also if name != "url"}
    annotations["withheld"] = withheld.withheld(context, study, documents, annotations["duplicates"])
    ours = [(name, declared) for name, declared in study.classifiers.items() if declared.model is None]
    drawings = [classifiers.examples(context, *each, documents, annotations) for each in ours]
    drawn = run_searched(context, "samples", [*drawings, tokens.sample_of_text(context, study, documents, annotations)])
    late = [
        classifiers.classifier(context, name, declared, documents, drawn.get(classifiers.examples_of(name)), base)
        for name, declared in study.classifiers.items()
    ]
    tokenizer = tokens.train_tokenizer(context, study, drawn[tokens.SAMPLE])
    late.append(tokens.tokens(context.workdir, documents, tokenizer))
    annotations |= signals.annotate(context, documents, late, label="scores and tokens")
    annotated = AnnotatedPool(documents, annotations, tokenizer)
    orders = courses.orders(context, study, annotated)
    passages = [evaluation.passages(context, study, annotated)] if study.trains else []
    selections = select_levels(context, study, annotated, passages)
    held_out, judged, asked, passing = None, None, None, {}
    if study.trains:
        asked = choices.choices(context, study, annotated, base)
        held_out = evaluation.evaluation(context, study, annotated, asked)
        passing = (
            evaluation.own(context, held_out, {n: made for n, made in selections.items() if n not in study.control_of})
            if study.evaluation.own
            else {}
        )
    beside = [judge.domains(context, annotated), *passing.values()] if held_out else []
    ledgers, levels = streams.lay_out_levels(context, study, annotated, selections, beside)
    if held_out:
        judged = judge.judge(context, annotated, held_out)
    own = {name: run_step(context, step) for name, step in passing.items()}
    measured = quality.measure_levels(context, study, annotated, ledgers, levels, held_out)
    return Curated(annotated, selections, ledgers, levels, held_out, judged, asked, own, measured, orders)


def train_levels(context: Context, study: Study, curated: Curated) -> "Trained":
    """The declared checks, the ladder on every level, and its observation table."""
    from pipelines.runs import checks, observations, tasks, train
    from pipelines.runs.trained import Trained

    data = TrainingData.of(curated)
    assert curated.judge is not None, "what is trained is judged on something"
    pooled = [observations.POOL_WEIGHED] if observations.pool_shares(curated.judge.summary["sets"]) else []
    if study.fit.eval_set not in (there := [*data.evaluation.summary, *pooled]):
        sets = ", ".join(there)
        raise StudyError(f"fit.eval_set: {study.fit.eval_set!r} is no evaluation set of this pool; there are {sets}")
    checked = checks.run_checks(context, study, data)
    runs = train.train(context, study, data)
    observed = observations.gather(context, study, runs, curated.own, curated.judge)
    asked = tasks.gather(context, study, runs, observed, curated.tasks) if curated.tasks else None
    return Trained(checked, train.cells(study, data), runs, observed, asked)


def fit_observations(context: Context, study: Study, curated: Curated, trained: "Trained") -> Manifest:
    from pipelines.outcomes import fit

    return fit.fit(context, study, trained.observations, trained.checks.noise, curated.quality.table, trained.tasks)
