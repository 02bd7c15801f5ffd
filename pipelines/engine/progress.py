"""Progress for people and for machines: bars on a terminal, plain lines with speed and ETA otherwise, `events.jsonl` always."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from pipelines.engine.workdir import Workdir

HEARTBEAT_SECONDS = 5.0


@dataclass
class Bar:
    """One step's progress. `advance` takes the amount done, in the bar's unit."""

    label: str
    total: float
    unit: str
    show: Callable[["Bar"], None]
    done: float = 0.0
    resumed: float = 0.0
    started: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)
    note: str = ""

    def advance(self, amount: float, *, resumed: bool = False) -> None:
        self.done += amount
        self.resumed += amount if resumed else 0.0
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
        """Seconds left at this session's rate; None before anything was done."""
        fresh, elapsed = self.done - self.resumed, time.monotonic() - self.started
        return None if fresh <= 0 else elapsed / fresh * (self.total - self.done)


class Progress:
    """Shows progress on `console` and appends events to the work directory."""

    def __init__(self, workdir: Workdir | None, console: Console | None = None):
        self.workdir, self.console = workdir, console or Console(stderr=True, highlight=False)
        self.cached_steps: list[str] = []
        self._lines: list[str] = []

    def event(self, kind: str, **facts: object) -> None:
        """Record one event with its UTC time. Local work directories are appended to; object stores get whole objects."""
        if self.workdir is None:
            return
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": kind, **facts})
        if self.workdir.is_local:
            self.workdir.fs.makedirs(self.workdir.full(""), exist_ok=True)
            with self.workdir.fs.open(self.workdir.full("events.jsonl"), "ab") as out:
                out.write(line.encode() + b"\n")
        else:
            self._lines.append(line)
            if kind in ("finished", "failed"):
                stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
                self.workdir.write_bytes(f"events/{stamp}.jsonl", ("\n".join(self._lines) + "\n").encode())
                self._lines.clear()

    def cached(self, step: str) -> None:
        """Record that a step was there already."""
        self.cached_steps.append(step)
        self.event("cached", step=step)

    def timed(self, label: str, seconds: float) -> None:
        """Say that something took its time (what was instant needs no line)."""
        if seconds >= 0.5:
            self.console.print(f"[green]done[/] {label:<28} {seconds:7.1f} s")

    def say(self, text: str) -> None:
        self.console.print(text)

    @contextmanager
    def bar(self, label: str, total: float, unit: str) -> Iterator[Bar]:
        self.event("started", step=label, total=total, unit=unit)
        if self.console.is_terminal:
            columns = (
                SpinnerColumn(), TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[unit]}"), TimeElapsedColumn(), TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )  # fmt: skip
            with RichProgress(*columns, console=self.console, transient=True) as live:
                task = live.add_task(label, total=round(total), unit=unit, note="")

                def show(bar: Bar) -> None:
                    live.update(task, completed=round(bar.done), note=bar.note or bar.rate)

                yield Bar(label, total, unit, show)
        else:
            yield Bar(label, total, unit, self._heartbeat)

    def _heartbeat(self, bar: Bar) -> None:
        now = time.monotonic()
        if now - bar.last < HEARTBEAT_SECONDS or bar.done >= bar.total:
            return
        bar.last = now
        eta = "" if bar.eta is None else f", about {bar.eta:.0f} s left"
        line = f"     {bar.label:<28} {bar.done:,.0f}/{bar.total:,.0f} {bar.unit}{eta}, {bar.note or bar.rate}"
        self.console.print(line.rstrip(", "), soft_wrap=True)
        sys.stderr.flush()
