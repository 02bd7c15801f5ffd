"""The house as it is told: walls, arrows downwards, the picture of it, and how much is left untyped."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import draw_architecture as house  # noqa: E402

MAY_IMPORT = {
    "curation": {"curation"}, "training": {"training"}, "scaling_fit": {"scaling_fit"},
    "pipelines": {"curation", "training", "scaling_fit", "pipelines"},
}  # fmt: skip

MOST_ANY = 120
MOST_PARAMETERS = 8


@pytest.fixture(scope="module")
def names() -> dict[str, Path]:
    return house.modules()


def test_walls(names):
    for name, targets in house.imports(names).items():
        foreign = {target.split(".")[0] for target in targets} - MAY_IMPORT[name.split(".")[0]]
        assert not foreign, f"{name} imports {foreign}"


def test_only_the_executor_imports_ray(names):
    users = [
        name for name, path in names.items()
        if re.search(r"^\s*(import|from) ray\b", path.read_text("utf-8"), re.MULTILINE)
    ]  # fmt: skip
    assert users == ["pipelines.engine.executor"]


def test_rooms_import_downwards(names):
    height = house.storeys(house.arrows(names))
    assert height["pipelines.engine"] == 0
    assert height["pipelines.verbs"] == max(height.values())


def test_a_circle_is_found():
    with pytest.raises(ValueError, match="rooms import in a circle: a -> b -> a"):
        house.storeys({"a": {"b"}, "b": {"a"}})


def test_no_modules_import_in_a_circle(names):
    targets = house.imports(names)
    house.storeys({name: targets.get(name, set()) for name in names})


def test_the_report_imports_nothing_else_of_the_shell(names):
    for name, targets in house.imports(names).items():
        if name.startswith("pipelines.report"):
            assert not [t for t in targets if t.startswith("pipelines.") and not t.startswith("pipelines.report")], name


def test_the_picture_is_that_of_the_code():
    """`python docs/draw_architecture.py` draws it."""
    assert (ROOT / "docs/images/architecture.svg").read_text("utf-8") == house.draw()


def test_little_is_left_untyped(names):
    used = {
        name: len(re.findall(r"\bAny\b", re.sub(r"^.*import.*$", "", path.read_text("utf-8"), flags=re.MULTILINE)))
        for name, path in names.items()
    }
    assert sum(used.values()) <= MOST_ANY, sorted(used.items(), key=lambda item: -item[1])[:10]


def test_no_function_but_a_verb_has_many_parameters(names):
    many = set()
    for name, path in names.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and not name.startswith("pipelines.verbs"):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                if len([a for a in given if a.arg not in ("self", "cls")]) > MOST_PARAMETERS:
                    many.add(f"{name}.{node.name}")
    assert not many


def test_every_module_says_what_it_is(names):
    for name, path in names.items():
        text = path.read_text("utf-8")
        assert not text.strip() or ast.get_docstring(ast.parse(text)), name


def test_tests_lie_where_their_modules_do():
    """A test file is named after a module of the same room, or says in its first line what several of them do together. What
    hosts do to all of it lies in tests/cluster."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        place = path.relative_to(ROOT / "tests")
        module = ROOT / place.parent / place.name.removeprefix("test_")
        if len(place.parts) > 1 and place.parts[0] != "cluster" and not module.exists():
            assert module.parent.is_dir(), f"{place}: there is no room {place.parent}"
            assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), place
