import json
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.engine.output import Output
from pipelines.engine.workdir import Workdir
from pipelines.outcomes.fit import Tables, analyse_table
from scaling_fit import Settings
from scaling_fit.levels.design import TRUTH, Grid, table_of

GRID = Grid((2e7,), tuple(np.geomspace(2e8, 2e10, 5)), seeds=2, row=0.002, trunk=0.002)


def test_scores_of_a_study_go_into_its_fit(tmp_path: Path) -> None:
    runs = table_of(GRID, {"raw": TRUTH, "top": TRUTH | {"B": 1500.0}}, np.random.default_rng(0))
    columns = {name: getattr(runs, name).tolist() for name in ("level", "shape", "seed", "trunk", "loss")}
    columns |= {"params_body": runs.N.tolist(), "params_head": [0.0] * len(runs), "tokens": runs.D.tolist()}
    right = 0.25 + 0.75 / (1 + np.exp(1.5 * (runs.loss - 4.0)))
    scores = columns | {"eval_set": ["copy"] * len(runs), "metric": ["accuracy"] * len(runs), "value": right.tolist()}
    scores |= {"chance": [0.25] * len(runs), "n_items": [200] * len(runs)}
    pl.DataFrame(columns | {"eval_set": ["heldout"] * len(runs)}).write_parquet(tmp_path / "runs.parquet")
    pl.DataFrame(scores).write_parquet(tmp_path / "tasks.parquet")
    (tmp_path / "quality.csv").write_text("level,kept\nraw,1\ntop,0.5\n")
    workdir = Workdir(str(tmp_path))
    asked = Settings("raw", "heldout", replicates=20, test_replicates=0)
    for scored in ("tasks.parquet", ""):
        tables = Tables("runs.parquet", "quality.csv", [], scored)
        analyse_table(Output(workdir, f"fit/{scored or 'none'}", 0), workdir, tables, asked, ["kept"], ())
    tasks = json.loads((tmp_path / "fit/tasks.parquet/fit.json").read_text())["tasks"]["tasks"]
    assert tasks["copy"]["metrics"]["accuracy"]["items"] == 200
    assert tasks["copy"]["words"]["finding"] in (tmp_path / "fit/tasks.parquet/summary.txt").read_text()
    assert json.loads((tmp_path / "fit/none/fit.json").read_text())["tasks"] is None
