import ast
from collections import Counter
from pathlib import Path

import pytest

from curation.sources import Malformed, Part, Record, Source, read, slices
from curation.sources.python_environment import SHARES, _docstrings, _required, _role, parts
from curation.sources.python_environment import read as read_part


@pytest.fixture(scope="module")
def sampled() -> list[Record | Malformed]:
    source = Source("python", "python_environment", max_megabytes=3, slice_megabytes=2)
    return [record for piece in slices(source) for record in read(piece)]


def test_the_plan_is_stable_and_about_the_size_asked_for(sampled: list[Record | Malformed]) -> None:
    source = Source("python", "python_environment", max_megabytes=3)
    assert parts(source) == parts(source)
    size = sum(len(record.text.encode()) for record in sampled if isinstance(record, Record))
    assert 2e6 < size < 4e6


def test_no_domain_is_starved(sampled: list[Record | Malformed]) -> None:
    sizes = Counter[str]()
    for record in sampled:
        if isinstance(record, Record):
            sizes[record.domain] += len(record.text)
    assert set(sizes) == set(SHARES)
    assert all(size > 100_000 for size in sizes.values())


def test_identities_are_distinct_and_nearly_all_is_readable(sampled: list[Record | Malformed]) -> None:
    good = [record for record in sampled if isinstance(record, Record)]
    assert len({(record.path, record.record) for record in good}) == len(good)
    assert len(sampled) - len(good) < 0.01 * len(sampled)


def test_assay_itself_is_not_its_corpus() -> None:
    everything = parts(Source("python", "python_environment", max_megabytes=None))
    owners = {part.path.split("/")[0] for part in everything}
    assert {"python", "numpy", "torch"} <= owners
    assert "assay" not in owners


def test_code_and_docstrings_come_from_different_modules() -> None:
    everything = parts(Source("python", "python_environment", max_megabytes=None))
    by_role = Counter(part.role for part in everything if part.path.endswith(".py"))
    assert abs(by_role["code"] - by_role["docstring"]) < 0.1 * by_role.total()
    assert len({part.path for part in everything}) == len(everything)


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("x/x-1.dist-info/METADATA", "readme"), ("x/README.md", "readme"), ("x/CHANGELOG.txt", "readme"),
        ("x/x-1.dist-info/LICENSE", "licence"), ("x/licenses/LICENSE.APACHE", "licence"), ("x/NOTICE.txt", "licence"),
        ("x/x-1.dist-info/RECORD", ""), ("x/top_level.txt", ""), ("x/license.json", ""), ("x/a.so", ""), ("x/data.txt", ""),
    ],
)  # fmt: skip
def test_roles(path: str, role: str) -> None:
    assert _role(path) == role


MODULE = '''"""{long}"""
def f():
    """short"""
if True:
    class C:
        """C {long}"""
        async def g(self):
            """g {long}"""
            try:
                def h(): "h {long}"
            except ValueError:
                pass
x = """not a docstring {long}"""
'''


def test_docstrings_are_found_where_ast_walk_finds_them() -> None:
    tree = ast.parse(MODULE.replace("{long}", "word " * 60))
    found = list(_docstrings(tree))
    assert [docstring[:2] for docstring in found] == ["wo", "C ", "g ", "h "]


def part(path: Path, role: str) -> Part:
    return Part(f"x/{path.name}", str(path), path.stat().st_size, "x==1", role=role)


def test_reading_on_from_a_docstring(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text(MODULE.replace("{long}", "word " * 60))
    assert list(read_part(part(path, "docstring"), 10_000, 2)) == list(read_part(part(path, "docstring"), 10_000))[2:]


def test_what_cannot_be_read_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_bytes(b"print 'old'\n")
    (bad,) = read_part(part(path, "docstring"), 1000)
    assert isinstance(bad, Malformed)
    assert bad.place == "line 1"
    assert bad.reason.startswith("not Python 3.")
    path.write_bytes(b"# caf\xe9\n")
    assert next(read_part(part(path, "code"), 1000))[1] == "byte 5"
    assert "over the record limit of 3 bytes" in next(read_part(part(path, "code"), 3))[2]


def test_another_machine_without_the_file(tmp_path: Path) -> None:
    gone = Part("x/m.py", str(tmp_path / "m.py"), 10, "x==1", role="code")
    with pytest.raises(ValueError, match=r"m.py \(x==1\) is not on this machine; .* on every node"):
        list(read_part(gone, 1000))


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ("Name: x\nVersion: 1\n\n# Title\n\nBody", "# Title\n\nBody"),
        ("Name: x\nDescription: First\n        second\n        third\nVersion: 1\n", "First\n        second\n        third"),
    ],
)
def test_long_descriptions(tmp_path: Path, metadata: str, text: str) -> None:
    path = tmp_path / "METADATA"
    path.write_text(metadata)
    (record,) = read_part(part(path, "readme"), 1000)
    assert isinstance(record, Record)
    assert record.text == text


def test_a_distribution_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no-such-distribution is not installed in .*; pip install it"):
        _required("no-such-distribution")
