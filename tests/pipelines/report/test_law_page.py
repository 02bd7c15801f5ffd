"""The page of one law, in a real browser at the width of a phone."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.outcomes.table_facts import law_facts_of
from pipelines.report import law_page
from scaling_fit import FitSettings, fit, observations
from scaling_fit.intervals import Interval


def test_one_law_has_a_page_of_its_own(tmp_path: Path, open_page, monkeypatch: pytest.MonkeyPatch) -> None:
    N, D = (cells.ravel() for cells in np.meshgrid([2e6, 8e6, 2e7], [4e7, 8e7, 1.6e8, 3.2e8]))
    loss = (1.8 + 480 / N**0.35 + 2100 / D**0.37) * np.exp(np.random.default_rng(1).normal(0, 0.002, len(N)))
    data = observations({"params": N.tolist(), "tokens": D.tolist(), "loss": loss.tolist()})
    found = fit(data, FitSettings("additive", replicates=50))
    monkeypatch.setattr(law_page, "write_figures", lambda *_: [])
    facts = law_facts_of(Path("ladder.csv"), data, found, "assay fit ladder.csv --out fit")
    opened = open_page(law_page.write(facts, tmp_path), width=390)
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("file:")] == []
    assert opened.tab.locator("#fit svg").count() == 1
    assert opened.tab.inner_text("h1") == found.told()[0]
    seen = opened.tab.inner_text("#parameters")
    for row in json.loads(found.to_json())["parameters"]:
        assert f"{row['value']:.4g}" in seen, row["parameter"]
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["fit"] == json.loads(found.to_json())
    assert opened.tab.evaluate("document.documentElement.scrollWidth") == 390
    found_by_axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe().run(opened.tab).response["violations"]
    assert [one["id"] for one in found_by_axe if one["impact"] in {"serious", "critical"}] == []


def test_a_headline_says_what_is_not_bounded() -> None:
    data = observations({"N": [1e6] * 6, "D": [1e7 * 2**k for k in range(6)], "loss": [4.0, 3.8, 3.65, 3.55, 3.5, 3.46]})
    found = fit(data, FitSettings("data", replicates=20))
    assert found.told()[0].startswith("The data exponent beta is 0.")
    found.spread.intervals["all"]["beta"] = Interval(0.5, -np.inf, np.inf)
    assert found.told()[0] == "The data exponent beta is 0.5, which these runs do not bound."
