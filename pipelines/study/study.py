"""The study file: YAML in, a validated, frozen declaration out. Every check that needs no data is made here."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from curation.quality import axes
from pipelines.study.courses import CourseSection
from pipelines.study.curation import ClassifierSection, DuplicatesSection, LevelSection, MixtureSection, PoolSection, Source
from pipelines.study.mistakes import mistakes
from pipelines.study.section import Name, Section
from pipelines.study.training import (
    ChecksSection,
    EvaluationSection,
    FitSection,
    LadderSection,
    ReportSection,
    ScheduleSection,
    TokenizerSection,
)


class StudyError(ValueError):
    """A study that cannot be run as declared. The text names the value, the place and the fix."""


class Study(Section):
    """A whole study."""

    name: Name = Field(description="Names the study and its work directory, `work/NAME`.")
    seed: int = Field(default=0, description="Orders and samples documents; trains nothing.")
    sources: list[Source] = Field(min_length=1, description="Where documents come from, in order: see [sources](sources.md).")
    pool: PoolSection = PoolSection()
    signals: list[str] | dict[str, dict[str, object]] = Field(
        default_factory=list, description="Signals to compute: a list of names, or a map from name to parameters."
    )
    duplicates: DuplicatesSection = DuplicatesSection()
    classifiers: dict[Name, ClassifierSection] = Field(
        default_factory=dict, description="Quality classifiers by name: see [classifiers](classifiers.md)."
    )
    levels: dict[Name, LevelSection] = Field(
        min_length=1, description="Curation levels by name, parents above their children: see [levels](levels.md)."
    )
    courses: dict[Name, CourseSection] = Field(
        default_factory=dict, description="What runs read beside single levels, by name: see [courses](../how-to/courses.md)."
    )
    mixture: MixtureSection = MixtureSection()
    tokenizer: TokenizerSection = TokenizerSection()
    ladder: LadderSection = Field(
        default=LadderSection(), description="Runs to train. A study without them curates: `assay curate`, `assay export`."
    )
    schedule: ScheduleSection = ScheduleSection()
    checks: ChecksSection = ChecksSection()
    evaluation: EvaluationSection = EvaluationSection()
    fit: FitSection = FitSection()
    report: ReportSection = ReportSection()

    @model_validator(mode="before")
    @classmethod
    def _families_are_levels(cls, data: dict[str, Any]) -> dict[str, Any]:
        from curation.levels.controls import (
            further_draws,
            leave_one_out,
        )  # heavy, and `assay init` and `schema` have no use for it

        levels: dict[str, Any] = {}
        for name, level in (data.get("levels") or {}).items():
            levels[name] = level
            if isinstance(level, dict) and level.get("leave_one_out"):
                levels |= leave_one_out(name, {key: value for key, value in level.items() if key != "leave_one_out"})
            if isinstance(level, dict) and isinstance(level.get("draws"), int):
                levels |= further_draws(name, level)
        return {**data, "levels": levels} if levels else data

    @model_validator(mode="before")
    @classmethod
    def _without_runs_all_is_data(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Nothing is held out, and nothing left for the shares of another level, where nothing is trained."""
        if data.get("ladder"):
            return data
        return {"mixture": {"kind": "natural"}, "evaluation": {"heldout": 0}} | data

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
        if self.trains:
            self._judged_on_what_there_is()
        if unknown := [name for name in self.checks.levels if name not in self.levels]:
            raise ValueError(f"checks.levels: {unknown[0]!r} is not a level (levels: {', '.join(self.levels)})")
        if clash := set(self.classifiers) & set(self.signal_params):
            raise ValueError(f"classifiers: {sorted(clash)[0]!r} is also a signal; rename the classifier")
        return self

    @model_validator(mode="after")
    def _courses_resolve(self) -> "Study":
        if unknown := [name for name in self.ladder.levels if name not in self.levels]:
            raise ValueError(f"ladder.levels: {unknown[0]!r} is not a level (levels: {', '.join(self.levels)})")
        if self.trains and self.baseline not in self.trained:
            raise ValueError(f"ladder.levels: the baseline {self.baseline!r} is not among them; add it, or set fit.baseline")
        for name, draws in self.draws.items():
            if name in self.trained and len(draws) > self.ladder.seeds:
                raise ValueError(
                    f"levels.{name}: {len(draws)} draws for {self.ladder.seeds} seeds; each draw needs one: give fewer draws, "
                    "or raise ladder.seeds"
                )
        if self.courses and not self.trains:
            raise ValueError("courses: they are read by runs, and the study has no ladder; add one (shapes, tokens)")
        for name, course in self.courses.items():
            place = f"courses.{name}"
            if name in self.levels:
                raise ValueError(f"{place}: a level has this name too; rename the course")
            phases = course.read(self.schedule.cooldown)
            if unknown := [phase.level for phase in phases if phase.level not in self.levels]:
                raise ValueError(f"{place}: {unknown[0]!r} is not a level (levels: {', '.join(self.levels)})")
            if self.schedule.kind == "cosine" and course.kind in ("annealing", "order", "continual"):
                raise ValueError(f"{place}: it needs a trunk to leave; set schedule.kind to trunk")
            if (beside := course.compared_with()) is not None and beside not in self.trained:
                raise ValueError(
                    f"{place}: no matching baseline: it is compared with {beside!r} alone, which ladder.levels leaves out; "
                    "add it there"
                )
        return self

    @model_validator(mode="after")
    def _axis_is_measured(self) -> "Study":
        axis = self.report.quality.axis
        try:
            axes.check(axis, axes.names(self.classifiers, self.signal_params))
        except ValueError as error:
            raise ValueError(f"report.quality.axis: {error}") from None
        if axis == axes.REFERENCE and all(source.role != "reference" for source in self.sources):
            raise ValueError(f"report.quality.axis: {axis!r} needs clean text; give a source `role: reference`")
        return self

    def _judged_on_what_there_is(self) -> None:
        """The evaluation set of the verdict, as far as it is known without data."""
        references = [f"reference:{source.name}" for source in self.sources if source.role == "reference"]
        sets = [*(["heldout", "heldout-pool"] if self.evaluation.heldout else []), *references]
        if not sets:
            raise ValueError("evaluation.heldout: it is 0 and no source has `role: reference`; runs are judged on one of these")
        asked = self.fit.eval_set
        if asked not in sets and not asked.startswith("domain:"):
            close = difflib.get_close_matches(asked, sets, n=1)
            guess = f"did you mean `{close[0]}`? " if close else ""
            there = f"there are {', '.join(sets)} and domain:NAME for each domain"
            raise ValueError(f"fit.eval_set: {asked!r} is no evaluation set; {guess}{there}")

    @property
    def scored_set(self) -> str:
        """The evaluation set of the verdict as runs score it: all held-out text, where the verdict weighs that as the pool."""
        return "heldout" if self.fit.eval_set == "heldout-pool" else self.fit.eval_set

    @property
    def trains(self) -> bool:
        """Whether it has a ladder; without one it makes a data set and no claim about it."""
        return bool(self.ladder.shapes)

    @property
    def signal_params(self) -> dict[str, dict[str, object]]:
        """Declared signals and their parameters, in order."""
        return {n: {} for n in self.signals} if isinstance(self.signals, list) else dict(self.signals)

    @property
    def baseline(self) -> str:
        return self.fit.baseline or next(iter(self.levels))

    @property
    def trained(self) -> list[str]:
        """The levels that runs read alone."""
        return [name for name in self.levels if name in self.ladder.levels] if self.ladder.levels else list(self.levels)

    @property
    def draws(self) -> dict[str, list[str]]:
        """Controls of several draws: of each its levels, itself first. They are declared alike but for the draw."""
        alike: dict[str, list[str]] = {}
        for name, level in self.levels.items():
            if level.random:
                alike.setdefault(level.model_copy(update={"draw": 1, "draws": 1}).model_dump_json(), []).append(name)
        return {names[0]: names for names in alike.values() if len(names) > 1}

    @property
    def control_of(self) -> dict[str, str]:
        """By level that is a further draw of a control, the control: runs on them are runs of it."""
        return {name: control for control, names in self.draws.items() for name in names[1:]}

    @property
    def compared(self) -> list[str]:
        """The levels that runs read alone, as a reader knows them: the draws of a control are one."""
        return [name for name in self.trained if name not in self.control_of]

    @property
    def short_runs(self) -> int:
        """Runs of each shape that stop early, over all levels."""
        return len(self.compared) * (self.ladder.all_seeds - self.ladder.seeds)

    def seeds_of(self, level: str) -> range:
        """The seeds that read a level alone, those of short runs last; the draws of a control take turns."""
        draws = self.draws.get(self.control_of.get(level, level), [level])
        return range(draws.index(level), self.ladder.all_seeds, len(draws))

    def wanted_tokens(self, level: str) -> int:
        """The fewest tokens that a level must have for the runs that read it."""
        longest = max(self.ladder.tokens, default=0)
        phases = [phase for course in self.courses.values() for phase in course.read(self.schedule.cooldown)]
        reads = [phase.share * (1 - phase.replay) / phase.epochs for phase in phases if phase.level == level]
        return max([longest * (level in self.trained), *(round(longest * share) for share in reads)])

    @property
    def checked_levels(self) -> list[str]:
        """The levels that the checks run on."""
        if self.checks.levels:
            return self.checks.levels
        declared = [(name, self.levels[name]) for name in self.trained]
        plain = [name for name, level in declared if not (level.random or level.duplicate or level.mixture)]
        return list(dict.fromkeys([self.baseline, plain[-1]] if plain else [self.baseline]))

    def lineage(self, name: str) -> list[str]:
        """The level and its ancestors, oldest first."""
        parent = self.levels[name].extends
        return [*(self.lineage(parent) if parent else []), name]


def load(path: Path, overrides: Sequence[str] = ()) -> Study:
    """Read a study file. Raises StudyError as `parse` does, and where the file cannot be read."""
    try:
        return parse(path.read_text("utf-8"), path, overrides)
    except FileNotFoundError:
        raise StudyError(
            f"study file {str(path)!r} is not there; give a path to a YAML file such as configs/quickstart.yaml"
        ) from None
    except IsADirectoryError:
        inside = ", ".join(sorted(str(one) for one in path.glob("*.y*ml"))[:8])
        raise StudyError(f"{path} is a folder; give a study file" + (f", such as {inside}" if inside else "")) from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: not UTF-8: {error}") from None


class _OneOfEachKey(yaml.SafeLoader):
    """YAML in which a key stands once in a mapping; PyYAML takes the last of several."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} is given twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def parse(text: str, path: Path, overrides: Sequence[str] = ()) -> Study:
    """A study from its YAML, with `a.b=c` overrides (values are YAML). Raises StudyError that names the place; `path` is what
    the file is called in it."""
    try:
        body = yaml.load(text, _OneOfEachKey)
    except yaml.YAMLError as error:
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
        tree = yaml.compose(text, yaml.SafeLoader)
        raise StudyError(f"{path}: {mistakes(error.errors(), Study, tree)}") from None
