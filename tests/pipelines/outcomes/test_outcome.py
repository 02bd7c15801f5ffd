"""The table of losses after training: joined by the D that was asked for, whatever whole batches made of it."""

from types import SimpleNamespace
from typing import Any

import polars as pl
import yaml
from rich.console import Console

from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.outcomes import outcome
from pipelines.study.study import parse
from tests.pipelines.conftest import STUDY


def test_a_longest_d_that_is_no_multiple_of_the_batch_is_found(tmp_path):
    ladder = STUDY["ladder"] | {"tokens": [1024, 4000], "batch_tokens": 96, "context": 32}
    study = parse(yaml.safe_dump(STUDY | {"ladder": ladder}, sort_keys=False), tmp_path / "study.yaml")
    rows = [
        {"shape": shape, "level": level, "eval_set": "heldout", "tokens": tokens, "loss": 3.0 + seed}
        for shape in "ab" for level in study.levels for tokens in (1056, 4032) for seed in (0, 1)
    ]  # fmt: skip
    pl.DataFrame(rows).write_parquet(tmp_path / "observations.parquet")
    made: Any = SimpleNamespace(observations=SimpleNamespace(files=lambda suffix: ["observations.parquet"]))
    context = Context(Workdir(str(tmp_path)), InProcess(), Progress(None))
    found = outcome.losses(context, study, made)
    assert len(found) == 8
    assert {(row["tokens"], row["asked_tokens"], row["loss"], row["seeds"]) for row in found} == {(4032, 4000, 3.5, 2)}
    console = Console(record=True, width=100)
    outcome.show_losses(console, study, found)
    told = console.export_text()
    assert "Loss at 4,000 tokens (nats/token, mean over seeds; in whole batches a 4,032, b 4,032)" in told
    assert told.count("3.5000") == 8
