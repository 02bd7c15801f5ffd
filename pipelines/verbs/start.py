"""`assay init`, `schema`, `doctor`: before the first study."""

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer
from rich.console import Console

from curation.signals import quality
from pipelines.engine.executor import OnRay
from pipelines.engine.workdir import Workdir
from pipelines.study.study import Study, load

KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet", ".txt": "text", ".md": "text",
         ".html": "html", ".htm": "html", ".warc": "warc", ".wet": "warc"}  # fmt: skip

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

STUDY = """\
# A study of your own text. Every key is described in docs/reference/study.md; `assay run {name}.yaml --dry-run` shows the plan.
name: {name}

sources: # read once, in this order
{sources}
signals: [gopher_quality, gopher_repetition, c4_tfds, fineweb] # measured on every document, dropped by none

# classifiers: # a fastText quality classifier, trained in the run; its score is the column `quality.score`
#   quality: {{ positives: "domain == 'good'" }}

levels: # each does what its parent does, and then its own
  raw: {{}}
  dedup: {{ extends: raw, drop: [exact, near] }}
  filtered: {{ extends: dedup, keep: [gopher_quality, gopher_repetition] }}
  # top: {{ extends: filtered, top: {{ fraction: 0.5, by: quality.score, within: domain }} }}

mixture: {{ kind: pinned, to: dedup }} # every level is trained on the same domain shares

tokenizer: {{ vocab_size: 4096 }}

ladder: # the same runs on every level
  shapes:
    nano: {{ width: 64, depth: 3, heads: 2 }}
    micro: {{ width: 96, depth: 4, heads: 3 }}
  tokens: [131_072, 262_144, 524_288, 1_048_576, 2_097_152]
  seeds: 2

evaluation: {{ heldout: 0.02 }} # share of duplicate clusters that no level trains on
"""


def init(
    source: Annotated[list[str], typer.Option("--source", help="A file, folder, glob or URL of text; may be repeated.")],
    name: Annotated[str, typer.Option(help="The study's name.")] = "study",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write it (default: NAME.yaml).")] = None,
) -> None:
    """Write a commented study file for your own text.

    Example: `assay init --source 'data/*.jsonl.zst' --source notes/ --name mine`
    """
    path = out or Path(f"{name}.yaml")
    if path.exists():
        typer.secho(f"error: {path} is there already; choose another --out or remove it", fg="red", err=True)
        raise typer.Exit(2)
    blocks = []
    for number, place in enumerate(source):
        kind = _kind(place)
        if kind is None:
            known = ", ".join(sorted(KINDS))
            typer.secho(f"error: --source {place!r}: its kind is not clear from its name (known: {known})", fg="red", err=True)
            raise typer.Exit(2)
        blocks.append(f"  - kind: {kind}\n    name: source{number or ''}\n    path: {json.dumps(_from_file(place, path))}\n")
    path.write_text(STUDY.format(name=name, sources="".join(blocks)))
    load(path)
    typer.echo(f"wrote {path}; look it over, then `assay run {path} --dry-run`")


def _from_file(place: str, study_file: Path) -> str:
    """Paths in a study are relative to the study file, those on the command line to the current folder."""
    if "://" in place or Path(place).is_absolute():
        return place
    return os.path.relpath(place, study_file.parent)


def _kind(place: str) -> str | None:
    """A source's kind by the suffix of its name, or of the first known file in the folder."""
    names = (
        [place] if "://" in place or not Path(place).is_dir() else sorted(str(p) for p in Path(place).rglob("*") if p.is_file())
    )
    for name in names:
        suffixes = [suffix for suffix in Path(name).suffixes if suffix not in (".gz", ".zst")]
        if suffixes and suffixes[-1] in KINDS:
            return KINDS[suffixes[-1]]
    return None


def schema() -> None:
    """Print the JSON Schema of the study file, for editors that complete and check YAML.

    Example: `assay schema > study.schema.json`
    """
    typer.echo(json.dumps(Study.model_json_schema(), indent=1))


def doctor(
    workdir: Annotated[str, typer.Option("--workdir", "-w", help="Folder or URL to check for space and visibility.")] = "work",
    address: Annotated[str, typer.Option(help="A running Ray cluster to check (default: a local Ray).")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this machine, and the cluster, for what a study needs. Exit code 1 when something is missing.

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
    findings: list[dict[str, Any]] = []
    for name, check in checks:
        try:
            findings.append({"check": name, "ok": True, "found": check()})
        except Exception as error:
            findings.append({"check": name, "ok": False, "found": f"{type(error).__name__}: {error}"})
    if as_json:
        typer.echo(json.dumps(findings, indent=1))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in findings:
            mark = "[green]ok     [/]" if finding["ok"] else "[red]missing[/]"
            console.print(f"{mark} {finding['check']:<24}", end="")
            console.print(finding["found"], markup=False)
    raise typer.Exit(0 if all(finding["ok"] for finding in findings) else 1)


def _python() -> str:
    return f"{sys.version.split()[0]}, {os.cpu_count()} cores"


def _fasttext() -> str:
    """The compiled library trains and answers; building it takes a C++ compiler."""
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
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    driven = importlib.util.find_spec("playwright") is not None
    if found and driven:
        return found
    return f"no {'Chromium' if driven else 'playwright'}: a study needs none, tests of the page are skipped"


def _disk(workdir: str) -> str:
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
    place = Workdir(workdir if "://" in workdir else str(Path(workdir).absolute()))
    token = f"doctor-{os.getpid()}"
    place.write_bytes(token, b"seen")
    executor = OnRay(address or None)
    try:
        nodes = executor.on_every_node(_sees, (place, token))
        blind = [node for node, seen in nodes.items() if not seen]
        if blind:
            raise RuntimeError(f"nodes {', '.join(blind)} do not see {workdir}; use shared storage or an object store")
        return f"{len(nodes)} node(s), all see {workdir}"
    finally:
        executor.close()
        place.fs.rm(place.full(token))


def _sees(place: Workdir, token: str) -> bool:
    return place.exists(token)
