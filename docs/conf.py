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
exclude_patterns = ["_build", "studies/*/report.md"]
html_theme = "furo"
html_title = "Assay"
html_show_copyright = False
highlight_language = "none"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True

MARKUP = re.compile(r"([\\*_|])")
CODE = re.compile(r"(``[^`]+``|`[^`]+`)")
MARKDOWN_LINK = re.compile(r"\[([^\]\n]+)\]\((\.\./[^)#\s]+\.md)\)")
ITEM = re.compile(r"^([A-Za-z_]\w*(?:, [A-Za-z_]\w*)*) ?: (\S.*)$")
UNDERLINE = re.compile(r"^-{4,}$")


def plain(lines: list[str]) -> list[str]:
    """Docstrings are plain text in which `x` is code: here as reStructuredText. A line `name: ...` begins an item, lines
    under a heading's dashes belong to it, and what is indented stands as it is written."""
    out: list[str] = []
    within = ""  # "item" after the first line of one, "literal" in an indented block
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        item = ITEM.match(line) if number else None
        if UNDERLINE.match(line):
            continue
        if UNDERLINE.match(following):
            out, within = [*out, "", f"**{line.strip()}**", ""], ""
        elif not line.strip():
            out, within = [*out, ""], "literal" if within == "literal" else ""
        elif item:
            out, within = [*out, "", f"- ``{item[1]}``: {_inline(item[2])}"], "item"
        elif within == "item":
            out.append("  " + _inline(line.strip()))
        elif line.startswith(("    ", ">>>")) or (within == "literal" and line.startswith(" ")):
            out, within = [*out, *([] if within == "literal" else ["", "::", ""]), "    " + line], "literal"
        else:
            out, within = [*out, *([""] if within == "literal" else []), _inline(line.strip())], ""
    return out


def _inline(line: str) -> str:
    parts = CODE.split(line)
    return "".join(
        f"``{part.strip('`')}``" if index % 2 else MARKUP.sub(r"\\\1", part.replace("`", "'"))
        for index, part in enumerate(parts)
    )


def settle(app: Any, page: str, source: list[str]) -> None:
    """A link to Markdown outside the manual is shown as its path."""
    folder = (DOCS / page).parent

    def path(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        return link[0] if target.is_relative_to(DOCS) else f"{link[1]} (`{target.relative_to(DOCS.parent)}`)"

    source[0] = MARKDOWN_LINK.sub(path, source[0])


def setup(app: Any) -> None:
    def process(app: Any, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
        lines[:] = plain(lines)

    app.connect("autodoc-process-docstring", process)
    app.connect("source-read", settle)
