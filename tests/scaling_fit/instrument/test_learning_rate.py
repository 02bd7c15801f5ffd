from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.instrument.learning_rate import Optimum, fairness, optima
from scaling_fit.observations import observations


def table(best: dict[str, float], rates: list[float]):
    return observations(
        [
            {"level": level, "trunk": f"{level}/s/0/lr={lr:g}", "N": 1e6, "tokens": 10, "eval_set": "heldout", "loss": loss}
            for level, optimum in best.items()
            for lr in rates
            for loss in [3 + 0.1 * np.log(lr / optimum) ** 2]
        ]
    )


def test_planted_optima_are_found():
    a, b = optima(table({"a": 0.012, "b": 0.007}, [0.005, 0.01, 0.02]), used=0.01)
    assert (a.lr, b.lr) == (pytest.approx(0.012), pytest.approx(0.007))
    assert a.inside
    assert a.cost_of_used == pytest.approx(0.1 * np.log(1.2) ** 2)


def test_an_optimum_outside_is_only_a_bound():
    (found,) = optima(table({"a": 0.1}, [0.005, 0.01, 0.02, 0.04]), used=0.01)
    assert not found.inside
    assert found.lr == 0.04


def test_a_table_without_rates_is_refused():
    with pytest.raises(ValueError, match="several learning rates on evaluation set 'web'"):
        optima(table({"a": 0.1}, [0.01]), used=0.01, eval_set="web")


def test_an_unfair_learning_rate_is_told_with_its_size():
    raw, top = (Optimum(level, (0.004, 0.008, 0.016), (3.92, 3.9, 3.92), 0.008, True, 0.0) for level in ("raw", "top"))
    far, outside = replace(top, lr=0.016, cost_of_used=0.03), replace(top, inside=False)
    meanings = [check.meaning for other in (top, far, outside) if (check := fairness([raw, other], 0.001))]
    assert ["One rate serves" in meanings[0], "up to 0.0300 nats" in meanings[1], "below its best" in meanings[2]] == [True] * 3
    costly = fairness([replace(raw, cost_of_used=0.039), replace(top, cost_of_used=0.0429)], 0.01)
    assert costly is not None
    assert "it costs all of them 1.0 % of loss or more, and between levels 0.1 %" in costly.meaning
    assert fairness([], 0.001) is None
