"""Columns that mean something else than they are taken for, each with the hint that mends it; sound tables pass."""

import re

import numpy as np
import pytest

from scaling_fit.checks import check
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.observations import observations

SOUND = table_of(
    Grid((1e7, 4e7, 1.6e8), tuple(np.geomspace(1e8, 1e10, 5)), row=0.002), {"all": TRUTH}, np.random.default_rng(0)
)
N, D, LOSS = SOUND.N, SOUND.D, SOUND.loss
SWEPT2 = np.repeat(LOSS, 2) * np.tile([1.01, 1], len(N))
SWEPT = np.repeat(LOSS, 3) * np.tile([1.01, 1, 1.02], len(N))


@pytest.mark.parametrize(
    ("table", "name", "hint"),
    [
        ({"params": N / 1e9, "tokens": D, "loss": LOSS}, "unit", r"'params \(B\)' or 'params \(M\)'"),
        ({"params": N, "tokens": D / 1e9, "loss": LOSS}, "unit", r"'tokens \(B\)' or 'tokens \(M\)'"),
        ({"params": N, "tokens": D / 1e6, "loss": LOSS}, "unit", r"no run sees so little: .*'tokens \(M\)'"),
        ({"params": np.log10(N), "tokens": np.log10(D), "loss": LOSS}, "unit", "log10_params or ln_params"),
        ({"params": N, "tokens": np.log(D), "loss": LOSS}, "unit", "log10_tokens or ln_tokens"),
        ({"params": D, "tokens": D, "loss": LOSS}, "swapped", "--column N="),
        ({"N": N, "D": D, "C": 6 * N, "loss": LOSS}, "flops", "FLOPs per token: .*--ignore"),
        ({"N": N, "D": D, "C": 6e-18 * N * D, "loss": LOSS}, "flops", r"'flops \(1e18\)'"),
        ({"N": N, "D": D, "C": N**3, "loss": LOSS}, "flops", "mend N or D"),
        ({"N": N, "D": D, "loss": 7 - LOSS}, "loss-rises", "is the column a loss"),
        ({"N": N, "D": D, "loss": LOSS, "level": ["", *["raw"] * (len(N) - 1)]}, "no-level", "--where 'level!='"),
        ({"N": np.repeat(N, 3), "D": np.repeat(D, 3), "lr": [0.1, 0.2, 0.4] * len(N), "loss": SWEPT},
         "sweep", "--where lr=0.2; if it is a seed, -c seed=lr"),
        ({"N": np.repeat(N, 2), "D": np.repeat(D, 2), "recipe": ["a", "b"] * len(N), "loss": SWEPT2},
         "sweep", "differ in 'recipe', which moves their loss: if it names the data, -c level=recipe; else keep"),
    ],
)  # fmt: skip
def test_errors_with_a_hint(table: dict, name: str, hint: str) -> None:
    errors = [fault for fault in check(observations(table)) if fault.severity == "error"]
    assert {fault.name for fault in errors} == {name}
    assert any(re.search(hint, fault.message) for fault in errors)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ({"N": 2 * D, "D": N, "loss": LOSS}, "swapped"),
        ({"N": N, "D": D, "C": 6 * N * D * np.where(D < 2e8, 100, 1), "loss": LOSS}, "flops"),
    ],
)
def test_warnings(table: dict, name: str) -> None:
    assert [fault.name for fault in check(observations(table)) if fault.name in ("swapped", "flops", "unit")] == [name]


@pytest.mark.parametrize("ratio", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
def test_sound_tables_pass(ratio: float, scale: float) -> None:
    table = {"N": N * scale, "D": D * scale, "C": ratio * 6 * N * D * scale**2, "loss": LOSS}
    assert check(observations(table)) == ()


def test_what_the_hints_advise_gives_the_right_table() -> None:
    table = {"log10_params": np.log10(N), "tokens (B)": D / 1e9, "flops (1e18)": 6e-18 * N * D, "loss_bits": LOSS / np.log(2)}
    read = observations(table)
    for name, values in (("N", N), ("D", D), ("flops", 6 * N * D), ("loss", LOSS)):
        np.testing.assert_allclose(getattr(read, name), values, rtol=1e-12)
    assert check(read) == ()


def test_a_study_is_believed_however_small_its_models_are() -> None:
    rows = {
        "level": ["a"] * 6,
        "N": [8_576.0] * 6,
        "D": [1e3 * 2**k for k in range(6)],
        "loss": [3.0 - 0.2 * k for k in range(6)],
    }
    named = lambda **more: {fault.name for fault in check(observations(rows | more))}  # noqa: E731
    assert "unit" in named()
    assert "unit" not in named(certificate=["8af6"] * 6)
