"""The text of the running interpreter as documents: a real, noisy corpus that every machine has.

It reads the standard library and the distributions that Assay requires (so that installing something else changes
nothing), without importing any of them. Domains:

    code       Python modules, whole
    docstring  docstrings of 200 characters and more, from other modules than those of `code`
    readme     long descriptions from the distributions' metadata, and README-like files
    licence    licence, notice and authors files

Whether a module gives code or docstrings is decided by a hash of its path, so no sentence is in both domains.
Vendored packages, copied licences and templates make the duplicates real.
"""

import ast
import csv
import os
import re
import sys
import sysconfig
import textwrap
import warnings
from collections import defaultdict
from collections.abc import Iterator
from importlib import metadata
from itertools import islice
from pathlib import Path

import xxhash
from packaging.requirements import Requirement

from curation.sources.source import Malformed, Part, Record, Records, Source

# Of max_megabytes; what a domain cannot fill goes to the others. Docstrings cost a parse of six times their size.
SHARES = {"code": 0.5, "docstring": 0.26, "readme": 0.12, "licence": 0.12}
DOCSTRING_YIELD = 0.16  # bytes of long docstrings per byte of module, over the distributions that Assay requires
MIN_DOCSTRING = 200  # characters
MIN_FILE = 200  # bytes; shorter files are package markers and stubs
LARGEST = 1 / 24  # of a domain's budget: one generated table must not be the domain

LICENCE = re.compile(r"(licen[cs]es?|copying|copyright|notice|authors|third.?party)\b", re.IGNORECASE)
PROSE = (".md", ".rst", ".txt", "")
NOT_PROSE = ("RECORD", "WHEEL", "INSTALLER", "REQUESTED", "METADATA", "entry_points.txt", "top_level.txt", "CMakeLists.txt")


def parts(source: Source) -> list[Part]:
    """The files to read, sorted by path: a sample of about `max_megabytes` of text, spread over the domains by `SHARES`."""
    by_role: dict[str, list[Part]] = defaultdict(list)
    for part in [*_standard_library(), *_distributions()]:
        by_role[part.role].append(part)
    if source.max_megabytes is None:
        return sorted(part for group in by_role.values() for part in group)
    return sorted(part for group in _sample(by_role, source.max_megabytes * 1e6) for part in group)


def read(part: Part, max_bytes: int, since: int = 0) -> Records:
    """The documents of one file, from number `since` on; `part.role` is their domain."""
    try:
        data = Path(part.location).read_bytes()
    except FileNotFoundError:
        raise ValueError(
            f"{part.location} ({part.stamp}) is not on this machine; a python_environment source needs the same "
            "Python and packages on every node"
        ) from None
    if len(data) > max_bytes:
        yield Malformed(part.path, "file", f"over the record limit of {max_bytes} bytes", data[:200])
        return
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        yield Malformed(part.path, f"byte {error.start}", f"not UTF-8: {error.reason}", data[:200])
        return
    if part.role == "docstring":
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # invalid escapes in other people's modules
                tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError) as error:
            place = f"line {getattr(error, 'lineno', None) or 1}"
            yield Malformed(
                part.path,
                place,
                f"not Python {sys.version_info[0]}.{sys.version_info[1]}: {getattr(error, 'msg', error)}",
                data[:200],
            )
            return
        for number, document in islice(enumerate(_docstrings(tree)), since, None):
            yield Record(part.path, number, document, "docstring")
    elif part.path.endswith("/METADATA"):
        header, _, body = text.partition("\n\n")
        folded = re.search(r"^Description: (.*(?:\n[ \t].*)*)", header, re.MULTILINE)  # metadata before 2.1
        yield Record(part.path, 0, body.strip() or (textwrap.dedent(folded[1]) if folded else header), "readme")
    else:
        yield Record(part.path, 0, text, part.role)


def _docstrings(tree: ast.Module) -> Iterator[str]:
    """Long docstrings in the order of the source. Only statements are visited: docstrings hide in no expression."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring and len(docstring) >= MIN_DOCSTRING:
                yield docstring
        below = [child for name in ("body", "orelse", "handlers", "finalbody") for child in getattr(node, name, ())]
        waiting.extend(reversed(below))


def _standard_library() -> Iterator[Part]:
    root = sysconfig.get_paths()["stdlib"]
    version = f"python=={sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}"
    for directory, below, names in os.walk(root):
        below[:] = [name for name in below if name not in ("site-packages", "__pycache__", "ensurepip")]
        for name in names:
            location = os.path.join(directory, name)  # noqa: PTH118 (2,000 times)
            path = f"python{location[len(root) :].replace(os.sep, '/')}"
            if (role := _role(path)) and (size := os.path.getsize(location)) >= MIN_FILE:  # noqa: PTH202
                yield Part(path, location, size, version, role=role)


def _distributions() -> Iterator[Part]:
    for name, distribution in sorted(_required("assay").items()):
        stamp, root = f"{name}=={distribution.version}", str(distribution.locate_file(""))
        for file, _, size in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
            path = f"{name}/{file}"
            if size and int(size) >= MIN_FILE and not file.startswith("..") and (role := _role(path)):
                yield Part(path, os.path.join(root, file), int(size), stamp, role=role)  # noqa: PTH118 (12,000 times)


def _required(root: str) -> dict[str, metadata.Distribution]:
    """The distributions that `root` requires here, and what they require, by normalised name; without `root` itself."""
    by_name: dict[str, metadata.Distribution] = {}
    waiting = [root]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in by_name:
            continue
        try:
            by_name[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if name == root:
                raise ValueError(
                    f"{root} is not installed in {sys.prefix}, so what it requires is unknown; pip install it"
                ) from None
            continue  # a requirement that some other package stands in for
        for line in by_name[name].requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    by_name.pop(root, None)
    return by_name


def _role(path: str) -> str:
    """The domain of a file, by its path alone; empty for files that are not text to read."""
    name = path.rsplit("/", 1)[-1]
    stem, dot, _ = name.partition(".")
    extension = name[name.rfind(".") :].lower() if dot else ""
    if extension == ".py":
        return "docstring" if xxhash.xxh3_64_intdigest(path.encode(), seed=1) & 1 else "code"
    if LICENCE.match(name) and extension in (*PROSE, ".apache", ".bsd", ".mit", ".psf"):
        return "licence"
    if name == "METADATA" or (extension in PROSE[:3] and name not in NOT_PROSE and (extension != ".txt" or _is_readme(stem))):
        return "readme"
    return ""


def _is_readme(stem: str) -> bool:
    return stem.lower().startswith(("readme", "news", "history", "changes", "changelog", "todo", "whatsnew"))


def _sample(by_role: dict[str, list[Part]], budget: float) -> Iterator[list[Part]]:
    """Per domain the files with the lowest path hashes that fill its share; what a short domain leaves goes to the others."""
    yields = {role: DOCSTRING_YIELD if role == "docstring" else 1.0 for role in by_role}
    remaining = {role: SHARES[role] for role in by_role}
    for role in sorted(by_role, key=lambda role: sum(part.size for part in by_role[role]) * yields[role] / SHARES[role]):
        share = budget * remaining[role] / sum(remaining.values())
        chosen, taken = [], 0.0
        for part in sorted(by_role[role], key=lambda part: xxhash.xxh3_64_intdigest(part.path.encode())):
            size = part.size * yields[role]
            if size <= share * LARGEST and taken + size <= share:
                chosen.append(part)
                taken += size
        del remaining[role]
        budget -= taken
        yield chosen
