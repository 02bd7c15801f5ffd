"""The section of a study file that declares tasks."""

import math
from typing import Literal

from pydantic import Field, model_validator

from pipelines.study.section import FieldPath, Section

MADE_ERROR = 0.035  # of a made task's accuracy: 205 items
Made = Literal["word_order", "continuation", "last_word", "induction", "agreement"]


class TaskSection(Section):
    """Items with a right answer, from files or made from held-out text: see [tasks](../concepts/tasks.md)."""

    path: str | list[str] | None = Field(
        default=None, description="Items as JSON lines or Parquet: a path, glob or URL, or a list; relative to the study file."
    )
    made: Made | None = Field(default=None, description="In place of files: a task that comes with Assay, by its rule.")
    fields: dict[Literal["context", "choices", "answer", "target", "good", "bad"], FieldPath] = Field(
        default_factory=dict,
        description="Part of an item: path of its field in the record, such as `question` or `choices.text`.",
    )
    between: str = Field(default=" ", description="Stands between context and choice where neither has white space there.")
    error: float | None = Field(
        default=None,
        gt=0,
        lt=0.5,
        description="Largest standard error of the accuracy; so many items are drawn (default: all of a file's; "
        f"{MADE_ERROR} for a made task).",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> "TaskSection":
        if (self.path is None) == (self.made is None):
            raise ValueError("give either `path` (items in files) or `made` (a task that comes with Assay)")
        if self.made is not None and (self.fields or self.between != " "):
            raise ValueError("`fields` and `between` are of items in files; a made task has its own")
        return self

    @property
    def paths(self) -> list[str]:
        return [self.path] if isinstance(self.path, str) else self.path or []

    @property
    def n_items(self) -> int | None:
        """Items wanted, None for all: an accuracy of n items has a standard error of at most 1 / (2 sqrt n)."""
        error = self.error or (MADE_ERROR if self.made else None)
        return math.ceil(0.25 / error**2) if error else None
