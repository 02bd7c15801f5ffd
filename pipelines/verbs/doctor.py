"""`assay doctor`: whether this machine, and the cluster, have what a study needs."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from pipelines.verbs.options import AsJson
from pipelines.verbs.terminal import print_json

SLOW = {"Ray and work directory": "Ray starts, which takes some seconds, and a minute where much else is running"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Finding(TypedDict):
    """What a check saw, or why it failed."""

    check: str
    ok: bool
    found: str


def doctor(
    workdir: Annotated[str, typer.Option("--workdir", "-w", help="Folder or URL to check for space and visibility.")] = "work",
    address: Annotated[str, typer.Option(help="A running Ray cluster to check (default: a local Ray).")] = "",
    as_json: AsJson = False,
) -> None:
    """Check this machine, and the cluster, for what a study needs.

    Exit code 1 when something is missing.

    Example: `assay doctor --workdir s3://bucket/study --address auto`
    """
    checks: list[tuple[str, Callable[[], str]]] = [
        ("Python", _python),
        ("fastText", _fasttext),
        ("torch", _torch),
        ("disk", lambda: _disk(workdir)),
        ("Ray and work directory", lambda: _nodes(workdir, address)),
        ("browser (tests only)", _browser),
    ]
    from rich.console import Console

    console, findings = Console(highlight=False, soft_wrap=True), list[Finding]()
    for name, check in checks:
        if name in SLOW:
            typer.echo(f"checking {name}: {SLOW[name]}", err=True)
        try:
            finding = Finding(check=name, ok=True, found=check())
        except Exception as error:
            finding = Finding(check=name, ok=False, found=f"{type(error).__name__}: {error}")
        findings.append(finding)
        if not as_json:
            mark = "[green]ok     [/]" if finding["ok"] else "[red]missing[/]"
            console.print(f"{mark} {finding['check']:<24}", end="")
            console.print(finding["found"], markup=False)
    if as_json:
        print_json(findings)
    raise typer.Exit(0 if all(finding["ok"] for finding in findings) else 1)


def _python() -> str:
    return f"{sys.version.split()[0]}, {os.cpu_count()} cores"


def _fasttext() -> str:
    """The compiled library trains and answers; building it takes a C++ compiler."""
    import pyarrow as pa

    from curation.signals import quality

    good, rest = (pa.table({"text": [f"{word} {n} {word} again" for n in range(200)]}) for word in ("good", "other"))
    trained = quality.train(good, rest, quality.Settings(dim=4, bucket=1000))
    return f"trains and predicts (held-out AUC on a toy task: {trained.report.auc:.2f})"


def _torch() -> str:
    import torch

    from training.step import resolve_precision

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    dtype = resolve_precision("auto", torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return f"{torch.__version__} on {device}, trains in {str(dtype).removeprefix('torch.')}"


def _browser() -> str:
    """The page's tests open it in a system Chromium; a study needs none."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    driven = importlib.util.find_spec("playwright") is not None
    if browser and driven:
        return browser
    return f"no {'Chromium' if driven else 'playwright'}: a study needs none, tests of the page are skipped"


def _disk(workdir: str) -> str:
    from pipelines.engine.workdir import Workdir

    place = Workdir(workdir)
    if not place.is_local:
        return f"{workdir} is an object store"
    folder = Path(place.full("")).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < 2e9:
        raise RuntimeError(f"{free / 1e9:.1f} GB free at {folder}; a study needs about five times its text")
    return f"{free / 1e9:.0f} GB free at {folder}"


def _nodes(workdir: str, address: str) -> str:
    """Every node must see a file that the driver writes into the work directory: the classic silent failure."""
    from pipelines.engine.executor import OnRay
    from pipelines.engine.trust import nodes_seeing
    from pipelines.engine.workdir import Workdir

    folder = None if "://" in workdir else Path(workdir).absolute()
    new = folder is not None and not folder.exists()
    place = Workdir(str(folder or workdir))
    executor = OnRay(address or None)
    try:
        nodes = nodes_seeing(place, executor)
    finally:
        executor.close()
        if folder and new:
            with suppress(OSError):  # something is in it, or it was never made
                folder.rmdir()
    if blind := [node for node, sees in nodes.items() if not sees]:
        raise RuntimeError(f"nodes {', '.join(blind)} do not see {workdir}; use shared storage or an object store")
    return f"{len(nodes)} node{'s' if len(nodes) > 1 else ''}, {'all see' if len(nodes) > 1 else 'which sees'} {workdir}"
