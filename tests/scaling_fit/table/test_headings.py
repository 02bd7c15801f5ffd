"""Headings of trackers and papers, the unit they state, and guesses that would be wrong."""

import numpy as np
import pytest

from scaling_fit.table.headings import GUESSES, heading, match, unfinished

WANDB = [
    "Name",
    "State",
    "config.n_params",
    "config.dataset",
    "config.max_tokens",
    "config.seed",
    "eval/loss",
    "train/loss",
    "_step",
]
MLFLOW = [
    "run_id",
    "status",
    "metrics.val_loss",
    "params.num_parameters",
    "params.train_tokens",
    "params.seed",
    "tags.mlflow.runName",
]
LM_EVAL = ["model_name", "model_num_parameters", "tokens_seen", "task", "bits_per_byte,none", "word_perplexity,none"]


def columns(names: list[str], **cells) -> dict:
    return {name: cells.get(name, [1.0, 2.0]) for name in names}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (WANDB, {"loss": "eval/loss", "N": "config.n_params", "D": "config.max_tokens", "level": "config.dataset",
                 "seed": "config.seed"}),
        (MLFLOW, {"loss": "metrics.val_loss", "N": "params.num_parameters", "D": "params.train_tokens", "seed": "params.seed",
                  "trunk": "tags.mlflow.runName"}),
        (LM_EVAL, {"loss": "word_perplexity,none", "N": "model_num_parameters", "D": "tokens_seen", "shape": "model_name",
                   "eval_set": "task"}),
        (["model.num_params", "data.tokens", "loss", "data.name", "name:size", "name:tokens", "name:level"],
         {"N": "model.num_params", "D": "data.tokens", "level": "data.name", "loss": "loss"}),
        (["model size", "dataset size", "loss"], {"N": "model size", "D": "dataset size", "loss": "loss"}),
    ],
)  # fmt: skip
def test_exports_are_known(names: list[str], found: dict[str, str]) -> None:
    assert {name: one.name for name, one in match(columns(names), {})[0].items()} == found


def test_every_documented_guess_is_found() -> None:
    for name, guesses in GUESSES.items():
        for guess in guesses:
            assert match({guess: [1.0]}, {})[0][name].name == guess, (name, guess)


@pytest.mark.parametrize(
    ("name", "role", "factor"),
    [
        ("Params (M)", "N", 1e6), ("params_M", "N", 1e6), ("Model Size [billions]", "N", 1e9), ("tokens (B)", "D", 1e9),
        ("tokens_b", "D", 1e9), ("tokens (1e9)", "D", 1e9), ("tokens in billions", "D", 1e9),
        ("config.tokens_billion", "D", 1e9),
        ("Training FLOPs (10^18)", "flops", 1e18), ("flops (EFLOPs)", "flops", 1e18), ("ZFLOPs", "flops", 1e21),
        ("FLOPs (FLOPs)", "flops", 1.0), ("loss (nats)", "loss", 1.0), ("val_loss_bits", "loss", np.log(2)),
        ("loss [bits/token]", "loss", np.log(2)), ("bpb", "loss", 1.0), ("params", "N", 1.0), ("loss_b", "", 0.0),
    ],
)  # fmt: skip
def test_a_unit_in_the_heading_is_undone(name: str, role: str, factor: float) -> None:
    found, notes = match({name: [3.0]}, {})
    assert (role in found) == bool(role)
    if role:
        convert = found[role].convert
        value = np.array([3.0]) if convert is None else convert(np.array([3.0]))
        assert value[0] == pytest.approx(3.0 * factor, rel=1e-12)
        assert factor == 1.0 or f"{role} is column {name!r}, in " in notes[0]


@pytest.mark.parametrize(
    ("name", "value"), [("log10_params", 1e7), ("log10(N)", 1e7), ("ln_N", np.exp(7)), ("log2 params", 128)]
)
def test_logarithms_of_counts_are_undone(name: str, value: float) -> None:
    one = match({name: [7.0]}, {})[0]["N"]
    assert one.convert is not None
    assert one.convert(np.array([7.0]))[0] == pytest.approx(value)


def test_a_logarithm_of_unknown_base_is_refused() -> None:
    with pytest.raises(ValueError, match="'log_params' is a logarithm of unknown base; head it log10_params or ln_params"):
        match({"log_params": [7.0]}, {})


def test_perplexity_is_a_loss_through_its_logarithm() -> None:
    one = heading("val_perplexity")
    assert one.convert is not None
    np.testing.assert_allclose(one.convert(np.array([np.e])), [1.0])
    assert heading("log_perplexity").convert is None


def test_a_guess_needs_numbers_and_something_in_the_column() -> None:
    found, _ = match({"N": [1.0], "D": [1.0], "C": ["c4"], "loss": [2.0], "group": [""], "dataset": ["web"]}, {})
    assert "flops" not in found
    assert found["level"].name == "dataset"


def test_a_mistaken_option_is_named() -> None:
    with pytest.raises(ValueError, match=r"-c N=size \(--column\): no column 'size' in the table; it has N, loss"):
        match({"N": [1.0], "loss": [2.0]}, {"N": "size"})
    with pytest.raises(ValueError, match=r"-c M=N \(--column\): 'M' is not a column we use"):
        match({"N": [1.0]}, {"M": "N"})


def test_runs_that_did_not_finish() -> None:
    name, lost = unfinished({"State": ["finished", "crashed", "running", ""]})  # type: ignore[misc]
    assert name == "State"
    assert lost.tolist() == [False, True, True, False]
    assert unfinished({"State": ["Ohio", "crashed"]}) is None
