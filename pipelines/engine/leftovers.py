"""What killed processes leave behind: copies on a node's own disk, files written aside, uploads that were never joined.

A copy and a file aside are locked by whoever writes them, and the system lets go of a lock when its holder ends, however it
ends: what nobody holds is nobody's. Uploads to a store have no lock; one that began over `UPLOAD_SECONDS` before the run is
taken for dead, since no request is tried for longer than minutes.
"""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import gethostname

from pipelines.engine.workdir import ASIDE, Workdir

COPIES = "assay-copy-"  # how folders of copies begin, in the temporary folder of a node
UPLOAD_SECONDS = 3600.0


@contextmanager
def copies(n_bytes: int) -> Iterator[Path]:
    """A folder on this node's disk with room for `n_bytes`, for the block; those of killed processes are removed first.

    Errors: ValueError naming the node and its temporary folder where there is too little room."""
    sweep_copies()
    place = Path(tempfile.gettempdir())
    free = shutil.disk_usage(place).free
    if free < n_bytes:
        raise ValueError(
            f"node {gethostname()} has {free / 1e9:.1f} GB free in {place}, and the levels that are trained on there take "
            f"{n_bytes / 1e9:.1f} GB; free some space, or start its workers with TMPDIR in a larger place"
        )
    folder = Path(tempfile.mkdtemp(prefix=COPIES))
    try:
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_copies() -> None:
    """Remove the copies of killed processes from this node's temporary folder."""
    for folder in Path(tempfile.gettempdir()).glob(f"{COPIES}*"):
        if _nobodys(folder / "lock"):
            shutil.rmtree(folder, ignore_errors=True)


def sweep_step(workdir: Workdir, path: str) -> None:
    """Remove what killed writers left in the folder of a step that was begun: files aside, and uploads never joined."""
    if workdir.store is not None:
        workdir.store.abort_uploads(workdir.full(path), time.time() - UPLOAD_SECONDS)
        return
    for left in Path(workdir.full(path)).rglob(f"*{ASIDE}*"):
        if _nobodys(left):
            left.unlink(missing_ok=True)


def _nobodys(path: Path) -> bool:
    """Whether the file is there and no process holds it."""
    with suppress(OSError), path.open("rb") as file:  # another user's, gone meanwhile, or on a disk that knows no locks
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
