import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from training.certificate import certify
from training.noise import noise, noise_stack
from training.plan import parse_plan
from training.run import run_stack


def rows(shared, own, seeds, rng):
    """Two levels whose losses share a seed's luck (sd `shared`) and add their own (sd `own`)."""
    for seed in range(seeds):
        luck = rng.normal(0, shared)
        for level, mean in (("a", 3.0), ("b", 2.9)):
            loss = mean + luck + rng.normal(0, own)
            yield {
                "level": level,
                "seed": seed,
                "shape": "s",
                "tokens": 10,
                "eval_set": "heldout",
                "loss": loss,
                "loss_se": 0.01,
            }


def test_planted_spreads_are_found():
    (spread,) = noise(rows(0.03, 0.01, 4000, np.random.default_rng(0)))
    assert spread.unpaired == pytest.approx(np.hypot(0.03, 0.01), rel=0.03)
    assert spread.paired == pytest.approx(0.01, rel=0.03)
    assert (spread.unpaired_df, spread.paired_df) == (2 * 3999, 3999)
    assert spread.loss == pytest.approx(2.95, abs=0.01)


def test_one_seed_is_no_noise():
    with pytest.raises(ValueError, match="two seeds"):
        noise(rows(0.03, 0.01, 1, np.random.default_rng(0)))


def test_the_noise_stack_repeats_the_cell_under_the_same_certificate(make_plan, tmp_path):
    plan = parse_plan(make_plan(), tmp_path)
    repeated = noise_stack(plan, "s0", [1280], seeds=[0, 1, 2])
    stack = repeated.stack("noise-s0")
    assert [(run.level, run.seed) for run in stack.runs] == [(lv, s) for s in range(3) for lv in ("clean", "noisy")]
    device = torch.device("cpu")
    certificates = [certify(p, p.stacks[0], device, torch.float32)["certificate"] for p in (plan, repeated)]
    assert certificates[0] == certificates[1]
    folder = run_stack(repeated, "noise-s0", tmp_path)
    spreads = noise(pq.read_table(folder / "observations.parquet").to_pylist())
    assert {s.eval_set for s in spreads} == {"heldout", "domain:web", "domain:books"}
    assert all(0 < s.unpaired < 0.5 and s.paired is not None for s in spreads)
