"""Signals as steps: what changes a signal's values changes its identity, and nothing else does."""

from dataclasses import replace
from pathlib import Path

from curation.signals.registry import SIGNALS
from pipelines.engine.step import Manifest, Step
from pipelines.signals import signals

POOL = Manifest(Step("pool", {}), [], {})


def identity(name: str, params: dict[str, object] | None = None, folder: Path = Path()) -> str:
    (signal,) = signals.declared(POOL, {name: params or {}}, folder)
    return signal.step.id


def test_a_default_said_or_left_out_is_one_signal():
    assert identity("random", {"seed": 0}) == identity("random")
    assert identity("random", {"seed": 1}) != identity("random")


def test_a_file_counts_by_what_is_in_it(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("apple\n")
    before = identity("word_list", {"path": "words.txt"}, tmp_path)
    words.write_text("pear\n")
    assert identity("word_list", {"path": "words.txt"}, tmp_path) != before


def test_a_signal_that_was_mended_is_computed_again(monkeypatch):
    before = identity("random")
    monkeypatch.setitem(SIGNALS, "random", replace(SIGNALS["random"], version=2))
    assert identity("random") != before
