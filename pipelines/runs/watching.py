"""The progress of stacks in training, read from their metrics while workers write them."""

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.engine.progress import Bar


@contextmanager
def watching(stacks: Sequence[tuple[Path, int]], bar: Bar) -> Iterator[None]:
    """Advance the bar by what `stacks`, (folder, number of runs) each, train in the meantime."""
    stop = threading.Event()
    followed = [_Followed(folder / "metrics.jsonl", runs) for folder, runs in stacks]

    def watch() -> None:
        while not stop.wait(1.0):
            fresh = sum(stack.fresh_tokens() for stack in followed)
            if fresh:
                bar.note = f"{sum(stack.speed for stack in followed):,.0f} tokens/s"
                bar.advance(min(fresh, bar.total - bar.done))

    thread = threading.Thread(target=watch, daemon=True)
    if followed:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if thread.is_alive():
            thread.join()


@dataclass
class _Followed:
    """A stack's metrics file, read as it grows."""

    path: Path
    runs: int
    file: int = 0  # its inode: a resumed stack writes the file anew, without what the kill threw away
    offset: int = 0
    trunk: int = 0
    branch: tuple[str, int] = ("trunk", 0)
    speed: float = 0.0
    counted: int = 0

    def fresh_tokens(self) -> int:
        """Tokens trained since the last call; a branch starts back at its trunk."""
        try:
            with self.path.open("rb") as file:
                there = os.fstat(file.fileno())
                if there.st_ino != self.file or there.st_size < self.offset:
                    self.file, self.offset = there.st_ino, 0
                file.seek(self.offset)
                text = file.read()
        except FileNotFoundError:  # not begun, or done and cleared away
            self.speed = 0.0
            return 0
        text = text[: text.rfind(b"\n") + 1]
        again = self.offset == 0
        self.offset += len(text)
        if again:  # count what stands in it, less what was counted in the file before
            already, self.counted, self.trunk, self.branch = self.counted, 0, 0, ("trunk", 0)
            return max(self._count(text) - already, 0)
        return self._count(text)

    def _count(self, text: bytes) -> int:
        fresh = 0
        for line in map(json.loads, text.splitlines()):
            if line["event"] != "train":
                continue
            phase, tokens = line["phase"], line["tokens"]
            before = self.branch[1] if phase == self.branch[0] and phase != "trunk" else self.trunk
            fresh += max(tokens - before, 0) * self.runs
            self.branch, self.speed = (phase, tokens), line["tokens_per_second"]
            if phase == "trunk":
                self.trunk = tokens
        self.counted += fresh
        return fresh
