"""Levels that edit and levels with added copies, through the pipeline: their streams, their funnels, the same on Ray."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from curation.levels import controls
from curation.tokens import tokenizer
from pipelines import run_study
from pipelines.engine.executor import InProcess, OnRay
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.study.study import load

LEVELS = {
    "raw": {},
    "duplicated": {"extends": "raw", "duplicate": 0.5},
    "near": {"extends": "raw", "duplicate": 0.5, "duplicate_noise": 0.1},
    "edited": {"extends": "raw", "edit": ["pii", "c4_lines_tfds"]},
    "edited-near": {"extends": "edited", "duplicate": 0.3, "duplicate_noise": 0.2},
    "edited-twice": {"extends": "edited", "edit": ["pii"], "keep": ["gopher_quality.n_words >= 30"], "duplicate": 0.2},
    "epochs": {
        "extends": "raw",
        "mixture": {"kind": "explicit", "shares": {"essays": 0.6, "notes": 0.4}, "max_epochs": {"essays": 2}},
    },
    "control": {"extends": "raw", "random": "edited"},
}


def curate(folder: Path, work: str, executor):
    content = yaml.safe_load((folder / "study.yaml").read_text())
    content["levels"] = LEVELS
    content["mixture"] = {"kind": "natural"}
    content["ladder"]["tokens"] = [1024, 2048, 4096]
    (folder / f"{work}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    workdir = Workdir(str(folder / work))
    context = Context(workdir, executor, Progress(workdir))
    return workdir, run_study.curate(context, load(folder / f"{work}.yaml"), folder)


@pytest.fixture(scope="module")
def curated(module_study_folder):
    return module_study_folder, *curate(module_study_folder, "work", InProcess())


def funnel(made, name: str) -> dict[str, dict[str, int]]:
    return {row["reason"]: row for row in made.ledgers[name].summary["funnel"]}


def stream(workdir: Workdir, made, name: str) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(workdir.read_table(path)) for path in made.levels[name].files(".parquet")])


def test_the_tokenizers_sample_has_its_bytes_and_nothing_withheld(curated):
    _, workdir, made = curated
    (folder,) = Path(workdir.full("tokenizer/sample")).iterdir()
    texts = pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))])["text"]
    assert abs(texts.str.len_bytes().sum() / 100_000 - 1) < 0.05
    pool = pl.concat([pl.DataFrame(workdir.read_table(path)) for path in made.pool.documents.files(".parquet")])
    files = made.pool.signals["withheld"].files(".parquet")
    withheld = pl.concat([pl.DataFrame(workdir.read_table(path)) for path in files])
    assert not set(texts) & set(pool.filter(~withheld["free"])["text"])


def test_copies_are_added_laid_and_counted(curated):
    _, workdir, made = curated
    rows = funnel(made, "duplicated")
    raw = funnel(made, "raw")["kept"]
    added = rows["added: copies"]
    assert 0.3 < added["tokens"] / raw["tokens"] < 0.7
    assert rows["kept"]["tokens"] == raw["tokens"] + added["tokens"]
    laid = stream(workdir, made, "duplicated")
    assert laid["tokens"].list.len().sum() == rows["kept"]["tokens"]
    twice = laid.group_by("doc_id", "piece").agg(n=pl.len(), same=pl.col("tokens").n_unique())
    assert set(twice["n"]) == {1, 2}
    assert set(twice["same"]) == {1}


def spelled(workdir: Workdir, made, name: str) -> dict[int, list[str]]:
    """The texts in a level's stream, by document, from its tokens."""
    known = tokenizer.load(workdir.read_bytes(made.pool.tokenizer.files("tokenizer.json")[0]).decode())
    laid = stream(workdir, made, name)
    assert laid["piece"].max() == 0  # documents are short: a piece is a text
    assert sorted(laid["n_bytes"]) == sorted(len(known.decode(tokens).encode()) for tokens in laid["tokens"].to_list())
    texts: dict[int, list[str]] = {}
    for doc_id, tokens in zip(laid["doc_id"], laid["tokens"].to_list(), strict=True):
        texts.setdefault(doc_id, []).append(known.decode(tokens))
    return texts


@pytest.mark.parametrize(("name", "plain", "noise"), [("near", "raw", 0.1), ("edited-near", "edited", 0.2)])
def test_near_copies_are_of_the_same_documents_with_other_words(curated, name, plain, noise):
    _, workdir, made = curated
    originals, texts = spelled(workdir, made, plain), spelled(workdir, made, name)
    assert set(texts) == set(originals)
    if name == "near":
        assert {d for d, found in texts.items() if len(found) == 2} == {
            d for d, found in spelled(workdir, made, "duplicated").items() if len(found) == 2
        }
    changed = total = 0
    for doc_id, found in texts.items():
        (original,) = originals[doc_id]
        assert original in found
        for copy in [text for text in found if text != original]:
            ours, theirs = (controls.WORD.findall(text) for text in (copy, original))
            assert controls.WORD.sub("", copy) == controls.WORD.sub("", original)
            changed += sum(a != b for a, b in zip(ours, theirs, strict=True))
            total += len(ours)
    assert total > 2000
    assert noise * 0.8 < changed / total < noise * 1.1  # a word may be replaced by itself
    rows = funnel(made, name)
    assert rows["kept"]["documents"] == sum(map(len, texts.values()))
    assert rows["kept"]["tokens"] == stream(workdir, made, name)["tokens"].list.len().sum()


def test_noise_changes_no_identity_where_there_is_none(curated):
    """Steps of levels that were declared before the key existed are found again."""
    _, _, made = curated
    for name in ("raw", "duplicated", "edited-twice"):
        step = made.ledgers[name].step
        assert set(step.config) == {"length", "shares", "group", "order_seed", "piece_tokens", "partitions", "duplicate"}
        assert "copies" not in step.inputs
    assert made.ledgers["near"].step.inputs["copies"]


def test_a_scarce_domain_is_gone_through_again_as_often_as_allowed(curated):
    _, workdir, made = curated
    laid = stream(workdir, made, "epochs").with_columns(n=pl.col("tokens").list.len())
    tokens = dict(laid.group_by("domain").agg(pl.col("n").sum()).iter_rows())
    assert set(tokens) == {"essays", "notes"}
    available = made.selections["raw"].summary["tokens"]
    assert available["essays"] < tokens["essays"] <= 2 * available["essays"]
    assert abs(tokens["essays"] / sum(tokens.values()) - 0.6) < 0.02
    assert laid.filter(domain="essays").group_by("doc_id", "piece").len()["len"].max() == 2
    assert laid.filter(domain="notes").group_by("doc_id", "piece").len()["len"].max() == 1
    assert made.levels["epochs"].summary["unique_tokens"] < sum(tokens.values())


def test_edits_are_laid_and_counted(curated):
    _, workdir, made = curated
    rows, raw = funnel(made, "edited"), funnel(made, "raw")
    assert rows["edits"]["tokens"] > 0
    assert rows["edits"]["documents"] > 0  # junk has no line that ends
    assert rows["in"]["tokens"] == sum(row["tokens"] for reason, row in rows.items() if reason != "in")
    assert rows["kept"]["tokens"] < raw["kept"]["tokens"]
    assert stream(workdir, made, "edited")["n_bytes"].sum() == rows["kept"]["bytes"]
    # a child edits as its parent does
    assert "edits" in funnel(made, "edited-twice")


def test_a_random_control_has_the_size_of_an_edited_level(curated):
    _, _, made = curated
    like, control = (funnel(made, name)["kept"]["tokens"] for name in ("edited", "control"))
    assert abs(control - like) < 0.1 * like


@pytest.mark.slow
def test_the_same_on_ray(curated):
    folder, _, made = curated
    on_ray = OnRay(workers=2)
    try:
        _, again = curate(folder, "work-ray", on_ray)
    finally:
        on_ray.close()
    for name in LEVELS:
        assert again.levels[name].digest == made.levels[name].digest
        assert again.ledgers[name].digest == made.ledgers[name].digest


def test_what_is_curated_is_read_back_without_computing_anything(curated):
    """`assay train` after `assay curate`: levels with edits or copies once asked for their tokens to be counted again."""
    folder, workdir, made = curated
    reading = Context(workdir, InProcess(), Progress(workdir)).only_reading("assay curate")
    again = run_study.curate(reading, load(folder / "work.yaml"), folder)
    assert {name: level.digest for name, level in again.levels.items()} == {n: level.digest for n, level in made.levels.items()}
