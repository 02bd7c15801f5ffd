"""`assay design`: the ladder with which a study sees the smallest shift of beta, for the time there is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipelines.report.wording import duration
from pipelines.verbs.opening import opened
from pipelines.verbs.options import AsJson, Set, StudyFile, WorkdirOption
from pipelines.verbs.terminal import print_json
from scaling_fit.wording import count, interval

if TYPE_CHECKING:
    from pipelines.runs.designs import Bench, Budget, Priced
    from pipelines.verbs.known import Known
    from scaling_fit.intervals import Interval

FEWER_SHAPES = {1: "one shape", 2: "two shapes", 3: "three shapes"}


@dataclass(frozen=True)
class Open:
    """A level whose exponent is not told: its shift so far, the smallest shift that must be seen to tell, and what does so for
    least (None: no ladder within the unique tokens)."""

    level: str
    delta_beta: "Interval"
    shift: float
    settled_by: "Priced | None"


@dataclass(frozen=True)
class Designed:
    """All that the verb says. `by_shapes`: the best ladder of one, two, three shapes; `fewer`: of all shapes, on ever fewer
    levels."""

    known: "Known"
    stands: "Priced | None"
    best: "Priced"
    by_shapes: "dict[int, Priced]"
    fewer: "list[Priced]"
    open: list[Open]
    tokens_per_second: dict[str, float]

    def to_json(self) -> dict[str, object]:
        return {
            "known": self.known.to_json(),
            "tokens_per_second": self.tokens_per_second,
            "as_it_stands": self.stands and self.stands.to_json(),
            "best": self.best.to_json(),
            "by_shapes": {k: one.to_json() for k, one in self.by_shapes.items()},
            "fewer_levels": [one.to_json() for one in self.fewer],
            "open": [
                {
                    "level": one.level, "delta_beta": one.delta_beta.to_dict(), "shift": one.shift,
                    "settled_by": one.settled_by and one.settled_by.to_json(),
                }
                for one in self.open
            ],
        }  # fmt: skip


def design(
    study_file: StudyFile,
    minutes: Annotated[float | None, typer.Option(help="Time for all runs on this machine (default: 60).", min=0.1)] = None,
    flops: Annotated[float | None, typer.Option(help="FLOPs for all runs, in place of time.", min=1)] = None,
    tokens: Annotated[float | None, typer.Option(help="Tokens trained by all runs, in place of time.", min=1)] = None,
    unique: Annotated[
        float | None,
        typer.Option(help="Unique tokens of every level, before curation says so (default: the ladder's longest D).", min=1),
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long to measure each shape.", min=0.05)] = 1.0,
    write: Annotated[bool, typer.Option("--write", help="Put the ladder into the study file; comments stay.")] = False,
    overrides: Set = [], workdir: WorkdirOption = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Find the ladder that sees the smallest shift for a budget.

    Shapes, token counts and seeds, at this machine's speed and with the noise that was measured, within what every level has of
    unique tokens. It says what fewer levels would buy, and what would settle a verdict that is open.

    Example: `assay design configs/web.yaml --minutes 60`
    """
    with opened(study_file, overrides, workdir, writes=False) as (context, study, base):
        from pipelines.runs.designs import Bench
        from pipelines.study.edit import put_ladder
        from pipelines.verbs.known import known

        budget = budget_of(minutes, flops, tokens)
        told = known(context, study, base, unique)
        found = designed(Bench.of(study, told.facts, budget, seconds), told)
        if write:
            put_ladder(study_file, found.best.shapes, found.best.tokens, found.best.seeds, found.best.short)
    if as_json:
        print_json(found.to_json())
        return
    show(Console(highlight=False), found, budget)
    if write:
        typer.echo(f"wrote the ladder into {study_file}")


def budget_of(minutes: float | None, flops: float | None, tokens: float | None) -> "Budget":
    """The one budget that is given. Raises ValueError for two."""
    from pipelines.runs.designs import Budget

    given = {"--minutes": minutes, "--flops": flops, "--tokens": tokens}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ValueError(f"{' and '.join(named)}: give one budget")
    if flops is not None:
        return Budget(flops, "flops")
    return Budget(tokens, "tokens") if tokens is not None else Budget(60 * (minutes or 60.0))


def designed(bench: "Bench", told: "Known") -> Designed:
    """Every question asked of the bench. Raises ValueError where the budget pays for no ladder."""
    best = bench.affordable()
    by_shapes = {k: one for k in FEWER_SHAPES if (one := bench.best(n_shapes=k)) is not None}
    rates = {name: speed.tokens_per_second(bench.batch(name, best.tokens)) for name, speed in bench.speeds.items()}
    return Designed(told, bench.stands(), best, by_shapes, bench.fewer_levels(), still_open(bench, told), rates)


def still_open(bench: "Bench", told: "Known") -> list[Open]:
    """The levels whose verdict leaves open whether the exponent moved, and what would settle it."""
    if told.fit is None or told.fit.primary not in told.fit.fits:
        return []
    from scaling_fit.levels.settle import wanted

    found, margin = told.fit.fits[told.fit.primary].tests, told.fit.settings.margin
    rows = []
    for level, verdict in told.fit.answer.verdicts.items():
        if verdict.kind == "not identifiable":
            delta = found[level].delta_beta
            shift = wanted(delta, margin)
            rows.append(Open(level, delta, shift, bench.cheapest(shift)))
    return rows


def show(console: Console, found: Designed, budget: "Budget") -> None:
    """What it rests on, the ladders side by side, fewer levels, and what would settle the open verdicts."""
    told = found.known
    speeds = ", ".join(f"{name} {count(rate)}" for name, rate in found.tokens_per_second.items())
    luck, law = told.facts.luck, told.facts.law
    console.print(f"speed in tokens/s, measured now: {speeds}", soft_wrap=True)
    console.print(f"noise of log loss: {luck.row:.4f} per run, {luck.trunk:.4f} per trunk ({told.luck_from})", soft_wrap=True)
    console.print(f"law: {', '.join(f'{name} {value:.3g}' for name, value in law.items())} ({told.law_from})", soft_wrap=True)
    most = told.facts.most(found.best.levels)
    strictest = min(told.facts.unique, key=lambda level: told.facts.unique[level], default="")
    source = f"unique in {strictest}" if strictest else "assumed unique in every level; `assay curate` counts them"
    console.print(f"longest D: {count(most)} tokens ({source})", soft_wrap=True)
    rows = [("as it stands", found.stands)] if found.stands else []
    rows += [(FEWER_SHAPES[k], one) for k, one in found.by_shapes.items()]
    console.print(_table("ladder", rows))
    best = found.best
    amount = {
        "seconds": duration(budget.amount),
        "flops": f"{budget.amount:.2g} FLOPs",
        "tokens": f"{count(budget.amount)} tokens",
    }
    console.print(f"[bold]best for {amount[budget.unit]}[/]: {described(best)}", soft_wrap=True)
    before = f"{found.stands.detectable:.3f} as it stands, " if found.stands else ""
    console.print(
        f"smallest shift of beta found four times in five: {before}[bold]{best.detectable:.3f}[/] so "
        f"({best.detectable_floors_shared:.3f} if floors are known to be equal)",
        soft_wrap=True,
    )
    if found.fewer:
        console.print("\non fewer levels, for the same budget:")
        console.print(
            _table("without", [(", ".join(x for x in best.levels if x not in one.levels), one) for one in found.fewer])
        )
    for one in found.open:
        seen = f"{one.level} is open (shift of beta {interval(one.delta_beta, '%+.3f')})"
        shift = f"{seen}; a ladder that sees {one.shift:.3f} settles it"
        cheapest = one.settled_by
        answer = (
            f"{described(cheapest)}, {duration(cheapest.seconds)}" if cheapest else "none there is within the unique tokens"
        )
        console.print(f"{shift}: {answer}", soft_wrap=True)


def described(ladder: "Priced") -> str:
    """The ladder as the study file says it."""
    short = f", {ladder.short.seeds} more to {ladder.short.tokens:,}" if ladder.short else ""
    return f"{', '.join(ladder.shapes)} to {', '.join(f'{d:,}' for d in ladder.tokens)} tokens, {ladder.seeds} seeds{short}"


def _table(title: str, rows: "list[tuple[str, Priced]]") -> Table:
    table = Table(box=None, header_style="bold")
    for column in (title, "shapes", "D", "seeds", "smallest shift", "floors shared", "time", "FLOPs"):
        table.add_column(column, justify="left" if column in (title, "shapes") else "right")
    for name, one in rows:
        span = f"{len(one.tokens)} from {count(one.tokens[0])} to {count(one.tokens[-1])}"
        shifts = f"{one.detectable:.3f}", f"{one.detectable_floors_shared:.4f}"
        seeds = f"{one.seeds} + {one.short.seeds} to {count(one.short.tokens)}" if one.short else str(one.seeds)
        table.add_row(name, ", ".join(one.shapes), span, seeds, *shifts, duration(one.seconds), f"{one.flops:.1e}")
    return table
