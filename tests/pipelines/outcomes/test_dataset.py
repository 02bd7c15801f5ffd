"""The exported folder: the rows of every ledger, a card, and `datasets` reading it; several classifiers side by side."""

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from curation.signals import quality
from curation.tokens import tokenizer
from pipelines import run_study
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.levels.curated import Curated
from pipelines.outcomes.dataset import counts, dataset
from pipelines.signals import classifiers
from pipelines.study.study import load
from tests.pipelines.conftest import document

N_LONG = 6


@pytest.fixture(scope="module")
def exported(module_study_folder):
    content = yaml.safe_load((module_study_folder / "study.yaml").read_text())
    content["levels"]["masked"] = {"extends": "clean", "edit": ["pii"]}
    content["levels"]["theirs"] = {"extends": "clean", "top": {"fraction": 0.5, "by": "theirs.score"}}
    content["levels"]["blind"] = {"extends": "clean", "top": {"fraction": 0.5, "by": "random.score"}}
    content["levels"]["copied"] = {"extends": "clean", "duplicate": 0.5}
    content["signals"].append("random")
    content["sources"][0]["licence"] = "cc-by-4.0"
    lines = [
        f"__label__{'essay' if i % 2 else 'other'} {text} number {i}\n" for i, text in enumerate(["a note", "the house"] * 40)
    ]
    (module_study_folder / "theirs.bin").write_bytes(quality._fit(lines, quality.Settings(dim=4, bucket=100, min_count=1)))
    content["classifiers"] |= {
        "letters": {"positives": "domain == 'letters'", "examples": 100, "bucket": 1000, "dim": 4, "epochs": 2},
        "theirs": {"model": "theirs.bin", "label": "__label__essay"},
    }
    rng = random.Random(5)
    long = [" ".join(document(rng) for _ in range(40)) for _ in range(N_LONG)]  # of several pieces, which may find room in part
    rows = [
        {"text": text, "domain": "essays", "url": f"https://example.org/{360 + i}", "n": 360 + i} for i, text in enumerate(long)
    ]
    (module_study_folder / "corpus" / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (module_study_folder / "edited.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    workdir = Workdir(str(module_study_folder / "work"))
    context = Context(workdir, InProcess(), Progress(workdir))
    study = load(module_study_folder / "edited.yaml")
    curated = run_study.curate(context, study, module_study_folder)
    made = dataset(context, study, curated, "assay run study.yaml")
    return curated, workdir.full(made.step.path), context, study


def test_what_is_exported_is_what_is_counted(exported):
    """Every number of a row, of the card and of the answer is that of the files; what a stream had room for is named apart."""
    curated, folder, context, study = exported
    written = counts(study, dataset(context, study, curated, "assay run study.yaml"))
    partly = 0
    for name in [name for name in study.levels if name != "copied"]:
        table = pq.read_table(f"{folder}/data/{name}")
        texts = table["text"].to_pylist()
        assert table["n_bytes"].to_pylist() == [len(text.encode()) for text in texts]
        encoded = tokenizer.encode(spelled(context, curated), pa.array(texts, pa.large_string()))
        assert table["n_tokens"].to_pylist() == encoded.value_lengths().to_pylist()
        sums = [len(texts), sum(table["n_bytes"].to_pylist()), sum(table["n_tokens"].to_pylist())]
        in_stream = sum(table["stream_tokens"].to_pylist())
        assert list(written[name].values()) == [*sums, in_stream]
        kept = curated.ledgers[name].summary["funnel"][-1]
        assert (len(texts), in_stream) == (kept["documents"], kept["tokens"])
        assert len(set(table["id"].to_pylist())) == table.num_rows
        partly += sum(a > b for a, b in zip(table["n_tokens"].to_pylist(), table["stream_tokens"].to_pylist(), strict=True))
        head = f"| {name} | " + " | ".join(f"{n:,}" for n in sums)
        assert head in Path(folder, "README.md").read_text(encoding="utf-8")
    assert partly, "no document had room in part: the test could not fail"


def spelled(context: Context, curated: Curated) -> str:
    return context.workdir.read_bytes(curated.pool.tokenizer.files("tokenizer.json")[0]).decode()


def test_all_of_a_record_is_in_its_row(exported):
    _, folder, _, _ = exported
    table = pq.read_table(f"{folder}/data/raw")
    for url, meta in zip(table["url"].to_pylist(), table["meta"].to_pylist(), strict=True):
        number = int(url.rpartition("/")[2])
        assert (meta and json.loads(meta)) == ({"n": number} if number >= 360 else None)
    assert table["meta"].null_count < table.num_rows


def test_exporting_again_writes_no_byte_anew(exported):
    curated, folder, context, study = exported
    before = {path.name: path.stat().st_mtime_ns for path in _files(folder)}
    dataset(context, study, curated, "assay run study.yaml")
    assert {path.name: path.stat().st_mtime_ns for path in _files(folder)} == before


def test_lineage_is_written_on_demand(exported):
    curated, folder, context, study = exported
    path = Path(folder, "provenance.json")
    assert not path.exists()
    dataset(context, study, curated, "assay run study.yaml", lineage=True)
    labels = {entity["prov:label"] for entity in json.loads(path.read_bytes())["entity"].values()}
    assert {f"level {name}, document by document" for name in study.levels} | {"source small", "dataset small"} <= labels
    path.unlink()


def test_no_file_is_without_rows(exported):
    """`datasets` refuses them: a level may keep nothing of a pool shard."""
    curated, folder, _, study = exported
    rows = [pq.read_metadata(path).num_rows for path in _files(folder)]
    assert min(rows) > 0
    assert len(rows) < len(study.levels) * len(curated.pool.documents.files(".parquet")), "every shard gave rows to every level"


def _files(folder):
    return sorted(Path(folder).rglob("*.parquet"))


def test_the_card_has_a_config_per_level(exported):
    _, folder, _, study = exported
    text = Path(folder, "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---\n")[1])
    assert [config["config_name"] for config in head["configs"]] == list(study.levels)
    assert "lowest quality.score taken" in text
    assert head["license"] == "cc-by-4.0"
    assert "| small | cc-by-4.0 |" in text
    assert text.count("The copies that this control adds are counted above and are not among the rows.") == 1


def test_the_card_has_the_quality_of_every_level(exported):
    curated, folder, _, study = exported
    text = Path(folder, "README.md").read_text(encoding="utf-8")
    assert text.count("Quality of the stream:") == len(study.levels)
    for name in study.levels:
        kept = curated.quality.levels[name].summary["axes"]["kept"]["value"]
        assert f"| kept | {kept:.4g} |  | share of the pool's tokens |" in text


def test_the_card_says_what_the_classifiers_are_worth(exported):
    curated, folder, _, _ = exported
    text = Path(folder, "README.md").read_text(encoding="utf-8")
    for name in ("quality", "letters"):
        found = classifiers.report(curated.pool.signals[name])
        assert f"| {name} | held-out AUC | {found['auc']:.3f} (" in text
        assert f"| {name} | rank correlation of score and length | good {found['length_bias']['good']:+.2f}," in text
    assert "| theirs | model | theirs.bin |" in text
    assert "| theirs | held-out AUC" not in text


def test_classifiers_stand_side_by_side(exported):
    """Two that were trained here, a user's model and the random control: each scores all documents, and none is another."""
    curated, _, context, _ = exported
    scores = {}
    for name in ("quality", "letters", "theirs", "random"):
        paths = curated.pool.signals[name].files(".parquet")
        scores[name] = np.concatenate([context.workdir.read_table(path)["score"].to_numpy() for path in paths])
        assert len(scores[name]) == 360 + N_LONG
        assert ((scores[name] >= 0) & (scores[name] <= 1)).all()
        assert len(np.unique(scores[name])) > 50
    assert abs(np.corrcoef(np.stack(list(scores.values())))[np.triu_indices(4, 1)]).max() < 0.95
    texts = [
        text for p in curated.pool.documents.files(".parquet") for text in context.workdir.read_table(p)["text"].to_pylist()
    ]
    model = quality.load(str(Path(context.workdir.root).parent / "theirs.bin"))
    np.testing.assert_array_equal(scores["theirs"], quality.score(model, texts, "__label__essay"))


def test_datasets_reads_the_folder(exported, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    curated, folder, _, _ = exported
    loaded = datasets.load_dataset(folder, "top", split="train", cache_dir=str(tmp_path))
    assert loaded.num_rows == curated.ledgers["top"].summary["funnel"][-1]["documents"]
