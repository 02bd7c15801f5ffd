"""What a report is made of: one frozen record of plain JSON data.

The page, its charts and report.json come from nothing else.
"""

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, TypedDict

from pipelines.report.frames import JsonObject
from scaling_fit.courses.reading import Reading
from scaling_fit.encoding import decode, encode
from scaling_fit.instrument.learning_rate import Optimum
from scaling_fit.instrument.schedule import Gap
from scaling_fit.instrument.spread import Spread
from scaling_fit.result import Result

SCHEMA = 3


class Level(TypedDict):
    """One curation level as declared. `kind`: level | control (random drop, added duplicates) | arm (another mixture). None:
    what a table of runs does not say."""

    name: str
    kind: str
    extends: str | None
    declaration: JsonObject
    unique_tokens: int | None
    documents: int | None
    bytes: int | None


class FunnelRow(TypedDict):
    """Documents of one level by outcome, in rule order. `reason` None: kept. A level's rows add up to the whole pool."""

    level: str
    reason: str | None
    documents: int
    bytes: int
    tokens: int


class Overlap(TypedDict):
    """Documents that fail both the row's and the column's rule (diagonal: fail that rule at all)."""

    level: str
    reasons: list[str]
    documents: list[list[int]]


class DomainRow(TypedDict):
    """Tokens of one domain in one level's training stream."""

    level: str
    domain: str
    tokens: int


class Bin(TypedDict):
    """A half-open bin [low, high) of a histogram."""

    low: float
    high: float
    documents: int


class LengthBin(Bin):
    level: str


class Classifier(TypedDict):
    """A quality classifier on its held-out examples. `calibration`: per score bin, examples and the share that is positive."""

    name: str
    auc: float
    auc_low: float | None
    auc_high: float | None
    positives: int
    negatives: int
    calibration: list[dict[str, float]]
    scores: list[Bin]


class Sample(TypedDict):
    """A document near a rule's threshold. The text is shown escaped and cut."""

    level: str
    rule: str
    kept: bool
    value: str
    domain: str
    source: str
    text: str


class Paired(TypedDict):
    """Per-document loss of a level minus the baseline's, same seed, shape and D (nats/token; negative: the level is better)."""

    eval_set: str
    level: str
    baseline: str
    shape: str
    seed: int
    tokens: int
    difference: float
    se: float
    documents: int
    better: float
    quantiles: list[float]


class JudgedSet(TypedDict):
    """What an evaluation set is made of; `weight`: what a domain counts for in all held-out text, `pool_share`: its share of
    the pool's tokens (both None for references)."""

    set: str
    documents: int
    passages: int
    tokens: int
    bytes: int
    weight: float | None
    pool_share: float | None


class Certificate(TypedDict):
    """What a group of runs held equal."""

    certificate: str
    runs: int
    levels: list[str]
    equal: JsonObject


class Step(TypedDict):
    """One step of the study: time of the run that made it (also when it was cached this time) and what it wrote."""

    name: str
    id: str
    digest: str
    seconds: float
    bytes: int
    cached: bool


class Training(TypedDict):
    """What one shape's ladder cost. `tokens` and `flops` are those gone through, a trunk shared by its branches counted once.
    Speeds are medians over the intervals of one stack, `together` runs on one device (or CPU thread): tokens and model FLOPs
    per second, and `mfu`, the share of the device's peak where that is known."""

    shape: str
    runs: int
    tokens: int
    flops: float
    together: int
    tokens_per_second: float
    flops_per_second: float
    mfu: float | None


class Provenance(TypedDict):
    """How to make the report again."""

    created: str
    command: str
    study_file: str
    study_hash: str
    commit: str | None
    versions: dict[str, str]
    machine: dict[str, str]


class Read(TypedDict):
    """What a phase of a course reads in the longest run: `tokens` of its level, which is gone through `times` times; `replay`
    is the share that reads what came before, `by` what it is sorted by ("": nothing), `smooth` the share of chance."""

    course: str
    phase: int
    level: str
    share: float
    replay: float
    tokens: int
    times: float
    by: str
    smooth: float


@dataclass(frozen=True)
class Facts:
    """Everything a report shows. Only plain JSON values; every list may be empty, and its section then says so or is left out.

    `fit` is what scaling_fit concluded; `observations` the rows of observations.parquet. `shapes` maps a name to
    width, depth, heads, ff, params. `quarantine` has records, share and reasons. `near` says how near duplicates were looked
    for: bands, rows, verify, threshold, documents, candidates, tested, joined, and `curve` as (similarity, probability) pairs.
    `spreads`, `optima`, `gaps` come from the checks of the instrument; `courses` is what scaling_fit says of courses, `reads`
    what they read. `made_from`: a table of runs has no curation, no steps and no certificates to show.
    """

    name: str
    title: str
    levels: list[Level]
    fit: Result
    observations: list[JsonObject]
    provenance: Provenance
    steps: list[Step]
    shapes: dict[str, JsonObject] = field(default_factory=dict)
    funnel: list[FunnelRow] = field(default_factory=list)
    overlap: list[Overlap] = field(default_factory=list)
    domains: list[DomainRow] = field(default_factory=list)
    lengths: list[LengthBin] = field(default_factory=list)
    clusters: list[Bin] = field(default_factory=list)
    classifiers: list[Classifier] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    paired: list[Paired] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    training: list[Training] = field(default_factory=list)
    near: JsonObject = field(default_factory=dict)
    spreads: list[Spread] = field(default_factory=list)
    optima: list[Optimum] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    quarantine: JsonObject = field(default_factory=dict)
    courses: Reading | None = None
    reads: list[Read] = field(default_factory=list)
    made_from: Literal["study", "table"] = "study"
    judge: list[JudgedSet] = field(default_factory=list)
    schema: int = SCHEMA

    @property
    def baseline(self) -> str:
        return self.fit.baseline

    def without_samples(self) -> "Facts":
        """The same facts with no corpus text in them, for a report that is shared."""
        return replace(self, samples=[])

    def to_dict(self) -> JsonObject:
        """Plain data that `read` takes back. The observations stand by column, a third of their size as rows."""
        rows = self.observations
        columns = {key: [encode(row[key]) for row in rows] for key in (rows[0] if rows else ())}
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: encode(value) for name, value in plain.items()} | {"observations": columns}


def read(path: Path) -> Facts:
    """The facts of a written report: `path` is its folder or its report.json. Raises ValueError when it is not a report."""
    file = path / "report.json" if path.is_dir() else path
    try:
        body = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} is not a report ({error}); give a report folder, or the report.json inside it") from None
    known = body.get("schema") if isinstance(body, dict) else None
    if known != SCHEMA:
        raise ValueError(
            f"{file} has report schema {known!r}, this version reads {SCHEMA}; run `assay report` again on its study"
        )
    return of(body | {"fit": Result.from_dict(body["fit"])})


def of(body: JsonObject) -> Facts:
    """The facts of a report.json whose `fit` is a Result."""
    columns = body["observations"]
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    kinds = (("spreads", Spread), ("optima", Optimum), ("gaps", Gap))
    body = body | {"observations": rows} | {key: [decode(kind, row, key) for row in body[key]] for key, kind in kinds}
    body["courses"] = body.get("courses") and decode(Reading, body["courses"], "courses")
    return Facts(**{key: body[key] for key in Facts.__dataclass_fields__ if key in body})
