"""What all verbs say in the same way: a mistake in one line, an answer as JSON."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape


@contextmanager
def plain_errors() -> Iterator[None]:
    """A mistake of the user's becomes one clear line and exit code 2; Ctrl-C, and a scheduler's SIGTERM, say how to go on
    and exit with 130."""
    console = Console(stderr=True, highlight=False)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        console.print("[yellow]stopped[/]: finished parts are kept; run the same command again to go on")
        raise typer.Exit(130) from None
    except ValueError as error:
        if os.environ.get("ASSAY_TRACEBACK"):
            raise
        console.print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def print_json(answer: object) -> None:
    typer.echo(json.dumps(answer, indent=1, ensure_ascii=False))
