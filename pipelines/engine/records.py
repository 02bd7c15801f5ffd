"""Records of parts: what an interrupted run committed, so that the next computes only the rest.

A part whose record is kept is done. Workers leave the records of long units themselves, a file each; all others come back to
the driver, which writes what came in `SECONDS` together. So a part costs no request of its own, few files are listed and read
when a run goes on, and a driver that is killed loses the records of seconds.
"""

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field

from pipelines.engine.workdir import JsonObject, Workdir, canonical

SECONDS = 5.0


def part_path(step_path: str, index: int) -> str:
    """Where records lie until their step is complete; `index` is the part of the first."""
    return f"{step_path}/parts/{index:05d}.json"


def write_records(workdir: Workdir, step_path: str, records: list[JsonObject]) -> None:
    """Keep the records of some parts of one step, in one file, a line each."""
    lines = "".join(canonical(record) + "\n" for record in records)
    workdir.write_bytes(part_path(step_path, records[0]["part"]), lines.encode())


def read_records(workdir: Workdir, step_path: str) -> dict[int, JsonObject]:
    """Records of the parts that were committed, by index."""
    kept = [workdir.read_bytes(f"{step_path}/parts/{name}") for name in workdir.listing(f"{step_path}/parts")]
    records = [json.loads(line) for lines in kept for line in lines.splitlines()]
    return {record["part"]: record for record in records}


@dataclass
class Pending:
    """Records that came back and lie in no file yet, by the path of their step."""

    workdir: Workdir
    by_step: dict[str, list[JsonObject]] = field(default_factory=lambda: defaultdict(list))
    written: float = field(default_factory=lambda: time.monotonic())

    def add(self, step_path: str, record: JsonObject) -> None:
        """One more record; all are written when it is time."""
        self.by_step[step_path].append(record)
        if time.monotonic() - self.written >= SECONDS:
            self.write()

    def forget(self, step_path: str) -> None:
        """The step is complete: its manifest has the records."""
        self.by_step.pop(step_path, None)

    def write(self) -> None:
        for step_path, records in self.by_step.items():
            write_records(self.workdir, step_path, records)
        self.by_step.clear()
        self.written = time.monotonic()
