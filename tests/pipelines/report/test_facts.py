from pathlib import Path

import pytest

from pipelines.report.facts import Facts, read


def test_a_written_report_reads_back_as_the_same_facts(facts: Facts, written: Path):
    assert read(written) == facts
    assert read(written / "report.json") == facts


def test_without_samples_only_the_samples_go(facts: Facts):
    assert facts.without_samples().samples == []
    assert facts.without_samples().funnel == facts.funnel


@pytest.mark.parametrize("text", [None, "{", "[]", '{"schema": 99}'])
def test_what_is_not_a_report_is_refused_with_its_path(tmp_path: Path, text: str | None):
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    with pytest.raises(ValueError, match=r"report\.json"):
        read(tmp_path)
