"""What is wrong with a study file, in words: the line, the place, the value, and what was perhaps meant."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import get_args

import yaml
from pydantic import BaseModel
from pydantic_core import ErrorDetails

UNION_BRANCH = re.compile(r"(dict|list|str)(?:\[.*\])?")  # how pydantic names the forms that a value may have
PLAIN = {  # pydantic's words that a reader of YAML does not need
    "string_pattern_mismatch": "a name has letters, digits, - and _, and begins with a letter",
    "dict_type": "a mapping of keys is needed here",
    "model_type": "a mapping of keys is needed here",
    "list_type": "a list is needed here",
    "string_type": "text is needed here",
}
NODES = {"dict": yaml.MappingNode, "list": yaml.SequenceNode, "str": yaml.ScalarNode}


def mistakes(errors: Iterable[ErrorDetails], model: type[BaseModel], tree: yaml.Node | None) -> str:
    """All errors of a validation, one after the other. `tree` is the file as YAML nodes, which know their lines."""
    told = [_told(error, model, tree) for error in errors]
    return "; ".join(dict.fromkeys(text for text in told if text))


def _told(error: ErrorDetails, model: type[BaseModel], tree: yaml.Node | None) -> str:
    """One error as `line N: place: what (value); fix`; empty for a form of the value that was not meant."""
    place, node, given = [], tree, error.get("input")
    for before, part in zip((None, *error["loc"]), error["loc"], strict=False):
        below = _below(node, part)
        branch = UNION_BRANCH.fullmatch(str(part))
        is_kind = isinstance(before, int) and part == error["loc"][2]  # of a source, which pydantic names in the path
        if below is None and branch is not None:
            if node is not None and not isinstance(node, NODES[branch[1]]):
                return ""
        elif below is not None or not is_kind:
            place.append(str(part))
            node = below or node
    message = PLAIN.get(error["type"], error["msg"]).removeprefix("Value error, ")
    if not place and (named := re.match(r"([\w.-]+): ", message)):  # a rule over several sections names its place itself
        for part in named[1].split("."):
            node = _below(node, part) or node
    line = f"line {node.start_mark.line + 1}: " if node is not None and node is not tree else ""
    where = f"{'.'.join(place)}: " if place else ""
    if error["type"] == "extra_forbidden":
        known = _keys(model, error["loc"][:-1])
        meant = difflib.get_close_matches(place[-1], known, n=1)
        guess = f"did you mean `{meant[0]}`?" if meant else f"the keys here are {', '.join(known)}"
        return f"{line}{where}unknown key; {guess}"
    if error["type"] == "missing":
        return f"{line}{where}is missing; add it"
    shown = "" if isinstance(given, (dict, BaseModel)) or not place else f" (given: {given!r})"
    return f"{line}{where}{message}{shown}"


def _below(node: yaml.Node | None, part: str | int) -> yaml.Node | None:
    """The node at a key or number; that of a key's value begins where the key stands."""
    if isinstance(node, yaml.SequenceNode) and str(part).isdigit() and int(part) < len(node.value):
        return node.value[int(part)]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                value.start_mark = key.start_mark
                return value
    return None


def _keys(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The keys that a section may have."""
    sections = [model]
    for part in place:
        inner = [
            found for one in sections if part in one.model_fields for found in _models(one.model_fields[str(part)].annotation)
        ]
        sections = inner or sections
    return list(dict.fromkeys(key for section in sections for key in section.model_fields))


def _models(annotation: object) -> list[type[BaseModel]]:
    """The sections that a field's annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]
