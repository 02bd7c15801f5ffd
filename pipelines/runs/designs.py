"""Ladders of a study weighed against each other: the one it declares, the best for a budget, the cheapest that sees a shift."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

from pipelines.engine.workdir import JsonObject
from pipelines.runs import prices
from pipelines.runs.ladder import rungs
from pipelines.study.study import Study, StudyError
from pipelines.study.training import ShapeSection, ShortRunsSection
from scaling_fit.levels import best_ladder
from scaling_fit.levels.best_ladder import Candidate, Design, Ladder, Luck
from scaling_fit.levels.settle import REACH, SMALL_MODELS

Unit = Literal["seconds", "flops", "tokens"]


@dataclass(frozen=True)
class Budget:
    """What all runs of the study may cost together."""

    amount: float
    unit: Unit = "seconds"


@dataclass(frozen=True)
class Facts:
    """What a design rests on. `unique`: tokens by level, empty before curation, when every level is taken to have `otherwise`;
    `evaluation_tokens`: scored at every branch; `law`: E, A, alpha, B, beta of every level; `begin`: no run is shorter."""

    unique: Mapping[str, int]
    otherwise: float
    evaluation_tokens: float
    luck: Luck
    law: Mapping[str, float]
    begin: float = 0.0

    def most(self, levels: Sequence[str]) -> float:
        """The longest D that all of these levels have without repetition."""
        return min((float(self.unique.get(level, self.otherwise)) for level in levels), default=self.otherwise)


EVALUATION_SETS = 5  # as many domains and references, before curation says
ASSUMED = Facts(
    {}, 0.0, EVALUATION_SETS * 20_000.0, Luck(row=0.0035, trunk=0.001, reach=REACH), SMALL_MODELS
)  # fmt: skip
"""Of small models on mixed text, before anything is measured (docs/log.md)."""


@dataclass(frozen=True)
class Priced:
    """A ladder on these levels: the smallest shift of beta it finds four times in five (floors free, and shared), and its cost
    in seconds on this machine, in FLOPs and in trained tokens."""

    shapes: dict[str, ShapeSection]
    tokens: tuple[int, ...]
    seeds: int
    short: ShortRunsSection | None
    levels: tuple[str, ...]
    detectable: float
    detectable_floors_shared: float
    seconds: float
    flops: float
    trained_tokens: float

    def to_json(self) -> JsonObject:
        shapes = {name: shape.model_dump(exclude_none=True) for name, shape in self.shapes.items()}
        return asdict(self) | {"shapes": shapes, "short": self.short and self.short.model_dump()}


@dataclass(frozen=True)
class Bench:
    """A study's possible ladders, each assessed and priced once."""

    study: Study
    facts: Facts
    budget: Budget
    shapes: Mapping[str, ShapeSection]
    speeds: Mapping[str, prices.Speed]

    @classmethod
    def of(cls, study: Study, facts: Facts, budget: Budget, seconds: float) -> "Bench":
        """Measures every shape for `seconds` at each of two batches."""
        shapes = prices.shapes(study)
        return cls(study, facts, budget, shapes, prices.speeds(study, shapes, seconds))

    def stands(self) -> Priced | None:
        """The ladder as declared, its short runs as a whole number to a seed, up to the middle D; None where its runs are no
        more than the law's parameters."""
        declared = self.study.ladder
        short = round(declared.short.seeds / declared.seeds) if declared.short else 0
        names = [rung.name for rung in rungs(self.study)]
        tokens = rungs(self.study)[0].tokens
        try:
            candidates = [self._candidate(name) for name in names]
            alone = best_ladder.ladder(candidates, tokens, self.facts.luck, self.facts.law, short)
        except ValueError:
            return None
        return self._priced(Design(alone, self.study.ladder.seeds, len(self.study.compared)), tuple(self.study.compared))

    def best(self, levels: Sequence[str] = (), n_shapes: int = 0) -> Priced | None:
        """What sees the smallest shift for the budget, on `levels` (none given: all) and with this many shapes (0: any)."""
        levels = tuple(levels or self.study.compared)
        found = [one for one in self._ladders if n_shapes in (0, len(one.shapes))]
        design = best_ladder.best(found, self.budget.amount, len(levels), self.facts.most(levels))
        return design and self._priced(design, levels)

    def affordable(self) -> Priced:
        """The best ladder of all. Raises ValueError where the budget pays for none."""
        best = self.best()
        if best is None:
            raise StudyError(
                f"the budget of {self.budget.amount:,.0f} {self.budget.unit} pays for no ladder of two seeds on "
                f"{len(self.study.compared)} levels; give more, or take levels away"
            )
        return best

    def cheapest(self, shift: float) -> Priced | None:
        """What sees this shift for least, on all levels and whatever the budget."""
        levels = tuple(self.study.compared)
        design = best_ladder.cheapest(self._ladders, shift, len(levels), self.facts.most(levels))
        return design and self._priced(design, levels)

    def fewer_levels(self) -> list[Priced]:
        """The best ladder with one level less each time: first goes what has the fewest unique tokens, of equals the last
        declared; the baseline stays, and one beside it."""
        names, found = list(self.study.compared), []
        while len(names) > 2:
            droppable = [name for name in reversed(names) if name != self.study.baseline]
            names.remove(min(droppable, key=lambda name: self.facts.most([name])))
            if (one := self.best(names)) is not None:
                found.append(one)
        return found

    def batch(self, shape: str, tokens: Sequence[int]) -> int:
        """Tokens to a step of a shape on a ladder of these D."""
        return rungs(prices.with_ladder(self.study, {shape: self.shapes[shape]}, tokens))[0].batch_tokens

    @cached_property
    def _ladders(self) -> list[Ladder]:
        caps = sorted({self.facts.most([level]) for level in self.study.compared})
        firsts = prices.firsts(self.study, caps[-1], self.facts.begin)
        candidates = [self._candidate(name) for name in self.shapes]
        found = best_ladder.ladders(candidates, firsts, caps, self.facts.luck, self.facts.law, (0, best_ladder.SHORT))
        if not any(one.tokens[-1] <= caps[0] for one in found):
            raise StudyError(
                f"no ladder fits: the strictest level has {caps[0]:,.0f} unique tokens, and a ladder begins at "
                f"{prices.firsts(self.study, float('inf'), self.facts.begin)[0]:,} and spans half a decade at least; take less "
                "text away, or shorten ladder.context"
            )
        return found

    def _candidate(self, name: str) -> Candidate:
        study = self.study

        def price(tokens: tuple[int, ...]) -> float:
            return getattr(self._cost(name, tokens), self.budget.unit)

        size = rungs(prices.with_ladder(study, {name: self.shapes[name]}, study.ladder.tokens))[0].shape
        return Candidate(name, size.params_body + size.params_head(study.tokenizer.vocab_size), price)

    def _cost(self, name: str, tokens: Sequence[int]) -> prices.Cost:
        changed = prices.with_ladder(self.study, {name: self.shapes[name]}, tokens)
        return prices.cost(changed, rungs(changed)[0], self.speeds[name], self.facts.evaluation_tokens)

    def _priced(self, design: Design, levels: tuple[str, ...]) -> Priced:
        ladder, runs = design.ladder, design.seeds * len(levels)
        lengths = [ladder.tokens, *[ladder.early] * ladder.short]
        costs = [self._cost(name, tokens) for name in ladder.shapes for tokens in lengths]
        short = ShortRunsSection(tokens=ladder.early[-1], seeds=ladder.short * design.seeds) if ladder.short else None
        return Priced(
            {name: self.shapes[name] for name in ladder.shapes}, ladder.tokens, design.seeds, short, levels,
            design.detectable, design.detectable_floors_shared, runs * sum(one.seconds for one in costs),
            runs * sum(one.flops for one in costs), runs * sum(one.tokens for one in costs),
        )  # fmt: skip
