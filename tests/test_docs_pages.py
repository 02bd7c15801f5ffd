"""Whole pages of the manual, command by command, on a tiny study."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from tests.test_docs import COMMANDS, ROOT, blocks, words


def write_tiny_study(folder: Path) -> None:
    """study.yaml and its corpus: two levels, one shape, seconds to train."""
    (folder / "corpus").mkdir()
    words, rng = (
        [f"{a}{b}" for a in ("stone", "river", "light", "north") for b in ("s", "ed", "ing", "y", "er")],
        random.Random(1),
    )
    lines = [json.dumps({"text": " ".join(rng.choices(words, k=120)), "domain": "ab"[i % 2]}) for i in range(200)]
    (folder / "corpus/a.jsonl").write_text("\n".join(lines))
    (folder / "study.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "tiny", "sources": [{"kind": "jsonl", "name": "a", "path": "corpus/*.jsonl"}],
                "levels": {"raw": {}, "dedup": {"extends": "raw", "drop": ["exact"]}},
                "tokenizer": {"vocab_size": 280, "sample_megabytes": 1}, "evaluation": {"heldout": 0.2},
                "ladder": {"shapes": {"a": {"width": 16, "depth": 1, "heads": 1}}, "tokens": [640, 1280, 2560, 5120],
                           "context": 32, "batch_tokens": 64, "warmup_tokens": 128},
                "fit": {"replicates": 50, "test_replicates": 0},
            },
            sort_keys=False,
        )
    )  # fmt: skip


@pytest.mark.slow
def test_gpu_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Curate, write the plan, train with `python -m training`, take the runs back: the page's own commands, on a tiny study."""
    write_tiny_study(tmp_path)
    monkeypatch.chdir(tmp_path)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    said = []
    for command in (line for body in blocks("docs/how-to/gpu.md", "bash")[1:] for line in body.splitlines()):
        program, *rest = words(command)
        if program == "python":
            subprocess.run([sys.executable, *rest], check=True, cwd=tmp_path, env=environment, timeout=200)
            continue
        result = CliRunner().invoke(app, [*rest, "--executor", "in-process"])
        assert result.exit_code == 0, result.output
        said.append(result.output)
    assert "2 runs taken from runs" in said[2]
    assert "train " not in said[3]  # nothing was left to train
    assert (tmp_path / "work/tiny/report/index.html").exists()


@pytest.mark.slow
def test_s3_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A whole study with its work directory on an S3 server; a second run finds everything there."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        told = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in {**told, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="bucket")
        write_tiny_study(tmp_path)
        command = ["run", str(tmp_path / "study.yaml"), "--workdir", "s3://bucket/studies/tiny", "--executor", "in-process"]
        first = CliRunner().invoke(app, command)
        assert first.exit_code == 0, first.output
        assert "s3://bucket/studies/tiny/report/index.html" in first.output
        plan = CliRunner().invoke(app, [*command, "--dry-run"])
        assert "to be made: nothing" in plan.output
    finally:
        server.stop()


def told_by(*pages: str) -> list[str]:
    """The `assay` commands of these pages, in order, without their remarks."""
    return list(dict.fromkeys(text.split("  #")[0].strip() for page, text in COMMANDS if page in pages and "assay " in text))


def write_runs(folder: Path, head: str = "level,N,tokens,loss") -> None:
    """runs.csv: two levels of known laws, 30 runs."""
    draw = random.Random(2)
    rows = [
        (level, N, D, 1.8 + 400 * N**-0.34 + scale * D**-0.28 + draw.gauss(0, 0.003))
        for level, scale in (("raw", 410.0), ("clean", 380.0))
        for N in (1e7, 3e7, 1e8)
        for D in (1e8, 3e8, 1e9, 3e9, 1e10)
    ]
    (folder / "runs.csv").write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")


@pytest.mark.slow
def test_pages_on_fitting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every command of the pages on fitting a table, on a made one; exports of trackers have tests of their own
    (tests/scaling_fit/table)."""
    monkeypatch.chdir(tmp_path)
    own = [command for command in told_by("docs/fitting.md", "docs/how-to/fit-only.md") if " runs.csv" in command]
    assert len(own) > 6
    for command in own:
        head = "Corpus,Model Size,Training Tokens,loss" if "Model Size" in command else "level,N,tokens,loss"
        write_runs(tmp_path, head)
        result = CliRunner().invoke(app, words(command)[1:])
        assert result.exit_code == 0, (command, result.output)
    assert (tmp_path / "result/fit.json").exists()


@pytest.mark.slow
def test_pages_on_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every command on looking at a study, sharing and exporting it, on a tiny one; the pages name documents of their own."""
    write_tiny_study(tmp_path)
    write_runs(tmp_path)
    body = yaml.safe_load((tmp_path / "study.yaml").read_text())
    body["signals"] = ["gopher_quality"]
    body["levels"]["filtered"] = {"extends": "dedup", "keep": ["gopher_quality.mean_word_length <= 6.85"]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(body, sort_keys=False))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(body | {"name": "mine"}, sort_keys=False))
    (tmp_path / "data/web").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    runs = ["run", "study.yaml", "--executor", "in-process"]
    first = CliRunner().invoke(app, runs)
    assert first.exit_code == 0, first.output
    for day in ("monday", "tuesday"):
        shutil.copytree(tmp_path / "work/tiny/report", tmp_path / f"work/{day}/report")
    pages = ("README.md", "docs/how-to/own-data.md", "docs/how-to/share-a-report.md", "docs/how-to/export.md")
    done = []
    for command in told_by(*pages):
        program, *rest = words(command)
        if program != "assay" or "quickstart" in command or rest[0] in ("doctor", "init", "design"):
            continue  # they have tests of their own; quickstart.yaml is `make quickstart`
        rest = ["12" if word.isdigit() else word for word in rest]
        if rest[0] in ("run", "curate", "train"):
            rest += ["--executor", "in-process"]
        result = CliRunner().invoke(app, rest)
        assert result.exit_code == 0, (command, result.output)
        done.append(rest[0])
    assert {"run", "inspect", "explain", "diff", "ladder", "report", "compare", "export"} <= set(done)
