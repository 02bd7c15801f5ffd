"""Shoulders: planted ones are found where they end, laws with noise are not taken for one."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling_fit.checks import check
from scaling_fit.instrument.shoulder import local_slopes, shoulders
from scaling_fit.observations import observations

TOKENS = np.array([16_384, 36_864, 90_112, 212_992, 524_288])


def table(loss_CD: np.ndarray) -> list[dict]:
    return [
        {"level": "raw", "seed": seed, "shape": "nano", "N": 1000, "tokens": int(tokens), "loss": loss}
        for seed, loss_D in enumerate(loss_CD)
        for tokens, loss in zip(TOKENS, loss_D, strict=True)
    ]


@given(st.floats(0, 4), st.floats(0.05, 0.6), st.floats(0.5, 8))
def test_a_laws_slopes_only_fall(floor, beta, first):
    loss = floor + first * (TOKENS / TOKENS[0]) ** -beta
    slope_CG = local_slopes(TOKENS, loss[None])
    assert (np.diff(slope_CG) < 1e-9).all()
    assert not shoulders(observations(table(np.stack([loss, loss]))))


def test_laws_with_noise_are_seldom_taken_for_a_shoulder():
    rng = np.random.default_rng(0)
    loss = 2.5 + 4 * (TOKENS / TOKENS[0]) ** -0.25
    flagged = [bool(shoulders(observations(table(loss * np.exp(0.005 * rng.normal(size=(8, 5))))))) for _ in range(200)]
    assert np.mean(flagged) <= 0.02


def test_a_planted_shoulder_is_found_where_it_ends():
    """The slopes of the quickstart as it was: .069 .102 .094 .073."""
    steps = np.concatenate([[0], np.cumsum(np.array([0.069, 0.102, 0.094, 0.073]) * np.diff(np.log(TOKENS)))])
    loss = 6.5 * np.exp(-steps + 0.004 * np.random.default_rng(1).normal(size=(8, 5)))
    (found,) = shoulders(observations(table(loss)))
    assert found.begin == TOKENS[1]
    assert found.slope_G == pytest.approx([0.069, 0.102, 0.094, 0.073], abs=0.006)
    assert len(found.rows) == 8
    told = [fault for fault in check(observations(table(loss))) if fault.name == "on-the-shoulder"]
    assert [fault.severity for fault in told] == ["warning"]
    assert "begin it at D 36,864" in told[0].message


def test_the_published_study_begins_past_its_shoulder():
    path = Path(__file__).parents[3] / "docs/studies/2026-12-01-web/observations.parquet"
    assert not shoulders(observations(path))
