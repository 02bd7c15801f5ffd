"""The sections of a study file that say how levels become losses, laws and a report."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipelines.study.section import Fraction, Name, Section
from pipelines.study.tasks import TaskSection


class TokenizerSection(Section):
    """Byte-level BPE trained once, on a sample of the whole pool, and shared by every level."""

    vocab_size: int = Field(default=4096, ge=260, le=65_536, description="Tokens, with the 256 bytes and end-of-text.")
    sample_megabytes: float = Field(default=8, gt=0, description="Text to train on, drawn by hash from the whole pool, in MB.")


class ShapeSection(Section):
    """A model's size."""

    width: int = Field(ge=8, description="Width of the residual stream; a multiple of `heads`.")
    depth: int = Field(ge=1, description="Layers.")
    heads: int = Field(ge=1, description="Attention heads; `width / heads` must be even.")
    ff: int | None = Field(default=None, ge=8, description="Feed-forward width (default: 8/3 of the width, rounded up to 32).")


class ShortRunsSection(Section):
    """Further seeds that stop at an early D. Short runs are cheap and scatter most, so these sharpen an exponent for little."""

    tokens: int = Field(gt=0, description="The D at which they stop, one of `ladder.tokens` and not the last.")
    seeds: int = Field(ge=1, description="How many there are, beside `ladder.seeds`.")


class LadderSection(Section):
    """The same runs on every level, and on every course."""

    shapes: dict[Name, ShapeSection] | list[str] = Field(
        default_factory=dict, description="Shapes by size, or names from the ladder table."
    )
    tokens: list[Annotated[int, Field(gt=0)]] = Field(default_factory=list, description="Training tokens D of the branches.")
    levels: list[Name] = Field(
        default_factory=list, description="Levels that runs read alone (default: all); the others are read by courses only."
    )
    seeds: int = Field(
        default=1, ge=1, description="Runs of each shape and level that differ in initial weights and order of the data."
    )
    short: ShortRunsSection | None = Field(
        default=None, description="Further seeds that stop at an early D, where runs are cheap and scatter most."
    )
    context: int = Field(default=256, ge=8, description="Tokens per sequence.")
    batch_tokens: int | None = Field(default=None, gt=0, description="Tokens per step (default: by rule of size).")
    lr: float | None = Field(default=None, gt=0, description="Peak learning rate (default: by rule of size).")
    warmup_tokens: int | None = Field(default=None, ge=0, description="Warm-up tokens (default: by rule of size).")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="`auto`: bfloat16 where the device is fast at it, else float32."
    )
    repeat: bool = Field(
        default=False, description="Allow runs longer than a level's unique tokens (marked repeated, left out of the fit)."
    )
    threads: int = Field(default=1, ge=1, description="CPU threads per stack of runs.")
    gpus: float = Field(
        default=0,
        ge=0,
        description="GPUs per stack of runs. Fractions share one; a whole number above 1 splits each batch over them.",
    )

    @model_validator(mode="after")
    def _runs_or_none(self) -> "LadderSection":
        if bool(self.shapes) != bool(self.tokens):
            raise ValueError(f"it has {'shapes' if self.shapes else 'tokens'} alone; runs need `shapes` and `tokens`")
        if self.short is not None and self.short.tokens not in (early := sorted(set(self.tokens))[:-1]):
            there = ", ".join(map(str, early)) or "none"
            raise ValueError(f"short.tokens: {self.short.tokens} is none of `tokens` before the last ({there})")
        return self

    @property
    def all_seeds(self) -> int:
        """Seeds of the ladder and of the short runs, which come after."""
        return self.seeds + (self.short.seeds if self.short else 0)

    def tokens_of(self, seed: int) -> tuple[int, ...]:
        """The D of a seed, ascending."""
        tokens = tuple(sorted(set(self.tokens)))
        if self.short is None or seed < self.seeds:
            return tokens
        return tokens[: tokens.index(self.short.tokens) + 1]

    @field_validator("gpus")
    @classmethod
    def _whole_above_one(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError("above 1 GPUs are whole, since a stack splits its batch over them")
        return gpus


class ScheduleSection(Section):
    """How the learning rate runs, and the optimizer's settings."""

    kind: Literal["trunk", "cosine"] = Field(
        default="trunk", description="One constant-rate trunk with a cooldown branch to each D; or a run per D."
    )
    cooldown: Fraction = Field(default=0.2, description="Share of each run's tokens in its 1-sqrt cooldown.")
    optimizer: Literal["adamw", "muon"] = Field(
        default="adamw", description="`muon`: the matrices of the body move by Muon, embedding and head by AdamW."
    )
    weight_decay: float = Field(default=0.1, ge=0, description="Decoupled; none on the embedding.")
    clip: float = Field(default=1.0, gt=0, description="Largest gradient norm of a run.")


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


class ChecksSection(Section):
    """Runs that test the instrument itself, before the ladder."""

    levels: list[Name] = Field(
        default_factory=list,
        max_length=4,
        description="Levels to check on (default: the baseline and the strictest, i.e. the last that is no control or arm).",
    )
    noise: NoiseCheck | None = Field(default=None, description="Seed-to-seed spread at chosen cells, on the checked levels.")
    learning_rate: RateCheck | None = Field(default=None, description="Does the best learning rate move with curation?")
    cosine: ScheduleCheck | None = Field(
        default=None, description="Does a branch of the trunk say what a whole cosine run says?"
    )


class EvaluationSection(Section):
    """What every run is judged on. Held-out documents are carved from the pool by duplicate cluster before any level."""

    heldout: float = Field(
        default=0.02, ge=0, lt=0.5, description="Share of duplicate clusters held out, by hash (without a ladder: 0)."
    )
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
    tasks: dict[Name, TaskSection] = Field(
        default_factory=dict,
        description="Items with a right answer that every run is asked: see [tasks](../concepts/tasks.md).",
    )


class FitSection(Section):
    """What is compared, and how surely."""

    baseline: str | None = Field(default=None, description="The level the others are compared with (default: the first).")
    eval_set: str = Field(default="heldout", description="The evaluation set that the verdict is read from.")
    replicates: int = Field(default=1000, ge=50, description="Bootstrap replicates for intervals.")
    test_replicates: int = Field(default=400, ge=0, description="Simulated null tables per test (0: the F distribution only).")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Of every interval.")
    margin: float = Field(default=0.02, gt=0, description="Exponents closer than this count as equal.")
    multiplier_margin: float = Field(
        default=0.1, gt=0, description="Effective-data multipliers within 1 +- this count as equal."
    )
    seed: int = Field(default=0, description="Of the resamples and the simulated tables.")


class QualitySection(Section):
    """The measured quality that the page sets the law against; all axes are there to choose from."""

    axis: str = Field(default="kept", description="The axis that it begins with: see [quality](quality.md).")


class ReportSection(Section):
    """What the page shows."""

    title: str | None = Field(default=None, description="Title of the page (default: the study's name).")
    samples: bool = Field(default=True, description="Show samples of kept and dropped text (escaped).")
    quality: QualitySection = QualitySection()
