"""Files as their trackers wrote them: MLflow 3.17, TensorBoard 2.21 (both its writers), lm-eval 0.4.13."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def exported() -> Path:
    return Path(__file__).parents[2] / "data" / "exports"
