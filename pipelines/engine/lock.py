"""One run at a time in a work directory: a lock that the system lets go of when its holder ends, however it ends."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipelines.engine.workdir import Workdir

FILE = "lock.json"


@contextmanager
def locked(workdir: Workdir) -> Iterator[None]:
    """Hold the work directory for the block. Raises ValueError, naming the other run, where one holds it already.

    Object stores have no such lock: there the block just runs.
    """
    if not workdir.is_local:
        yield
        return
    path = Path(workdir.full(FILE))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(_refusal(workdir, path.read_text("utf-8"))) from None
        file.truncate(0)
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        file.write(json.dumps(holder) + "\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def holder(workdir: Workdir) -> dict[str, str] | None:
    """Who holds the work directory now (host, pid, since); None where nobody does, and on object stores."""
    path = Path(workdir.full(FILE))
    if not workdir.is_local or not path.exists():
        return None
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = file.read()
            return json.loads(text) if text.strip() else None
    return None


def _refusal(workdir: Workdir, text: str) -> str:
    holder = json.loads(text) if text.strip() else {}
    who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}" if holder else "another process"
    return f"{workdir.root} is in use by {who}; wait for it to end, stop it, or name another --workdir"
