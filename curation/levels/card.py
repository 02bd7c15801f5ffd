"""A level as a Hugging Face dataset: its rows, and the card (README.md) of a folder with one config per level.

    <folder>/README.md
    <folder>/data/<level>/train-00000-of-00004.parquet ...

The card is a pure function of facts that the steps already have, so making it again changes no byte.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from curation.levels.ledger import IN, KEPT

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),  # uid in hexadecimal: the same document in every level
        pa.field("text", pa.large_string()),
        pa.field("source", pa.string()),
        pa.field("domain", pa.string()),
        pa.field("url", pa.string()),
        pa.field("date", pa.string()),
        pa.field("n_tokens", pa.uint32()),
        pa.field("n_bytes", pa.uint32()),
        pa.field("duplicate_cluster", pa.string()),
    ]
)


@dataclass(frozen=True)
class LevelFacts:
    """What the card says of one level.

    `funnel` rows have reason, documents, bytes, tokens (`ledger.merge`); `thresholds` rows have rule, what, group, value
    (`explain.found`); `declaration` is its part of the study file; `mixture` and `note` are in words.
    """

    name: str
    declaration: Mapping[str, Any]
    funnel: Sequence[Mapping[str, Any]]
    thresholds: Sequence[Mapping[str, Any]] = ()
    mixture: str = ""
    note: str = ""


@dataclass(frozen=True)
class CardFacts:
    """What the card says of the dataset.

    `sources` maps a source to its licence as the study declares it (None: not declared); `classifiers` maps a classifier to its
    training facts; `command` makes the dataset again; `digests` are what the making can be checked against.
    """

    title: str
    levels: Sequence[LevelFacts]
    default: str
    sources: Mapping[str, str | None]
    command: str
    tokenizer: str
    heldout: str
    classifiers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)


def rows(documents: pa.Table, ledger: pl.DataFrame, clusters: pl.Series) -> pa.Table:
    """The rows of a level among a pool shard's documents: those that its ledger keeps, in pool order, as `SCHEMA`."""
    keep = ledger["keep"].to_arrow()
    kept = documents.filter(keep)
    counts = ledger.filter(pl.col("keep"))

    def hexadecimal(ids: pa.ChunkedArray | pl.Series) -> pa.Array:
        return pa.array([f"{x:016x}" for x in ids.to_numpy()], pa.string())

    absent = pa.nulls(len(kept), pa.string())
    columns = [
        hexadecimal(kept["uid"]),
        kept["text"],
        kept["source"],
        kept["domain"],
        *(kept[name] if name in kept.column_names else absent for name in ("url", "date")),
        counts["tokens"].to_arrow(),
        counts["bytes"].to_arrow(),
        hexadecimal(clusters.filter(ledger["keep"])),
    ]
    return pa.table(columns, names=SCHEMA.names).cast(SCHEMA)


def file_name(level: str, index: int, count: int) -> str:
    """Where file `index` of `count` of a level stands in the folder."""
    return f"data/{slug(level)}/train-{index:05d}-of-{count:05d}.parquet"


def write(file: str | Path | IO[bytes] | BufferedIOBase, table: pa.Table) -> None:
    """Write one data file. Chunks follow content, so a store that deduplicates holds once what nested levels share.

    A dictionary of texts would be another one in every level, so texts have none.
    """
    pq.write_table(
        table.cast(SCHEMA),
        file,
        compression="zstd",
        row_group_size=16_384,
        use_dictionary=["source", "domain"],  # pyright: ignore[reportArgumentType]
        use_content_defined_chunking=True,
        write_page_index=True,
    )


def card(facts: CardFacts) -> str:
    """The README.md: the YAML that the Hub and `datasets` read, then what a reader must know."""
    if facts.default not in [level.name for level in facts.levels]:
        raise ValueError(
            f"card: the default level {facts.default!r} is not among {', '.join(level.name for level in facts.levels)}"
        )
    configs = [
        {
            "config_name": slug(level.name),
            "data_files": [{"split": "train", "path": f"data/{slug(level.name)}/train-*.parquet"}],
        }
        | ({"default": True} if level.name == facts.default else {})
        for level in facts.levels
    ]
    licences = {licence or "other" for licence in facts.sources.values()}
    head: dict[str, Any] = {
        "pretty_name": facts.title,
        "task_categories": ["text-generation"],
        "tags": ["assay", "data-curation"],
    }
    head |= {"license": licences.pop() if len(licences) == 1 else "other", "configs": configs}
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---",
        f"# {_text(facts.title)}",
        "Curation levels of one pool of documents, made by Assay to measure what curation does to scaling laws. "
        f"Each level is a config; a document has the same `id` in all of them.\n\n    {facts.command}",
        "## Levels\n\n" + _levels(facts.levels),
        *(_level(level) for level in facts.levels),
        "## Held out\n\n" + _text(facts.heldout),
        "## Sources and licences\n\n"
        + _table(["source", "licence"], [(name, licence or "not declared") for name, licence in sorted(facts.sources.items())]),
        *_classifiers(facts.classifiers),
        f"## Tokens\n\nCounted with the tokenizer `{_text(facts.tokenizer)}`, without end-of-text.",
        "## Known limits\n\nThe rules are heuristics with published thresholds, mostly made for English; what they drop is "
        "not all bad and what they keep is not all good. Duplicates were found by word shingles: a paraphrase is none. "
        "Licences are those that the sources were declared with, not those of each document. Nothing was removed for "
        "safety or privacy unless an edit above says so.",
    ]
    if facts.digests:
        parts.append("## Digests\n\n" + _table(["what", "digest"], sorted(facts.digests.items())))
    return "\n\n".join(parts) + "\n"


def slug(name: str) -> str:
    """A level's name as a config and folder name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")


def _levels(levels: Iterable[LevelFacts]) -> str:
    def of(level: LevelFacts, reason: str, what: str) -> int:
        return sum(int(row[what]) for row in level.funnel if row["reason"] == reason)

    lines = []
    for level in levels:
        pool, kept = of(level, IN, "tokens"), of(level, KEPT, "tokens")
        share = f"{kept / pool:.1%}" if pool else "-"
        lines.append((level.name, f"{of(level, KEPT, 'documents'):,}", f"{of(level, KEPT, 'bytes'):,}", f"{kept:,}", share))
    return _table(["level", "documents", "bytes", "tokens", "of the pool's tokens"], lines)


def _level(level: LevelFacts) -> str:
    declared = yaml.safe_dump(dict(level.declaration), sort_keys=False, allow_unicode=True).strip()
    counts = [(row["reason"], *(f"{int(row[what]):,}" for what in ("documents", "bytes", "tokens"))) for row in level.funnel]
    parts = [
        f"### {_text(level.name)}",
        "    " + declared.replace("\n", "\n    "),
        _table(["", "documents", "bytes", "tokens"], counts),
    ]
    if level.thresholds:
        thresholds = [(row["rule"], row["what"], row["group"] or "all", f"{row['value']:.6g}") for row in level.thresholds]
        parts.append("Thresholds found in this pool:\n\n" + _table(["rule", "what", "domain", "value"], thresholds))
    if level.mixture:
        parts.append(f"Mixture: {_text(level.mixture)}.")
    if level.note:
        parts.append(_text(level.note))
    return "\n\n".join(parts)


def _classifiers(classifiers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = [(name, what, str(value)) for name, facts in sorted(classifiers.items()) for what, value in facts.items()]
    return ["## Classifiers\n\n" + _table(["classifier", "what", "value"], lines)] if lines else []


def _table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    body = ["| " + " | ".join(_text(str(cell)) for cell in line) + " |" for line in lines]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body])


def _text(text: str) -> str:
    """Text that stays text in Markdown: no table cell, tag or code that it does not mean."""
    return re.sub(r"([\\`*_|\[\]])", r"\\\1", text).replace("<", "&lt;").replace("\n", " ")
