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
def watching(stacks: Sequence[Path], bar: Bar) -> Iterator[None]:
    """Advance the bar by what the stacks in these folders train in the meantime."""
    stop = threading.Event()
    followed = [_Followed(folder / "metrics.jsonl") for folder in stacks]

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
    file: int = 0  # its inode: a resumed stack writes the file anew, without what the kill threw away
    offset: int = 0
    speed: float = 0.0
    counted: int = 0

    def fresh_tokens(self) -> int:
        """Tokens trained since the last call, by all runs together."""
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
            already, self.counted = self.counted, 0
            return max(self._count(text) - already, 0)
        return self._count(text)

    def _count(self, text: bytes) -> int:
        told = [line for line in map(json.loads, text.splitlines()) if line["event"] == "train"]
        fresh = sum(line.get("trained", 0) for line in told)  # 0: written before lines said it
        if told:
            self.speed = told[-1]["tokens_per_second"]
        self.counted += fresh
        return fresh
