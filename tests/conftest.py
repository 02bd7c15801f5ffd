"""Fixtures that several test folders share."""

import json
from pathlib import Path

import pytest

SAMPLE = Path(__file__).with_name("data") / "sample.jsonl"


@pytest.fixture(scope="session")
def sample() -> list[str]:
    """100 KB of text of many kinds, made by tests/data/make_sample.py: prose, code, mail, ten languages, broken text."""
    return [json.loads(line)["text"] for line in SAMPLE.read_text("ascii").splitlines()]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real text and tables of training runs kept beside the checkout; tests that want them skip without them."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"needs the evaluation data at {path} (not part of the project)")
    return path
