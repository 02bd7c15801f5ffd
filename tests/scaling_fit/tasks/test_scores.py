import numpy as np
import pytest

from scaling_fit.observations import observations
from scaling_fit.tasks.scores import read_scores

RUNS = {
    "level": ["raw", "raw", "top"], "shape": ["s", "m", "s"], "seed": [0, 0, 0], "params_body": [1e7, 2e7, 1e7],
    "params_head": [1e6] * 3, "tokens": [1e9] * 3, "flops": [6.6e16, 1.3e17, 6.6e16],
}  # fmt: skip
LOSSES = RUNS | {"metric": ["loss"] * 3, "eval_set": ["heldout"] * 3, "loss": [3.2, 3.0, 3.1], "value": [None] * 3,
                 "chance": [None] * 3, "n_items": [None] * 3}  # fmt: skip
SCORES = RUNS | {"metric": ["accuracy"] * 3, "eval_set": ["copy"] * 3, "loss": [None] * 3, "value": [0.3, 0.4, 0.35],
                 "chance": [0.25] * 3, "n_items": [200] * 3}  # fmt: skip


def _table(**changed) -> dict:
    scores = SCORES | changed
    return {name: LOSSES[name] + scores[name] for name in LOSSES}


def _read(table: dict):
    return read_scores(table, observations(table))


def test_a_score_takes_the_loss_of_its_run():
    scores = _read(_table())
    assert scores.loss.tolist() == [3.2, 3.0, 3.1]
    assert scores.N.tolist() == [1.1e7, 2.1e7, 1.1e7]
    assert scores.task.tolist() == ["copy"] * 3
    assert scores.n_items.tolist() == [200] * 3
    assert scores.row.tolist() == [5, 6, 7]


def test_a_loss_beside_the_score_is_the_runs():
    assert _read(_table(loss=[9.0, None, 8.0])).loss.tolist() == [9.0, 3.0, 8.0]


def test_a_table_of_scores_alone():
    losses = observations({name: LOSSES[name] for name in LOSSES if name not in ("value", "chance", "n_items")})
    alone = SCORES | {"loss": [3.2, 3.0, 3.1]}
    assert read_scores(alone, losses).value.tolist() == [0.3, 0.4, 0.35]


def test_no_scores():
    losses = {name: LOSSES[name] for name in (*RUNS, "loss")}
    assert _read(losses) is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"value": [0.3, 40.0, 0.35]}, "row 6, accuracy of task 'copy': 40.0 is no accuracy: write a share from 0 to 1"),
        (
            {"chance": [0.25, None, 0.25]},
            "row 6, accuracy of task 'copy': nan is no chance of guessing right: write 1 / choices",
        ),
        ({"value": [None, 0.4, 0.35]}, "row 5, .* has no number"),
        ({"eval_set": ["copy", "", "copy"]}, "row 6, .* names no task"),
        ({"tokens": [1e9, 7e9, 1e9]}, "row 6, .* nan is no loss of its run: give 'loss' beside the score"),
    ],
)
def test_errors_name_row_value_and_fix(changed, message):
    with pytest.raises(ValueError, match=message):
        _read(_table(**changed))


def test_a_margin_needs_no_chance():
    scores = _read(_table(metric=["margin"] * 3, value=[-1.0, 0.5, 0.1], chance=[None] * 3))
    assert np.isnan(scores.chance).all()
    assert scores.value.tolist() == [-1.0, 0.5, 0.1]
