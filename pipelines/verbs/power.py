"""`assay power`: what a planned grid of runs could show, before it is paid for."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.verbs.options import AsJson, NoiseTable
from pipelines.verbs.tables import assignments
from pipelines.verbs.terminal import plain_errors, print_json

if TYPE_CHECKING:
    from scaling_fit.levels.design import Candidate, Grid


def power(
    sizes: Annotated[str, typer.Option(help="Sizes N: 1e6,4e6 or LOW:HIGH:COUNT.")],
    tokens: Annotated[str, typer.Option(help="Token counts D: the same forms.")],
    seeds: Annotated[int, typer.Option(help="Runs of each size that differ in their seed.", min=1)] = 1,
    row: Annotated[float, typer.Option(help="Noise of log loss per run (0.003 = 0.3 %).")] = 0.003,
    trunk: Annotated[float, typer.Option(help="Noise of log loss shared by a trunk's branches.")] = 0.0,
    noise: NoiseTable = None,
    delta: Annotated[float, typer.Option(help="Shift of beta to find.")] = 0.02,
    alpha: Annotated[float, typer.Option(help="Size of the test.")] = 0.05,
    truth: Annotated[
        list[str],
        typer.Option(metavar="NAME=VALUE", help="Law to assume: E, A, B, alpha, beta (default Besiroglu 2024)."),
    ] = [],
    budget: Annotated[
        float, typer.Option(help="FLOPs to spend on more runs (6ND a run, both levels): names the best ones.")
    ] = 0.0,
    simulate: Annotated[int, typer.Option(help="Tables to simulate and refit as a check (0: none).")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Say what a planned grid of runs could show.

    The error of a difference in beta between two levels, the smallest shift that would be found, and the chance to find it.

    Example: `assay power --sizes 1e6:3e7:4 --tokens 2e7:2e9:6 --seeds 2 --delta 0.02`
    """
    with plain_errors():
        from scaling_fit.instrument.repeats import measure
        from scaling_fit.levels.design import TRUTH, Grid, assess, next_runs, simulate_power
        from scaling_fit.wording import count

        law = TRUTH | assignments(truth, "--truth", "NAME=VALUE")
        if set(law) != set(TRUTH):
            raise ValueError(f"--truth {sorted(set(law) - set(TRUTH))[0]}: the law has {', '.join(TRUTH)}")
        if noise is not None:
            repeats = measure(noise)
            row, trunk = repeats.row or row, repeats.trunk
        grid = Grid(series(sizes, "--sizes"), series(tokens, "--tokens"), seeds, row, trunk)
        design = assess(grid, law)
        found_with, smallest = design.power(delta, alpha), design.detectable(alpha)
        simulated = simulate_power(grid, delta, law, alpha=alpha, replicates=simulate) if simulate else None
        additions = next_runs(grid, candidates(grid), budget, law)[:20] if budget else []
    if as_json:
        answer: dict[str, object] = {
            "runs_per_level": design.runs, "noise": {"row": row, "trunk": trunk}, "se_delta_beta": design.se,
            "se_delta_beta_floor_shared": design.se_shared_floor, "detectable_80": smallest, "delta": delta,
            "power": found_with, "condition": design.condition,
        }  # fmt: skip
        answer |= {"power_simulated": simulated} if simulate else {}
        print_json(answer | ({"next_runs": additions} if budget else {}))
        return
    typer.echo(f"Noise of log loss: {row:.4f} per run, {trunk:.4f} per trunk.")
    shared = f"{design.se_shared_floor:.4f} if they are equal"
    typer.echo(f"{design.runs} runs per level. Error of a difference in beta: {design.se:.4f} with floors free, {shared}.")
    typer.echo(f"Smallest shift found four times in five: {smallest:.4f}.")
    typer.echo(f"Power to find {delta:g}: {found_with:.2f}{'' if simulated is None else f' (simulated {simulated:.2f})'}.")
    for run in additions:
        where = f"N {count(run['N'])}, D {count(run['D'])} on both levels"
        typer.echo(f"- add {where} ({run['cost']:.2g} FLOPs): error {run['se']:.4f}")


def candidates(grid: "Grid") -> "list[Candidate]":
    """Runs to choose additions from: the grid's sizes, from its fewest tokens to 16 times its most. Below the grid, warm-up
    bends the law."""
    import numpy as np

    from scaling_fit.levels.design import Candidate

    tokens = np.geomspace(min(grid.tokens), max(grid.tokens) * 16, 12).tolist()
    return [Candidate(size, D, 12 * size * D) for size in grid.sizes for D in tokens]


def series(text: str, option: str) -> tuple[float, ...]:
    """The numbers of "1e6,2e6" or "1e6:1e8:5" (log-spaced, ends included). Raises ValueError that names the option."""
    import numpy as np

    try:
        if ":" in text:
            low, high, count = text.split(":")
            return tuple(np.geomspace(float(low), float(high), int(count)).tolist())
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise ValueError(f"{option} {text!r}: write numbers with commas (1e6,2e6) or LOW:HIGH:COUNT (1e6:1e8:5)") from None
