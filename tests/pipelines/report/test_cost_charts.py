import re

import pytest

from pipelines.report import cost_charts, page
from pipelines.report.facts import Facts


def test_seconds_are_summed_by_kind_of_step_in_the_order_of_the_pipeline(facts: Facts):
    (chart,) = cost_charts.seconds(facts)
    rows = {row["step"]: row["seconds"] for row in chart.tables["seconds"]}
    assert list(rows) == ["pool", "signals", "levels", "tokens", "train", "fit"]
    assert rows["train"] == pytest.approx(300.6)
    assert sum(rows.values()) == pytest.approx(sum(step["seconds"] for step in facts.steps))
    assert chart.alt.startswith("The longest is train")


def test_steps_that_read_the_pool_show_its_speed(facts: Facts):
    (chart,) = cost_charts.seconds(facts)
    labels = {row["step"]: row["label"] for row in chart.tables["seconds"]}
    megabytes = sum(row["bytes"] for row in facts.funnel if row["level"] == "raw") / 1e6
    assert labels["signals"] == f"9 s, {megabytes / 9.1:.1f} MB/s"
    assert labels["train"] == "5 min"


def test_training_is_told_per_shape_with_mfu_only_where_the_peak_is_known(facts: Facts):
    page_text = page.render(facts)
    rows = page_text.split("What training took")[1].split("</table>")[0].split("<tr>")[2:]
    cells = [re.findall(r">([^<>\n]+)</t[hd]>", row) for row in rows]
    assert cells == [
        ["s", "48", "86.4M", "2.1e+14", "4", "31.2K", "75.0", "peak unknown"],
        ["m", "48", "86.4M", "8.3e+14", "4", "412K", "4000.0", "31.4 %"],
    ]
    assert "96 runs, 173M tokens, 1.04e+15 FLOPs" in " ".join(page_text.split())
