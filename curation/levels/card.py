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
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from curation.levels.ledger import IN

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),  # uid in hexadecimal: the same document in every level
        pa.field("text", pa.large_string()),
        pa.field("source", pa.string()),
        pa.field("domain", pa.string()),
        pa.field("url", pa.string()),
        pa.field("date", pa.string()),
        pa.field("meta", pa.large_string()),  # JSON: every other field of the record
        pa.field("n_tokens", pa.uint32()),  # of the text
        pa.field("n_bytes", pa.uint32()),
        pa.field("stream_tokens", pa.uint32()),  # of these, in the level's training stream
        pa.field("duplicate_cluster", pa.string()),
    ]
)


@dataclass(frozen=True)
class LevelFacts:
    """What the card says of one level.

    `rows` counts the files: documents, bytes, tokens, and stream_tokens (those in the training stream). `funnel` rows have
    reason, documents, bytes, tokens (`ledger.merge`); `thresholds` rows have rule, what, group, value (`explain.found`);
    `quality` rows are axis, value, error and unit as text; `declaration` is its part of the study file; `mixture` and `note`
    are in words.
    """

    name: str
    declaration: Mapping[str, Any]
    rows: Mapping[str, int]
    funnel: Sequence[Mapping[str, Any]]
    thresholds: Sequence[Mapping[str, Any]] = ()
    mixture: str = ""
    note: str = ""
    quality: Sequence[tuple[str, str, str, str]] = ()


@dataclass(frozen=True)
class CardFacts:
    """What the card says of the dataset.

    `sources` maps a source to its licence as the study declares it (None: not declared); `classifiers` maps a classifier to its
    training facts; `command` makes the dataset again; `digests` are what the making can be checked against. `trains`: models
    are trained on the levels, whose streams then are less than their documents. `unread`: records that could not be read, by
    reason.
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
    trains: bool = True
    unread: Mapping[str, int] = field(default_factory=dict)


def rows(kept: pa.Table, ledger: pl.DataFrame, clusters: pl.Series) -> pa.Table:
    """The rows of a level as `SCHEMA`: documents that it keeps, their text as the level's edits left it, with their ledger rows
    (`edited_tokens`: of that text; `tokens`: in the stream) and clusters."""

    def hexadecimal(ids: pa.ChunkedArray | pl.Series) -> pa.Array:
        return pa.array([f"{x:016x}" for x in ids.to_numpy()], pa.string())

    columns = [
        hexadecimal(kept["uid"]),
        kept["text"],
        kept["source"],
        kept["domain"],
        kept["url"],
        kept["date"],
        kept["meta"],
        ledger["edited_tokens"].to_arrow(),
        pc.binary_length(kept["text"]),  # pyright: ignore[reportAttributeAccessIssue]
        ledger["tokens"].to_arrow(),
        hexadecimal(clusters),
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
        "Curation levels of one pool of documents, made by Assay"
        + facts.trains * " to measure what curation does to scaling laws"
        + ". Each level is a config; a document has the same `id` in all of them. `study.yaml` beside this card declares "
        f"sources, signals and levels.\n\n    {facts.command}",
        "## Levels\n\nCounted from the files."
        + facts.trains
        * " Where a mixture has no room for all of a document, its text is here whole, and `stream_tokens` says "
        "how much of it models are trained on." + f"\n\n{_levels(facts.levels, facts.trains)}",
        *(_level(level, facts.trains) for level in facts.levels),
        *_unread(facts.unread),
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


def _unread(reasons: Mapping[str, int]) -> list[str]:
    lines = [(reason, f"{n:,}") for reason, n in reasons.items()]
    return ["## Not read\n\nRecords that are no text, in no level.\n\n" + _table(["reason", "records"], lines)] if lines else []


def _levels(levels: Iterable[LevelFacts], trains: bool) -> str:
    lines = []
    for level in levels:
        pool = sum(int(row["tokens"]) for row in level.funnel if row["reason"] == IN)
        share = f"{level.rows['tokens'] / pool:.1%}" if pool else "-"
        counts = (f"{level.rows[what]:,}" for what in ("documents", "bytes", "tokens"))
        lines.append((level.name, *counts, share, f"{level.rows['stream_tokens']:,}"))
    head = ["level", "documents", "bytes of text", "tokens", "of the pool's tokens", "tokens in the training stream"]
    return _table(head, lines) if trains else _table(head[:-1], [line[:-1] for line in lines])


def _level(level: LevelFacts, trains: bool) -> str:
    declared = yaml.safe_dump(dict(level.declaration), sort_keys=False, allow_unicode=True).strip()
    counts = [(row["reason"], *(f"{int(row[what]):,}" for what in ("documents", "bytes", "tokens"))) for row in level.funnel]
    parts = [
        f"### {_text(level.name)}",
        "    " + declared.replace("\n", "\n    "),
        f"From the pool to the {'training stream' if trains else 'level'}:\n\n"
        + _table(["", "documents", "bytes", "tokens"], counts),
    ]
    if level.thresholds:
        thresholds = [(row["rule"], row["what"], row["group"] or "all", f"{row['value']:.6g}") for row in level.thresholds]
        parts.append("Thresholds found in this pool:\n\n" + _table(["rule", "what", "domain", "value"], thresholds))
    if level.quality:
        parts.append(f"Quality{' of the stream' * trains}:\n\n" + _table(["axis", "value", "error", "unit"], level.quality))
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
