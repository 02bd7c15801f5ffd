"""`assay init`: a commented study file for text of one's own."""

import json
import os
import re
from collections import Counter
from dataclasses import replace
from glob import glob, has_magic
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.verbs.options import AsJson
from pipelines.verbs.terminal import plain_errors, print_json

if TYPE_CHECKING:
    from pipelines.runs.designs import Priced
    from pipelines.study.study import Study

BYTES_PER_UNIQUE_TOKEN = 12  # some four to a token, and a third of the text left at the strictest level
LEAST_TOKENS = 500_000  # with fewer, or an unknown number, the ladder is designed as if there were enough
COMPRESSED = (".gz", ".zst", ".parquet", ".arrow")

STUDY = """\
# {what} Every key is described in docs/reference/study.md; `assay {verb} {name}.yaml --dry-run` tries it on a sample.
name: {name}

sources: # read once, in this order
{sources}
signals: [gopher_quality, gopher_repetition, c4_tfds, fineweb] # measured on every document, dropped by none

# classifiers: # a fastText quality classifier, trained in the run; its score is the column `quality.score`
#   quality: {{ positives: "domain == 'good'" }}

levels: # each does what its parent does, and then its own
  raw: {{}}
  dedup: {{ extends: raw, drop: [exact, near] }}
  # The published thresholds are for English prose: `assay inspect {name}.yaml filtered` shows what they drop of yours.
  filtered: {{ extends: dedup, keep: [gopher_quality_spaced, gopher_repetition] }}
  # top: {{ extends: filtered, top: {{ fraction: 0.5, by: quality.score, within: domain }} }}

tokenizer: {{ vocab_size: 4096 }} # tokens are counted with it
"""

LADDER = """
mixture: {{ kind: pinned, to: dedup }} # every level is trained on the same domain shares

ladder: # the same runs on every level; designed for {minutes:g} minutes here: `assay design {name}.yaml` says what it can show
  shapes: {{ nano: {{ width: 64, depth: 3, heads: 2 }}, micro: {{ width: 96, depth: 4, heads: 3 }} }}
  tokens: [131_072, 262_144, 524_288, 1_048_576, 2_097_152]
  seeds: 2

evaluation: {{ heldout: 0.02 }} # share of duplicate clusters that no level trains on
"""


def init(
    source: Annotated[list[str], typer.Option("--source", help="A file, folder, glob or URL of text; may be repeated.")],
    name: Annotated[str, typer.Option(help="The study's name.")] = "study",
    curate: Annotated[bool, typer.Option("--curate", help="Curate and export only: nothing is held out or trained.")] = False,
    minutes: Annotated[
        float, typer.Option(help="Time for all runs on this machine, for which the ladder is designed.", min=1)
    ] = 60.0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write it (default: NAME.yaml).")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a commented study file for your own text.

    Example: `assay init --source 'data/*.jsonl.zst' --source notes/ --name mine`
    """
    from pipelines.study.edit import with_ladder
    from pipelines.study.study import parse

    with plain_errors():
        path = out or Path(f"{name}.yaml")
        if path.exists():
            raise ValueError(f"{path} is there already; choose another --out or remove it")
        kinds = [_kind(place) for place in source]
        sources = [
            {"kind": kind, "name": called, "path": _from_file(place, path)}
            for place, called, (kind, _) in zip(source, _names(source), kinds, strict=True)
        ]
        listed, doubts = "", []
        for place, one in zip(source, sources, strict=True):
            listed += f"  - kind: {one['kind']}\n    name: {one['name']}\n    path: {json.dumps(one['path'])}\n"
            field, doubt = _text_field(place, one["kind"])
            listed += f"    fields: {{ text: {field} }}\n" if field != "text" else ""
            doubts += [f"{place}: its text is not under a usual name ({doubt}); say which field it is: "
                       f"fields: {{ text: ... }}, in {path}"] if doubt else []  # fmt: skip
        what = "Your own text, curated." if curate else "A study of your own text."
        verb = "curate" if curate else "run"
        given = {"name": name, "sources": listed, "what": what, "verb": verb, "minutes": minutes}
        text = (STUDY + ("" if curate else LADDER)).format(**given)
        study = parse(text, path)  # a mistake, such as a name that no study can have, leaves no file
        if not curate:
            ladder = _designed(study, source, minutes)
            text = with_ladder(text, path, ladder.shapes, ladder.tokens, ladder.seeds, ladder.short)
        path.write_text(text, "utf-8")
    if as_json:
        print_json({"study": str(path), "sources": sources})
        return
    for place, (kind, others) in zip(source, kinds, strict=True):
        if others:
            files = ", ".join(f"{n} {other}" for other, n in others.items())
            typer.echo(f"{place}: its {kind} files are read, and not {files}; add a source for those")
    for doubt in doubts:
        typer.echo(doubt)
    then = f", `assay {verb} {path}` and `assay export {path}`" if curate else ""
    typer.echo(f"wrote {path}; look it over, then `assay {verb} {path} --dry-run`{then}")


def _designed(study: "Study", places: list[str], minutes: float) -> "Priced":
    """The best ladder for the time and the text there is. Raises ValueError where the time pays for none."""
    from pipelines.runs.designs import ASSUMED, Bench, Budget

    most = sum(_bytes(place) for place in places) / BYTES_PER_UNIQUE_TOKEN
    facts = replace(ASSUMED, otherwise=max(most, float(max(study.ladder.tokens))) if most < LEAST_TOKENS else most)
    return Bench.of(study, facts, Budget(60 * minutes), seconds=0.2).affordable()


def _bytes(place: str) -> float:
    """Text in local files; compressed text counts three times. 0 for what lies elsewhere."""
    if "://" in place:
        return 0.0
    found = Path(place).rglob("*") if Path(place).is_dir() else map(Path, glob(place, recursive=True))  # noqa: PTH207
    files = [path for path in found if path.is_file()]
    return float(sum(path.stat().st_size * (3 if path.suffix in COMPRESSED else 1) for path in files))


TRIED = 20  # records, since the first may lack its text
TEXT_FIELDS = ("text", "content", "body", "raw_content", "document", "article", "markdown")  # by how common they are


def _names(places: list[str]) -> list[str]:
    """A name for each source, after its folder or file: the last part of the path that is no pattern, without suffixes. The
    name is the domain of its documents and part of their identity."""
    names: list[str] = []
    for place in places:
        parts = [part for part in place.partition("://")[2].split("/") or [] if part] if "://" in place else Path(place).parts
        plain = [part.partition(".")[0] for part in parts if not has_magic(part)]
        words = [re.sub(r"[^A-Za-z0-9_-]+", "-", part).strip("-") for part in plain]
        name = next((word for word in reversed(words) if word), "source")
        name = name if name[0].isalpha() else f"source-{name}"
        n = sum(other == name or other.rpartition("-")[0] == name for other in names)
        names.append(f"{name}-{n + 1}" if n else name)
    return names


def _text_field(place: str, kind: str) -> tuple[str, str]:
    """The field of the first records that looks like their text, by its name or that of a field inside another, or "text" and
    why none does; "text" and nothing where there is no record yet."""
    from curation.sources import Fields, Malformed, Source, field_names, read, slices

    if kind not in ("jsonl", "parquet") or "://" in place:  # what lies elsewhere is not fetched for a guess
        return "text", ""
    where, doubt = str(Path(place).absolute()), ""
    try:
        there = field_names(slices(Source("first", kind, (where,)))[0])
    except (ValueError, OSError, IndexError):  # no file, or none that can be read, which the study itself will say
        there = []
    nested = [path for name in TEXT_FIELDS for path in there if path.endswith(f".{name}")]
    for name in (*TEXT_FIELDS, *nested):
        try:
            records = list(islice(read(slices(Source("first", kind, (where,), Fields(text=name)))[0]), TRIED))
        except (ValueError, OSError) as error:  # a column that is not there; or no file, which the study itself will say
            doubt = doubt or (str(error) if "it has" in str(error) else "")
            continue
        if any(not isinstance(record, Malformed) for record in records):
            return name, ""
        doubt = doubt or next((record.reason for record in records if isinstance(record, Malformed)), "")
    return "text", doubt


def _from_file(place: str, study_file: Path) -> str:
    """Paths in a study are relative to the study file, those on the command line to the current folder."""
    if "://" in place or Path(place).is_absolute():
        return place
    return os.path.relpath(place, study_file.parent)


def _kind(place: str) -> tuple[str, dict[str, int]]:
    """The kind of a source, by the name of a file or by what a folder or pattern holds most of, in bytes; and how many of
    its files are of each other kind. Raises ValueError for none."""
    from curation.sources import storage
    from curation.sources.source import SUFFIXES

    kinds = {suffix: kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes}
    is_folder = "://" not in place and Path(place).is_dir()
    found = storage.listing(place) if is_folder or (has_magic(place) and "://" not in place) else None
    infos: list[dict[str, Any]] = found[1] if found and found[1] else [{"name": place}]
    n_bytes, n_files = Counter[str](), Counter[str]()
    for info in infos:
        kind = kinds.get(storage.stored(info["name"])[0])
        if kind and not (
            is_folder and any(part[0] in "._" for part in Path(info["name"]).relative_to(Path(place).absolute()).parts)
        ):
            n_bytes[kind] += info.get("size", 0)
            n_files[kind] += 1
    if not n_files:
        raise ValueError(f"--source {place!r}: its kind is not clear from its name (known: {', '.join(sorted(kinds))})")
    largest = max(n_files, key=lambda kind: n_bytes[kind])
    return largest, {kind: n for kind, n in n_files.items() if kind != largest}
