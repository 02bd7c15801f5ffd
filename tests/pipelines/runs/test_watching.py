"""The progress of a stack, read from a file that another process writes, and writes anew when it resumes."""

import json
from pathlib import Path

from pipelines.runs.watching import _Followed
from training.metrics import Metrics


def log(metrics: Metrics, phase: str, *tokens: int, runs: int = 1) -> None:
    for n in tokens:
        line = {"event": "train", "phase": phase, "step": n // 10, "tokens": n, "trained": 100 * runs, "tokens_per_second": 5}
        metrics.log(line)


def test_trunks_and_branches_count_with_all_their_runs(tmp_path: Path):
    metrics, followed = Metrics(tmp_path, None), _Followed(tmp_path / "metrics.jsonl")
    assert followed.fresh_tokens() == 0
    log(metrics, "trunk", 100, 200, runs=2)
    assert followed.fresh_tokens() == 400
    log(metrics, "300", 300, runs=3)  # a course shares the trunk of a level
    log(metrics, "trunk", 300, runs=2)
    assert followed.fresh_tokens() == 500


def test_a_half_written_line_waits(tmp_path: Path):
    metrics, followed = Metrics(tmp_path, None), _Followed(tmp_path / "metrics.jsonl")
    log(metrics, "trunk", 100)
    with metrics.path.open("a") as file:
        file.write('{"event": "train", "phase"')
    assert followed.fresh_tokens() == 100
    with metrics.path.open("a") as file:
        file.write(': "trunk", "step": 20, "tokens": 200, "trained": 100, "tokens_per_second": 5}\n')
    assert followed.fresh_tokens() == 100


def test_a_resumed_stack_is_followed_on(tmp_path: Path):
    """A kill's lost steps leave the file, which once left the reader in the middle of a line."""
    metrics, followed = Metrics(tmp_path, None), _Followed(tmp_path / "metrics.jsonl")
    log(metrics, "trunk", *range(100, 1100, 100))
    assert followed.fresh_tokens() == 1000
    metrics.truncate("trunk", 55)
    metrics.log({"event": "resume", "step": 50, "why": "x" * 400})
    assert followed.fresh_tokens() == 0
    log(metrics, "trunk", 600)
    assert followed.fresh_tokens() == 100, "trained again and counted again; the bar stops at its total"
    assert len([json.loads(line) for line in metrics.path.read_text().splitlines()]) == 7


def test_a_file_that_shrank_in_its_place_is_read_anew(tmp_path: Path):
    metrics, followed = Metrics(tmp_path, None), _Followed(tmp_path / "metrics.jsonl")
    log(metrics, "trunk", 100, 200, 300)
    assert followed.fresh_tokens() == 300
    lines = metrics.path.read_bytes().splitlines(keepends=True)
    with metrics.path.open("r+b") as file:
        file.truncate(len(lines[0]))
    assert followed.fresh_tokens() == 0
    log(metrics, "trunk", 200, 300, 400)
    assert followed.fresh_tokens() == 300, "trained again and counted again"
    metrics.path.unlink()
    assert followed.fresh_tokens() == 0
