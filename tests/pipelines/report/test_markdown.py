from dataclasses import replace

from pipelines.report import markdown
from pipelines.report.facts import Facts


def test_the_short_form_has_the_verdict_a_row_per_level_and_the_command(facts: Facts):
    text = markdown.render(facts)
    lines = text.splitlines()
    assert lines[2].startswith("**Train on top")
    rows = [line for line in lines if line.startswith("| ")]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == ["level", "deduplicated", "filtered", "top"]
    assert {row.count("|") for row in rows} == {6}
    assert "`assay run configs/quickstart.yaml`" in text


def test_a_title_cannot_become_markup(facts: Facts):
    first = markdown.render(replace(facts, title="a | b\n## <script>")).splitlines()[0]
    assert first == "## a \\| b ## &lt;script>"
