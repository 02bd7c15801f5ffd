"""A sweep moves losses alike in every cell; seeds do not."""

import numpy as np

from scaling_fit.table.sweep import effect, settings

CELL = np.repeat(np.arange(12), 3)
LR = ["3e-4", "1e-3", "3e-3"] * 12


def losses(shift: float, seed: int) -> np.ndarray:
    noise = 0.003 * np.random.default_rng(seed).standard_normal(36)
    return np.exp(1.2 + 0.1 * CELL + noise + np.tile([shift, 0.0, 2 * shift], 12))


def test_a_sweep_is_found_and_a_seed_is_not() -> None:
    columns = {"note": ["x"] * 36, "accuracy": [f"{k % 17 / 100}" for k in range(36)], "lr": LR}
    assert settings(columns, (), CELL, losses(0.01, 0))[1] == "lr=1e-3"
    assert set(settings(columns, (), CELL, losses(0.0, 0))) == {""}
    assert set(settings(columns, ("lr",), CELL, losses(0.01, 0))) == {""}


def test_two_settings_crossed_are_told_by_the_stronger() -> None:
    decay = np.tile(np.repeat(["0", "1"], 3), 6).tolist()
    loss = losses(0.02, 1) * np.exp(-0.1 * (CELL % 2)) * np.where(np.array(decay) == "1", 1.004, 1)
    assert settings({"decay": decay, "lr": LR}, (), CELL // 2, loss)[0] == "lr=3e-4"


def test_false_alarms_are_as_rare_as_promised() -> None:
    value = np.tile(np.arange(3), 12)
    p = [effect(value, CELL, losses(0.0, seed)) for seed in range(400)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.08
