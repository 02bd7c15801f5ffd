import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from training.plan import parse_plan
from training.run import run_stack

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def command(*arguments):
    return [sys.executable, "-m", *map(str, arguments)]


@pytest.fixture
def plan_file(make_plan, tmp_path):
    raw = make_plan()
    raw["stacks"].append(raw["stacks"][0] | {"id": "s1", "runs": [{"level": "clean", "seed": 1}]})
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(raw))
    return path


def losses(out, stack="s0"):
    return pq.read_table(out / stack / "losses.parquet")["nats"].to_numpy()


def test_a_plan_runs_from_the_command_line(plan_file, tmp_path):
    done = subprocess.run(
        command("training", plan_file, "--out", tmp_path / "out"), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "s1  branch  tokens 5120" in done.stdout
    direct = run_stack(parse_plan(json.loads(plan_file.read_text()), tmp_path), "s0", tmp_path / "direct")
    np.testing.assert_array_equal(losses(tmp_path / "out"), losses(direct.parent))
    assert (tmp_path / "out" / "s1" / "observations.parquet").exists()


def test_errors_are_one_line(tmp_path):
    done = subprocess.run(
        command("training", tmp_path / "no.json", "--out", tmp_path), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot read the plan")
    assert "Traceback" not in done.stderr


def test_training_needs_neither_ray_nor_polars_nor_pydantic(plan_file, tmp_path):
    """The wall of the house: a GPU box without the cluster. A plan trains where only its few packages can be imported."""
    modules = [f"training.{path.stem}" for path in (ROOT / "training").glob("*.py") if path.stem != "__init__"]
    foreign = ("ray", "polars", "pydantic", "scipy", "xxhash", "curation", "pipelines",
               "scaling_fit", "transformers", "tokenizers")  # fmt: skip
    code = (
        f"import sys, runpy\nsys.modules.update(dict.fromkeys({foreign}))\nimport {', '.join(modules)}\n"
        f"sys.argv = ['training', {str(plan_file)!r}, '--out', {str(tmp_path / 'out')!r}, '--stack', 's1']\n"
        "runpy.run_module('training', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "s1" / "observations.parquet").exists()


@pytest.mark.slow
def test_a_killed_process_resumes_bit_identically(plan_file, tmp_path):
    """SIGKILL in the middle, then the same command again."""
    raw = json.loads(plan_file.read_text())
    raw["checkpoint_seconds"] = 0.0
    raw["stacks"][0]["tokens"] = [5120, 51_200]
    plan_file.write_text(json.dumps(raw))
    arguments = command("training", plan_file, "--out", tmp_path / "killed", "--stack", "s0")
    process = subprocess.Popen(arguments, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    while not (tmp_path / "killed" / "s0" / "branches" / "5120.parquet").exists():
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "s0" / "observations.parquet").exists()
    subprocess.run(arguments, cwd=ROOT, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    run_stack(parse_plan(raw, tmp_path), "s0", tmp_path / "whole")
    np.testing.assert_array_equal(losses(tmp_path / "killed"), losses(tmp_path / "whole"))


@pytest.mark.slow
def test_two_ranks_equal_one(plan_file, tmp_path):
    """Data-parallel by torchrun over gloo: the same losses but for rounding, and one set of files."""
    arguments = command(
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        2,
        "-m",
        "training",
        plan_file,
        "--out",
        tmp_path / "two",
        "--stack",
        "s0",
    )
    done = subprocess.run(arguments, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run_stack(parse_plan(json.loads(plan_file.read_text()), tmp_path), "s0", tmp_path / "one")
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=5e-3)
    phases = [line["event"] for line in map(json.loads, (tmp_path / "two" / "s0" / "metrics.jsonl").read_text().splitlines())]
    assert phases.count("branch") == 3
    assert phases.count("done") == 1
