"""The sample of text in tests/data: made by its script, and of the kinds that it promises."""

import importlib.util
import json
from collections import Counter

from tests.conftest import SAMPLE


def test_the_script_makes_the_sample():
    spec = importlib.util.spec_from_file_location("make_sample", SAMPLE.with_name("make_sample.py"))
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    rows = [json.loads(line) for line in SAMPLE.read_text("ascii").splitlines()]
    assert script.documents() == [(row["domain"], row["text"]) for row in rows]
    assert 100_000 < sum(len(row["text"].encode()) for row in rows) < 130_000
    kinds = Counter(row["domain"] for row in rows)
    assert kinds["broken"] > 20
    assert kinds["copy"] == 10
