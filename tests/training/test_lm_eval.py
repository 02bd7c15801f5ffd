"""lm-eval runs on an export, on a task that is a local file."""

import json

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from training.export import export_run
from training.plan import parse_plan
from training.run import run_stack

TASK = """
task: tiny_choice
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: answer
metric_list: [{metric: acc}]
"""


@pytest.mark.slow
def test_lm_eval_scores_an_export(make_plan, tmp_path):
    lm_eval = pytest.importorskip("lm_eval", reason="needs lm_eval[hf]")
    tasks = pytest.importorskip("lm_eval.tasks")
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    plan = parse_plan(make_plan(), tmp_path)
    folder = run_stack(plan, "s0", tmp_path)
    words = {"<eot>": 0} | {f"w{i}": i for i in range(1, 96)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<eot>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["<eot>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    out = export_run(plan, folder, "clean", 0, tmp_path / "hf", tokenizer=tmp_path / "tokenizer.json")
    rows = [{"question": f"w{i} w{i + 1}", "choices": ["w5", "w9 w11"], "answer": i % 2} for i in range(1, 9)]
    (tmp_path / "rows.json").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "task.yaml").write_text(TASK.replace("FILE", str(tmp_path / "rows.json")))
    manager = tasks.TaskManager(include_path=str(tmp_path), include_defaults=False)
    model = huggingface.HFLM(pretrained=str(out), device="cpu", batch_size=4)
    result = lm_eval.simple_evaluate(model=model, tasks=["tiny_choice"], task_manager=manager, bootstrap_iters=0)
    assert 0 <= result["results"]["tiny_choice"]["acc,none"] <= 1
    assert result["n-samples"]["tiny_choice"]["original"] == 8
