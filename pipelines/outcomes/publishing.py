"""An exported folder put where others read it: a folder or any fsspec URL (s3://...), or a dataset of the Hugging Face Hub.

The data files come first and what names them last, so a reader never sees half a data set. Files of an earlier export that this
one no longer has are removed: `datasets` would read them with the rest. Only files that an export itself has listed, or named
as it names them, are touched.
"""

import re
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from curation.sources.storage import require_protocol
from pipelines.engine.step import Manifest
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.outcomes.dataset import DECLARATION, LISTING
from pipelines.study.study import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator

HUB = "hf://datasets/"
DATA_FILE = re.compile(r"data/[^/]+/train-\d{5}-of-\d{5}\.parquet")
LAST = ("provenance.json", DECLARATION, LISTING, "README.md")


def require_place(to: str) -> None:
    """Errors: StudyError or ValueError where nothing can be brought to `to`: an address that is none, or a missing package."""
    require_protocol(to)
    if to.startswith("hf://"):
        _repository(to)


def publish(workdir: Workdir, folder: Manifest, to: str, private: bool = False) -> JsonObject:
    """Bring the data set `folder` to `to`. Returns `place`, and how many files were `sent`, `unchanged` and `removed`."""
    base = folder.step.path
    names = [*(record["name"] for record in folder.records()), *(n for n in LAST if workdir.exists(f"{base}/{n}"))]
    if to.startswith("hf://"):
        return _to_hub(workdir, base, names, to, private)
    return _copied(workdir, base, names, Workdir(to))


def _copied(workdir: Workdir, base: str, names: list[str], target: Workdir) -> JsonObject:
    """File by file; those that the last export left there with the same digest stay."""
    there = _listing(target, LISTING)
    here = _listing(workdir, f"{base}/{LISTING}")
    unchanged = [name for name in names if name in here and here[name] == there.get(name) and target.exists(name)]
    for name in names:
        if name not in unchanged:
            with target.writing(name) as out:
                for block in workdir.blocks(f"{base}/{name}", 1 << 24):
                    out.write(block)
    gone = [name for name in sorted(there.keys() - here.keys()) if DATA_FILE.fullmatch(name) and target.exists(name)]
    target.remove(gone)
    return {"place": target.root, "sent": len(names) - len(unchanged), "unchanged": len(unchanged), "removed": len(gone)}


def _listing(workdir: Workdir, path: str) -> dict[str, str]:
    """Name -> digest of what an export lists; empty where there is none."""
    return {file["name"]: file["digest"] for file in workdir.read_json(path)} if workdir.exists(path) else {}


def _to_hub(workdir: Workdir, base: str, names: list[str], to: str, private: bool) -> JsonObject:
    """One commit on the main branch; files that the Hub has already are not sent again (its protocol compares hashes)."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    repository = _repository(to)
    api = HfApi()
    api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
    there = api.list_repo_files(repository, repo_type="dataset")
    gone = sorted(name for name in set(there) - set(names) if DATA_FILE.fullmatch(name))
    with _local(workdir, base, names) as root:
        operations = [
            *(CommitOperationAdd(name, str(root / name)) for name in names),
            *(CommitOperationDelete(name) for name in gone),
        ]
        api.create_commit(repository, operations, commit_message=f"assay export {base}", repo_type="dataset")
    return {"place": f"{api.endpoint}/datasets/{repository}", "sent": len(names), "unchanged": 0, "removed": len(gone)}


def _repository(to: str) -> str:
    """OWNER/NAME of an address of the Hub."""
    repository = to.removeprefix(HUB).strip("/")
    if not to.startswith(HUB) or not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise StudyError(f"--to {to!r}: name a dataset of the Hub as {HUB}OWNER/NAME")
    return repository


@contextmanager
def _local(workdir: Workdir, base: str, names: list[str]) -> "Iterator[Path]":
    """The folder on this machine's disk: where it lies, or a copy for the time of the block."""
    if workdir.is_local:
        yield Path(workdir.full(base))
        return
    with TemporaryDirectory() as folder:
        for name in names:
            workdir.bring(f"{base}/{name}", Path(folder, name))
        yield Path(folder)
