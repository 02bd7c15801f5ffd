"""What the system refuses is one sentence that names the file and the cure; never a traceback."""

import errno
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.verbs.opening import _urls
from pipelines.verbs.terminal import system_fault


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "free some space, and run the same command again"),
        (errno.EACCES, "name another --workdir"),
        (errno.EROFS, "name another --workdir"),
        (errno.ENOTDIR, "there is a file where a folder is needed"),
        (errno.EIO, "run the same command again: finished parts are kept"),
    ],
)
def test_a_fault_names_file_and_cure(number, cure):
    text = system_fault(OSError(number, os.strerror(number), "/work/pool"))
    assert text.startswith(f"/work/pool: {os.strerror(number)}; ")
    assert cure in text


def test_a_long_path_for_sockets_says_which_variable():
    assert system_fault(OSError("AF_UNIX path length cannot exceed 107 bytes: /tmp/x")).endswith("set TMPDIR to a shorter path")


def assay(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from pipelines.cli import app; app()", *words]
    return subprocess.run(command, capture_output=True, cwd=folder, env=os.environ | environment, check=False)


def test_a_file_in_the_place_of_the_work_directory(study_folder, tmp_path):
    (tmp_path / "work").write_text("a file")
    done = assay(study_folder, "curate", "study.yaml", "-w", str(tmp_path / "work"), "--executor", "in-process")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"there is a file where a folder is needed" in done.stderr


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [
        (["curate", "study.yaml", "-w", "s3://bucket/x"], "s3fs", "assay[remote]"),
        (["status", "study.yaml", "-w", "s3://bucket/x"], "s3fs", "assay[remote]"),
        (["curate", "study.yaml", "-w", "work", "--set", "sources=[{kind: jsonl, name: a, path: hf://datasets/a/b/c.jsonl}]"],
         "huggingface_hub", "assay[huggingface]"),
        (["export", "study.yaml", "-w", "work", "--to", "s3://bucket/x"], "s3fs", "assay[remote]"),
        (["export", "study.yaml", "-w", "work", "--to", "hf://datasets/a/b"], "huggingface_hub", "assay[huggingface]"),
        (["curate", "study.yaml", "-w", "gs://bucket/x"], "gcsfs", "gcsfs"),
    ],
)  # fmt: skip
def test_a_url_without_its_package_is_a_line_before_any_work(study_folder, monkeypatch, words, package, extra):
    monkeypatch.chdir(study_folder)
    for protocol in ("s3", "hf", "gs"):  # as if no other test had used it
        monkeypatch.delitem(import_module("fsspec.registry")._registry, protocol, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    done = CliRunner().invoke(app, [*words, *([] if words[0] == "status" else ["--executor", "in-process"])])
    assert done.exit_code == 2, done.output
    assert f"the package {package} is not installed: pip install '{extra}'\n" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(Path("work").glob("pool/*"))


def test_a_licence_may_be_an_address_and_is_not_fetched():
    read = {"kind": "jsonl", "path": ["s3://bucket/a", "b.jsonl"], "licence": "https://creativecommons.org/licenses/by/4.0"}
    assert list(_urls({"sources": (read,), "seed": 0})) == ["s3://bucket/a"]


def test_a_terminal_of_another_encoding(study_folder, tmp_path):
    done = assay(study_folder, "run", "study.yaml", "-w", str(tmp_path), "--dry-run", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
