"""The section `courses`: what a run reads, phase by phase, where that is not one level from start to end."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.study.section import Fraction, Name, Section

Epochs = Annotated[float, Field(ge=1, description="How often the level may be gone through, at most.")]
UniqueTokens = Annotated[
    int | None, Field(gt=0, description="Read only this many tokens of the level, the first of a run's order (default: all).")
]
LevelName = Annotated[Name, Field(description="The level that is read.")]
Kind = Literal["annealing", "order", "repetition", "continual", "level"]


class OrderSection(Section):
    """The same tokens of each run, sorted."""

    by: str = Field(description="Signal column or expression of the documents, lowest first (`-quality.score`: highest first).")
    smooth: float = Field(default=0.0, ge=0, le=1, description="Share of chance in the order: 0 is sorted, 1 the level's own.")


class PhaseSection(Section):
    """A part of a run's tokens on one level."""

    level: LevelName
    share: Fraction = Field(default=1.0, description="Share of the run's tokens; those of a course sum to 1.")
    replay: float = Field(default=0.0, ge=0, lt=1, description="Share of the phase that reads again what was read before it.")
    epochs: Epochs = 1.0
    unique_tokens: UniqueTokens = None
    order: OrderSection | None = Field(default=None, description="Sort what the phase reads.")


class CourseSection(Section):
    """What a run reads: `trunk` and `branch`, or one `level`, or `phases`."""

    trunk: Name | None = Field(default=None, description="Annealing: the level that is read until the cooldown.")
    branch: Name | None = Field(default=None, description="Annealing: the level that the cooldown alone reads.")
    level: Name | None = Field(default=None, description="One level for the whole run, sorted or gone through several times.")
    order: OrderSection | None = Field(default=None, description="Curriculum: sort what each run reads of `level`.")
    epochs: Epochs = 1.0
    unique_tokens: UniqueTokens = None
    phases: list[PhaseSection] = Field(default_factory=list, description="One level after the other, old ones replayed or not.")

    @model_validator(mode="after")
    def _one_form(self) -> "CourseSection":
        forms = [self.trunk is not None or self.branch is not None, self.level is not None, bool(self.phases)]
        if sum(forms) != 1:
            raise ValueError("give one of `trunk` with `branch`, `level`, or `phases`")
        if forms[0] and (self.trunk is None or self.branch is None):
            raise ValueError(f"annealing needs `trunk` and `branch`; there is only {'`trunk`' if self.trunk else '`branch`'}")
        if self.order is not None and self.level is None:
            raise ValueError("`order` is of a `level`; in a phase, write it there")
        if self.unique_tokens is not None and self.level is None:
            raise ValueError("`unique_tokens` is of a `level`; in a phase, write it there")
        if self.epochs > 1 and self.phases:
            raise ValueError("`epochs` is of a `level` or of annealing; in a phase, write it there")
        return self

    @model_validator(mode="after")
    def _shares_and_replay(self) -> "CourseSection":
        if self.phases and abs((total := sum(phase.share for phase in self.phases)) - 1) > 1e-6:
            raise ValueError(f"the shares of its phases sum to {total:g}; they must sum to 1")
        if self.phases and self.phases[0].replay:
            raise ValueError("`replay` of the first phase: nothing was read before it; take it away")
        return self

    @property
    def kind(self) -> Kind:
        """Which question the course answers."""
        if self.trunk is not None:
            return "annealing"
        if self.phases:
            return "continual" if len(self.phases) > 1 else "level"
        if self.order is not None:
            return "order"
        return "repetition" if self.epochs > 1 or self.unique_tokens is not None else "level"

    def read(self, cooldown: float) -> list[PhaseSection]:
        """The phases, whichever way they are declared; `cooldown` is the schedule's."""
        if self.trunk is not None and self.branch is not None:
            last = PhaseSection(level=self.branch, share=cooldown, epochs=self.epochs)
            return [PhaseSection(level=self.trunk, share=1 - cooldown), last]
        if self.level is not None:
            only = PhaseSection(level=self.level, epochs=self.epochs, unique_tokens=self.unique_tokens, order=self.order)
            return [only]
        return self.phases

    def compared_with(self) -> str | None:
        """The level whose own runs the course is set against; None where any level will do."""
        if self.kind == "repetition":
            return None
        return self.trunk or self.level or self.phases[0].level
