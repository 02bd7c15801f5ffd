"""Results files of lm-eval, of 0.4.13 as it wrote one, and of 2023."""

import json
import math
from pathlib import Path

import pytest

from scaling_fit.table.lm_eval import evaluations
from scaling_fit.table.read import read_table

OF_2023 = {
    "results": {"piqa": {"acc": 0.62, "acc_stderr": 0.01}, "lambada_openai": {"ppl": 29.2, "ppl_stderr": 1.0, "acc": 0.37}},
    "versions": {"piqa": 0, "lambada_openai": 0},
    "config": {"model": "hf-causal", "model_args": "pretrained=EleutherAI/pythia-v1.1-160m,revision=step83000", "limit": None},
}


def test_tasks_that_measure_a_loss_are_rows(exported: Path) -> None:
    table = evaluations(read_table(exported / "lm_eval.json"))
    assert table.columns["run"] == ["raw-2M-500steps-s0"] * 2
    assert table.columns["params"] == [2_000_000] * 2
    bits, nats = table.columns["loss"]
    body = json.loads((exported / "lm_eval.json").read_text("utf-8"))["results"]
    assert table.columns["task"] == ["local_text", "local_last_word"]
    assert (
        bits == body["local_text"]["bits_per_byte,none"] == pytest.approx(math.log2(body["local_text"]["byte_perplexity,none"]))
    )
    assert nats == pytest.approx(math.log(body["local_last_word"]["perplexity,none"]))
    assert table.notes[0].startswith("lm-eval: local_text by bits_per_byte, in bits per byte; local_last_word by perplexity")
    assert table.notes[1].startswith("lm-eval: acc is left out: ")


def test_files_of_2023_are_read(tmp_path: Path) -> None:
    (tmp_path / "160m.json").write_text(json.dumps(OF_2023), "utf-8")
    table = evaluations(read_table(tmp_path / "160m.json"))
    assert table.columns["run"] == ["pythia-v1.1-160m"]
    assert table.columns["step"] == [83000]
    assert table.columns["loss"] == [pytest.approx(math.log(29.2))]


def test_the_later_of_two_evaluations_stands() -> None:
    def told(date: float, ppl: float) -> dict:
        return OF_2023 | {"date": date, "results": {"lambada_openai": {"ppl": ppl}}}

    table = evaluations(read_table([told(2.0, 20.0), told(1.0, 30.0)]))
    assert table.columns["loss"] == [pytest.approx(math.log(20.0))]


def test_tasks_without_a_loss_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no task measures a loss: .* and these have acc"):
        evaluations(read_table([OF_2023 | {"results": {"piqa": {"acc": 0.62}}}]))


def test_other_tables_are_left_alone() -> None:
    table = read_table({"N": [1.0], "results": [2.0]})
    assert evaluations(table) is table
