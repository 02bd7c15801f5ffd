"""Fit: the law on every level, the tests of a shift, the plan; from the observation table alone."""

import json
from typing import Any

import pyarrow as pa

from pipelines.engine.run_step import Context, run_step
from pipelines.engine.workdir import Manifest, Output, Step, Workdir
from pipelines.runs.observations import FILE
from pipelines.study.study import Study, StudyError
from scaling_fit import analyse


def fit(context: Context, study: Study, observations: Manifest, noise: Manifest | None) -> Manifest:
    """`fit.json` (see docs/fitting.md) and `summary.txt`; the manifest's summary has the verdict. `noise`: the repeated runs
    of `checks.noise`, which say how far trunks scatter where the ladder itself repeats none."""
    config = {
        "baseline": study.baseline, "eval_set": study.fit.eval_set, "replicates": study.fit.replicates,
        "test_replicates": study.fit.test_replicates, "confidence": study.fit.confidence, "margin": study.fit.margin,
        "multiplier_margin": study.fit.multiplier_margin, "seed": study.fit.seed,
        "contenders": study.contenders,
    }  # fmt: skip
    inputs = {"observations": observations.digest} | ({"noise": noise.digest} if noise else {})
    step = Step("fit", config, inputs, version=3)
    unit = (context.workdir, observations.files(FILE)[0], noise.files(".parquet") if noise else [], config)
    return run_step(context, step, analyse_table, [unit], lambda parts: {"verdict": parts[0]["verdict"]}, unit="fits")


def analyse_table(out: Output, workdir: Workdir, path: str, noise: list[str], config: dict[str, Any]) -> dict[str, Any]:
    """Run the analysis. Runs on a worker."""
    try:
        table = workdir.read_table(path)
        # a level always wins on its own distribution, so no law is fitted there; its losses stay in the table
        shared = [name for name in dict.fromkeys(table["eval_set"].to_pylist()) if not name.startswith("own:")]
        repeated = pa.concat_tables([workdir.read_table(one) for one in noise]) if noise else None
        found = analyse(table, eval_sets=shared, noise=repeated, **config)
    except ValueError as error:
        raise StudyError(f"fit: {error}") from None
    result = found.to_json()
    body = json.loads(result) if isinstance(result, str) else result
    out.write_json("fit.json", body)
    with out.writing("summary.txt") as file:
        file.write(found.summary().encode())
    return {"verdict": body["overall"]["sentence"]}
