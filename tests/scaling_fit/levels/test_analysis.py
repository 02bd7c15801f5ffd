"""The one call: everything a report needs, as one record, for sound tables and for poor ones."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from scaling_fit import Result, Settings, analyse, faults_of, fit, observations, summary
from scaling_fit.levels.design import TRUTH, Grid, shifted, table_of

SMALL = {"E": 2.2, "A": 60.0, "B": 300.0, "alpha": 0.30, "beta": 0.36}  # CPU scale: losses of 4 to 6
QUICK = Settings(replicates=60, test_replicates=19)


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
def found(quickstart: dict) -> Result:
    return analyse(quickstart, Settings(replicates=300, test_replicates=99, roles={"random": "control"}))


def test_the_result_reads_back_as_it_was_written(found: Result) -> None:
    assert Result.from_json(found.to_json()) == found
    assert found.levels == ("raw", "dedup", "quality", "random")
    assert list(found.sets) == list(found.fits) == ["heldout", "domain:web"]
    fit = found.fits["heldout"]
    assert len(fit.curves) == 8
    assert len(found.sets["heldout"].points) == 80
    assert set(fit.tests) == set(fit.against) == set(found.answer.verdicts) == {"dedup", "quality", "random"}
    with pytest.raises(ValueError, match="version 1, this one reads 4; run `assay fit` again"):
        Result.from_dict({"version": 1})


def test_repeated_runs_are_shown_but_not_fitted(found: Result) -> None:
    repeated = [p for p in found.sets["heldout"].points if p.repeated]
    assert len(repeated) == 4  # quality at 3.2e7 of 3e7 unique tokens
    assert not any(p.used for p in repeated)
    assert any("repeated data" in note for note in found.notes)
    assert found.fits["heldout"].budget.finite is not None


def test_nothing_is_claimed_of_the_control(found: Result) -> None:
    control = found.answer.verdicts["random"]
    assert not control.shifted
    assert control.kind in ("none", "undetected", "not identifiable")
    dedup = found.answer.verdicts["dedup"]
    assert dedup.shifted
    assert dedup.direction == "better"


def test_predictions_are_the_curves_and_the_summary_has_the_choice(found: Result) -> None:
    assert set(found.fits["heldout"].levels["raw"].parameters) == {"E[2e+05]", "E[8e+05]", "B", "beta"}
    for curve in found.fits["heldout"].curves:
        inside = [k for k, D in enumerate(curve.D) if curve.observed[1] >= D]
        np.testing.assert_allclose(
            found.predict(curve.level, curve.shape, [curve.D[k] for k in inside]), [curve.loss[k] for k in inside]
        )
    assert summary(found).startswith(found.answer.choice)


def test_the_same_input_gives_the_same_bytes(quickstart: dict) -> None:
    settings = Settings(eval_sets=("heldout",), replicates=40, test_replicates=19)
    again = [analyse(quickstart, settings).to_json() for _ in range(2)]
    assert again[0] == again[1]


def test_row_order_changes_no_verdict(quickstart: dict) -> None:
    order = np.random.default_rng(1).permutation(len(quickstart["loss"]))
    mixed = {k: [v[i] for i in order] for k, v in quickstart.items()}
    settings = Settings("raw", eval_sets=("heldout",), replicates=40, test_replicates=0)
    a, b = (analyse(table, settings) for table in (quickstart, mixed))
    for level, verdict in a.answer.verdicts.items():
        betas = [one.fits["heldout"].tests[level].delta_beta.value for one in (a, b)]
        assert betas[0] == pytest.approx(betas[1], abs=1e-6)
        assert verdict.kind == b.answer.verdicts[level].kind


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
    found = analyse(table, QUICK)
    assert json.loads(found.to_json())
    kinds = [verdict.kind for verdict in found.answer.verdicts.values()]
    assert kinds in ([], ["not identifiable"], ["undetected"])
    assert kinds or found.answer.choice == "No verdict: the law could not be fitted."
    assert found.faults
    assert summary(found)


def test_noiseless_and_level_free_tables_do_not_crash() -> None:
    grid = Grid((1e7, 4e7, 1.6e8), tuple(np.geomspace(1e8, 1e10, 6)), seeds=1, row=1e-12)
    alone = analyse(table_of(grid, {"raw": TRUTH}, np.random.default_rng(0)), Settings(replicates=30))
    assert alone.answer.choice == "One level, raw: there is nothing to compare it with."
    assert alone.fits["loss"].levels["raw"].parameters["beta"].value == pytest.approx(TRUTH["beta"], rel=1e-3)


def test_levels_with_missing_runs_are_compared_on_what_they_share(quickstart: dict) -> None:
    keep = [
        k
        for k, level in enumerate(quickstart["level"])
        if level != "quality" or (quickstart["shape"][k] == "2e+05" and quickstart["D"][k] < 2e7)
    ]
    part = {k: [v[i] for i in keep] for k, v in quickstart.items()}
    found = analyse(part, replace(QUICK, eval_sets=("heldout",)))
    assert set(found.answer.verdicts) == {"dedup", "quality", "random"}
    assert math.isfinite(found.answer.verdicts["quality"].gap.last.value)


def test_refusals(quickstart: dict) -> None:
    with pytest.raises(ValueError, match="baseline 'none' is not in the table; it has raw, dedup"):
        analyse(quickstart, Settings("none"))
    with pytest.raises(ValueError, match="eval_set 'x' is not in the table"):
        analyse(quickstart, Settings(eval_set="x"))
    with pytest.raises(ValueError, match="roles 'x' is not in the table"):
        analyse(quickstart, Settings(roles={"x": "control"}))
    mixed = quickstart | {"certificate": ["a", "b"] * (len(quickstart["loss"]) // 2)}
    with pytest.raises(ValueError, match="mixed-certificates"):
        analyse(mixed)
    assert {fault.name for fault in faults_of(observations(mixed))} >= {"mixed-certificates", "two-sizes", "repeated-data"}


def test_a_set_on_which_a_level_gets_worse_is_closed_and_the_others_are_answered(quickstart: dict) -> None:
    levels, sets, loss = (quickstart[key] for key in ("level", "eval_set", "loss"))
    rising = [(a, b) == ("quality", "domain:web") for a, b in zip(levels, sets, strict=True)]
    table = quickstart | {"loss": [9 - x if up else x for x, up in zip(loss, rising, strict=True)]}
    result = analyse(table, QUICK)
    assert result.sets["heldout"].fit is not None
    assert result.sets["domain:web"].fit is None
    assert "level quality, domain:web: loss rises" in result.sets["domain:web"].reason
    with pytest.raises(ValueError, match="loss rises with tokens"):
        analyse(table, replace(QUICK, eval_set="domain:web"))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("levels", [("raw",), ("raw", "clean")])
def test_copies_of_rows_are_no_replicates(levels: tuple[str, ...]) -> None:
    grid = Grid((1e7, 1e8, 1e9), tuple(np.geomspace(2e8, 2e10, 5)), row=0.003, trunk=0.0)
    table = table_of(
        grid, {level: TRUTH | {"B": TRUTH["B"] * (1 - 0.1 * i)} for i, level in enumerate(levels)}, np.random.default_rng(0)
    )
    plain = {name: getattr(table, name).tolist() for name in ("level", "N", "D", "loss")}
    twice = {name: values + values for name, values in plain.items()}
    if len(levels) == 1:
        found = fit(twice)
        assert found.lack_of_fit is None
        assert [fault.name for fault in found.faults].count("duplicate-row") == 1
    else:
        result = analyse(twice, QUICK)
        assert result.sets["loss"].fit is not None
        assert result.sets["loss"].fit.adequacy.lack_of_fit is None
        assert Result.from_json(result.to_json()) == result
