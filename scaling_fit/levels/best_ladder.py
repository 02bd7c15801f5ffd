"""Which runs let a shift of beta be seen soonest: shapes, token counts and seeds, for what they cost.

`ladders` lays out every ladder worth trying with the Fisher error of one seed (`assess`) and its price; `best` takes the one
that sees the smallest shift for a budget, `cheapest` the one that sees a given shift for least. All levels run the same
ladder, so a price is that of one level and one seed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from scaling_fit.levels.design import Grid, Power, assess

MOST_SHAPES = 3  # at one ladder; from three on the law over N has one floor
MOST_SEEDS = 16
FEWEST_SEEDS = 2  # with one, luck is assumed and not measured
COUNTS = (5, 6, 8, 10)  # of D: at least two more than floor, prefactor and exponent, so that a lack of fit shows
LEAST_RANGE = 4.0  # of the longest D to the first
TOPS_PER_DECADE = 6
SHORT = 3  # short runs to a long one, where a ladder has some: up to its middle D, where runs are cheap
FINENESS = 160  # token counts are whole multiples of the first over this: of its batch, by the recipe's least number of steps


@dataclass(frozen=True)
class Candidate:
    """A shape that could be run, with its `N`. `price`: of one level and one seed at these token counts, in any unit."""

    name: str
    N: float
    price: Callable[[tuple[int, ...]], float]


@dataclass(frozen=True)
class Luck:
    """Noise of log loss: a branch's own, a trunk's, and the e-folds of D over which the first is forgotten (see `Grid`)."""

    row: float
    trunk: float
    reach: float = 0.0


@dataclass(frozen=True)
class Ladder:
    """Shapes by name, token counts, what one seed of it can tell, and the price of one level and one seed. `short`: further
    seeds, so many to each, that stop at the last of `early`."""

    shapes: tuple[str, ...]
    tokens: tuple[int, ...]
    one_seed: Power
    price: float
    short: int = 0

    @property
    def early(self) -> tuple[int, ...]:
        """The D of short runs."""
        return early(self.tokens)

    def power(self, seeds: int) -> Power:
        """What two levels could tell with this many seeds: errors fall by the root, every seed adds its degrees of freedom."""
        trunks, rows = len(self.shapes) * seeds * (1 + self.short), self.one_seed.runs * seeds
        parameters = 5 if len(self.shapes) > 2 else 2 + len(self.shapes)
        df = float(max(2 * (rows - parameters - trunks), 2))
        se, shared = self.one_seed.se / seeds**0.5, self.one_seed.se_shared_floor / seeds**0.5
        return Power(se, shared, df, self.one_seed.condition, rows)


@dataclass(frozen=True)
class Design:
    """A ladder with its seeds and levels, and what it costs in all."""

    ladder: Ladder
    seeds: int
    levels: int

    @property
    def cost(self) -> float:
        return self.ladder.price * self.seeds * self.levels

    @property
    def detectable(self) -> float:
        """Smallest shift of beta found four times in five, floors free."""
        return self.ladder.power(self.seeds).detectable()

    @property
    def detectable_floors_shared(self) -> float:
        return self.ladder.power(self.seeds).detectable(shared_floor=True)


def early(tokens: tuple[int, ...]) -> tuple[int, ...]:
    """The first half of the D, the middle one with them."""
    return tokens[: (len(tokens) + 1) // 2]


def ladder(
    shapes: Sequence[Candidate], tokens: tuple[int, ...], luck: Luck, law: Mapping[str, float], short: int = 0
) -> Ladder:
    """One ladder assessed, with so many `short` runs to each seed. Errors: ValueError where a seed's runs are no more than the
    law's parameters."""
    sizes, further = [one.N for one in shapes], range(len(shapes), len(shapes) * (1 + short))
    extra = tuple((sizes[trunk % len(sizes)], float(D), trunk) for trunk in further for D in early(tokens))
    grid = Grid(tuple(sizes), tuple(map(float, tokens)), 1, luck.row, luck.trunk, luck.reach, extra)
    price = sum(one.price(tokens) + (short * one.price(early(tokens)) if short else 0) for one in shapes)
    return Ladder(tuple(one.name for one in shapes), tokens, assess(grid, dict(law)), price, short)


def ladders(
    candidates: Sequence[Candidate], firsts: Sequence[int], caps: Sequence[float], luck: Luck, law: Mapping[str, float],
    shorts: Sequence[int] = (0,),
) -> list[Ladder]:  # fmt: skip
    """Every ladder of one to `MOST_SHAPES` of the candidates, evenly spaced in log D from one of `firsts` to one of `caps`
    (what the levels have of unique tokens) or to a place before them, with each number of short runs to a seed."""
    return [
        ladder(chosen, tokens, luck, law, short)
        for short in shorts
        for tokens in spacings(firsts, caps)
        for size in range(1, MOST_SHAPES + 1)
        for chosen in combinations(candidates, size)
    ]


def spacings(firsts: Sequence[int], caps: Sequence[float]) -> Iterator[tuple[int, ...]]:
    """Token counts evenly spaced in log D, in whole multiples of the first over `FINENESS`."""
    for first in firsts:
        tops = {cap / first for cap in caps}
        tops |= {10 ** (k / TOPS_PER_DECADE) for k in range(TOPS_PER_DECADE * 8) if 10 ** (k / TOPS_PER_DECADE) < max(tops)}
        for top in sorted(top for top in tops if top >= LEAST_RANGE):
            for count in COUNTS:
                steps = np.floor(np.geomspace(1, top, count) * FINENESS).astype(int)
                yield tuple((np.unique(steps) * first // FINENESS).tolist())


def best(found: Sequence[Ladder], budget: float, levels: int, most: float = np.inf) -> Design | None:
    """The design that sees the smallest shift for at most `budget`, on ladders of at most `most` tokens; None where not even
    `FEWEST_SEEDS` of any can be paid."""
    designs = []
    for ladder in found:
        seeds = min(int(budget / (ladder.price * levels)), MOST_SEEDS)
        if seeds >= FEWEST_SEEDS and ladder.tokens[-1] <= most:
            designs.append(Design(ladder, seeds, levels))
    return min(designs, key=lambda design: design.detectable, default=None)


def cheapest(found: Sequence[Ladder], shift: float, levels: int, most: float = np.inf) -> Design | None:
    """The design that sees this shift of beta four times in five, floors free, for least; None where none does with
    `MOST_SEEDS`."""
    designs = []
    for ladder in found:
        if ladder.tokens[-1] > most or ladder.power(MOST_SEEDS).detectable() > shift:
            continue
        seeds = next(k for k in range(FEWEST_SEEDS, MOST_SEEDS + 1) if ladder.power(k).detectable() <= shift)
        designs.append(Design(ladder, seeds, levels))
    return min(designs, key=lambda design: design.cost, default=None)
