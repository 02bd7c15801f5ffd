"""The results of curating a study, by level."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.engine.step import Manifest
from pipelines.levels.quality import Quality
from pipelines.levels.selections import AnnotatedPool


@dataclass(frozen=True)
class Curated:
    """The annotated pool, and per level what it selects, every document's fate, its tokens, its own evaluation set and its
    quality; no evaluation and no judge (what the sets are made of) where the study has no ladder, no choices of tasks without
    tasks. `orders`: the signals that courses sort by."""

    pool: AnnotatedPool
    selections: Mapping[str, Manifest]
    ledgers: Mapping[str, Manifest]
    levels: Mapping[str, Manifest]
    evaluation: Manifest | None
    judge: Manifest | None
    tasks: Manifest | None
    own: Mapping[str, Manifest]
    quality: Quality
    orders: Mapping[str, Manifest]
