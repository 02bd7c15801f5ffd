"""Draw docs/images/architecture.svg: the rooms of the house and their imports, read from the code.

    python docs/draw_architecture.py

A room is a package or a folder in one; a room stands above all rooms that it imports. `tests/test_structure.py` holds the
picture to the code, so that it cannot grow old.
"""

import ast
from collections import defaultdict
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("pipelines", "scaling_fit", "training", "curation")
WIDTH, HEIGHT, GAP, MARGIN = 220, 56, 30, 20


def modules() -> dict[str, Path]:
    """Every module of the four packages, by dotted name."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return dict(zip(names, paths, strict=True))


def imports(names: dict[str, Path]) -> dict[str, set[str]]:
    """The modules of the four packages that each module imports, inside functions too."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, path in names.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                parts = [f"{node.module}.{alias.name}" for alias in node.names]
                found[name] |= {part if part in names else node.module for part in parts} & set(names)
            elif isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names} & set(names)
    return {name: targets - {name} for name, targets in found.items()}


def room(name: str, names: dict[str, Path]) -> str:
    """The folder that a module lies in; a module beside the folders of `pipelines` is a room of its own."""
    package, _, rest = name.partition(".")
    inner = f"{package}.{rest.partition('.')[0]}"
    is_folder = inner in names and names[inner].name == "__init__.py"
    return inner if rest and (is_folder or package == "pipelines") else package


def arrows(names: dict[str, Path]) -> dict[str, set[str]]:
    """The rooms that each room imports. What lies beside a package's folders (`scaling_fit.observations`) is its floor and its
    front, seen by all of its rooms; those imports are left out."""
    rooms: dict[str, set[str]] = {room(name, names): set() for name in names}
    for name, targets in imports(names).items():
        here = room(name, names)
        for there in {room(target, names) for target in targets} - {here}:
            if not here.startswith(f"{there}.") and not there.startswith(f"{here}."):
                rooms[here].add(there)
    return {name: targets for name, targets in rooms.items() if name not in ("pipelines", "pipelines.cli")}


def storeys(rooms: dict[str, set[str]]) -> dict[str, int]:
    """How many rooms lie below each room, one under the other. Raises ValueError for rooms that import in a circle."""
    height: dict[str, int] = {}

    def measure(name: str, path: tuple[str, ...]) -> int:
        if name in path:
            raise ValueError(f"rooms import in a circle: {' -> '.join([*path[path.index(name) :], name])}")
        if name not in height:
            height[name] = 1 + max((measure(below, (*path, name)) for below in sorted(rooms[name])), default=-1)
        return height[name]

    for name in sorted(rooms):
        measure(name, ())
    return height


def first_sentence(name: str, names: dict[str, Path]) -> str:
    text = ast.get_docstring(ast.parse(names[name].read_text("utf-8"))) or ""
    return " ".join(text.split(".")[0].split())


def reduced(rooms: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows without those that a longer way implies."""

    def below(name: str) -> set[str]:
        return rooms[name].union(*(below(target) for target in rooms[name]))

    return {name: targets - set().union(*(below(target) for target in targets)) for name, targets in rooms.items()}


def draw() -> str:
    """The picture as SVG: a column per package, a row per storey; what a room uses of other packages is written in it."""
    names = modules()
    rooms = arrows(names)
    height = storeys(rooms)
    top, left, lines, place = max(height.values()), MARGIN, [], {}
    inner = {name: {t for t in targets if t.split(".")[0] == name.split(".")[0]} for name, targets in rooms.items()}
    for package in PACKAGES:
        by_row: dict[int, list[str]] = defaultdict(list)
        for name in sorted(name for name in rooms if name.split(".")[0] == package):
            by_row[height[name]].append(name)
        lines.append(f'<text x="{left}" y="26" class="package">{package}/</text>')
        for row, here in by_row.items():
            for column, name in enumerate(here):
                place[name] = left + column * (WIDTH + 12), 44 + (top - row) * (HEIGHT + GAP)
        left += max(map(len, by_row.values())) * (WIDTH + 12) + GAP
    for name, targets in sorted(reduced(inner).items()):
        for target in sorted(targets):
            (x, y), (to_x, to_y) = place[name], place[target]
            start, middle = y + HEIGHT, to_y - GAP / 2
            lines.append(
                f'<path d="M{x + WIDTH / 2},{start} V{middle - GAP / 2} '
                f'C{x + WIDTH / 2},{to_y} {to_x + WIDTH / 2},{middle - GAP / 2} {to_x + WIDTH / 2},{to_y}"/>'
            )
    for name, (x, y) in sorted(place.items()):
        uses = sorted(target for target in rooms[name] if target not in inner[name])
        packages = sorted({target.split(".")[0] for target in uses})
        label = name.split(".")[-1] + ("" if name.count(".") and names[name].name != "__init__.py" else "/")
        title = escape(f"{name}: {first_sentence(name, names)}" + (f". Uses {', '.join(uses)}" if uses else ""))
        lines.append(f'<g><title>{title}</title><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>')
        lines.append(f'<text x="{x + WIDTH / 2}" y="{y + (24 if packages else 34)}" class="room">{label}</text>')
        if packages:
            lines.append(f'<text x="{x + WIDTH / 2}" y="{y + 44}" class="uses">{", ".join(packages)}</text>')
        lines.append("</g>")
    size = f"{left} {44 + (top + 1) * (HEIGHT + GAP)}"
    style = (
        "rect{fill:#f4f6fa;stroke:#5b6b85}text{font:15px system-ui,sans-serif;fill:#1d2433}.room,.uses{text-anchor:middle}"
        ".package{font-weight:600}.uses{font-size:12px;fill:#5b6b85}path{fill:none;stroke:#7f8ea8;stroke-width:1.3}"
    )
    title = "The rooms of the house; a line goes from a room down to one that it imports"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" aria-label="{title}">'
    floor = '<rect width="100%" height="100%" style="fill:#fff;stroke:none"/>'
    return "\n".join([head, f"<style>{style}</style>", floor, *lines, "</svg>", ""])


if __name__ == "__main__":
    (ROOT / "docs/images/architecture.svg").write_text(draw(), "utf-8")
