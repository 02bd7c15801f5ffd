"""`duplicates.earlier`: a crawl that comes later joins the clusters of one before, as if both had been there from the start."""

import json
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from tests.pipelines.conftest import STUDY, records

NEAR = 0.92  # some of the near copies are nearer, some are not
BASE = {
    "levels": {"raw": {}, "dedup": {"extends": "raw", "drop": ["exact", "near"]}},
    "tokenizer": STUDY["tokenizer"], "pool": STUDY["pool"],
}  # fmt: skip


def assay(*words: object, code: int = 0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def source(name: str) -> dict:
    return {"kind": "jsonl", "name": name, "path": f"{name}/*.jsonl"}


def write(folder: Path, name: str, sources: list[str], **duplicates: object) -> list[str]:
    content = BASE | {"name": name, "sources": [source(s) for s in sources], "duplicates": {"threshold": NEAR} | duplicates}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return [str(folder / f"{name}.yaml"), "-w", str(folder / "work" / name)]


def signal(folder: Path, study: str, source: str) -> dict[int, dict]:
    """The duplicates' rows of one source of a study, by uid."""
    files = [sorted(folder.glob(f"work/{study}/{step}/*/shard-*.parquet")) for step in ("pool", "signals/duplicates")]
    pool, rows = (pl.concat([pl.read_parquet(path) for path in paths]) for paths in files)
    joined = pool.select("uid", "source").hstack(rows.drop("doc_id")).filter(source=source)
    return {row["uid"]: row for row in joined.iter_rows(named=True)}


@pytest.fixture(scope="module")
def crawls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rows = tmp_path_factory.mktemp("crawls"), records()
    for name, part in (("first", rows[:150]), ("second", rows[150:250]), ("third", rows[250:])):
        (folder / name).mkdir()
        (folder / name / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    assay("curate", *write(folder, "first", ["first"]), "--executor", "in-process")
    assay("curate", *write(folder, "second", ["second"], earlier=["work/first"]), "--executor", "in-process")
    both = write(folder, "third", ["third"], earlier=["work/first", "work/second"], evidence=True)
    assay("curate", *both, "--executor", "in-process")
    assay("curate", *write(folder, "whole", ["first", "second", "third"]), "--executor", "in-process")
    return folder


def test_new_documents_are_judged_as_from_scratch(crawls: Path):
    third = signal(crawls, "third", "third")
    assert third == signal(crawls, "whole", "third")
    alone = {row["kept_uid"] for row in third.values()} - set(third)
    assert alone, "no new document goes for an old one: the corpus could not tell"


def test_each_pool_is_judged_anew_beside_the_new_one(crawls: Path):
    whole = signal(crawls, "whole", "first")
    rows = pl.concat([pl.read_parquet(p) for p in sorted(crawls.glob("work/third/signals/duplicates-earlier-2/*/shard-*"))])
    assert rows.drop("doc_id").rows(named=True) == [
        {k: v for k, v in row.items() if k not in ("uid", "source")} for row in whole.values()
    ]


def test_explain_tells_of_documents_that_are_elsewhere(crawls: Path):
    third = signal(crawls, "third", "third")
    pool = pl.concat([pl.read_parquet(p) for p in sorted(crawls.glob("work/third/pool/*/shard-*"))])
    gone = next(uid for uid, row in third.items() if row["kept_uid"] not in third and row["exact_survivor"])
    doc_id = pool.filter(uid=gone)["doc_id"][0]
    words = [str(crawls / "third.yaml"), str(doc_id), "-w", str(crawls / "work" / "third")]
    life = json.loads(assay("explain", *words, "--json").stdout)
    assert (life["survivor"], life["kept_doc_id"]) == (False, None)
    assert any(pair["accepted"] and pair["doc_id"] is None and pair["jaccard"] >= NEAR for pair in life["pairs"])
    told = assay("explain", *words).stdout
    assert "it goes for a document of an earlier pool" in told
    assert "of an earlier pool: similar, Jaccard" in told


def test_inspect_shows_pairs_on_both_sides_of_the_threshold(crawls: Path):
    words = [str(crawls / "third.yaml"), "dedup", "--rule", "near", "-w", str(crawls / "work" / "third")]
    rows = json.loads(assay("inspect", *words, "--json").stdout)
    assert [row["passes"] for row in rows] == sorted((row["passes"] for row in rows), reverse=True)
    assert {row["passes"] for row in rows} == {True, False}
    assert all((row["jaccard"] < NEAR) == row["passes"] for row in rows)
    assert f"near duplicate: jaccard >= {NEAR}" in assay("inspect", *words).stdout


@pytest.mark.parametrize(
    ("sources", "duplicates", "message"),
    [
        (
            ["third"],
            {"earlier": ["work/nowhere"]},
            "'work/nowhere': a work directory whose duplicates `assay curate` found once is needed, and it has none",
        ),
        (["third"], {"earlier": ["work/first"], "ngram": 4}, "its signal minhash was made with"),
        (["first", "third"], {"earlier": ["work/first"]}, "it has a source 'first', as this study has"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(crawls: Path, sources: list[str], duplicates: dict, message: str):
    words = write(crawls, "wrong", sources, **duplicates)
    assert message in " ".join(assay("curate", *words, "--executor", "in-process", code=2).stderr.split())
