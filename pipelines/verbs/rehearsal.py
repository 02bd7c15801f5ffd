"""A sample of each source through the whole way before anything is made: read, measured, judged by every level, edited.

What fails late in a study fails here in seconds: a source that gives no document, a signal's file that is missing, a rule on a
column that does not exist, a classifier's or survivor's column, an edit that needs a package. Nothing is written. A sample says
little of how much a level keeps, and nothing of duplicates; what it drops by rule is a first hint.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl
import pyarrow as pa

from curation import ingest
from curation.document import SCHEMA, Batch
from curation.duplicates.paragraphs import CUTS
from curation.levels import edits
from curation.levels.expression import parse
from curation.levels.level import Level
from curation.sources import fields, plan, readers
from curation.sources.source import Slice
from pipelines.duplicates.duplicates import SIGNAL, Duplicates
from pipelines.engine.step import Manifest, Step
from pipelines.levels.selections import build
from pipelines.runs.checks import require_runnable
from pipelines.signals import pool, signals
from pipelines.signals.shards import DOCUMENT_COLUMNS, TOKEN_COLUMNS
from pipelines.study.curation import FileSource
from pipelines.study.study import Study, StudyError

RECORDS = 200  # of each source, at most
BYTES = 1_000_000
FILES = 8  # spread over those of the source
EXTRA = {  # columns of signals that are found over the whole pool
    "duplicates": pl.DataFrame(SIGNAL.empty_table()).schema,
    "duplicates_url": pl.DataFrame(SIGNAL.empty_table()).schema,
    "lines": pl.DataFrame(CUTS.empty_table()).schema,
    "substrings": pl.DataFrame(CUTS.empty_table()).schema,
    "tokens": {"n_tokens": pl.UInt32(), "n_bytes": pl.UInt32()},
    "sizes": {"n_bytes": pl.UInt32()},
    "withheld": {"reason": pl.String(), "free": pl.Boolean(), "usable": pl.Boolean()},
}


@dataclass(frozen=True)
class Sampled:
    """What the first records of a source gave: documents, their mean bytes, records that cannot be read and why, the stored
    size of the source's files, the mapped fields that no document has, by key, and the `fields` there are beside the text."""

    source: str
    documents: int
    mean_bytes: float
    malformed: int
    reason: str
    stored_megabytes: float
    lacking: dict[str, str]
    fields: list[str]


@dataclass(frozen=True)
class Dropped:
    """How many of the sample's `documents` fail a rule of a level; the rule that most fail, and how many."""

    level: str
    documents: int
    failed: int
    rule: str
    by_rule: int


def rehearse(study: Study, base: Path) -> tuple[list[Sampled], list[Dropped]]:
    """Raises StudyError, or ValueError, for what would stop the study later."""
    if study.trains:
        require_runnable(study)
    signals.check(study.signal_params)
    read = [_sample(study, source, base) for source in study.sources]
    documents = pa.concat_tables([table for _, table in read]).combine_chunks()
    frame = _measured(study, documents, base)
    known = _known(study, frame)
    levels = {name: build(study, name, known, {}) for name in study.levels}
    _check_names(study, known)
    for name in study.levels:
        try:
            edits.edit(documents["text"], study.levels[name].edit)
        except (ValueError, ImportError) as error:
            raise StudyError(f"levels.{name}.edit: {error}") from None
    return [sampled for sampled, _ in read], [_dropped(level, frame) for level in levels.values()]


def _sample(study: Study, declared: object, base: Path) -> tuple[Sampled, pa.Table]:
    """The first records of some files of a source as the pool would hold them."""
    source = pool.source_of(declared, study, base, study.pool.shard_megabytes or pool.SMALL)
    slices, _ = plan.survey(source)
    parts = [part for piece in slices for part in piece.parts]
    chosen = [parts[i * len(parts) // min(FILES, len(parts))] for i in range(min(FILES, len(parts)))]
    each = -(-RECORDS // len(chosen))
    records = (record for part in chosen for record in islice(readers.read(Slice(source, 0, (part,))), each))
    shard = next(ingest.shards(islice(records, RECORDS), source, 0, BYTES))
    table, bad = shard.documents, shard.quarantine
    if not table.num_rows:
        why = f"{bad.num_rows} malformed: {bad['reason'][0].as_py()}" if bad.num_rows else "they are empty"
        raise StudyError(f"source {source.name!r}: none of its first records gives a document ({why}){pool.hint(why)}")
    named = declared.fields if isinstance(declared, FileSource) else {}
    lacking = {key: named[key] for key, n in shard.lacking.items() if key in named and n == table.num_rows}
    meta = table["meta"][0].as_py()
    others = [getattr(source.fields, key) for key, n in shard.lacking.items() if n < table.num_rows]
    others += fields.names(json.loads(meta)) if meta else []
    reason = bad["reason"][0].as_py() if bad.num_rows else ""
    stored, mean = sum(piece.stored_bytes for piece in slices) / 1e6, table["text"].nbytes / table.num_rows
    return Sampled(source.name, table.num_rows, mean, bad.num_rows, reason, stored, lacking, others), table


def _measured(study: Study, documents: pa.Table, base: Path) -> pl.DataFrame:
    """The declared signals of the sample, as the columns that rules name."""
    batch = Batch(documents)
    nothing = Manifest(Step("pool", {}), [], {})
    frame = pl.DataFrame(
        documents.select([name for name in SCHEMA.names if name in ("uid", "source", "domain", "url", "date")])
    )
    near = Duplicates.of(study.duplicates)
    needed = {**study.signal_params, **near.signals(), **({"url": {}} if "url" in study.duplicates.also else {})}
    for signal in signals.declared(nothing, needed, base):
        name = signal.step.name.removeprefix("signals/")
        columns = pl.DataFrame(signal.compute(batch, **signal.params))
        frame = frame.hstack(columns.rename({column: f"{name}.{column}" for column in columns.columns}).get_columns())
    return frame


def _known(study: Study, frame: pl.DataFrame) -> dict[str, pl.DataType]:
    """Every column that an expression may name, as `known_columns` finds them in a pool."""
    also = study.duplicates.also
    extra = {
        name: schema for name, schema in EXTRA.items() if name in ("duplicates", "tokens", "sizes", "withheld") or name in also
    }
    if "url" in also:
        extra["duplicates_url"] = EXTRA["duplicates_url"]
    known = {name: dtype for name, dtype in frame.schema.items() if name != "uid"}
    known |= {
        f"{signal}.{name}": dtype for signal, schema in extra.items() for name, dtype in schema.items() if name != "doc_id"
    }
    return known | {f"{name}.score": pl.Float32() for name in study.classifiers}


def _check_names(study: Study, known: Mapping[str, pl.DataType]) -> None:
    """The columns that classifiers and the survivor order name."""
    early = {name: dtype for name, dtype in known.items() if name.partition(".")[0] not in study.classifiers}
    for name, declared in study.classifiers.items():
        for key, text in (("positives", declared.positives), ("negatives", declared.negatives)):
            try:
                if text is not None:
                    parse(text, early).check(early)
            except ValueError as error:
                raise StudyError(f"classifiers.{name}.{key}: {error}") from None
    own = DOCUMENT_COLUMNS | TOKEN_COLUMNS
    for column in Duplicates.of(study.duplicates).columns:
        if column not in own and column not in early:
            raise StudyError(
                f"duplicates.survivor: there is no column {column!r}; there are {', '.join(sorted(own))} and signal.column of "
                "declared signals"
            )


def _dropped(level: Level, frame: pl.DataFrame) -> Dropped:
    """The level's rules on the sample: those that ask nothing of the whole pool."""
    alone = {
        rule.reason: rule.condition.polars().fill_null(False)
        for rule in level.rules
        if rule.condition is not None and not rule.condition.percentiles and set(rule.condition.columns) <= set(frame.columns)
    }
    if not alone:
        return Dropped(level.name, len(frame), 0, "", 0)
    holds = frame.select(**{str(i): condition for i, condition in enumerate(alone.values())})
    fails = {reason: int((~holds[str(i)]).sum()) for i, reason in enumerate(alone)}
    most = max(fails, key=fails.__getitem__)
    failed = int((~holds.select(pl.all_horizontal(pl.all())).to_series()).sum())
    return Dropped(level.name, len(frame), failed, most, fails[most])
