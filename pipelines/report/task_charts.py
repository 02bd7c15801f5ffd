"""Tasks: where levels stand beside guessing, and each task over the loss with what a larger run would score."""

import altair as alt

from pipelines.report import grammar as draw
from pipelines.report import task_tables
from pipelines.report.chart import Chart
from pipelines.report.frames import JsonObject, Rows, limits
from scaling_fit.result import Result
from scaling_fit.tasks.scores import ACCURACIES

ROW, LEAST = 13, 46
"""Pixels of a level in the row of a task, and of a row."""
CHOSEN = "datum.shown == shown_task"


def tasks(result: Result, levels: list[str]) -> list[Chart]:
    """All charts of tasks; none where no task was scored."""
    if not result.tasks:
        return []
    return [*_standing(result, levels), *_over_loss(result, levels)]


def _standing(result: Result, levels: list[str]) -> list[Chart]:
    """Accuracies at the most compute, a row per task."""
    assert result.tasks is not None
    rows = [row for row in task_tables.standing(result) if row["metric"] in ACCURACIES]
    if not rows:
        return []
    order = list(dict.fromkeys(row["task"] for row in rows))
    height = len(order) * max(LEAST, ROW * (len(levels) + 1))
    shares = limits(row[name] for row in rows for name in ("value", "low", "high", "chance"))
    x = alt.X("value:Q", title="accuracy at the most compute", axis=alt.Axis(format="%", tickCount=6), scale=draw.scale(shares))
    y = draw.names("task", order, padding=0.25)
    offset = alt.YOffset("level:N", sort=levels)
    table = draw.table("task_standing")
    told = draw.tips("task", "level", "value|.1%", "low|.1%", "high|.1%", "chance|.0%|guessing", "items|,.0f", "runs|.0f")
    guess = table.mark_tick(thickness=2.5, color="var(--soft)", size=LEAST * 0.7).encode(x=alt.X("chance:Q"), y=y)
    dots = draw.interval_dots(table, x, told, y=y, yOffset=offset, color=draw.level_colours(levels))
    return [
        Chart(
            id="task_standing",
            title="Where the levels stand on each task",
            says="Each mark is a level: the share of items it answers right at its most compute, with its interval; the grey "
            "tick is what guessing scores. All levels answer the same items: two may differ though their intervals meet.",
            alt=" ".join(f"{name}: {task.words.finding}" for name, task in result.tasks.tasks.items()),
            panels=[draw.panel(guess + dots, height)],
            tables={"task_standing": rows},
            min_width=400,
            legend=True,
        )
    ]


def _over_loss(result: Result, levels: list[str]) -> list[Chart]:
    """Scores over the loss, one task and metric at a time."""
    assert result.tasks is not None
    shown = task_tables.shown(result)
    points, curves, ahead = task_tables.points(result), task_tables.curves(result), task_tables.ahead(result)
    if not shown:
        return []
    every: list[Rows] = [points, curves, ahead]
    x_ranges = {key: limits(row["loss"] for rows in every for row in rows if row["shown"] == key) for key in shown}
    y_ranges = {key: _range(key, every) for key in shown}
    x = alt.X("loss:Q", title="loss (nats/token), falling to the right", axis=alt.Axis(tickCount=6, format=".3~g"),
              scale=alt.Scale(domain=_ends("frame_task_x"), nice=False, zero=False, reverse=True))  # fmt: skip
    y = alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=6, format="~g"), scale=draw.scale(_ends("frame_task_y")))
    colour = draw.level_colours(levels)
    rows = {name: draw.table(name, CHOSEN) for name in ("task_points", "task_curves", "task_ahead")}
    told = draw.tips("level", "shape", "seed", "D|,.0f", "loss|.3f", "value|.4f")
    forecast = draw.tips(
        "level", "budget|.2e|FLOPs", "times|.2f|times the largest", "loss|.3f", "value|.4f", "low|.4f", "high|.4f"
    )
    guess = rows["task_points"].transform_filter("isValid(datum.chance)").mark_rule(style="guide", clip=True)
    view = alt.layer(
        guess.encode(y=alt.Y("mean(chance):Q", title=None)),
        draw.band(rows["task_curves"], x, "", colour),
        draw.line(rows["task_curves"], x=x, y=y, color=colour, detail="level:N"),
        draw.dots(rows["task_points"], told, size=28, opacity=0.6, x=x, y=y, color=colour),
        rows["task_ahead"]
        .mark_rule(strokeWidth=2, opacity=0.75, clip=True)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour),
        rows["task_ahead"]
        .mark_point(shape="diamond", filled=True, size=90, opacity=1, clip=True)
        .encode(x=x, y=y, color=colour, tooltip=forecast),
    )
    return [
        Chart(
            id="task_loss",
            title="A task over the loss, and a larger run",
            says="Dots are runs, a line is a level's score as a function of its loss, and a line above another at one loss "
            "teaches the task more than its loss shows. Diamonds are what larger runs would score, with the interval of a run.",
            alt=" ".join(filter(None, (task.words.forecast for task in result.tasks.tasks.values()))) or "No forecast is made.",
            panels=[draw.panel(view, 320, title="score")],
            tables={"task_points": points, "task_curves": curves, "task_ahead": ahead},
            params=[
                {"name": "shown_task", "value": next(iter(shown))},
                {"name": "frame_task_x", "value": x_ranges},
                {"name": "frame_task_y", "value": y_ranges},
            ],
            choices={"shown_task": ("Task", shown)},
            min_width=400,
            legend=True,
        )
    ]


def _range(key: str, every: list[Rows]) -> list[float]:
    own = [row for rows in every for row in rows if row["shown"] == key]
    ends = [row.get(end) for row in own for end in ("low", "high", "chance")]
    return limits((row["value"] for row in own), ends)


def _ends(frame: str) -> list[JsonObject]:
    return [{"expr": f"{frame}[shown_task][{end}]"} for end in (0, 1)]
