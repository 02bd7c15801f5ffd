"""The study file: YAML in, a validated, frozen declaration out. Every check that needs no data is made here."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from curation.levels.controls import leave_one_out


class StudyError(ValueError):
    """A study that cannot be run as declared. The text names the value, the place and the fix."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Fraction = Annotated[float, Field(gt=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]


Role = Literal["pool", "reference", "examples"]
ROLE: Any = Field(
    default="pool",
    description="`pool` feeds the levels; `reference` is only an evaluation set; `examples` only gives classifiers theirs.",
)


LICENCE: Any = Field(default=None, description="Licence of the collection, for the card of `assay export` (`cc-by-sa-4.0`).")


class PythonEnvironment(Section):
    """The text of the running interpreter: standard library and installed distributions."""

    kind: Literal["python_environment"]
    name: Name = "python"
    role: Role = ROLE
    licence: str | None = LICENCE
    max_megabytes: float = Field(default=24, gt=0, description="Text to take at most, spread over the domains, in MB.")


class FileSource(Section):
    """Files, by path or glob, local or at any fsspec URL."""

    kind: Literal["jsonl", "parquet", "text", "html", "warc"]
    name: Name
    path: str | list[str] = Field(description="A path, glob or URL, or a list of them; relative to the study file.")
    fields: dict[Literal["text", "url", "domain", "date"], str] = Field(
        default_factory=dict, description="Document column: record key."
    )
    domain: str | None = Field(
        default=None, description="The domain of every document of this source (else the record's, else the source's name)."
    )
    role: Role = ROLE
    licence: str | None = LICENCE
    extract: Literal["resiliparse", "trafilatura"] = Field(
        default="resiliparse", description="Main-text extraction for html and warc."
    )


Source = Annotated[PythonEnvironment | FileSource, Field(discriminator="kind")]


class Pool(Section):
    """How the sources become shards."""

    shard_megabytes: float = Field(default=16, gt=0, le=256, description="Text per pool shard, in MB.")
    record_megabytes: float = Field(default=16, gt=0, le=256, description="A record larger than this is quarantined.")
    max_malformed: float = Field(
        default=0.01, ge=0, le=1, description="Share of malformed records above which the pool is refused."
    )
    edit: list[Literal["lines", "substrings"]] = Field(
        default_factory=list,
        description="Cut repeated lines, or paragraphs of repeated 13-grams, out of the pool first, for all levels.",
    )


class Duplicates(Section):
    """MinHash-LSH near-duplicate clusters over word n-gram shingles."""

    ngram: int = Field(default=5, ge=1, description="Units per shingle.")
    unit: Literal["word", "character"] = Field(default="word", description="What shingles are made of.")
    scope: Literal["global", "source", "domain"] = Field(default="global", description="Seek copies only within one of these.")
    bands: int = Field(default=20, ge=1, description="Bands of the signature. 20 x 6 finds nearly all pairs above 0.7.")
    rows: int = Field(default=6, ge=1, description="Rows per band; a pair is tested with probability 1 - (1 - s^rows)^bands.")
    seed: int = 1
    verify: Literal["jaccard", "containment", "off"] = "jaccard"
    threshold: Fraction = Field(default=0.7, description="Candidate pairs below this similarity are not duplicates.")
    survivor: list[str] = Field(
        default_factory=lambda: ["n_bytes"],
        description="Which copy of a cluster stays: columns in order, highest first (`-name`: lowest first; `name: a > b`: "
        "these values first), then lowest uid.",
    )
    also: list[Literal["url", "lines", "substrings"]] = Field(
        default_factory=list,
        description="Further signals of repetition for levels to drop by: `duplicates_url`, `lines`, `substrings`.",
    )


class Classifier(Section):
    """A fastText quality classifier trained in the run, or a user's model; its score is the signal column `<name>.score`."""

    positives: str | None = Field(default=None, description="Expression over document columns and signals: the good examples.")
    negatives: str | None = Field(
        default=None, description="What to tell them from: an expression; a sample of all else by default."
    )
    model: str | None = Field(default=None, description="Path of a fastText .bin to score with instead of training one.")
    label: str = Field(default="__label__hq", description="The label whose probability is the score.")
    examples: int = Field(default=20_000, ge=50, description="Documents per class, at most.")
    dim: int = Field(default=16, ge=1, le=300)
    bucket: int = Field(default=100_000, ge=1)
    word_ngrams: int = Field(default=2, ge=1)
    epochs: int = Field(default=5, ge=1)
    lr: float = Field(default=0.1, gt=0)
    seed: int = 0

    @model_validator(mode="after")
    def _one_origin(self) -> "Classifier":
        if (self.positives is None) == (self.model is None):
            raise ValueError(
                "give either `positives` (to train a classifier) or `model` (to use one), not both and not neither"
            )
        return self


class Top(Section):
    """Keep the best fraction of the surviving tokens by one signal column."""

    fraction: Fraction
    by: str
    within: Literal["domain"] | None = None


class Mixture(Section):
    """Domain shares of a level's training stream."""

    kind: Literal["pinned", "natural", "explicit", "temperature"] = "pinned"
    to: str | None = Field(
        default=None, description="pinned: the level whose natural shares are used (default: the first level)."
    )
    shares: dict[str, float] | None = Field(default=None, description="explicit: share per domain; must sum to 1.")
    temperature: float = Field(default=1.0, gt=0, description="temperature: shares ~ natural ** (1 / temperature).")
    piece_tokens: int = Field(
        default=2048, ge=16, description="Documents longer than this are laid as pieces of this many tokens."
    )
    max_epochs: dict[str, Annotated[float, Field(ge=1)]] = Field(
        default_factory=dict, description="How often a domain may be gone through, by domain; 1 where it is not named."
    )
    min_share: float = Field(
        default=0.001,
        ge=0,
        lt=1,
        description="pinned: domains below this share of the reference level count together as one group.",
    )

    @model_validator(mode="after")
    def _shares_fit_kind(self) -> "Mixture":
        if (self.kind == "explicit") != (self.shares is not None):
            raise ValueError("`shares` belongs to `kind: explicit`, and that kind needs it")
        if self.shares is not None and abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ValueError(f"shares sum to {sum(self.shares.values()):g}; they must sum to 1")
        return self


class Level(Section):
    """A curation level: what is dropped, kept and topped, in that order, after everything its parent does."""

    extends: str | None = None
    drop: list[Literal["exact", "near"]] = Field(default_factory=list)
    keep: list[str] = Field(default_factory=list, description="Rule-set names or expressions over signals.")
    top: Top | None = None
    edit: list[str] = Field(
        default_factory=list,
        description="Edits of what is kept, before tokens: c4_lines_tfds, c4_lines_datatrove, c4_lines_fineweb, pii, unicode.",
    )
    random: str | None = Field(default=None, description="Control: drop documents at random down to the tokens of this level.")
    duplicate: Fraction | None = Field(default=None, description="Control: add copies of this share of the tokens.")
    duplicate_noise: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Control: make the copies near ones, by replacing this share of each one's words."
    )
    mixture: Mixture | None = Field(default=None, description="Overrides the study's mixture for this level (a second arm).")
    leave_one_out: bool = Field(
        default=False, description="Adds levels <name>-without-<rule>, each without one rule of this one."
    )

    @model_validator(mode="before")
    @classmethod
    def _one_expression_is_a_list(cls, data: Any) -> Any:
        data = {} if data is None else dict(data)
        return data | {key: [data[key]] for key in ("keep", "drop", "edit") if isinstance(data.get(key), str)}

    @model_validator(mode="after")
    def _noise_is_of_copies(self) -> "Level":
        if self.duplicate_noise is not None and self.duplicate is None:
            raise ValueError("`duplicate_noise` is of the copies that `duplicate` adds; give that too")
        return self


class Tokenizer(Section):
    """Byte-level BPE trained once, on a sample of the whole pool, and shared by every level."""

    vocab_size: int = Field(default=4096, ge=260, le=65_536)
    sample_megabytes: float = Field(default=8, gt=0)


class Shape(Section):
    width: int = Field(ge=8)
    depth: int = Field(ge=1)
    heads: int = Field(ge=1)
    ff: int | None = Field(default=None, ge=8, description="Feed-forward width (default: 8/3 of the width, rounded up to 32).")


class Ladder(Section):
    """The same runs on every level."""

    shapes: dict[Name, Shape] | list[str] = Field(description="Shapes by size, or names from the ladder table.")
    tokens: list[Annotated[int, Field(gt=0)]] = Field(min_length=1, description="Training tokens D of the branches.")
    seeds: int = Field(default=1, ge=1)
    context: int = Field(default=256, ge=8)
    batch_tokens: int | None = Field(default=None, gt=0, description="Tokens per step (default: by rule of size).")
    lr: float | None = Field(default=None, gt=0, description="Peak learning rate (default: by rule of size).")
    warmup_tokens: int | None = Field(default=None, ge=0, description="Warm-up tokens (default: by rule of size).")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    repeat: bool = Field(
        default=False, description="Allow runs longer than a level's unique tokens (marked repeated, left out of the fit)."
    )
    threads: int = Field(default=1, ge=1, description="CPU threads per stack of runs.")
    gpus: float = Field(
        default=0,
        ge=0,
        description="GPUs per stack of runs. Fractions share one; a whole number above 1 splits each batch over them.",
    )

    @field_validator("gpus")
    @classmethod
    def _whole_above_one(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError("above 1 GPUs are whole, since a stack splits its batch over them")
        return gpus


class Schedule(Section):
    kind: Literal["trunk", "cosine"] = "trunk"
    cooldown: Fraction = Field(default=0.2, description="Share of each run's tokens in its 1-sqrt cooldown.")
    weight_decay: float = Field(default=0.1, ge=0)
    clip: float = Field(default=1.0, gt=0)


class NoiseCheck(Section):
    """Seed-to-seed spread at chosen cells, on the checked levels."""

    cells: dict[Name, Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=1)]] = Field(
        min_length=1, description="Shape of the ladder: training tokens D of its cells."
    )
    seeds: int = Field(default=4, ge=2, description="Seeds per cell.")


class RateCheck(Section):
    """Does the best learning rate move with curation? One cell, at multiples of the ladder's rate."""

    shape: Name = Field(description="Shape of the ladder to check at.")
    tokens: int = Field(gt=0, description="Training tokens D to check at.")
    factors: list[Annotated[float, Field(gt=0)]] = Field(
        default=[0.5, 1.0, 2.0], min_length=3, description="Multiples of the ladder's learning rate to try."
    )


class ScheduleCheck(Section):
    """Does a branch of the trunk say what a whole cosine run says? One cell, by both schedules."""

    shape: Name = Field(description="Shape of the ladder to check at.")
    tokens: int = Field(gt=0, description="Training tokens D to check at.")
    seeds: int = Field(default=2, ge=1, description="Seeds per level and schedule.")


class Checks(Section):
    """Runs that test the instrument itself, before the ladder."""

    levels: list[Name] = Field(
        default_factory=list,
        max_length=4,
        description="Levels to check on (default: the baseline and the strictest, i.e. the last that is no control or arm).",
    )
    noise: NoiseCheck | None = None
    learning_rate: RateCheck | None = None
    cosine: ScheduleCheck | None = None


class Evaluation(Section):
    """What every run is judged on. Held-out documents are carved from the pool by duplicate cluster before any level."""

    heldout: float = Field(default=0.02, gt=0, lt=0.5, description="Share of duplicate clusters held out, by hash.")
    tokens_per_set: int = Field(
        default=20_000, gt=0, description="Evaluation tokens per domain and per reference source, at most."
    )
    passage_tokens: int = Field(
        default=2048, gt=32, description="Longer evaluation documents are scored in passages of this many tokens."
    )
    trunk: bool = Field(
        default=False,
        description="Also score the undecayed trunk, at steps 1, 2, 4, ... and where branches leave (trunk.parquet of a run).",
    )
    own: bool = Field(
        default=True, description="Also report each level's own held-out distribution (no verdict is drawn from it)."
    )


class Fit(Section):
    baseline: str | None = Field(default=None, description="The level the others are compared with (default: the first).")
    eval_set: str = Field(default="heldout", description="The evaluation set that the verdict is read from.")
    replicates: int = Field(default=1000, ge=50, description="Bootstrap replicates for intervals.")
    test_replicates: int = Field(default=400, ge=0, description="Simulated null tables per test (0: the F distribution only).")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Of every interval.")
    margin: float = Field(default=0.02, gt=0, description="Exponents closer than this count as equal.")
    multiplier_margin: float = Field(
        default=0.1, gt=0, description="Effective-data multipliers within 1 +- this count as equal."
    )
    seed: int = 0


class Report(Section):
    title: str | None = None
    samples: bool = Field(default=True, description="Show samples of kept and dropped text (escaped).")


class Study(Section):
    """A whole study. See docs/reference/study.md for every key."""

    name: Name
    seed: int = Field(default=0, description="Orders and samples documents; trains nothing.")
    sources: list[Source] = Field(min_length=1)
    pool: Pool = Pool()
    signals: list[str] | dict[str, dict[str, Any]] = Field(default_factory=list)
    duplicates: Duplicates = Duplicates()
    classifiers: dict[Name, Classifier] = Field(default_factory=dict)
    levels: dict[Name, Level] = Field(min_length=1)
    mixture: Mixture = Mixture()
    tokenizer: Tokenizer = Tokenizer()
    ladder: Ladder
    schedule: Schedule = Schedule()
    checks: Checks = Checks()
    evaluation: Evaluation = Evaluation()
    fit: Fit = Fit()
    report: Report = Report()

    @model_validator(mode="before")
    @classmethod
    def _families_are_levels(cls, data: Any) -> Any:
        levels: dict[str, Any] = {}
        for name, level in (data.get("levels") or {}).items():
            levels[name] = level
            if isinstance(level, dict) and level.get("leave_one_out"):
                levels |= leave_one_out(name, {key: value for key, value in level.items() if key != "leave_one_out"})
        return {**data, "levels": levels} if levels else data

    @model_validator(mode="after")
    def _names_resolve(self) -> "Study":
        names = [source.name for source in self.sources]
        if doubled := {n for n in names if names.count(n) > 1}:
            raise ValueError(
                f"sources: the name {sorted(doubled)[0]!r} is used twice; documents are identified by it, rename one"
            )
        if all(source.role != "pool" for source in self.sources):
            raise ValueError("sources: none has `role: pool`; at least one must feed the levels")
        seen: list[str] = []
        for name, level in self.levels.items():
            for key, other in (("extends", level.extends), ("random", level.random)):
                if other is not None and other not in seen:
                    raise ValueError(
                        f"levels.{name}.{key}: {other!r} is not a level declared above it (above: {', '.join(seen) or 'none'})"
                    )
            seen.append(name)
        for key, value in (("mixture.to", self.mixture.to), ("fit.baseline", self.fit.baseline)):
            if value is not None and value not in self.levels:
                raise ValueError(f"{key}: {value!r} is not a level (levels: {', '.join(self.levels)})")
        if unknown := [name for name in self.checks.levels if name not in self.levels]:
            raise ValueError(f"checks.levels: {unknown[0]!r} is not a level (levels: {', '.join(self.levels)})")
        if clash := set(self.classifiers) & set(self.signal_params):
            raise ValueError(f"classifiers: {sorted(clash)[0]!r} is also a signal; rename the classifier")
        return self

    @property
    def signal_params(self) -> dict[str, dict[str, Any]]:
        """Declared signals and their parameters, in order."""
        return {n: {} for n in self.signals} if isinstance(self.signals, list) else dict(self.signals)

    @property
    def baseline(self) -> str:
        return self.fit.baseline or next(iter(self.levels))

    @property
    def checked_levels(self) -> list[str]:
        """The levels that the checks run on."""
        if self.checks.levels:
            return self.checks.levels
        plain = [name for name, level in self.levels.items() if not (level.random or level.duplicate or level.mixture)]
        return list(dict.fromkeys([self.baseline, plain[-1]] if plain else [self.baseline]))

    def lineage(self, name: str) -> list[str]:
        """The level and its ancestors, oldest first."""
        parent = self.levels[name].extends
        return [*(self.lineage(parent) if parent else []), name]


def load(path: Path, overrides: list[str] = []) -> Study:  # noqa: B006 - never written to
    """Read a study file, apply `a.b=c` overrides (values are YAML), validate. Raises StudyError that names the place."""
    try:
        body = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise StudyError(
            f"study file {str(path)!r} is not there; give a path to a YAML file such as configs/quickstart.yaml"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(body, dict):
        raise StudyError(f"{path}: a study is a mapping of sections; found {type(body).__name__}")
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise StudyError(f"--set {override!r}: write it as section.key=value")
        target, *rest = body, *key.split(".")
        for part in rest[:-1]:
            if target.get(part) is None:
                target[part] = {}
            target = target[part]
            if not isinstance(target, dict):
                raise StudyError(f"--set {override!r}: {part!r} is not a section")
        target[rest[-1]] = yaml.safe_load(value)
    try:
        return Study.model_validate(body)
    except ValidationError as error:
        raise StudyError(f"{path}: " + "; ".join(_problem(e) for e in error.errors())) from None


def _problem(error: Any) -> str:
    """One pydantic error as `place: what (value); fix`."""
    place = ".".join(str(part) for part in error["loc"]) or "study"
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key; see docs/reference/study.md for the keys of this section, or remove it"
    if error["type"] == "missing":
        return f"{place}: is missing; add it"
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    shown = "" if isinstance(given, (dict, BaseModel)) or place == "study" else f" (given: {given!r})"
    return f"{place}: {message}{shown}"
