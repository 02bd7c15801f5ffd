"""The one call: everything a report needs, as plain JSON, for sound tables and for poor ones."""

import json

import numpy as np
import pytest

from scaling_fit import analyse, faults_of
from scaling_fit.levels.design import TRUTH, Grid, shifted, table_of

SMALL = {"E": 2.2, "A": 60.0, "B": 300.0, "alpha": 0.30, "beta": 0.36}  # CPU scale: losses of 4 to 6


def raw_columns(table, **more) -> dict:
    columns = {
        k: getattr(table, k).tolist() for k in ("level", "shape", "seed", "trunk", "N", "D", "loss", "eval_set", "certificate")
    }
    columns["unique_tokens"] = table.unique.tolist()
    return columns | more


@pytest.fixture(scope="module")
def quickstart() -> dict:
    """Four levels, two shapes, five token counts, two seeds, two evaluation sets, at CPU scale, one repeated run."""
    grid = Grid((2e5, 8e5), tuple(np.geomspace(1e6, 3.2e7, 5)), seeds=2, row=0.002, trunk=0.002)
    truths = {"raw": SMALL, "dedup": SMALL | {"B": 300 * 1.4**-0.36}, "quality": shifted(SMALL, 0.06, grid), "random": SMALL}
    rng, columns = np.random.default_rng(0), {}
    for name in ("heldout", "domain:web"):
        table = table_of(grid, truths, rng)
        for key, values in raw_columns(table, eval_set=[name] * len(table)).items():
            columns[key] = columns.get(key, []) + values
    columns["unique_tokens"] = [3e7 if level == "quality" else 1e9 for level in columns["level"]]
    columns["flops"] = [6.5 * n * d for n, d in zip(columns["N"], columns["D"], strict=True)]
    return columns


@pytest.fixture(scope="module")
def found(quickstart: dict):
    return analyse(quickstart, replicates=300, test_replicates=99)


def test_the_result_is_plain_json_with_every_section(found) -> None:
    body = json.loads(found.to_json())
    assert body == json.loads(json.dumps(found.content))
    assert body["levels"] == ["raw", "dedup", "quality", "random"]
    assert body["eval_sets"] == ["heldout", "domain:web"]
    one = body["sets"]["heldout"]
    sections = "law noise levels curves points tests forest multiplier seeds adequacy extrapolation budget crossovers verdicts"
    assert set(sections.split()) <= set(one)
    assert len(one["curves"]) == 8
    assert len(one["points"]) == 80
    assert len(one["forest"]) == 15
    assert {v["level"] for v in body["overall"]["verdicts"]} == {"dedup", "quality", "random"}


def test_repeated_runs_are_shown_but_not_fitted(found) -> None:
    points = found.content["sets"]["heldout"]["points"]
    repeated = [p for p in points if p["repeated"]]
    assert len(repeated) == 4  # quality at 3.2e7 of 3e7 unique tokens
    assert not any(p["used"] for p in repeated)
    assert any("repeated data" in note for note in found.content["notes"])
    assert "finite" in found.content["sets"]["heldout"]["budget"]


def test_nothing_is_claimed_of_the_control(found) -> None:
    control = found.content["sets"]["heldout"]["verdicts"]["random"]
    assert not control["shifted"]
    assert control["kind"] in ("none", "undetected", "not identifiable")
    dedup = found.content["sets"]["heldout"]["verdicts"]["dedup"]
    assert dedup["shifted"]
    assert dedup["direction"] == "better"


def test_methods_speak_of_the_same_fit(found) -> None:
    rows = found.table()
    assert {row["parameter"] for row in rows} == {"E[2e+05]", "E[8e+05]", "B", "beta"}
    curve = found.content["sets"]["heldout"]["curves"][0]
    inside = [k for k, D in enumerate(curve["D"]) if curve["observed"][1] >= D]
    np.testing.assert_allclose(
        found.predict(curve["level"], curve["shape"], [curve["D"][k] for k in inside]), [curve["loss"][k] for k in inside]
    )
    assert found.content["overall"]["sentence"] in found.summary()


def test_the_same_input_gives_the_same_bytes(quickstart: dict) -> None:
    again = [analyse(quickstart, eval_sets=["heldout"], replicates=40, test_replicates=19).to_json() for _ in range(2)]
    assert again[0] == again[1]


def test_row_order_changes_no_verdict(quickstart: dict) -> None:
    order = np.random.default_rng(1).permutation(len(quickstart["loss"]))
    mixed = {k: [v[i] for i in order] for k, v in quickstart.items()}
    options = {"baseline": "raw", "eval_sets": ["heldout"], "replicates": 40, "test_replicates": 0}
    a, b = (analyse(t, **options).content["sets"]["heldout"] for t in (quickstart, mixed))
    for level in ("dedup", "quality", "random"):
        assert a["tests"][level]["delta_beta"]["value"] == pytest.approx(b["tests"][level]["delta_beta"]["value"], abs=1e-6)
        assert a["verdicts"][level]["kind"] == b["verdicts"][level]["kind"]


POOR = {
    "one shape, one seed, four token counts": Grid((2e5,), tuple(np.geomspace(1e6, 1e7, 4)), seeds=1, row=0.01),
    "three token counts": Grid((2e5, 8e5), (1e6, 3e6, 1e7), seeds=1, row=0.003),
    "two token counts": Grid((2e5, 8e5), (1e6, 1e7), seeds=2, row=0.003),
    "one token count": Grid((2e5, 8e5, 3e6), (1e7,), seeds=3, row=0.003),
    "one run each": Grid((2e5,), (1e6,), seeds=1, row=0.003),
}


@pytest.mark.parametrize("name", POOR)
def test_poor_designs_get_an_honest_answer_and_never_a_crash(name: str) -> None:
    table = table_of(POOR[name], {"raw": SMALL, "dedup": SMALL | {"B": 280.0}}, np.random.default_rng(0))
    found = analyse(table, replicates=60, test_replicates=19)
    json.loads(found.to_json())
    assert found.content["overall"]["verdicts"][0]["kind"] in ("not identifiable", "undetected")
    assert found.content["faults"]
    assert found.summary()


def test_noiseless_and_level_free_tables_do_not_crash() -> None:
    grid = Grid((1e7, 4e7, 1.6e8), tuple(np.geomspace(1e8, 1e10, 6)), seeds=1, row=1e-12)
    alone = analyse(table_of(grid, {"raw": TRUTH}, np.random.default_rng(0)), replicates=30)
    assert alone.content["overall"]["sentence"].startswith("Only raw was run")
    assert alone.content["sets"]["loss"]["levels"]["raw"]["parameters"]["beta"]["value"] == pytest.approx(
        TRUTH["beta"], rel=1e-3
    )


def test_levels_with_missing_runs_are_compared_on_what_they_share(quickstart: dict) -> None:
    keep = [
        k
        for k, level in enumerate(quickstart["level"])
        if level != "quality" or (quickstart["shape"][k] == "2e+05" and quickstart["D"][k] < 2e7)
    ]
    part = {k: [v[i] for i in keep] for k, v in quickstart.items()}
    found = analyse(part, eval_sets=["heldout"], replicates=60, test_replicates=19)
    assert set(found.content["sets"]["heldout"]["verdicts"]) == {"dedup", "quality", "random"}


def test_refusals(quickstart: dict) -> None:
    with pytest.raises(ValueError, match="baseline 'none' is not in the table; it has raw, dedup"):
        analyse(quickstart, baseline="none")
    with pytest.raises(ValueError, match="eval_set 'x' is not in the table"):
        analyse(quickstart, eval_set="x")
    with pytest.raises(ValueError, match="contenders 'x' is not in the table"):
        analyse(quickstart, contenders=["dedup", "x"])
    mixed = quickstart | {"certificate": ["a", "b"] * (len(quickstart["loss"]) // 2)}
    with pytest.raises(ValueError, match="mixed-certificates"):
        analyse(mixed)
    assert {fault.name for fault in faults_of(mixed)} >= {"mixed-certificates", "two-sizes", "repeated-data"}
