"""The sections of a study file that say how text becomes levels."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipelines.study.section import FieldPath, Fraction, Name, Section

Role = Annotated[
    Literal["pool", "reference", "examples"],
    Field(
        description="`pool` feeds the levels; `reference` is only an evaluation set; `examples` only gives classifiers theirs."
    ),
]
Licence = Annotated[
    str | None, Field(description="Licence of the collection, for the card of `assay export` (`cc-by-sa-4.0`).")
]
SourceName = Annotated[Name, Field(description="Name of the source; part of every document's identity.")]


class PythonEnvironment(Section):
    """The text of the running interpreter: standard library and installed distributions."""

    kind: Literal["python_environment"] = Field(description="The embedded corpus.")
    name: SourceName = "python"
    role: Role = "pool"
    licence: Licence = None
    max_megabytes: float = Field(default=24, gt=0, description="Text to take at most, spread over the domains, in MB.")


class FileSource(Section):
    """Files, by path or glob, local or at any fsspec URL."""

    kind: Literal["jsonl", "parquet", "text", "html", "warc"] = Field(description="How the files are read.")
    name: SourceName
    path: str | list[str] = Field(description="A path, glob or URL, or a list of them; relative to the study file.")
    fields: dict[Literal["text", "url", "domain", "date"], FieldPath] = Field(
        default_factory=dict,
        description='Document column: path of a field in the record, such as `meta.url`, `urls[0]` or `meta["a key"]`.',
    )
    meta: bool = Field(
        default=True,
        description="Keep all other fields of a record (its own id among them) as JSON in the column `meta`, to the export.",
    )
    domain: str | None = Field(
        default=None, description="The domain of every document of this source (else the record's, else the source's name)."
    )
    role: Role = "pool"
    licence: Licence = None
    extract: Literal["resiliparse", "trafilatura"] = Field(
        default="resiliparse", description="Main-text extraction for html and warc."
    )

    @field_validator("fields", mode="before")
    @classmethod
    def _other_fields_need_no_entry(cls, given: object) -> object:
        known = ("text", "url", "domain", "date")
        if isinstance(given, dict) and (others := [key for key in given if key not in known]):
            raise ValueError(
                f"`{others[0]}` is none of {', '.join(known)}; all other fields of a record, its own id among them, are kept "
                "as they are in the column `meta`"
            )
        return given


Source = Annotated[PythonEnvironment | FileSource, Field(discriminator="kind")]


class PoolSection(Section):
    """How the sources become shards."""

    shard_megabytes: float | None = Field(
        default=None,
        gt=0,
        le=256,
        description="Text per pool shard, in MB. By default 16; of more than 160 GB, as stored, a ten-thousandth, at most 256.",
    )
    record_megabytes: float = Field(default=16, gt=0, le=256, description="A record larger than this is quarantined.")
    max_malformed: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of malformed records, or of stored bytes lost with broken files, above which the pool is refused.",
    )
    edit: list[Literal["lines", "substrings"]] = Field(
        default_factory=list,
        description="Cut repeated lines, or paragraphs of repeated 13-grams, out of the pool first, for all levels.",
    )


class DuplicatesSection(Section):
    """MinHash-LSH near-duplicate clusters over word n-gram shingles."""

    ngram: int = Field(default=5, ge=1, description="Units per shingle.")
    unit: Literal["word", "character"] = Field(default="word", description="What shingles are made of.")
    scope: Literal["global", "source", "domain"] = Field(default="global", description="Seek copies only within one of these.")
    bands: int = Field(default=20, ge=1, description="Bands of the signature. 20 x 6 finds nearly all pairs above 0.7.")
    rows: int = Field(default=6, ge=1, description="Rows per band; a pair is tested with probability 1 - (1 - s^rows)^bands.")
    seed: int = Field(default=1, description="Of the MinHash permutations.")
    verify: Literal["jaccard", "containment", "off"] = Field(
        default="jaccard", description="What shared shingles are divided by: those of both, those of the smaller; or no check."
    )
    threshold: Fraction = Field(default=0.7, description="Candidate pairs below this similarity are not duplicates.")
    removes: Literal["linked", "verified", "contained"] = Field(
        default="linked",
        description="Which members of a cluster `drop: near` drops: all but its survivor; only those that are near a survivor "
        "themselves; only those contained in a longer survivor.",
    )
    evidence: bool = Field(
        default=False, description="Keep every pair that was tested, with its similarity, for `assay explain` and `inspect`."
    )
    earlier: list[str] = Field(
        default_factory=list,
        description="Work directories of earlier studies whose documents count too: the new ones join their clusters.",
    )
    survivor: list[str] = Field(
        default_factory=lambda: ["n_bytes"],
        description="Which copy of a cluster stays: columns in order, highest first (`-name`: lowest first; `name: a > b`: "
        "these values first), then lowest uid.",
    )
    also: list[Literal["url", "lines", "substrings"]] = Field(
        default_factory=list,
        description="Further signals of repetition for levels to drop by: `duplicates_url`, `lines`, `substrings`.",
    )

    @model_validator(mode="after")
    def _removals_are_verified(self) -> "DuplicatesSection":
        if self.removes == "verified" and self.verify == "off":
            raise ValueError("`removes: verified` needs pairs that are verified; set `verify: jaccard` or `containment`")
        if self.removes == "contained" and self.verify != "containment":
            raise ValueError("`removes: contained` needs `verify: containment`, by which its clusters are found")
        return self


class ClassifierSection(Section):
    """A fastText quality classifier trained in the run, or a user's model; its score is the signal column `<name>.score`."""

    positives: str | None = Field(default=None, description="Expression over document columns and signals: the good examples.")
    negatives: str | None = Field(
        default=None, description="What to tell them from: an expression; a sample of all else by default."
    )
    model: str | None = Field(default=None, description="Path of a fastText .bin to score with instead of training one.")
    label: str = Field(default="__label__hq", description="The label whose probability is the score.")
    words: Literal["as written", "separated"] = Field(
        default="as written",
        description="How documents are given to `model`: newlines as spaces, or as in training here, where any white space "
        "and every character of an unspaced script (Chinese, Japanese, Thai) separates words.",
    )
    examples: int = Field(default=20_000, ge=50, description="Documents per class, at most.")
    dim: int = Field(default=16, ge=1, le=300, description="Width of the word vectors.")
    bucket: int = Field(default=100_000, ge=1, description="Hash buckets for word n-grams.")
    word_ngrams: int = Field(default=2, ge=1, description="Longest word n-gram.")
    epochs: int = Field(default=5, ge=1, description="Passes over the examples.")
    lr: float = Field(default=0.1, gt=0, description="fastText's learning rate.")
    seed: int = Field(default=0, description="Of the draw and of the training.")

    @model_validator(mode="after")
    def _one_origin(self) -> "ClassifierSection":
        if (self.positives is None) == (self.model is None):
            raise ValueError(
                "give either `positives` (to train a classifier) or `model` (to use one), not both and not neither"
            )
        return self


class Top(Section):
    """Keep the best fraction of the surviving tokens by one signal column."""

    fraction: Fraction = Field(description="Share of the surviving tokens to keep.")
    by: str = Field(description="Signal column or expression; higher is better.")
    within: Literal["domain"] | None = Field(
        default=None, description="`domain`: this fraction of each domain, in place of the whole."
    )


class MixtureSection(Section):
    """Domain shares of a level's training stream."""

    kind: Literal["pinned", "natural", "explicit", "temperature"] = Field(
        default="pinned", description="The shares of one level for all; as they fall; as given; flattened."
    )
    to: str | None = Field(
        default=None, description="pinned: the level whose natural shares are used (default: the first level)."
    )
    shares: dict[str, float] | None = Field(default=None, description="explicit: share per domain; must sum to 1.")
    temperature: float = Field(default=1.0, gt=0, description="temperature: shares ~ natural ** (1 / temperature).")
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
    def _shares_fit_kind(self) -> "MixtureSection":
        if (self.kind == "explicit") != (self.shares is not None):
            raise ValueError("`shares` belongs to `kind: explicit`, and that kind needs it")
        if self.shares is not None and abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ValueError(f"shares sum to {sum(self.shares.values()):g}; they must sum to 1")
        return self


class LevelSection(Section):
    """A curation level: what is dropped, kept and topped, in that order, after everything its parent does."""

    extends: str | None = Field(default=None, description="A level above; its rules come first.")
    drop: list[Literal["exact", "near"]] = Field(
        default_factory=list, description="Duplicates to drop; the survivor of each group stays."
    )
    keep: list[str] = Field(default_factory=list, description="Rule-set names or expressions over signals.")
    top: Top | None = Field(default=None, description="Then keep the best part.")
    edit: list[str] = Field(
        default_factory=list,
        description="Edits of what is kept, before tokens: c4_lines_tfds, c4_lines_datatrove, c4_lines_fineweb, pii, unicode.",
    )
    random: str | None = Field(default=None, description="Control: drop documents at random down to the tokens of this level.")
    draw: int = Field(
        default=1,
        ge=1,
        description="Which draw of `random`; `draws: 3` makes levels of draws 2 and 3.",
    )
    draws: int = Field(
        default=1,
        ge=1,
        description="How many draws of `random`, among which the seeds are dealt: the control's runs then hold the luck of "
        "which documents a level got, and every difference its size.",
    )
    duplicate: Fraction | None = Field(default=None, description="Control: add copies of this share of the tokens.")
    duplicate_noise: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Control: make the copies near ones, by replacing this share of each one's words."
    )
    mixture: MixtureSection | None = Field(
        default=None, description="Overrides the study's mixture for this level (a second arm)."
    )
    leave_one_out: bool = Field(
        default=False, description="Adds levels <name>-without-<rule>, each without one rule of this one."
    )

    @model_validator(mode="before")
    @classmethod
    def _one_expression_is_a_list(cls, data: Mapping[str, object] | None) -> dict[str, object]:
        data = dict(data or {})
        return data | {key: [data[key]] for key in ("keep", "drop", "edit") if isinstance(data.get(key), str)}

    @property
    def kind(self) -> Literal["level", "control", "arm"]:
        """What a level is for: a control is never recommended, an arm has another mixture than the main arm."""
        return "control" if self.random or self.duplicate else "arm" if self.mixture else "level"

    @model_validator(mode="after")
    def _draws_are_of_controls(self) -> "LevelSection":
        if max(self.draw, self.draws) > 1 and self.random is None:
            raise ValueError(f"`{'draws' if self.draws > 1 else 'draw'}` is of the control `random`; give that too")
        return self

    @model_validator(mode="after")
    def _noise_is_of_copies(self) -> "LevelSection":
        if self.duplicate_noise is not None and self.duplicate is None:
            raise ValueError("`duplicate_noise` is of the copies that `duplicate` adds; give that too")
        return self
