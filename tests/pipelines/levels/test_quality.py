"""Quality in a study: the records say what the token shards hold, wherever they were computed."""

import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from curation.quality import axes
from curation.tokens import tokenizer
from pipelines import run_study
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.levels import quality, quality_pieces
from pipelines.outcomes.fit import axes_of_study
from pipelines.study.study import StudyError, load


@pytest.fixture(scope="module")
def measured(module_study_folder):
    """The small study with a clean reference, added copies (exact and near), an edit, and a level of several passes."""
    folder = module_study_folder
    content = yaml.safe_load((folder / "study.yaml").read_text())
    content["sources"].append({"kind": "jsonl", "name": "clean", "path": "clean.jsonl", "role": "reference"})
    lines = [{"text": f"In the house of the {i}th letter the old man said that all was well with his work."} for i in range(40)]
    (folder / "clean.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    del content["levels"]["top"]
    content["levels"] |= {
        "copied": {"extends": "dedup", "duplicate": 0.5},
        "noisy": {"extends": "dedup", "duplicate": 0.5, "duplicate_noise": 0.1, "edit": ["c4_lines_tfds"]},
        "again": {
            "extends": "raw",
            "mixture": {
                "kind": "explicit", "shares": {"essays": 0.8, "letters": 0.1, "notes": 0.1},
                "max_epochs": {"essays": 3},
            },
        },
    }  # fmt: skip
    (folder / "quality.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    workdir = Workdir(str(folder / "work"))
    context = Context(workdir, InProcess(), Progress(workdir))
    study = load(folder / "quality.yaml")
    return study, run_study.curate(context, study, folder), workdir


def stream(curated, workdir, name) -> pl.DataFrame:
    files = curated.levels[name].files(".parquet")
    return pl.concat([pl.DataFrame(workdir.read_table(path)) for path in files]).with_columns(n=pl.col("tokens").list.len())


def values(curated, name) -> dict[str, float]:
    return {axis: one["value"] for axis, one in curated.quality.levels[name].summary["axes"].items()}


def signal(curated, workdir, name) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(workdir.read_table(path)) for path in curated.pool.signals[name].files(".parquet")])


def test_sizes_and_scores_are_those_of_the_token_shards(measured):
    study, curated, workdir = measured
    pool = sum(signal(curated, workdir, "tokens")["n_tokens"].to_list())
    uid = pl.concat([pl.DataFrame(workdir.read_table(p, ["doc_id", "uid"])) for p in curated.pool.documents.files(".parquet")])
    score = signal(curated, workdir, "quality").select("doc_id", "score")
    for name in study.levels:
        rows, found = stream(curated, workdir, name), values(curated, name)
        once = rows.unique(["uid", "piece"])
        own = once.join(uid, on=["doc_id", "uid"])
        assert found["kept"] == pytest.approx(own["n"].sum() / pool), name
        assert found["epochs"] == pytest.approx(rows["n"].sum() / once["n"].sum()), name
        assert found["document_tokens"] == pytest.approx(once["n"].sum() / once["uid"].n_unique()), name
        weighted = rows.join(score, on="doc_id")
        mean = (weighted["score"].cast(pl.Float64) * weighted["n"]).sum() / weighted["n"].sum()
        assert found["quality.score"] == pytest.approx(mean), name
        assert found["quality.score.p10"] <= found["quality.score.p50"] <= found["quality.score.p90"]
    assert values(curated, "again")["epochs"] > 1.1
    assert values(curated, "raw")["epochs"] == 1


def test_duplicates_are_those_of_the_token_shards(measured):
    study, curated, workdir = measured
    uids = {u for p in curated.pool.documents.files(".parquet") for u in workdir.read_table(p, ["uid"])["uid"].to_pylist()}
    of = {row[0]: row[1:] for row in signal(curated, workdir, "duplicates").select("doc_id", "cluster", "exact").iter_rows()}
    for name in study.levels:
        once = stream(curated, workdir, name).unique(["uid", "piece"])
        tokens = once.group_by("doc_id", "uid").agg(pl.col("n").sum()).rows()
        kinds: list[dict[object, list[int]]] = [defaultdict(list), defaultdict(list)]
        for doc, uid, n in tokens:
            cluster, exact = of[doc]
            kinds[0][cluster].append(n)
            kinds[1][uid if name == "noisy" and uid not in uids else exact].append(n)
        near, exact = (sum(sum(group) - max(group) for group in kind.values()) / once["n"].sum() for kind in kinds)
        found = values(curated, name)
        assert (found["duplicates.near"], found["duplicates.exact"]) == pytest.approx((near, exact)), name
    assert values(curated, "dedup")["duplicates.near"] == 0
    assert values(curated, "copied")["duplicates.exact"] > 0.2
    assert values(curated, "noisy")["duplicates.near"] > 0.2 > 0.01 > values(curated, "noisy")["duplicates.exact"]


def test_what_rules_removed_adds_up_with_what_is_kept(measured):
    study, curated, _ = measured
    for name in study.levels:
        found = values(curated, name)
        added = sum(row["tokens"] for row in curated.ledgers[name].summary["funnel"] if row["reason"] == "added: copies")
        if not added:
            assert found["kept"] + sum(v for k, v in found.items() if k.startswith("removed.")) == pytest.approx(1), name
    assert values(curated, "clean")["removed.gopher_quality"] > 0


def test_the_sampled_text_is_what_is_trained_on(measured):
    """A small level is sampled whole: each piece's tokens, decoded."""
    study, curated, workdir = measured
    spelled = tokenizer.load(workdir.read_bytes(curated.pool.tokenizer.files("tokenizer.json")[0]).decode())
    pieces = quality_pieces.read_pieces(
        Context(workdir, InProcess(), Progress(None)), study, curated.pool, curated.ledgers, curated.levels
    )
    for name in ("noisy", "again"):
        paths = [path for path in pieces[name].files(".parquet") if "/sample-" in path]
        texts = sorted(text for path in paths for text in workdir.read_table(path)["text"].to_pylist())
        once = stream(curated, workdir, name).unique(["uid", "piece"])
        assert texts == sorted(spelled.decode(tokens) for tokens in once["tokens"].to_list()), name


def test_the_clean_reference_knows_prose_better_than_junk(measured):
    _, curated, _ = measured
    assert values(curated, "clean")["reference_bits"] < values(curated, "dedup")["reference_bits"]


def test_what_depends_on_size_is_not_said_of_a_small_level(measured):
    _, curated, _ = measured
    assert not {"types", "novelty", "zstd"} & set(values(curated, "raw"))
    assert not [axis for axis in values(curated, "raw") if axis.startswith("overlap:")]


def test_records_and_table_lie_where_people_look(measured):
    study, curated, workdir = measured
    rows = list(csv.DictReader(workdir.read_bytes(quality.TABLE).decode().splitlines()))
    assert [row["level"] for row in rows] == list(study.levels)
    for row in rows:
        record = workdir.read_json(f"{curated.levels[row['level']].step.path}/{quality.RECORD}")
        assert record == curated.quality.levels[row["level"]].summary
        for axis, cell in row.items():
            if axis.startswith("removed.") and axis not in record["axes"]:
                assert float(cell) == 0
            elif axis != "level":
                assert float(cell or np.nan) == pytest.approx(
                    record["axes"].get(axis, {"value": np.nan})["value"], rel=1e-5, nan_ok=True
                )


def test_an_axis_that_no_level_has_is_refused_before_training(measured):
    _, _, workdir = measured
    asked = load(Path(workdir.root).parent / "quality.yaml", ["report.quality.axis=types"])
    with pytest.raises(
        StudyError, match=r"report\.quality\.axis: 'types' could not be measured on any level .* choose one of kept, "
    ):
        run_study.curate(Context(workdir, InProcess(), Progress(None)), asked, Path(workdir.root).parent)


def test_the_fitter_reads_the_table_as_it_is(measured):
    study, curated, workdir = measured
    chosen = axes.for_law(curated.quality.table.summary["axes"], "quality.score")
    read = axes_of_study(workdir, curated.quality.table.files(quality.TABLE)[0], chosen)
    assert next(iter(read.values)) == "quality.score"
    assert not [axis for axis in read.values if axis.startswith("removed.") or axis.endswith(".p50")]
    assert read.overlap == {}
    for level in study.levels:
        assert read.values["quality.score"][level] == pytest.approx(values(curated, level)["quality.score"], rel=1e-5)


def test_a_changed_level_is_measured_alone(measured):
    study, curated, workdir = measured
    clean = study.levels["clean"].model_copy(update={"keep": ["gopher_quality.n_words >= 90"]})
    changed = study.model_copy(update={"levels": study.levels | {"clean": clean}})
    folder = Path(workdir.root).parent
    again = run_study.curate(Context(workdir, InProcess(), Progress(workdir)), changed, folder)
    other = [name for name in study.levels if again.quality.levels[name].step.id != curated.quality.levels[name].step.id]
    assert other == ["clean"]


def test_a_level_whose_name_is_a_number_keeps_it(tmp_path):
    (tmp_path / "quality.csv").write_text("level,kept,overlap:heldout\n01,0.5,0.1\n1,0.25,\n")
    read = axes_of_study(Workdir(str(tmp_path)), "quality.csv", ["kept"])
    assert (read.values, read.overlap) == ({"kept": {"01": 0.5, "1": 0.25}}, {"heldout": {"01": 0.1}})
