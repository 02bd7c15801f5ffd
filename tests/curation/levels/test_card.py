"""The dataset folder: a card that the Hub's own library reads, rows that `datasets` loads."""

import random
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from curation.levels.card import SCHEMA, CardFacts, LevelFacts, card, file_name, rows, slug, write

FUNNEL = [
    {"reason": "in", "documents": 10, "bytes": 400, "tokens": 1000},
    {"reason": "gopher.n_words >= 50", "documents": 4, "bytes": 100, "tokens": 250},
    {"reason": "kept", "documents": 6, "bytes": 300, "tokens": 750},
]
ROWS = {"documents": 6, "bytes": 310, "tokens": 760, "stream_tokens": 750}
LEVELS = [
    LevelFacts("raw", {"extends": None}, ROWS, [FUNNEL[0], {**FUNNEL[0], "reason": "kept"}]),
    LevelFacts(
        "best 10%",
        {"extends": "raw", "keep": ["gopher.n_words >= 50"], "top": {"fraction": 0.1, "by": "q.s"}},
        ROWS,
        FUNNEL,
        [{"rule": "top 0.1 by q.s", "what": "lowest q.s taken", "group": "", "value": 0.123456789}],
        "pinned to raw",
    ),
]
FACTS = CardFacts(
    title="A corpus | with <b>odd</b> characters: [x](y)",
    levels=LEVELS,
    default="best 10%",
    sources={"crawl": None, "wiki": "cc-by-sa-4.0"},
    command="assay run configs/web.yaml",
    tokenizer="abc123",
    heldout="2 % of the duplicate clusters, by hash.",
    classifiers={"quality": {"positives": "wiki", "held-out AUC": 0.97}},
    digests={"pool": "ffee"},
)


def test_the_front_matter_has_a_config_per_level():
    text = card(FACTS)
    assert text == card(FACTS)
    head = yaml.safe_load(text.split("---\n")[1])
    assert [(c["config_name"], c["data_files"][0]["path"], c.get("default")) for c in head["configs"]] == [
        ("raw", "data/raw/train-*.parquet", None),
        ("best-10", "data/best-10/train-*.parquet", True),
    ]
    assert head["license"] == "other"
    alone = yaml.safe_load(card(replace(FACTS, sources={"wiki": "cc-by-sa-4.0"})).split("---\n")[1])
    assert alone["license"] == "cc-by-sa-4.0"


def test_the_hubs_library_reads_the_card():
    hub = pytest.importorskip("huggingface_hub")
    read = hub.DatasetCard(card(FACTS))
    assert read.data.pretty_name == FACTS.title
    assert len(read.data.configs) == 2


def test_the_card_of_a_data_set_speaks_of_no_training_and_counts_what_was_not_read():
    told = card(replace(FACTS, trains=False, unread={"a NUL byte: not text": 1200}))
    assert not [word for word in ("scaling law", "stream", "trained") if word in told.split("---\n", 2)[2]]
    assert "| a NUL byte: not text | 1,200 |" in told
    assert "| best 10% | 6 | 310 | 760 | 76.0% |\n" in told
    assert "scaling laws" in card(FACTS)
    assert "Not read" not in card(FACTS)


def test_the_body_says_what_was_done():
    body = card(FACTS).split("---\n", 2)[2]
    assert "| best 10% | 6 | 310 | 760 | 76.0% | 750 |" in body
    assert "| gopher.n\\_words >= 50 | 4 | 100 | 250 |" in body
    assert "| top 0.1 by q.s | lowest q.s taken | all | 0.123457 |" in body
    assert "    assay run configs/web.yaml" in body
    assert "| quality | held-out AUC | 0.97 |" in body
    assert "| crawl | not declared |" in body
    assert "Mixture: pinned to raw." in body
    assert "fraction: 0.1" in body


def test_names_cannot_break_the_page():
    body = card(FACTS).split("---\n", 2)[2]
    assert "<b>" not in body
    assert "# A corpus \\| with &lt;b>odd&lt;/b> characters: \\[x\\](y)" in body
    for table in re.findall(r"(?:^\|.*\n)+", body, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_the_default_must_be_a_level():
    with pytest.raises(ValueError, match="the default level 'x' is not among raw"):
        card(CardFacts("t", LEVELS[:1], "x", {}, "", "", ""))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kept = pa.table(
        {
            "uid": pa.array([255, 7], pa.uint64()),
            "text": pa.array(["one", "thr\u00e9\u00e9"], pa.large_string()),
            "source": ["crawl"] * 2,
            "domain": ["web"] * 2,
            "url": ["http://a", "http://c"],
            "date": pa.nulls(2, pa.string()),
            "meta": ['{"id": 1}', None],
        }
    )
    ledger = pl.DataFrame({"tokens": [1, 2], "edited_tokens": [1, 3]})
    table = rows(kept, ledger, pl.Series([255, 7], dtype=pl.UInt64))
    for level in ("raw", "best 10%"):
        path = tmp_path / file_name(level, 0, 1)
        path.parent.mkdir(parents=True)
        write(path, table)
    (tmp_path / "README.md").write_text(card(FACTS))
    return tmp_path


def test_rows_are_the_kept_documents(folder):
    table = pq.read_table(folder / file_name("best 10%", 0, 1))
    assert table.schema.equals(SCHEMA)
    assert table["id"].to_pylist() == ["00000000000000ff", "0000000000000007"]
    assert table["text"].to_pylist() == ["one", "thr\u00e9\u00e9"]
    assert table["n_tokens"].to_pylist() == [1, 3]
    assert table["n_bytes"].to_pylist() == [3, 7]
    assert table["stream_tokens"].to_pylist() == [1, 2]
    assert table["meta"].to_pylist() == ['{"id": 1}', None]
    assert table["date"].null_count == 2
    assert slug("best 10%") == "best-10"


@pytest.mark.parametrize("ours", [True, False])
def test_nested_levels_share_their_bytes(tmp_path, ours):
    """A store that deduplicates by content holds once what two levels share; the pages of ordinary files shift."""
    rng = random.Random(1)
    texts = [" ".join(f"{rng.getrandbits(40):x}" for _ in range(60)) for _ in range(20_000)]
    files = []
    for name, kept in (("raw", texts), ("best", texts[:100] + texts[150:9000] + texts[9010:])):
        absent = {name: pa.nulls(len(kept), SCHEMA.field(name).type) for name in SCHEMA.names if name != "text"}
        table = pa.table({"text": pa.array(kept, pa.large_string()), **absent}).select(SCHEMA.names)
        write(tmp_path / name, table) if ours else pq.write_table(table, tmp_path / name, compression="zstd")
        files.append((tmp_path / name).read_bytes())
    raw, best = files
    places = range(0, len(best) - 64, len(best) // 200)
    shared = sum(best[place : place + 64] in raw for place in places) / len(places)
    assert shared > 0.8 if ours else shared < 0.2


def test_datasets_loads_the_folder(folder, monkeypatch, tmp_path):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert sorted(datasets.get_dataset_config_names(str(folder))) == ["best-10", "raw"]
    loaded = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded["text"][:] == ["one", "thr\u00e9\u00e9"]
