"""The page of a table of runs: a study's page, less what a table does not say, with the fit's numbers."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest

from pipelines.outcomes.table_facts import facts_of
from pipelines.report import markdown, page
from pipelines.report.facts import Facts, of
from scaling_fit import Result, Settings, analyse, observations


def runs() -> dict[str, list]:
    """Two levels over less than a decade of tokens, one token worth 1.6 of the other: the worth is clear, beta is not."""
    rng, rows = np.random.default_rng(1), []
    for level, worth in (("raw", 1.0), ("filtered", 1.6)):
        for N in (2e6, 8e6, 2e7):
            for D in (4e7, 8e7, 1.6e8, 3.2e8):
                loss = (1.8 + 480 / N**0.35 + 2100 / (worth * D) ** 0.37) * np.exp(rng.normal(0, 0.002))
                rows.append((f"{level}-{N / 1e6:g}M", level, N, D, loss))
    return dict(
        zip(("run_name", "dataset", "n_params", "tokens_seen", "eval/loss"), map(list, zip(*rows, strict=True)), strict=True)
    )


@pytest.fixture(scope="module")
def facts() -> Facts:
    data = observations(runs())
    result = analyse(data, Settings(replicates=40, test_replicates=0))
    return facts_of(Path("exported/ladder.csv"), data, result, "assay fit exported/ladder.csv --out fit")


def read(text: str) -> str:
    """What a reader sees of a page, in one line."""
    bare = re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", text))
    return " ".join(html.unescape(bare).split())


def test_the_page_has_the_fit_and_nothing_of_a_study(facts: Facts) -> None:
    text = page.render(facts)
    seen = read(text)
    assert facts.fit.answer.choice in seen
    assert 'id="curation"' not in text
    for absent in (
        "It took",
        "Hashes of every step",
        "study file",
        "What training took",
        "held-out text",
        "same random weights",
    ):
        assert absent not in seen, absent
    assert "a table has no certificate of what was held equal" in seen
    assert "guessed: loss is column 'eval/loss'" in seen
    assert "2M parameters" in json.dumps([chart.panels for chart in page.make(facts).charts])
    assert not re.search(r"\de\+0\d", seen), "sizes are titled 20M"


def test_what_is_known_leads(facts: Facts) -> None:
    seen, saving = read(page.render(facts)), facts.fit.answer.words["filtered"].saving
    assert facts.fit.answer.verdicts["filtered"].kind == "not identifiable"
    assert 0 < seen.index(saving[1:]) < seen.index("These runs do not show") < seen.index("cannot be told")


def test_its_files_hold_the_numbers_of_the_fit(facts: Facts) -> None:
    body = json.loads(page.data(facts, page.make(facts)))
    assert body["fit"] == json.loads(facts.fit.to_json())
    again = of(body | {"fit": Result.from_dict(body["fit"])})
    assert (again.fit, again.made_from) == (facts.fit, "table")
    assert body["observations"]["loss"] == [row["loss"] for row in facts.observations]
    told = markdown.render(facts)
    assert "| filtered |" in told
    assert "Table `ladder.csv`" in told


def test_repeated_runs_are_counted_one_by_one() -> None:
    data = observations({"N": [1e6] * 8, "D": [1e7, 2e7, 4e7, 8e7] * 2, "loss": [4.0, 3.8, 3.6, 3.5, 4.01, 3.81, 3.61, 3.51]})
    result = analyse(data, Settings(replicates=2, test_replicates=0))
    assert page.words(facts_of(Path("t.csv"), data, result, ""))["cost"]["runs"] == 8
