"""Progress: numbers that a narrow terminal keeps, estimates that mean something, a log that can be read."""

import io
import json
from collections import Counter

import pytest
from rich.console import Console

from pipelines.engine import progress as progress_module
from pipelines.engine.progress import Bar, Progress, clock
from pipelines.engine.workdir import Workdir


@pytest.fixture
def now(monkeypatch):
    """A clock that a test moves."""
    at = [1000.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: at[0])
    return at


def test_an_estimate_waits_until_it_means_something_and_starting_up_does_not_count(now):
    bar = Bar("signals", 100, "MB", lambda bar: None, started=now[0])
    bar.advance(20, resumed=True)
    now[0] += 60  # starting Ray, compiling kernels
    bar.advance(1)
    assert bar.eta is None, "one part says when it came, not how fast the next will"
    now[0] += 1
    bar.advance(5)
    assert bar.eta is None, "too soon"
    now[0] += 9
    bar.advance(5)
    assert bar.eta == pytest.approx(69)  # 69 MB at 1 MB/s; from the start it would be 440 s
    assert bar.numbers == "31/100 MB, 0.2 MB/s, about 69 s left"


def test_small_totals_keep_their_decimals():
    assert Bar("signals", 0.3, "MB", lambda bar: None, done=0.1).numbers.startswith("0.1/0.3 MB")


@pytest.mark.parametrize(("seconds", "told"), [(47.4, "47 s"), (300, "5 min"), (7800, "2 h 10 min")])
def test_times_are_in_words(seconds, told):
    assert clock(seconds) == told


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_narrow_terminal_keeps_the_numbers(now, width):
    out = io.StringIO()
    told = Progress(None, Console(file=out, force_terminal=True, width=width, color_system=None))
    with told.bar("signals/a-name-of-some-length", 4321, "MB") as bar:
        bar.advance(0)
        now[0] += 10
        bar.advance(1234)
        out.truncate(0)
        out.seek(0)
    last = [line for line in out.getvalue().replace("\r", "\n").splitlines() if "MB" in line][-1]
    assert "1,234/4,321 MB, 123 MB/s" in last
    assert ("\u2501" in last) == (width >= 100), "the bar gives way"


def test_a_log_has_few_lines_and_each_is_whole(now, tmp_path):
    out = io.StringIO()
    told = Progress(Workdir(str(tmp_path)), Console(file=out, width=80))
    with told.bar("signals", 3600, "MB") as bar:
        for _ in range(3599):
            now[0] += 1
            bar.advance(1)
    lines = out.getvalue().splitlines()
    assert 50 < len(lines) < 70, "5 s, 10, 20, 40, then a minute apart"
    assert all(line.startswith("     signals") and line.endswith("left") for line in lines[4:])
    assert "left" not in lines[0]
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events[:2]] == ["started", "progress"]
    assert events[-1]["left"] == pytest.approx(3600 - events[-1]["done"])
    told.say("a sentence that is longer than eighty columns " * 3)
    assert len(out.getvalue().splitlines()) == len(lines) + 1


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ({}, ""),
        ({"a": 5}, ""),
        ({"a": 1, "b": 3}, "on b (3), a (1)"),
        ({"a": 6, "b": 5, "c": 4, "d": 3, "e": 2, "f": 1}, "on a (6), b (5), c (4), d (3) and 2 more nodes"),
    ],
)
def test_nodes_are_named_as_soon_as_there_are_two(nodes, told):
    bar = Bar("signals", 30, "shards", lambda bar: None, done=sum(nodes.values()), nodes=Counter(nodes))
    assert bar.told_nodes == told
    assert bar.numbers.endswith(told)
