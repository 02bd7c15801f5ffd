"""Sphinx: Markdown pages by MyST, the Python reference from docstrings. `sphinx-build -W -b html docs docs/_build/html`."""

import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

project = "Assay"
author = "the Assay authors"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Assay"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True

MARKUP = re.compile(r"([\\*_|])")
CODE = re.compile(r"(``[^`]+``|`[^`]+`)")
MARKDOWN_LINK = re.compile(r"\[([^\]\n]+)\]\((\.\./[^)#\s]+\.md)\)")
UNDERLINE = re.compile(r"^-{4,}$")


def plain(lines: list[str]) -> list[str]:
    """Docstrings are plain text in which `x` is code: here as reStructuredText, with indented blocks kept as they stand."""
    out: list[str] = []
    literal = False
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if UNDERLINE.match(line):
            continue
        if UNDERLINE.match(following):
            out += ["", f"**{line.strip()}**", ""]
            literal = False
        elif line.startswith(("    ", ">>>")) or (literal and line.strip() and line.startswith(" ")):
            out += [] if literal else ["", "::", ""]
            literal = True
            out.append("    " + line)
        elif not line.strip():
            out.append("")
        else:
            out += [""] if literal else []
            literal = line.startswith(">>>")
            out.append(_inline(line.strip()))
    return out


def _inline(line: str) -> str:
    parts = CODE.split(line)
    return "".join(
        f"``{part.strip('`')}``" if index % 2 else MARKUP.sub(r"\\\1", part.replace("`", "'"))
        for index, part in enumerate(parts)
    )


def settle(app: Any, page: str, source: list[str]) -> None:
    """Toctree patterns that match no page are left out; a link to Markdown outside the manual is shown as its path."""
    folder = (DOCS / page).parent
    lines = source[0].splitlines() if page == "index" else []
    if lines:
        source[0] = "\n".join(line for line in lines if not line.endswith("*") or any(folder.glob(f"{line}.md")))

    def path(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        return link[0] if target.is_relative_to(DOCS) else f"{link[1]} (`{target.relative_to(DOCS.parent)}`)"

    source[0] = MARKDOWN_LINK.sub(path, source[0])


def setup(app: Any) -> None:
    def process(app: Any, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
        lines[:] = plain(lines)

    app.connect("autodoc-process-docstring", process)
    app.connect("source-read", settle)
