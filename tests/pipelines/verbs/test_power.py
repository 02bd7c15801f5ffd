"""`assay power`: the analytic power is that of simulated tables."""

import json

import pytest


def test_power_answers_before_any_run(assay) -> None:
    body = json.loads(
        assay(
            "power",
            "--sizes",
            "1e7:1e8:4",
            "--tokens",
            "1e8:1e10:6",
            "--seeds",
            2,
            "--simulate",
            400,
            "--budget",
            1e19,
            "--json",
        ).stdout
    )
    assert body["power"] == pytest.approx(body["power_simulated"], abs=0.08)
    assert body["next_runs"][0]["se"] < body["se_delta_beta"]
    assert (
        "Smallest shift found four times in five"
        in assay("power", "--sizes", "1e7,1e8", "--tokens", "1e8:1e10:6", "--simulate", 0).output
    )
