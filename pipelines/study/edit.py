"""Values put into a study file where they stand, every other line and comment as it was."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkstemp

import yaml

from pipelines.study.study import Study, StudyError, parse
from pipelines.study.training import ShapeSection, ShortRunsSection


def put_ladder(
    path: Path, shapes: Mapping[str, ShapeSection], tokens: Sequence[int], seeds: int, short: ShortRunsSection | None = None
) -> None:
    """Put a ladder into a study file, which is replaced as a whole or not at all. Raises StudyError as `with_ladder`."""
    new = with_ladder(path.read_text("utf-8"), path, shapes, tokens, seeds, short)
    handle, aside = mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(new)
        Path(aside).chmod(path.stat().st_mode)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink()
        raise


def with_ladder(
    text: str, path: Path, shapes: Mapping[str, ShapeSection], tokens: Sequence[int], seeds: int,
    short: ShortRunsSection | None = None,
) -> str:  # fmt: skip
    """The text of a study file with another ladder in it; `path` is what the file is called in errors.

    Raises StudyError where the study would not run with it: a check names a shape or a D that the ladder has not."""
    sizes = ", ".join(f"{name}: {{ {_section(shape)} }}" for name, shape in shapes.items())
    values = {"shapes": f"{{ {sizes} }}", "tokens": f"[{', '.join(f'{d:_}' for d in tokens)}]", "seeds": str(seeds)}
    if short is not None:
        values["short"] = f"{{ tokens: {short.tokens:_}, seeds: {short.seeds} }}"
    elif (yaml.safe_load(text).get("ladder") or {}).get("short"):
        values["short"] = "null"
    new = with_values(text, "ladder", values)
    _check_cells(parse(new, path))
    return new


def _section(shape: ShapeSection) -> str:
    return ", ".join(f"{key}: {value}" for key, value in shape.model_dump(exclude_none=True).items())


def _check_cells(study: Study) -> None:
    checks, longest = study.checks, max(study.ladder.tokens)
    cells = [
        (f"checks.noise.cells.{shape}", shape, max(tokens))
        for shape, tokens in (checks.noise.cells if checks.noise else {}).items()
    ]
    for name, one in (("learning_rate", checks.learning_rate), ("cosine", checks.cosine)):
        cells += [(f"checks.{name}", one.shape, one.tokens)] if one else []
    for place, shape, tokens in cells:
        if shape not in study.ladder.shapes or tokens > longest:
            raise StudyError(
                f"{place}: checks shape {shape} at D {tokens:,}, and the new ladder has {', '.join(study.ladder.shapes)} up to "
                f"{longest:,}; nothing was written: change the check, or take it away, first"
            )


def with_values(text: str, section: str, values: Mapping[str, str]) -> str:
    """The study file with these keys of a section set to YAML in flow style: a value that is there is replaced, comments
    after it stay; a key that is not is put after the section's last.

    Raises StudyError where the section is not in the file."""
    for key, value in values.items():
        start, end, new = _place(text, section, key, value)
        text = text[:start] + new + text[end:]
    return text


def _place(text: str, section: str, key: str, value: str) -> tuple[int, int, str]:
    """What to replace, from where to where, and by what."""
    root = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    found = _child(root, section)
    if not isinstance(found, yaml.MappingNode):
        raise StudyError(f"{section}: is not in the study file as a section; add it by hand")
    if (node := _child(found, key)) is not None:
        start, end = _begin(text, node), _end(node)
        return start, end, value if text[start - 1] in " \t" else f" {value}"
    last = _end(found)
    if found.flow_style:
        return last - 1, last - 1, f", {key}: {value}" if found.value else f"{key}: {value}"
    after = text.find("\n", last)
    at = len(text) if after < 0 else after
    return at, at, f"\n{' ' * found.value[0][0].start_mark.column}{key}: {value}"


def _child(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((value for name, value in node.value if name.value == key), None)


def _begin(text: str, node: yaml.Node) -> int:
    """Where a value's text begins: a block begins behind the colon of its key, so that a comment between them goes with it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        return text.rindex(":", 0, node.start_mark.index) + 1
    return node.start_mark.index


def _end(node: yaml.Node) -> int:
    """Where a value's text ends; that of a block with its last leaf, since the parser ends it at the next token."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index
