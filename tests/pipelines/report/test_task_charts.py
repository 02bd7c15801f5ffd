"""The section of tasks: its charts, tables and sentences are what the fit says."""

import json
import math
import random
import re
from dataclasses import replace

import polars as pl
import pytest

from pipelines.report import markdown, page, task_charts, task_tables
from pipelines.report.facts import Facts
from scaling_fit import observations, read_scores, with_tasks

ITEMS = 400


@pytest.fixture(scope="module")
def scored(facts: Facts) -> Facts:
    """The planted study with two tasks: one that follows the loss, with its margin, and one at chance."""
    draw, rows = random.Random(5), []
    for run in (row for row in facts.observations if row["eval_set"] == "heldout"):
        margin = 1.4 * (4.2 - run["loss"]) + draw.gauss(0, 0.03)
        for task, odds in (("copy", margin), ("number", -30.0)):
            p = 0.25 + 0.75 / (1 + math.exp(-odds))
            right = sum(draw.random() < p for _ in range(ITEMS)) / ITEMS
            same = {key: run[key] for key in run if key not in ("eval_set", "loss_se", "eval_tokens", "bits_per_byte")}
            same |= {"task": task, "n_items": ITEMS, "chance": 0.25}
            rows.append(same | {"metric": "accuracy", "value": right, "se": (right * (1 - right) / ITEMS) ** 0.5})
            if task == "copy":
                rows.append(same | {"metric": "margin", "value": margin, "se": 0.05, "chance": None})
    losses = observations(pl.DataFrame([row for row in facts.observations if row["eval_set"] == "heldout"]))
    return replace(facts, fit=with_tasks(facts.fit, read_scores(pl.DataFrame(rows), losses)))


def test_no_tasks_no_section(facts: Facts):
    assert task_charts.tasks(facts.fit, list(facts.fit.levels)) == []
    assert "tasks.html.j2" not in page._parts(page.make(facts), curated=True)


def test_levels_stand_beside_guessing_and_in_the_frame(scored: Facts):
    standing, _ = task_charts.tasks(scored.fit, list(scored.fit.levels))
    rows = standing.tables["task_standing"]
    assert {(row["task"], row["level"]) for row in rows} == {
        (task, level) for task in ("copy", "number") for level in scored.fit.levels
    }
    assert all(row["metric"] == "accuracy" and row["chance"] == 0.25 for row in rows)
    assert sum(row["at_chance"] for row in rows if row["task"] == "number") >= 3
    told = json.dumps(standing.panels[0])
    ((low, high),) = {tuple(map(float, found)) for found in re.findall(r'"domain": \[([0-9.]+), ([0-9.]+)\]', told)}
    assert all(low < row[name] < high for row in rows for name in ("value", "low", "high", "chance"))


def test_a_task_over_the_loss_is_what_the_fit_says(scored: Facts):
    _, chart = task_charts.tasks(scored.fit, list(scored.fit.levels))
    assert list(chart.choices["shown_task"][1]) == ["copy|accuracy", "copy|margin", "number|accuracy"]
    fit = scored.fit.tasks.tasks["copy"].metrics["margin"]  # pyright: ignore[reportOptionalMemberAccess]
    own = [row for row in chart.tables["task_points"] if row["shown"] == "copy|margin"]
    assert [row["value"] for row in own] == [one.value for one in fit.points]
    last = [row for row in chart.tables["task_ahead"] if row["shown"] == "copy|margin" and row["level"] == "top"][-1]
    wanted = [one for one in fit.ahead if one.level == "top"][-1]
    assert (last["value"], last["low"], last["high"]) == (wanted.value.value, wanted.value.low, wanted.value.high)
    frames = {param["name"]: param["value"] for param in chart.params}
    for row in [*own, last]:
        low, high = frames["frame_task_x"][row["shown"]]
        assert low < row["loss"] < high


def test_page_markdown_and_json_say_the_same(scored: Facts):
    told = scored.fit.tasks.tasks  # pyright: ignore[reportOptionalMemberAccess]
    html, text = page.render(scored), markdown.render(scored)
    body = json.loads(page.data(scored, page.make(scored)))
    assert [name for name, _ in body["words"]["tasks"]["said"]] == list(told)
    for name, task in told.items():
        for sentence in (task.words.finding, *task.words.equal_loss.values(), *task.words.emergence.values()):
            assert sentence in html.replace("&#39;", "'")
            assert sentence in text
        assert body["fit"]["tasks"]["tasks"][name]["words"]["finding"] == task.words.finding


def test_which_task_can_decide(scored: Facts):
    rows = {row[0]: row for row in task_tables.signal_rows(scored.fit)}
    assert rows["copy, accuracy"][-1] == "yes"
    assert rows["number, accuracy"][-1] in ("at chance", "no")
    assert len(rows["copy, accuracy"]) == len(task_tables.SIGNAL)
