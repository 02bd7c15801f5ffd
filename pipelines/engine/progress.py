"""Progress for people and for machines: bars on a terminal, plain lines with speed and ETA otherwise, `events.jsonl` always."""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import SEEK_END
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Column

from pipelines.engine.workdir import JsonObject, Workdir

HEARTBEAT_SECONDS = 5.0  # before a log's first line of a step; each further one waits twice as long
LONGEST_SECONDS = 60.0
EVENT_SECONDS = 10.0  # between two events that say how far a step is
EVENTS_SECONDS = 30.0  # between two objects of events
SOON = 5.0  # seconds, and `ENOUGH` of the whole, before an estimate means something
ENOUGH = 0.02
MOST_NODES = 4  # that are named
NARROW = 100  # columns: a narrower terminal shows numbers and no bar


@dataclass
class Bar:
    """One step's progress. `advance` takes the amount done, in the bar's unit."""

    label: str
    total: float
    unit: str
    show: Callable[["Bar"], None]
    done: float = 0.0
    resumed: float = 0.0
    started: float = field(default_factory=lambda: time.monotonic())
    first: tuple[float, float] | None = None  # when this session's first part was done, and how far the bar was then
    note: str = ""
    nodes: Counter[str] = field(default_factory=Counter)  # units done by node

    def advance(self, amount: float, *, resumed: bool = False) -> None:
        self.done += amount
        self.resumed += amount if resumed else 0.0
        if self.first is None and self.done > self.resumed:
            self.first = time.monotonic(), self.done
        self.show(self)

    def say(self, note: str) -> None:
        """A short remark beside the bar (a loss, the file at hand)."""
        self.note = note
        self.show(self)

    @property
    def rate(self) -> str:
        """Units per second of this session, unless a remark says it better."""
        fresh, elapsed = self.done - self.resumed, time.monotonic() - self.started
        return f"{fresh / elapsed:,.{0 if fresh > 100 * elapsed else 1}f} {self.unit}/s" if fresh > 0 and elapsed > 0 else ""

    @property
    def eta(self) -> float | None:
        """Seconds left at the rate since this session's first part: what came before it was starting up. None until enough was
        done to tell."""
        if self.first is None:
            return None
        since, before = self.first
        fresh, elapsed = self.done - before, time.monotonic() - since
        if fresh <= 0 or elapsed < SOON or fresh < ENOUGH * self.total:
            return None
        return elapsed / fresh * (self.total - self.done)

    @property
    def numbers(self) -> str:
        """How far it is, how fast, and how long it will take, in the words of a log line."""
        digits = 0 if self.total >= 10 or self.total == int(self.total) else 1
        left = "" if self.eta is None else f"about {clock(self.eta)} left"
        amount = f"{self.done:,.{digits}f}/{self.total:,.{digits}f} {self.unit}"
        return ", ".join(filter(None, [amount, self.note or self.rate, left, self.told_nodes]))

    @property
    def told_nodes(self) -> str:
        """Where units were done, the busiest node first; empty while that is one node."""
        if len(self.nodes) < 2:
            return ""
        named = [f"{node} ({n})" for node, n in self.nodes.most_common(MOST_NODES)]
        more = len(self.nodes) - len(named)
        return f"on {', '.join(named)}" + (f" and {more} more nodes" if more else "")


def clock(seconds: float) -> str:
    """47 s, 5 min, 2 h 10 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class Progress:
    """Shows progress on `console` and appends events to the work directory."""

    def __init__(self, workdir: Workdir | None, console: Console | None = None):
        self.workdir, self.console = workdir, console or Console(stderr=True, highlight=False)
        self.cached_steps: list[str] = []
        self._lines: list[str] = []
        self._put = time.monotonic()

    def event(self, kind: str, **facts: object) -> None:
        """Record one event with its UTC time. Local work directories are appended to; object stores get whole objects."""
        if self.workdir is None:
            return
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": kind, **facts})
        if self.workdir.is_local:
            self.workdir.fs.makedirs(self.workdir.full(""), exist_ok=True)
            with self.workdir.fs.open(self.workdir.full("events.jsonl"), "ab") as out:
                out.write(line.encode() + b"\n")
            return
        self._lines.append(line)
        if kind in ("opened", "failed", "stopped") or time.monotonic() - self._put >= EVENTS_SECONDS:
            self.put_events()

    def put_events(self) -> None:
        """On an object store: the events since the last time, as one object."""
        if self._lines and self.workdir is not None:
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            self.workdir.write_bytes(f"events/{stamp}.jsonl", ("\n".join(self._lines) + "\n").encode())
            self._lines.clear()
            self._put = time.monotonic()

    def told(self) -> list[JsonObject]:
        """All events of the work directory, oldest first; those of this run are put there first."""
        self.put_events()
        return [] if self.workdir is None else events(self.workdir)

    def cached(self, step: str) -> None:
        """Record that a step was there already."""
        self.cached_steps.append(step)
        self.event("cached", step=step)

    def timed(self, label: str, seconds: float, where: str = "") -> None:
        """Say that something took its time (what was instant needs no line)."""
        if seconds >= 0.5:
            self.console.print(f"[green]done[/] {label:<28} {seconds:7.1f} s{'  ' * bool(where)}{where}", soft_wrap=True)

    def say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)  # a log's lines are as long as what they say

    @contextmanager
    def bar(self, label: str, total: float, unit: str) -> Iterator[Bar]:
        """A bar for the block: on a terminal it lives, in a log it leaves a line now and then."""
        self.event("started", step=label, total=total, unit=unit)
        if not self.console.is_terminal:
            yield Bar(label, total, unit, _Now(self))
            return
        told = TextColumn("{task.fields[numbers]}", table_column=Column(no_wrap=True))
        graph = [BarColumn(20)] if self.console.width >= NARROW else []
        name = TextColumn("{task.description}", table_column=Column(no_wrap=True, ratio=1, overflow="ellipsis"))
        columns = (SpinnerColumn(), name, *graph, told, TimeElapsedColumn())
        with RichProgress(*columns, console=self.console, transient=True, expand=True) as live:
            task = live.add_task(label, total=round(total), numbers="")
            yield Bar(label, total, unit, _Now(self, lambda bar: live.update(task, completed=bar.done, numbers=bar.numbers)))


def events(workdir: Workdir, last: int | None = None) -> list[JsonObject]:
    """What runs recorded, oldest first: all of it, or about the `last` bytes (object stores: 50 objects)."""
    if workdir.is_local:
        try:
            with Path(workdir.full("events.jsonl")).open("rb") as file:
                skipped = max(0, file.seek(0, SEEK_END) - last) if last else 0
                file.seek(skipped)
                lines = file.read().splitlines()[1 if skipped else 0 :]
        except FileNotFoundError:
            return []
    else:
        names = workdir.listing("events")[-50 if last else 0 :]
        lines = [line for name in names for line in workdir.read_bytes(f"events/{name}").splitlines()]
    return [json.loads(line) for line in lines if line.endswith(b"}")]  # a driver's death may cut the last


@dataclass
class _Now:
    """Tells how a bar stands: to `live` each time, to the log and the events now and then."""

    progress: Progress
    live: Callable[[Bar], None] | None = None
    told: float = field(default_factory=lambda: time.monotonic())
    recorded: float = field(default_factory=lambda: time.monotonic())
    wait: float = HEARTBEAT_SECONDS

    def __call__(self, bar: Bar) -> None:
        now = time.monotonic()
        if self.live is not None:
            self.live(bar)
        elif now - self.told >= self.wait and bar.done < bar.total:
            self.told, self.wait = now, min(2 * self.wait, LONGEST_SECONDS)
            self.progress.console.print(f"     {bar.label:<28} {bar.numbers}", soft_wrap=True)
            sys.stderr.flush()
        if now - self.recorded >= EVENT_SECONDS:
            self.recorded = now
            self.progress.event("progress", step=bar.label, done=bar.done, total=bar.total, unit=bar.unit, left=bar.eta)
