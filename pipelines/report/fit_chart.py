"""The chart of one law fitted to a table of runs: the runs, and the law's curves through them."""

import altair as alt
import numpy as np

from pipelines.report import grammar as draw
from pipelines.report.chart import Chart
from pipelines.report.frames import Rows, limits, log_ticks
from scaling_fit import Fit

MOST_CURVES = 7


def fitted(fit: Fit) -> Chart:
    """Loss over D (over N for a law without D), a colour for each size and a panel for each group."""
    axis = "D" if "D" in fit.law.needs else "N"
    points: Rows = []
    lines: Rows = []
    for group, block in zip(fit.groups, fit.grouped.problem.blocks, strict=True):
        logs = block.design.logs
        N, D = np.exp(logs["N"]) * fit.grouped.pivot[0], np.exp(logs["D"]) * fit.grouped.pivot[1]
        losses = fit.grouped.problem.loss_N[block.rows]
        columns = zip(N.tolist(), D.tolist(), losses.tolist(), strict=True)
        points += [{"group": group, "N": n, "D": d, "loss": loss} for n, d, loss in columns]
        tested = D if axis == "D" else N
        grid = np.geomspace(tested.min(), tested.max(), 40)
        sizes = np.unique(N) if fit.law.needs == "ND" else np.unique(N)[:1]
        chosen = sizes[np.unique(np.linspace(0, len(sizes) - 1, MOST_CURVES).astype(int))] if axis == "D" else [D[0]]
        for held in chosen:
            at = (np.full(len(grid), held), grid) if axis == "D" else (grid, np.full(len(grid), held))
            columns = zip(*(column.tolist() for column in (*at, fit.predict(*at, group=group))), strict=True)
            lines += [{"group": group, "line": float(held), "N": n, "D": d, "loss": loss} for n, d, loss in columns]
    title = "training tokens D" if axis == "D" else "parameters N"
    at = [row[axis] for row in points]
    x = alt.X(f"{axis}:Q", scale=draw.log_scale(), axis=draw.count_axis(title, values=log_ticks(at)))
    y = alt.Y("loss:Q", title="loss (nats/token)", scale=draw.scale(limits(row["loss"] for row in points + lines)))
    ramp = alt.Scale(type="log", scheme="viridis")
    shown = np.unique([row["N"] for row in points])
    few = shown[np.unique(np.linspace(0, len(shown) - 1, MOST_CURVES).astype(int))].tolist()
    legend = alt.Legend(title="parameters N", values=few, labelExpr=draw.COUNT_LABEL, type="symbol", orient="bottom")
    colour = alt.Color("N:Q", scale=ramp, legend=legend)
    told = draw.tips("N|.3s", "D|.3s", "loss|.4f")

    def of_group(group: str) -> draw.View:
        own = f"datum.group == {group!r}"
        curve = draw.line(draw.table("lines", own), 1.6, x=x, y=y, color=colour, detail="line:Q")
        return curve + draw.dots(draw.table("points", own), told, 30, 0.9, x=x, y=y, color=colour)

    several = len(fit.groups) > 1
    return Chart(
        id="fit",
        title=fit.law.formula,
        says="Each mark is one run, and the lines are the fitted law at some of the sizes. A law that fits has marks on both "
        "sides of its lines everywhere.",
        alt=f"{len(points)} runs and the law {fit.law.formula} fitted to them.",
        panels=[draw.panel(of_group(group), 260, **({"title": group} if several else {})) for group in fit.groups],
        tables={"lines": lines, "points": points},
    )
