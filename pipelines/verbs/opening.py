"""The study opened in its work directory, for every verb over a study."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from re import fullmatch
from socket import gethostname
from typing import TYPE_CHECKING

from pipelines.verbs.terminal import plain_errors

if TYPE_CHECKING:
    from pipelines.engine.run import Context
    from pipelines.study.study import Study


@contextmanager
def opened(
    study_file: Path, overrides: list[str], workdir: str, address: str = "", workers: int | None = None,
    executor: str = "in-process", *, writes: bool = True,
) -> "Iterator[tuple[Context, Study, Path]]":  # fmt: skip
    """The study, its context, and the folder that its relative paths start from, under `plain_errors`; a verb that `writes` has
    the work directory to itself."""
    from rich.console import Console

    from curation.sources.storage import require_protocol
    from pipelines.engine.executor import open_executor
    from pipelines.engine.lock import locked
    from pipelines.engine.progress import Progress
    from pipelines.engine.run import Context
    from pipelines.engine.workdir import Workdir
    from pipelines.study.study import StudyError, load

    with plain_errors(resumes=writes):
        study = load(study_file, overrides)
        if executor not in ("ray", "in-process"):
            raise StudyError(f"--executor {executor!r}: use `ray` or `in-process`")
        for url in [workdir, *(_urls(study.model_dump()) if writes else ())]:
            require_protocol(url)
        place = Workdir(workdir or f"work/{study.name}")
        if place.is_local:
            place = Workdir(str(Path(place.full("")).resolve()))
        progress = Progress(place, Console(stderr=True, highlight=False))
        lock = locked(place) if writes else nullcontext()
        with lock, open_executor(executor, address or None, workers, progress.say) as runner:
            if writes and not place.is_local:  # where no lock says who is at work
                progress.event("opened", host=gethostname(), pid=os.getpid())
            try:
                yield Context(place, runner, progress), study, study_file.resolve().parent
            except (Exception, KeyboardInterrupt) as error:
                if writes:
                    with suppress(OSError):  # a full disk has no room for this either
                        if isinstance(error, KeyboardInterrupt):
                            progress.event("stopped")
                        else:
                            progress.event("failed", error=str(error) or type(error).__name__)
                raise
            if writes and not place.is_local:
                progress.event("closed")
                progress.put_events()


def _urls(value: object) -> "Iterator[str]":
    """Every URL that a study reads from, wherever it stands; a licence may be one, and is not read."""
    if isinstance(value, str):
        yield from [value] if fullmatch(r"\w+://\S+", value) else []
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from () if key == "licence" else _urls(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _urls(part)
