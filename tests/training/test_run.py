import json
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open

from training.checkpoint import CheckpointError
from training.observations import LOSSES, OBSERVATIONS
from training.plan import parse_plan
from training.reading import order_of
from training.run import run_stack
from training.schedule import tokens_of_ladder
from training.stack_run import NonFiniteError
from training.step import Trainer
from training.tokens import load_rows


@pytest.fixture
def plan(make_plan, tmp_path):
    return parse_plan(make_plan(), tmp_path)


@pytest.fixture(scope="module")
def finished(make_plan, tmp_path_factory):
    """The plan of `make_plan`, run once without a kill: (plan, folder)."""
    out = tmp_path_factory.mktemp("finished")
    plan = parse_plan(make_plan(), out)
    return plan, run_stack(plan, "s0", out)


def nats(folder, tokens=None):
    table = pq.read_table(folder / "losses.parquet")
    return table.filter(pc.equal(table["tokens"], tokens))["nats"].to_numpy() if tokens else table["nats"].to_numpy()


def lines(folder):
    return [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_stack_leaves_its_tables(finished):
    plan, folder = finished
    observations = pq.read_table(folder / "observations.parquet")
    assert observations.schema == OBSERVATIONS
    assert pq.read_table(folder / "losses.parquet").schema == LOSSES
    rows = observations.to_pylist()
    assert len(rows) == 2 * 3 * 3  # runs, D, evaluation sets
    assert {row["tokens"] for row in rows} == {1280, 2560, 5120}
    losses = {
        level: [row["loss"] for row in rows if row["level"] == level and row["eval_set"] == "heldout"]
        for level in ("clean", "noisy")
    }
    for heldout in losses.values():
        assert heldout == sorted(heldout, reverse=True)
    assert losses["clean"][-1] < losses["noisy"][-1] < 4.5  # the evaluation documents are clean
    certificate = json.loads((folder / "certificate.json").read_text())["certificate"]
    assert {row["certificate"] for row in rows} == {certificate}
    assert not list(folder.glob("*.partial"))
    with safe_open(folder / "weights" / "5120.safetensors", framework="pt") as file:
        assert file.get_tensor("weights").shape == (2, plan.shapes["tiny"].params_total(96))


def test_metrics_tell_what_was_trained(finished):
    _, folder = finished
    train = [line for line in lines(folder) if line["event"] == "train"]
    steps = {}
    for line in train:
        before = steps.get(line["phase"], 0)
        assert line["step"] > before
        steps[line["phase"]] = line["step"]
        assert len(line["loss"]) == len(line["lr"]) == len(line["grad_norm"]) == len(line["clipped"]) == 2
    assert steps == {"trunk": 32, "1280": 10, "2560": 20, "5120": 40}
    assert tokens_of_ladder([1280, 2560, 5120], 0.2) == 128 * (32 + 2 + 4 + 8)
    last = next(line for line in reversed(train) if line["phase"] == "5120")
    assert last["lr"][0] == pytest.approx(0.01 * (1 - (7 / 8) ** 0.5), rel=1e-4)
    assert [line["tokens"] for line in lines(folder) if line["event"] == "branch"] == [1280, 2560, 5120]


def test_five_branches_at_ratio_two_cost_under_two_thirds_of_separate_runs(make_plan, tmp_path):
    """Counted from what was trained, not from the formula."""
    ladder = [1280 * 2**i for i in range(5)]
    folder = run_stack(parse_plan(make_plan(tokens=ladder, runs=[{"level": "clean", "seed": 0}]), tmp_path), "s0", tmp_path)
    trained, before = 0, {}
    for line in (line for line in lines(folder) if line["event"] == "train"):
        phase = line["phase"]
        trained += line["tokens"] - before.get(phase, before.get("trunk", 0))
        before[phase] = line["tokens"]
    assert [line["tokens"] for line in lines(folder) if line["event"] == "branch"] == ladder
    assert 0.6 < trained / sum(ladder) <= 0.65


def test_a_branch_leaves_the_trunk_untouched(finished, tmp_path):
    """The longest branch is the same to the last bit with and without the shorter ones before it."""
    plan, folder = finished
    alone = replace(plan, stacks=(replace(plan.stacks[0], tokens=(5120,)),))
    np.testing.assert_array_equal(nats(folder, 5120), nats(run_stack(alone, "s0", tmp_path)))


class KilledError(Exception):
    pass


@pytest.mark.parametrize("kill_at", [0, 4, 9, 12, 20, 33, 45, 47])
@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1e9])
def test_resuming_after_a_kill_is_bit_identical(finished, tmp_path, kill_at, checkpoint_seconds):
    """Killed at some event, in the trunk or in a branch, with a checkpoint at every interval or at branches only."""
    plan, folder = finished
    plan = replace(plan, checkpoint_seconds=checkpoint_seconds)
    seen = []

    def kill(line):
        seen.append(line)
        if len(seen) > kill_at:
            raise KilledError

    with pytest.raises(KilledError):
        run_stack(plan, "s0", tmp_path, kill)
    assert not (tmp_path / "s0" / "observations.parquet").exists()
    run_stack(plan, "s0", tmp_path)
    np.testing.assert_array_equal(nats(folder), nats(tmp_path / "s0"))
    assert pq.read_table(tmp_path / "s0" / "observations.parquet").equals(pq.read_table(folder / "observations.parquet"))
    trained, once = ([(line["phase"], line["step"], line["loss"]) for line in lines(f) if line["event"] == "train"]
                     for f in (tmp_path / "s0", folder))  # fmt: skip
    assert trained == once  # what a kill threw away is told once


@pytest.mark.parametrize(("event", "times"), [("checkpoint", 46), ("branch", 3), ("done", 2)])
def test_a_kill_between_two_files_is_resumed_too(finished, tmp_path, event, times):
    """Every time something was just written, and what it replaces is still there."""
    plan, folder = finished
    plan, kills = replace(plan, checkpoint_seconds=0.0), 0

    def kill(line):
        if line["event"] == event:
            raise KilledError

    while True:
        try:
            run_stack(plan, "s0", tmp_path, kill if kills < times else None)
            break
        except KilledError:
            kills += 1
    assert kills == times
    np.testing.assert_array_equal(nats(folder), nats(tmp_path / "s0"))
    assert not list((tmp_path / "s0").rglob("*.partial")) + list((tmp_path / "s0" / "branches").glob("*.safetensors"))


def test_a_finished_stack_is_left_alone(finished, tmp_path):
    plan, folder = finished
    stamp = (folder / "observations.parquet").stat().st_mtime_ns
    assert run_stack(plan, "s0", folder.parent, pytest.fail) == folder
    assert (folder / "observations.parquet").stat().st_mtime_ns == stamp


def test_another_plan_does_not_resume_these_runs(plan, tmp_path):
    def kill(line):
        if line["event"] == "branch":
            raise KilledError

    with pytest.raises(KilledError):
        run_stack(plan, "s0", tmp_path, kill)
    other = replace(plan, stacks=(replace(plan.stacks[0], lr=0.02),))
    with pytest.raises(CheckpointError, match="the plan, the code or the device changed"):
        run_stack(other, "s0", tmp_path)


def test_a_diverging_run_stops_with_its_step_and_documents(make_plan, tmp_path):
    plan = parse_plan(make_plan(lr=[0.01, 1e30]), tmp_path)
    with pytest.raises(NonFiniteError, match=r"level 'noisy' seed 0 .* at step 1; its batch holds documents") as caught:
        run_stack(plan, "s0", tmp_path)
    stack = plan.stacks[0]
    rows = load_rows(plan.datasets["noisy"].path, plan.context, plan.vocab_size, plan.eot)
    assert str(order_of(plan, stack, stack.runs[1].seed, rows).documents(np.arange(4, 8))) in str(caught.value)
    assert "no checkpoint was written yet" in str(caught.value)
    assert not (tmp_path / "s0" / "observations.parquet").exists()


def test_out_of_memory_trains_the_runs_in_halves(finished, tmp_path, monkeypatch):
    plan, folder = finished
    advance = Trainer.advance

    def small_memory(trainer):
        if len(trainer.lr_K) > 1 and trainer.step >= 12:
            raise torch.OutOfMemoryError("full")
        advance(trainer)

    monkeypatch.setattr(Trainer, "advance", small_memory)
    events = []
    half = run_stack(plan, "s0", tmp_path, events.append)
    assert any("training them in halves" in line.get("reason", "") for line in events)
    whole, halves = (pq.read_table(f / "observations.parquet").sort_by("loss") for f in (folder, half))
    assert set(whole["certificate"].to_pylist()) == set(halves["certificate"].to_pylist())
    np.testing.assert_allclose(whole["loss"], halves["loss"], rtol=2e-3)
    assert run_stack(plan, "s0", tmp_path) == half
    certificate = json.loads((half / "certificate.json").read_text())
    assert {run["seed"] for run in certificate["recorded"]["stack"]["runs"]} == {0}


def test_a_stack_that_does_not_even_load_trains_in_halves(finished, tmp_path, monkeypatch):
    """Out of memory before the first step: the folder is as complete as any other's."""
    plan, folder = finished
    made = Trainer.__init__

    def small_memory(trainer, architecture, batches, initial_KP, *rest):
        if len(initial_KP) > 1:
            raise torch.OutOfMemoryError("full")
        made(trainer, architecture, batches, initial_KP, *rest)

    monkeypatch.setattr(Trainer, "__init__", small_memory)
    half = run_stack(plan, "s0", tmp_path)
    assert json.loads((half / "certificate.json").read_text()) == json.loads((folder / "certificate.json").read_text())
    assert sorted(path.name for path in half.glob("*.parquet")) == ["losses.parquet", "observations.parquet"]


def test_one_run_that_does_not_fit_says_what_to_do(plan, tmp_path, monkeypatch):
    def full(trainer):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(Trainer, "advance", full)
    with pytest.raises(ValueError, match="set micro_batch in the plan"):
        run_stack(plan, "s0", tmp_path)


def test_a_cosine_run_agrees_with_the_branch(make_plan, tmp_path):
    """Same D by trunk and cooldown and by cosine at twice the rate (Hagele: a trunk wants about half): within noise."""
    raw = make_plan(tokens=[40_960], batch_tokens=256, runs=[{"level": "clean", "seed": seed} for seed in range(3)])
    branch = run_stack(parse_plan(raw, tmp_path), "s0", tmp_path / "trunk")
    raw["schedule"]["kind"], raw["stacks"][0]["lr"] = "cosine", 0.02
    cosine = run_stack(parse_plan(raw, tmp_path), "s0", tmp_path / "cosine")
    losses = []
    for folder in (branch, cosine):
        table = pq.read_table(folder / "observations.parquet").to_pylist()
        losses.append(np.array([row["loss"] for row in table if row["eval_set"] == "heldout"]))
    assert losses[0].mean() < 3.0  # learnt, from 4.6
    assert abs(losses[0].mean() - losses[1].mean()) < 0.05


def test_trunk_evaluations_are_kept(finished, plan, tmp_path):
    """Per document, at the powers of two and where branches leave; nothing else changes, and a resumed run logs each once."""
    plan = replace(plan, trunk_evaluations=True, checkpoint_seconds=0.0)
    seen = []

    def kill(line):
        seen.append(line["event"])
        if seen.count("branch") == 2:
            raise KilledError

    with pytest.raises(KilledError):
        run_stack(plan, "s0", tmp_path, kill)
    resumed = run_stack(plan, "s0", tmp_path)
    trunk = [line for line in lines(resumed) if line["event"] == "trunk"]
    assert [line["step"] for line in trunk] == [1, 2, 4, 8, 16, 32]
    assert set(trunk[0]["loss"]) == {"heldout", "domain:web", "domain:books"}
    scored = pq.read_table(resumed / "trunk.parquet")
    assert scored.schema == LOSSES
    assert scored["tokens"].unique().to_pylist() == [128 * 2**i for i in range(6)]
    at_start, at_end = (scored.filter(pc.field("tokens") == tokens)["nats"].to_numpy().sum() for tokens in (128, 4096))
    assert at_end < 0.9 * at_start
    np.testing.assert_array_equal(nats(resumed), nats(finished[1]))
