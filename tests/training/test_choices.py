"""Choices of tasks: what a run gives them, against transformers on its export."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from training.choices import load_choices
from training.export import export_run
from training.observations import SCORES
from training.plan import Evaluation, parse_plan
from training.run import run_stack
from training.tokens import DatasetError

EOT = 0
SCHEMA = pa.schema(
    [
        ("task", pa.string()), ("item", pa.uint32()), ("choice", pa.uint16()), ("right", pa.bool_()),
        ("tokens", pa.list_(pa.uint16())), ("n_context", pa.uint32()), ("n_bytes", pa.uint32()),
    ]
)  # fmt: skip


def some_choices() -> list[dict]:
    """Two tasks: twelve items of three choices after a context, five texts without one; up to a whole window of 32 tokens."""
    rng, rows = np.random.default_rng(5), []
    for item in range(12):
        context = rng.integers(1, 96, size=int(rng.integers(1, 26)))
        for choice in range(3):
            text = rng.integers(1, 96, size=int(rng.integers(1, 7)))
            rows.append(("three", item, choice, choice == item % 3, [*context, *text], len(context), 4 * len(text)))
    for item in range(5):
        size = (32, 1, 7, 20, 31)[item]
        rows.append(("whole", item, 0, True, rng.integers(1, 96, size=size), 0, 3 * size))
    return [dict(zip(SCHEMA.names, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def scored(study, make_plan, tmp_path_factory):
    """(plan, folder of the finished stack, its choices): two runs whose evaluation has tasks."""
    out = tmp_path_factory.mktemp("choices")
    rows = some_choices()
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), out / "choices.parquet")
    (out / "documents.parquet").symlink_to(study / "evaluation" / "documents.parquet")
    plan = replace(parse_plan(make_plan(tokens=[1280, 2560]), out), evaluation=Evaluation(out, "e1"))
    return plan, run_stack(plan, "s0", out), rows


def test_scores_equal_transformers_on_the_export(scored, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the test extra's transformers")
    plan, folder, rows = scored
    table = pq.read_table(folder / "choices.parquet")
    assert table.schema == SCORES
    model = transformers.AutoModelForCausalLM.from_pretrained(export_run(plan, folder, "noisy", 0, tmp_path))
    ours = [row for row in table.to_pylist() if (row["level"], row["tokens"]) == ("noisy", 2560)]
    assert [(row["task"], row["item"], row["choice"]) for row in ours] == [
        (row["task"], row["item"], row["choice"]) for row in rows
    ]
    greedy = []
    for row, choice in zip(ours, rows, strict=True):
        ids = torch.tensor([[EOT, *choice["tokens"]]], dtype=torch.int64)
        with torch.no_grad():
            log_p_TV = model(ids).logits[0, :-1].double().log_softmax(-1)
        after, first = ids[0, 1:], choice["n_context"]
        nats = -log_p_TV[torch.arange(len(after)), after][first:].sum().item()
        assert row["nats"] == pytest.approx(nats, abs=1e-4)
        greedy.append(bool((log_p_TV.argmax(-1) == after)[first:].all()))
    assert [row["greedy"] for row in ours] == greedy


def test_losses_are_what_they_are_without_tasks(scored, make_plan, tmp_path):
    folder = scored[1]
    without = run_stack(parse_plan(make_plan(tokens=[1280, 2560]), tmp_path), "s0", tmp_path)
    assert not (without / "choices.parquet").exists()
    names = ("losses.parquet", "observations.parquet")
    ours, theirs = ([pq.read_table(place / name) for name in names] for place in (folder, without))
    assert ours[0] == theirs[0]
    assert ours[1].drop_columns("certificate") == theirs[1].drop_columns("certificate")


def test_choices_that_cannot_be_scored_are_refused(tmp_path):
    def write(**changed):
        row = some_choices()[0] | changed
        pq.write_table(pa.Table.from_pylist([row], schema=SCHEMA), tmp_path / "choices.parquet")

    assert load_choices(tmp_path, 96, 32) is None
    write(tokens=[1] * 33)
    with pytest.raises(DatasetError, match="33 tokens with its context; one window holds 32"):
        load_choices(tmp_path, 96, 32)
    write(tokens=[96])
    with pytest.raises(DatasetError, match="another tokenizer"):
        load_choices(tmp_path, 96, 32)
    write(tokens=[1, 2], n_context=2)
    with pytest.raises(DatasetError, match="no token is scored"):
        load_choices(tmp_path, 96, 32)
