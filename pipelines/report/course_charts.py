"""Charts of courses: what each does to the loss at every D, whether a cooldown ranks levels as whole runs do, and what is
forgotten for what is gained."""

import altair as alt

from pipelines.report import grammar as draw
from pipelines.report import law_tables
from pipelines.report.chart import Chart
from pipelines.report.facts import Facts
from pipelines.report.frames import Rows, limits
from scaling_fit.courses.reading import Reading
from scaling_fit.intervals import finite
from scaling_fit.wording import eval_words

MARKS = ["var(--accent)", "var(--good)", "var(--bad)", "var(--soft)"]


def courses(facts: Facts) -> list[Chart]:
    """None without courses, or without an evaluation set that a law was fitted on."""
    if facts.courses is None or not law_tables.eval_sets(facts.fit):
        return []
    return [*_effects(facts, facts.courses), *_annealing(facts, facts.courses), *_frontiers(facts, facts.courses)]


def effect_rows(reading: Reading, sets: list[str]) -> Rows:
    """One row per course, evaluation set and D; a repeated course stands against its level read fresh."""
    return [
        {
            "eval_set": found.eval_set, "course": one.course.name, "pair": f"{one.course.name} against {found.against}",
            "D": at.D,
            "percent": at.percent.value, "low": finite(at.percent.low), "high": finite(at.percent.high), "pairs": at.pairs,
        }
        for one in reading.courses
        for found in one.effects
        for at in found.at
        if found.eval_set in sets
    ]  # fmt: skip


def _effects(facts: Facts, reading: Reading) -> list[Chart]:
    rows = effect_rows(reading, law_tables.eval_sets(facts.fit))
    if not rows:
        return []
    y = alt.Y(
        "percent:Q", scale=alt.Scale(zero=True, nice=True, padding=8), axis=draw.signed_axis("loss against the level (%)", 1)
    )
    said = draw.tips("pair", "D|,.0f", "percent|+.2f", "low|+.2f", "high|+.2f", "pairs:Q||pairs")
    panels = []
    for name in dict.fromkeys(row["pair"] for row in rows):
        table = draw.table("course_effects", f"{draw.CHOSEN} && datum.pair == {name!r}")
        own = [row for row in rows if row["pair"] == name]
        marks = draw.interval_dots(table, y, said, x=draw.tokens_axis(own), color=alt.value(MARKS[0]))
        panels.append(draw.panel(draw.guide(0.0, y) + marks, 190, title=name))
    return [
        Chart(
            id="course_effects",
            title="What each course does to the loss",
            says="Every dot is a course's loss minus that of the level it is compared with, at the same shape, seed and "
            "tokens; below the dashed line the course is better. The bar is the interval over shapes and seeds, and left "
            "out where there is one run alone. Each panel has a scale of its own.",
            alt=" ".join(one.answer for one in reading.courses),
            panels=panels,
            tables={"course_effects": rows},
            params=[draw.selector(facts.fit)],
        )
    ]


def _annealing(facts: Facts, reading: Reading) -> list[Chart]:
    sets = law_tables.eval_sets(facts.fit)
    rows: Rows = [
        {
            "eval_set": point.eval_set, "trunk": one.trunk, "level": point.level,
            "annealed": point.annealed, "full": point.full,
        }
        for one in reading.annealing
        for point in one.points
        if point.eval_set in sets
    ]  # fmt: skip
    if not rows:
        return []
    axis = {key: limits([*(row[key] for row in rows), 0.0]) for key in ("annealed", "full")}
    x = alt.X(
        "annealed:Q", title="difference by a cooldown (%)", scale=draw.scale(axis["annealed"]), axis=alt.Axis(tickCount=5)
    )
    y = alt.Y("full:Q", title="difference by whole runs (%)", scale=draw.scale(axis["full"]), axis=alt.Axis(tickCount=5))
    said = draw.tips("trunk", "level", "eval_set", "annealed|+.2f", "full|+.2f")
    names = draw.level_names(facts)
    looks = {"x": x, "y": y, "color": draw.level_colours(names), "shape": draw.level_marks(names)}
    every = draw.dots(draw.table("annealing"), said, size=40, opacity=0.3, **looks)
    marks = draw.dots(draw.table("annealing", draw.CHOSEN), said, size=130, **looks)
    view = alt.layer(draw.guide(0.0, x), draw.guide(0.0, y), every, marks)
    return [
        Chart(
            id="annealing",
            title="Does a cooldown predict the whole run?",
            says="Each mark is a level: how far its loss lies from the trunk's by a cooldown alone, and by runs that read "
            "nothing else. Where marks rise from lower left to upper right, the cheap way ranks levels as the expensive one "
            "does; pale marks are the other evaluation sets.",
            alt=" ".join(one.answer for one in reading.annealing),
            panels=[draw.panel(view, 300)],
            tables={"annealing": rows},
            params=[draw.selector(facts.fit)],
            min_width=360,
            legend=True,
        )
    ]


def _frontiers(facts: Facts, reading: Reading) -> list[Chart]:
    """One panel for each pair of levels, against the first evaluation set that gains."""
    sets = law_tables.eval_sets(facts.fit)
    rows: Rows = [
        {
            "frontier": f"{one.new} after {one.old}", "eval_set": change.eval_set,
            "course": course.course, "replay": course.replay, "label": f"{course.replay:.0%} replay",
            "gain": course.on(one.gained[0]).value, "change": change.percent.value,
            "low": finite(change.percent.low), "high": finite(change.percent.high),
        }
        for one in reading.continual
        if one.gained
        for course in one.replayed
        for change in course.changes
        if change.eval_set in sets
    ]  # fmt: skip
    panels = []
    for one in reading.continual:
        name, free = f"{one.new} after {one.old}", alt.Scale(zero=False, nice=True, padding=20)
        own = draw.table("frontier", f"{draw.CHOSEN} && datum.frontier == {name!r}")
        if not one.gained:
            continue
        x = alt.X("gain:Q", scale=free, axis=draw.signed_axis(f"loss on {eval_words(one.gained[0])} (%)", 1))
        y = alt.Y(
            "change:Q",
            scale=alt.Scale(zero=True, nice=True, padding=12),
            axis=draw.signed_axis("loss on the chosen set (%)", 0),
        )
        said = draw.tips("course", "replay|.0%", "gain|+.1f", "change|+.1f", "low|+.1f", "high|+.1f")
        marks = draw.interval_dots(own, y, said, x=x, color=alt.value(MARKS[0]))
        path = draw.line(own, x=x, y=y, order=alt.Order("replay:Q"), color=alt.value(MARKS[3]))
        named = own.mark_text(align="left", dx=9, dy=-8, color="var(--ink)").encode(x=x, y=y, text="label:N")
        panels.append(draw.panel(draw.guide(0.0, y) + path + marks + named, 260, title=name))
    if not panels:
        return []
    return [
        Chart(
            id="frontier",
            title="What is forgotten for what is gained",
            says="Each mark is a course that goes on with another level: to the left it gains on that level's text, upwards it "
            "forgets of the chosen evaluation set. More replay moves along the line; where that falls fast for little of the "
            "gain, replay is cheap.",
            alt=" ".join(one.answer for one in reading.continual),
            panels=panels,
            tables={"frontier": rows},
            params=[draw.selector(facts.fit)],
            min_width=360,
        )
    ]
