import numpy as np
import pytest

from training.task_metrics import Answers, metrics


def test_two_items_by_hand():
    """Item 0 is right by nats and wrong by bytes, item 1 the other way round."""
    answers = Answers(np.array([0, 0, 1, 1]), np.array([True, False, False, True]), np.array([2, 10, 2, 10]))
    found = {one.metric: one for one in metrics(answers, np.array([4.0, 5.0, 4.0, 5.0]), np.zeros(4, bool))}
    assert found["accuracy"].value == 0.5
    assert found["accuracy_bytes"].value == 0.5
    assert found["accuracy"].se == pytest.approx(0.5)  # of a mean of 1 and 0
    assert found["margin"].value == 0.0  # +1 and -1
    assert found["bits_per_byte"].value == pytest.approx(9 / (12 * np.log(2)))
    assert {one.chance for one in found.values()} == {0.5, None}
    assert {one.n_items for one in found.values()} == {2}


def test_a_tie_is_shared_and_chance_is_the_mean_over_items():
    answers = Answers(np.array([0, 0, 1, 1, 1, 1]), np.array([True, False] + [False] * 3 + [True]), np.ones(6))
    accuracy = metrics(answers, np.ones(6), np.zeros(6, bool))[0]
    assert accuracy.value == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert accuracy.chance == pytest.approx((1 / 2 + 1 / 4) / 2)


def test_a_cloze_is_right_where_its_target_is_the_likeliest():
    answers = Answers(np.arange(3), np.ones(3, bool), np.full(3, 4))
    found = {one.metric: one for one in metrics(answers, np.array([1.0, 2.0, 3.0]), np.array([True, False, False]))}
    assert found.keys() == {"accuracy", "bits_per_byte"}
    assert found["accuracy"].value == pytest.approx(1 / 3)
    assert found["accuracy"].chance == 0


def test_errors_are_the_spread_over_samples_of_items():
    rng = np.random.default_rng(1)
    n_items, n_choices = 60, 4
    item_C = np.repeat(np.arange(n_items), n_choices)
    right_C = np.tile(np.arange(n_choices) == 2, n_items)
    found: dict[str, list] = {}
    for _ in range(1500):
        n_bytes_C = rng.integers(5, 60, n_items * n_choices)
        nats_C = n_bytes_C * rng.normal(1.2, 0.3, len(n_bytes_C)) - 12 * right_C
        for one in metrics(Answers(item_C, right_C, n_bytes_C), nats_C, np.zeros(len(nats_C), bool)):
            found.setdefault(one.metric, []).append((one.value, one.se))
    for name, pairs in found.items():
        values, errors = np.array(pairs).T
        assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.07), name
