"""What names of runs say, and what they only seem to say."""

import pytest

from scaling_fit.table.read import read_table
from scaling_fit.table.run_names import _parts, told


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("filtered-20M-2Btok-s0", {"size": "20M", "tokens": "2B", "seed": "0", "level": "filtered"}),
        ("raw_1.3b_100B-tokens", {"size": "1.3b", "tokens": "100B", "level": "raw"}),
        ("pythia-160m_step83000", {"size": "160m", "step": "83000", "level": "pythia"}),
        ("160m-deduped-500 steps", {"size": "160m", "step": "500", "level": "deduped"}),
        ("c4/1p4B/seed3", {"size": "1.4B", "seed": "3", "level": "c4"}),
        ("top50-n350M-lr3e-4-bs256-d512", {"size": "350M", "level": "top50"}),
        ("raw-20M-400M", {"level": "raw"}),  # which is which?
        ("fluffy-cloud-12", {"level": "fluffy-cloud"}),
        ("", {"level": ""}),
    ],
)
def test_a_name_is_taken_apart(name: str, parts: dict[str, str]) -> None:
    assert _parts(name) == parts


def test_levels_are_read_where_several_runs_share_them() -> None:
    names = [f"{level}-{size}" for level in ("raw", "top") for size in ("2M", "8M", "20M")]
    table = told(read_table({"Name": names, "loss": [3.0] * 6}))
    assert table.columns["name:size"] == ["2M", "8M", "20M"] * 2
    assert table.columns["name:level"] == ["raw"] * 3 + ["top"] * 3
    of_each = told(read_table({"Name": [f"run{k}x-{k}M" for k in range(1, 7)]}))
    assert "name:level" not in of_each.columns


def test_what_a_column_says_is_not_read_from_names() -> None:
    """A study's shape may be called 2M and have 1.9M parameters."""
    names = [f"{level}/2M/{seed}" for level in ("raw", "top") for seed in (0, 1, 2)]
    study = {"trunk": names, "params_body": [1_900_000] * 6, "level": ["raw"] * 3 + ["top"] * 3, "tokens": [1e8] * 6}
    assert told(read_table(study)).columns == study
    empty = {"Name": names, "Group": [""] * 6}
    assert set(told(read_table(empty)).columns) - set(empty) == {"name:size", "name:level"}


def test_names_that_say_nothing_add_nothing() -> None:
    for names in (["fluffy-cloud-12", "old-sea-3"], ["raw-20M", "mine"], []):
        table = read_table({"Name": names})
        assert told(table) is table
