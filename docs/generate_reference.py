"""Write the reference pages that the code knows best: `python docs/generate_reference.py [--check]`.

study.md is the pydantic models of `pipelines.study` (types, defaults, limits, descriptions), cli.md
the Typer app's own help, and one table of observations.md the column names that the fitter knows. `--check` writes nothing
and fails when a page is not what the code says.
"""

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

from pipelines.cli import VERBS, assay, command  # noqa: E402
from pipelines.study.study import Study  # noqa: E402
from scaling_fit.table.headings import GUESSES  # noqa: E402

NOTICE = "<!-- Made by docs/generate_reference.py from {}; do not edit. -->\n\n"
LIMITS = {"gt": "> {}", "ge": ">= {}", "lt": "< {}", "le": "<= {}", "min_length": "at least {}", "pattern": "of {}"}
PATTERNS = {r"^[A-Za-z][A-Za-z0-9_-]*$": "letters, digits, `_` and `-`"}
SCALARS = {str: "text", int: "whole number", float: "number", bool: "true or false", object: "any value"}


def study_page() -> str:
    """Every key of the study file, section by section, in the order of the models."""
    out = [
        NOTICE.format("pipelines/study"), "# The study file\n\n",
        "A study is one YAML file. Keys that are not listed here are refused. A key without a default must be given. "
        "`assay run STUDY --set ladder.seeds=3` overrides any key from the command line; the value is read as YAML.\n\n"
        "Paths are relative to the study file. `1_000_000` is a whole number; YAML reads `1e6` as text, which only a "
        "*number* takes.\n\n",
        "Section by section: " + ", ".join(f"[`{path}`](#{anchor(path)})" for path, _ in sections()) + ".\n",
    ]  # fmt: skip
    for path, model in sections():
        out.append(f"\n({anchor(path)})=\n## `{path}`\n\n{prose(model)}")
        out.append("| key | value | default | |\n|---|---|---|---|\n")
        for name, field in model.model_fields.items():
            described = escaped(description(name, field))
            out.append(f"| `{name}` | {kind(field.annotation, field, f'{path}.{name}')} | {default(field)} | {described} |\n")
    return "".join(out)


def description(name: str, field: FieldInfo) -> str:
    """What the model says of a key; for a section, its own first sentence."""
    if field.description:
        return field.description
    inner = [part for _, part in models(field.annotation, name)]
    return prose(inner[0]).partition(". ")[0].strip().rstrip(".") + "." if inner and prose(inner[0]) else ""


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """(path, model) of the whole file and every section in it: `levels.NAME.top`, `sources[kind: text]`."""
    seen: set[str] = set()

    def walk(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
        if path in seen:
            return
        seen.add(path)
        yield path, model
        for name, field in model.model_fields.items():
            here = name if path == "study" else f"{path}.{name}"
            for inner, part in models(field.annotation, here):
                yield from walk(inner, part)

    yield from walk("study", Study)


def models(annotation: Any, path: str) -> list[tuple[str, type[BaseModel]]]:
    """The sections that a value of this type may hold, with their paths."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        choice = annotation.model_fields.get("kind")
        kinds = get_args(choice.annotation) if choice is not None and choice.is_required() else ()
        return [(f"{path}[kind: {' | '.join(kinds)}]" if kinds else path, annotation)]
    parts = get_args(annotation)
    if get_origin(annotation) is dict:
        return models(parts[1], f"{path}.NAME")
    if get_origin(annotation) is Annotated:
        parts = parts[:1]
    return [found for part in parts if part is not type(None) for found in models(part, path)]


def anchor(path: str) -> str:
    return "study-" + re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")


def prose(model: type[BaseModel]) -> str:
    text = " ".join((model.__doc__ or "").split()) if "__doc__" in vars(model) else ""
    return f"{text}\n\n" if text else ""


def kind(annotation: Any, field: FieldInfo | None, path: str) -> str:
    """A type in words, with its limits and links to sections."""
    words = _kind(annotation, path.removeprefix("study."))
    return words + limits(field.metadata if field else [])


def limits(metadata: list[Any]) -> str:
    told = [
        text.format(PATTERNS.get(value, value))
        for one in metadata
        for key, text in LIMITS.items()
        if (value := getattr(one, key, None)) is not None
    ]
    joined = " and ".join(told)
    return f" {joined}" if joined.startswith("of ") else f", {joined}" if joined else ""


def _kind(annotation: Any, path: str) -> str:
    if annotation in SCALARS:
        return SCALARS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        here = models(annotation, path)[0][0]
        return f"[`{here}`](#{anchor(here)})".replace("|", "\\|")
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        metadata = [m for part in parts[1:] for m in (part.metadata if isinstance(part, FieldInfo) else [part])]
        return _kind(parts[0], path) + limits(metadata)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_kind(part, path) for part in parts if part is not type(None)))
    if origin is list:
        return f"list of {_kind(parts[0], path)}"
    if origin is tuple:
        return f"list of {_kind(parts[0], path)}"
    if origin is dict:
        return f"map from {_kind(parts[0], path)} to {_kind(parts[1], f'{path}.NAME')}"
    return f"`{annotation}`"


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default_factory() if field.default_factory is not None else field.default  # pyright: ignore[reportCallIssue]
    if value is None or value is PydanticUndefined:
        return "-"
    if isinstance(value, BaseModel):
        return "all its defaults"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return (
        f"`{value}`"
        if isinstance(value, (str, list, dict, tuple))
        else f"{value:,}"
        if isinstance(value, int)
        else f"{value:g}"
    )


def cli_page() -> str:
    """Every verb with its help, arguments and options, panel by panel."""
    out = [
        NOTICE.format("pipelines/cli.py"), "# The command line\n\n", f"{_paragraphs(assay.__doc__ or '')}\n",
        "`assay VERB --help` says the same, `assay --version` the version. Exit codes: 0 done; 1 a check failed (`assay fit "
        "--check`, `assay doctor`); 2 a mistake in the study, the table or an option, in one line; 130 stopped by Ctrl-C: the "
        "same command goes on. `ASSAY_TRACEBACK=1` shows where in the code an error of the study was raised. `assay "
        "--install-completion` sets up shell completion.\n",
    ]  # fmt: skip
    panel = ""
    for verb in VERBS.values():
        if verb.panel != panel:
            panel = verb.panel
            out.append(f"\n## {panel}\n")
        out.append(_verb(command(verb)))
    return "".join(out)


def _verb(described: Any) -> str:
    arguments = [p for p in described.params if p.param_type_name == "argument"]
    options = [p for p in described.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join([described.name, *(_metavar(p) for p in arguments)])
    out = [f"\n### `assay {usage}`\n\n{_paragraphs(described.help or '')}\n"]
    if any(getattr(p, "help", None) for p in arguments):
        out += [f"- `{_metavar(p)}`: {_sentence(p.help)}\n" for p in arguments]
        out.append("\n")
    if options:
        out.append("| option | default | |\n|---|---|---|\n")
    for option in options:
        value = "" if option.is_flag else f" {_metavar(option)}"
        out.append(f"| `{', '.join(option.opts)}{value}` | {_shown(option.default)} | {_sentence(option.help)} |\n")
    return "".join(out)


def _metavar(parameter: Any) -> str:
    return parameter.metavar or VALUES.get(parameter.type_descriptor.annotation, "TEXT")


def _shown(value: Any) -> str:
    return "-" if value in (None, "", False, [], ()) or callable(value) or "Sentinel" in type(value).__name__ else f"`{value}`"


def _sentence(text: str | None) -> str:
    return escaped(" ".join((text or "").split()))


def escaped(text: str) -> str:
    """Text for a cell of a table: no bar ends it, and `<name>` is not taken for a tag."""
    parts = re.split(r"(`[^`]*`)", text.replace("|", "\\|"))
    return "".join(part if part.startswith("`") else part.replace("<", "\\<") for part in parts)


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())) + "\n"


def observations_page() -> str:
    """The page as it stands, with the table of known column names between its two marks made anew."""
    text = (DOCS / "reference/observations.md").read_text("utf-8")
    before, mark, rest = text.partition(OPENS)
    _, end, after = rest.partition(CLOSES)
    rows = [
        f"| `{name}` | {MEANING[name]} | {', '.join(f'`{guess}`' for guess in guesses)} |\n"
        for name, guesses in GUESSES.items()
    ]
    return f"{before}{mark}\n| column | | found as |\n|---|---|---|\n{''.join(rows)}{end}{after}"


OPENS, CLOSES = "<!-- made by docs/generate_reference.py: columns -->", "<!-- end -->"
MEANING = {
    "loss": "nats per token", "N": "parameters", "D": "training tokens; C / (6 N) where only FLOPs are there",
    "step": "steps of the optimiser; tokens with `--tokens-per-step`", "flops": "training FLOPs C",
    "level": "which data", "draw": "which sample of the level, where runs read several", "shape": "which model",
    "seed": "which replicate",
    "trunk": "rows that share luck; level/shape/seed where only seeds are there", "unique": "unique tokens of the level",
    "eval_set": "what the loss is measured on", "certificate": "what was held equal", "loss_se": "sampling error of the loss",
    "repeated": "true or 1: the run repeated its data",
}  # fmt: skip

VALUES = {int: "N", float: "X", Path: "PATH"}
"""How the value of an option is shown where its declaration does not say."""

PAGES = {"reference/study.md": study_page, "reference/cli.md": cli_page, "reference/observations.md": observations_page}


def main() -> int:
    stale = []
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(text, "utf-8")
    sys.stdout.write("".join(f"{name}\n" for name in stale))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
