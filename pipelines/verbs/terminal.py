"""What all verbs say in the same way: a mistake in one line, an answer as JSON."""

import errno
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape


@contextmanager
def plain_errors(resumes: bool = False) -> Iterator[None]:
    """A mistake of the user's becomes one clear line and exit code 2; Ctrl-C, and a scheduler's SIGTERM, exit with 130 and,
    where the command `resumes`, say how to go on."""
    console = Console(stderr=True, highlight=False)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        console.print("[yellow]stopped[/]" + resumes * ": finished parts are kept; run the same command again to go on")
        raise typer.Exit(130) from None
    except ImportError as error:
        from curation.sources.storage import uninstalled

        if (said := uninstalled(error)) is None or os.environ.get("ASSAY_TRACEBACK"):
            raise
        _tell(console, said)
    except (ValueError, OSError) as error:
        if os.environ.get("ASSAY_TRACEBACK"):
            raise
        said = system_fault(error) if isinstance(error, OSError) else str(error)
        _tell(console, "\n".join([said, *getattr(error, "__notes__", [])]))
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in STORES or os.environ.get("ASSAY_TRACEBACK"):
            raise
        _tell(console, f"{error}; see docs/reference/sources.md for where credentials and servers are looked for")
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(console: Console, text: str) -> NoReturn:
    console.print(f"[red]error[/]: {escape(text)}", soft_wrap=True)
    raise typer.Exit(2) from None


def system_fault(error: OSError) -> str:
    """What the system refused, of which file, and what mends it."""
    reason, place = error.strerror or str(error), f"{error.filename}: " if error.filename else ""
    if "AF_UNIX" in str(error):
        return f"{error}; set TMPDIR to a shorter path"
    return f"{place}{reason}; {FIXES.get(error.errno or 0, 'mend it, and run the same command again: finished parts are kept')}"


STORES = ("aiobotocore", "aiohttp", "botocore", "httpx", "httpx2", "huggingface_hub", "requests")
"""Packages whose exceptions are about a store that does not answer as it should, and of no type that Python knows."""

FIXES = {
    errno.ENOSPC: "free some space, and run the same command again: finished parts are kept",
    errno.EDQUOT: "free some of the quota, and run the same command again: finished parts are kept",
    errno.EACCES: "allow it, or name another --workdir",
    errno.EPERM: "allow it, or name another --workdir",
    errno.EROFS: "it cannot be written to; name another --workdir",
    errno.ENOTDIR: "there is a file where a folder is needed; name another --workdir",
    errno.EEXIST: "there is a file where a folder is needed; name another --workdir",
    errno.ENAMETOOLONG: "choose a shorter name or folder",
    errno.ENOENT: "it is not there; is a link broken?",
}


def print_json(answer: object) -> None:
    typer.echo(json.dumps(answer, indent=1, ensure_ascii=False))
