"""Exports as they come, all the way to observations."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from scaling_fit.observations import observations
from scaling_fit.table.exports import read_folder

BATCH = 65_536
RUNS = [(N, steps) for N in (2e6, 8e6, 3.2e7) for steps in (400, 1200, 4000, 12_000)]


def loss(N: float, steps: float) -> float:
    return 1.8 + 480 / N**0.35 + 2100 / (steps * BATCH) ** 0.37


def name(N: float, steps: int) -> str:
    return f"raw-{N / 1e6:g}M-{steps}steps"


def wandb_chart(folder: Path) -> Path:
    """Each line ends at its run's last step."""
    at = sorted({step for _, steps in RUNS for step in (steps // 2, steps)})
    heads = [f"{name(N, steps)} - eval/loss" for N, steps in RUNS]
    cells = [[loss(N, steps) if step == steps else 9.0 if step == steps // 2 else "" for N, steps in RUNS] for step in at]
    with (folder / "chart.csv").open("w", newline="") as file:
        write = csv.writer(file, quoting=csv.QUOTE_ALL)
        write.writerow(["Step", *(head for one in heads for head in (one, f"{one}__MIN", f"{one}__MAX"))])
        write.writerows([step, *(cell for one in row for cell in (one, one, one))] for step, row in zip(at, cells, strict=True))
    return folder / "chart.csv"


def wandb_runs(folder: Path) -> Path:
    with (folder / "runs.csv").open("w", newline="") as file:
        write = csv.writer(file, quoting=csv.QUOTE_ALL)
        write.writerow(["Name", "State", "Created", "Runtime", "n_params", "_step", "eval/loss"])
        write.writerow(["dead-2M", "crashed", "2026-01-01", "9", "2000000", "17", "11.2"])
        write.writerows([name(N, s), "finished", "2026-01-01", "3600", f"{N:.0f}", s, loss(N, s)] for N, s in RUNS)
    return folder / "runs.csv"


def tensorboard_files(folder: Path) -> Path:
    for N, steps in RUNS:
        text = f"Wall time,Step,Value\n1.7e9,{steps // 2},9.0\n1.7e9,{steps},{loss(N, steps)}\n"
        (folder / f"run-{name(N, steps)}-tag-eval_loss.csv").write_text(text, "utf-8")
    return folder


def evaluated(folder: Path) -> Path:
    for N, steps in RUNS:
        body = {
            "results": {"text": {"word_perplexity,none": float(np.exp(loss(N, steps))), "acc,none": 0.5}},
            "config": {
                "model_num_parameters": int(N),
                "model_args": {"pretrained": f"me/raw-{N / 1e6:g}M", "revision": f"step{steps}"},
            },
            "git_hash": None,
        }
        path = folder / name(N, steps) / "results_2026-01-01.json"
        path.parent.mkdir()
        path.write_text(json.dumps(body), "utf-8")
        path.with_name("samples_text_2026-01-01.jsonl").write_text('{"doc_id": 0}\n', "utf-8")
    return folder


@pytest.mark.parametrize("export", [wandb_chart, wandb_runs, tensorboard_files, evaluated])
def test_every_run_is_there_with_its_last_loss(export, tmp_path: Path) -> None:
    table = observations(export(tmp_path), tokens_per_step=str(BATCH))
    found = sorted(zip(table.N.tolist(), table.D.tolist(), table.loss.tolist(), strict=True))
    np.testing.assert_allclose(found, [(N, steps * BATCH, loss(N, steps)) for N, steps in RUNS], rtol=1e-9)
    assert set(table.shape) == {"2M", "8M", "32M"}


def test_runs_of_mlflow_come_as_they_are(exported: Path) -> None:
    table = observations(exported / "mlflow_runs.csv")
    assert table.levels == ("filtered", "raw")
    assert set(table.N) == {8e6}
    assert sorted(set(table.D / BATCH)) == [500, 1000, 2500, 6000]
    told = [note for note in table.notes if "did not finish" in note]
    assert told == [
        "2 of 9 runs did not finish and are left out: raw-20M-6000steps-s0 (KILLED), raw-8M-1000steps-s0 (FAILED); "
        "--ignore 'status' keeps them"
    ]


def test_a_log_of_mlflow_lacks_sizes_and_says_so(exported: Path) -> None:
    with pytest.raises(ValueError, match=r"no column for parameters .* or give the runs names that say it, as raw-20M-s0"):
        observations(exported / "mlflow_history.csv", tokens_per_step="65536")


def test_event_files_come_as_they_are(exported: Path) -> None:
    table = observations(exported / "tensorboard", tokens_per_step=BATCH)
    assert (table.D / BATCH).tolist() == [1000, 500]
    assert table.shape.tolist() == ["8M", "8M"]
    assert table.loss.tolist() == pytest.approx([6.335128, 7.137034])


def test_steps_become_tokens_only_when_told_how_many(tmp_path: Path) -> None:
    runs = {"params": [1e6, 2e6], "_step": [100, 200], "batch_tokens": [1000, 2000], "loss": [4.0, 3.5]}
    with pytest.raises(ValueError, match="make tokens of the steps in '_step' with --tokens-per-step"):
        observations(runs)
    assert observations(runs, tokens_per_step="batch_tokens").D.tolist() == [1e5, 4e5]
    with pytest.raises(ValueError, match="--tokens-per-step many: give a number such as 524288, or one of params"):
        observations(runs, tokens_per_step="many")
    with pytest.raises(ValueError, match="--tokens-per-step 512: the table has tokens in 'tokens'"):
        observations(runs | {"tokens": [1e8, 2e8]}, tokens_per_step=512)
    with pytest.raises(ValueError, match="--tokens-per-step 512: the table counts no steps"):
        observations({"params": [1e6], "loss": [4.0]}, tokens_per_step=512)


def test_a_guess_from_names_is_undone() -> None:
    names = [f"{level}-{size}" for level in ("raw", "top") for size in ("2M", "8M", "20M")]
    table = {"Name": names, "tokens": [1e9] * 6, "loss": [4.0] * 6}
    assert observations(table).levels == ("raw", "top")
    assert observations(table, ignore=["name:level"]).levels == ("all",)
    assert "level is column 'name:level'" in observations(table).notes[0]


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none", "utf-8")
    with pytest.raises(ValueError, match=r"holds no table of runs: neither \.csv"):
        read_folder(tmp_path)
