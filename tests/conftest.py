"""Fixtures that several test folders share, and the option that counts processor seconds."""

import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)  # wall time of one example says little on a machine that others use too
settings.load_profile("house")
SECONDS = pytest.StashKey[dict[str, float]]()
SAMPLE = Path(__file__).with_name("data") / "sample.jsonl"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cpu", action="store_true", help="processor seconds: of all tests, and of the 20 that take most")


def _processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    before = _processor_seconds()
    done = yield
    item.config.stash.setdefault(SECONDS, {})[item.nodeid] = _processor_seconds() - before
    return done


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Wall time says little on a machine that others use too."""
    if config.getoption("--cpu"):
        seconds = config.stash.get(SECONDS, {})
        terminalreporter.write_line(f"{sum(seconds.values()):.0f} processor seconds in {len(seconds)} tests")
        for name, one in sorted(seconds.items(), key=lambda pair: -pair[1])[:20]:
            terminalreporter.write_line(f"{one:7.1f}  {name}")


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
