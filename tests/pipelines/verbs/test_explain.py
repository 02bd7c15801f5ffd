"""`assay explain` and `inspect --removed`: a document goes by every id that its owner knows, and what is dropped is a table."""

import json
import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from tests.pipelines.conftest import document

STUDY = {
    "name": "own",
    "sources": [{"kind": "jsonl", "name": "own", "path": "a.jsonl", "fields": {"url": "link"}}],
    "pool": {"max_malformed": 0.1},
    "signals": ["gopher_quality"],
    "levels": {
        "raw": {},
        "clean": {"drop": ["near"], "keep": ["gopher_quality.stop_words >= 2", "gopher_quality.n_words >= 60"]},
    },
    "tokenizer": {"vocab_size": 300, "sample_megabytes": 0.1},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("own"), random.Random(3)
    texts = [document(rng) for _ in range(30)]
    texts[4], texts[5] = "of few words and the", texts[3]
    rows = [
        {"text": text, "uuid": f"9b2-{i}", "link": f"https://example.org/{i}", "about": {"doi": "10.1/x"}}
        for i, text in enumerate(texts)
    ]
    bad = {"uuid": "9b2-bad", "text": None}
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, bad]))
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    told = call(folder, "curate", "--executor", "in-process", "--json")
    (folder / "curated.json").write_text(told.stdout)
    return folder


def call(folder: Path, verb: str, *words: str, code: int = 0):
    done = CliRunner().invoke(app, [verb, str(folder / "study.yaml"), "-w", str(folder / "work"), *words])
    assert done.exit_code == code, done.output
    return done


def life(folder: Path, name: str) -> dict:
    return json.loads(call(folder, "explain", name, "--json").stdout)


def test_a_document_goes_by_its_number_its_id_its_url_and_what_its_source_calls_it(folder: Path):
    found = life(folder, "7")
    assert found["url"] == "https://example.org/7"
    for name in (found["uid"], found["url"], "9b2-7"):
        assert life(folder, name) == found
    for name, said in (
        ("10.1/x", "30 documents have it: 0, 1, 2, 3, 4; give"),
        ("9b2-77", "no document has it; give the number"),
        ("9b2-bad", "it is malformed, and in no level: a.jsonl, line 31: field 'text' is null"),
    ):
        assert said in " ".join(call(folder, "explain", name, code=2).stderr.split())


def test_clusters_are_written_as_in_the_export(folder: Path):
    copy = life(folder, "5")
    (near,) = [rule for rule in copy["levels"]["clean"]["rules"] if rule["rule"] == "near duplicate"]
    assert near["value"] == copy["cluster"] == life(folder, "3")["cluster"]
    assert (len(copy["cluster"]), copy["cluster_size"]) == (16, 2)


def test_what_fails_comes_first_and_80_columns_hold_it(folder: Path):
    done = CliRunner().invoke(
        app, ["explain", str(folder / "study.yaml"), "4", "-w", str(folder / "work")], env={"COLUMNS": "80"}
    )
    rules = [line.split() for line in done.stdout.splitlines() if line.rstrip().endswith(("holds", "fails"))]
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert (rules[0][0], rules[0][-1]) == ("gopher_quality.n_words", "fails")
    assert {words[-1] for words in rules[1:]} == {"holds"}


def test_the_removed_documents_are_those_of_the_ledger_with_text(folder: Path, tmp_path: Path):
    told = call(folder, "inspect", "clean", "--removed", str(tmp_path / "removed.parquet")).stdout
    ledgers = json.loads((folder / "curated.json").read_text())["ledgers"]["clean"]
    ledger = pl.read_parquet(f"{ledgers}/shard-*.parquet").filter(~pl.col("keep"))
    removed = pl.read_parquet(tmp_path / "removed.parquet")
    assert f"{len(removed)} documents that clean drops" in told
    assert removed["doc_id"].to_list() == ledger["doc_id"].to_list()
    assert removed["reason"].to_list() == ledger["reason"].cast(pl.String).to_list()
    short = removed.filter(pl.col("doc_id") == 4).row(0, named=True)
    assert (short["text"], short["reason"], short["value"]) == ("of few words and the", "gopher_quality.n_words >= 60", "5")
    assert life(folder, short["id"])["doc_id"] == 4
    assert json.loads(short["meta"])["uuid"] == "9b2-4"
    assert "say of which level" in call(folder, "inspect", "--removed", "x", code=2).stderr


def test_the_ledger_of_the_study_as_it_stands_is_named(folder: Path):
    ledgers = json.loads((folder / "curated.json").read_text())["ledgers"]["clean"]
    assert f"ledger: {ledgers}/shard-*.parquet" in call(folder, "inspect", "clean").stdout


def test_looking_at_what_was_curated_waits_for_no_torch_and_no_ray(folder: Path):
    words = ["explain", str(folder / "study.yaml"), "7", "-w", str(folder / "work"), "--json"]
    heavy = "[name for name in ('torch', 'ray', 'altair', 'scipy.stats') if name in sys.modules]"
    code = f"import sys; from pipelines.cli import app; app({words!r}, standalone_mode=False); print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
