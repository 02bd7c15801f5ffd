"""The files below a local path, folder or glob. Links are followed, and every real file and folder is listed once.

Hugging Face's cache is a folder of links, which `fsspec` does not follow; a loop of links has no end, which `glob` misses.
"""

import re
from collections import deque
from collections.abc import Iterator
from glob import has_magic
from pathlib import Path
from typing import Any

from fsspec.utils import glob_translate

FileInfo = dict[str, Any]
"""What fsspec tells of a file: its name, size, type, and what else the store knows."""


def listing(pattern: str) -> tuple[str, list[FileInfo]] | None:
    """(folder searched or "", description of each file) of an absolute path or glob; None where nothing is there.

    A description has `name`, `size`, `mtime` and, of a file that is not to be read, `unread`: why.
    """
    path = Path(pattern)
    fixed = next(folder for folder in (path, *path.parents) if folder.exists())  # a name may look like a glob
    rest = path.relative_to(fixed).parts
    if not rest:
        directory, files = (pattern, _below(path, None)) if path.is_dir() else ("", iter([path]))
    elif has_magic("/".join(rest)):
        matches = re.compile(glob_translate("/".join(rest))).match
        below = _below(fixed, None if "**" in rest else len(rest))
        directory, files = "", (file for file in below if matches(str(file.relative_to(fixed))))
    else:
        return None
    return directory, [_described(file) for file in sorted(files, key=Path.is_symlink)]


def _below(folder: Path, depth: int | None) -> Iterator[Path]:
    """Files at most `depth` folders deep, those of links to folders last, so that a file keeps the path it has without them."""
    folders, linked, seen = deque([folder]), deque[Path](), set[Path]()
    while folders or linked:
        here = (folders or linked).popleft()
        if not here.is_dir() or (real := here.resolve()) in seen:
            continue
        seen.add(real)
        for entry in sorted(here.iterdir()):
            if not entry.is_dir():
                yield entry
            elif depth is None or len(entry.parts) - len(folder.parts) < depth:
                (linked if entry.is_symlink() else folders).append(entry)


def _described(file: Path) -> FileInfo:
    if not file.exists():
        return {"name": str(file), "unread": "link to nothing"}
    if not file.is_file():
        return {"name": str(file), "unread": "no regular file"}
    stat = file.stat()
    return {"name": str(file), "size": stat.st_size, "mtime": stat.st_mtime, "real": str(file.resolve())}
