"""Fit: the law on every level, the tests of a shift, the plan; from the observation table alone."""

from dataclasses import replace

import pyarrow as pa

from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import Workdir
from pipelines.runs.observations import FILE
from pipelines.study.study import Study, StudyError
from scaling_fit import Settings, analyse, summary
from scaling_fit.encoding import encode


def settings(study: Study) -> Settings:
    """The study's `fit` section, and what each level is for."""
    declared, baseline = study.fit, study.baseline
    others = {name: level for name, level in study.levels.items() if name != baseline}
    return Settings(
        baseline,
        declared.eval_set,
        confidence=declared.confidence,
        margin=declared.margin,
        multiplier_margin=declared.multiplier_margin,
        replicates=declared.replicates,
        test_replicates=declared.test_replicates,
        seed=declared.seed,
        roles={name: level.kind for name, level in others.items() if level.kind != "level"},
        random_parts=tuple(name for name, level in others.items() if level.random and level.extends in (None, baseline)),
    )


def fit(context: Context, study: Study, observations: Manifest, noise: Manifest | None) -> Manifest:
    """`fit.json` (see docs/fitting.md) and `summary.txt`; the manifest's summary has the verdict. `noise`: the repeated runs
    of `checks.noise`, which say how far trunks scatter where the ladder itself repeats none."""
    asked = settings(study)
    unit = (context.workdir, observations.files(FILE)[0], noise.files(".parquet") if noise else [], asked)
    step = Step(
        "fit", {"settings": encode(asked)}, {"observations": observations} | ({"noise": noise} if noise else {}), version=5,
        compute=analyse_table, units=lambda: [unit], summarize=lambda parts: {"verdict": parts[0]["verdict"]}, unit="fits",
    )  # fmt: skip
    return run_step(context, step)


def analyse_table(out: Output, workdir: Workdir, path: str, noise: list[str], asked: Settings) -> dict[str, str]:
    """Run the analysis. Runs on a worker."""
    try:
        table = workdir.read_table(path)
        # a level always wins on its own distribution, so no law is fitted there; its losses stay in the table
        shared = tuple(name for name in dict.fromkeys(table["eval_set"].to_pylist()) if not name.startswith("own:"))
        repeated = pa.concat_tables([workdir.read_table(one) for one in noise]) if noise else None
        result = analyse(table, replace(asked, eval_sets=shared), noise=repeated)
    except ValueError as error:
        raise StudyError(f"fit: {error}") from None
    with out.writing("fit.json") as file:  # levels in the order of the study, not of the alphabet
        file.write((result.to_json(indent=1) + "\n").encode())
    with out.writing("summary.txt") as file:
        file.write(summary(result).encode())
    return {"verdict": result.answer.choice}
