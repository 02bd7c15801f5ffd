import pytest

from scaling_fit.observations import observations
from scaling_fit.table.read import read_table
from scaling_fit.table.scores import metric_of, split

LOSSES = {"metric": ["loss"] * 2, "params": [1e7, 2e7], "tokens": [1e9, 1e9], "loss": [3.1, 2.9], "value": [None] * 2}
RUNS = {"params": [1e7, 2e7], "tokens": [1e9, 1e9], "loss": [3.1, 2.9], "value": [0.3, 0.4], "chance": [0.25] * 2}


def _both(metric: str) -> dict:
    scores = RUNS | {"metric": [metric] * 2, "task": ["copy"] * 2}
    return {name: LOSSES.get(name, [None] * 2) + scores[name] for name in scores}


@pytest.mark.parametrize(
    ("cell", "metric"),
    [("accuracy", "accuracy"), ("acc_norm,none", "accuracy_bytes"), ("BPB", "bits_per_byte"), ("loss", ""), (None, "")],
)
def test_metrics_by_name(cell, metric):
    assert metric_of(cell) == metric


def test_rows_with_a_metric_of_tasks_are_scores():
    losses, scores = split(read_table(_both("acc")))
    assert list(losses.rows) == [2, 3]
    assert list(scores.rows) == [4, 5]
    assert scores.columns["metric"] == ["accuracy"] * 2
    assert scores.columns["value"] == [0.3, 0.4]


def test_a_chance_level_makes_an_accuracy_of_the_loss_column():
    table = {"eval_set": ["web", "hellaswag"], "loss": [3.1, 0.31], "chance": [None, 0.25]}
    losses, scores = split(read_table(table))
    assert losses.columns["loss"] == [3.1]
    assert scores.columns["value"] == [0.31]
    assert scores.columns["task"] == ["hellaswag"]


def test_another_metric_is_named_with_its_row():
    table = _both("accuracy")
    table["metric"][3] = "f1"
    with pytest.raises(ValueError, match="row 5: metric 'f1' is not known; use loss, accuracy"):
        split(read_table(table))


def test_a_column_metric_of_other_things_is_left_alone():
    table = read_table(LOSSES | {"metric": ["val", "val"]})
    assert split(table)[0] is table


def test_observations_are_the_losses_and_the_scores_are_noted():
    data = observations(_both("accuracy"))
    assert data.loss.tolist() == [3.1, 2.9]
    assert "2 rows score tasks (copy)" in data.notes
