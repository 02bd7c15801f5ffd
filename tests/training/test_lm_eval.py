"""The same local tasks by lm-eval on an export and by Assay: the same log probability of every choice, the same accuracies."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.tasks import encode, files
from curation.tokens import tokenizer
from training.export import export_run
from training.plan import Evaluation, parse_plan
from training.run import run_stack
from training.task_metrics import Answers, metrics

lm_eval = pytest.importorskip("lm_eval", reason="needs the hub extra: lm_eval[hf]")
tasks = pytest.importorskip("lm_eval.tasks")
huggingface = pytest.importorskip("lm_eval.models.huggingface")
VOCAB, N = 300, 24
WORDS = "the key near lamps is are old a river of letters was found behind two houses and it seemed new to us"
TASK = """
task: NAME
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
output_type: multiple_choice
test_split: test
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
ASKED = {
    "choice": 'doc_to_text: "{{context}}"\ndoc_to_choice: "{{choices}}"\ndoc_to_target: answer\n',
    "pair": 'doc_to_text: ""\ndoc_to_choice: "{{[good, bad]}}"\ndoc_to_target: 0\ntarget_delimiter: ""\n',
}


def items(kind: str) -> list[dict]:
    rng = np.random.default_rng(5)

    def text(n: int) -> str:
        return " ".join(rng.choice(WORDS.split(), n))

    if kind == "pair":
        return [{"good": text(5), "bad": text(6)} for _ in range(N)]
    return [{"context": text(4), "choices": [text(1 + c) for c in range(3)], "answer": i % 3} for i in range(N)]


@pytest.fixture(scope="module", params=ASKED)
def scored(request, study, make_plan, tmp_path_factory):
    """Both sides' nats of every choice, and what each says of them."""
    base = tmp_path_factory.mktemp(request.param)
    rows = base / "rows.jsonl"
    rows.write_text("\n".join(map(json.dumps, items(request.param))))
    trained = tokenizer.train([" ".join(np.random.default_rng(1).choice(WORDS.split(), 4000))], VOCAB)
    (base / "tokenizer.json").write_text(trained)

    table = encode.choices([one.item for one in files.read(str(rows), {}, " ") if isinstance(one, files.Found)], trained)
    table = table.append_column("task", [[request.param] * len(table)])
    pq.write_table(table, base / "choices.parquet")
    (base / "documents.parquet").symlink_to(study / "evaluation" / "documents.parquet")
    plan = replace(parse_plan(make_plan(), base), vocab_size=VOCAB, evaluation=Evaluation(base, "e1"))
    folder = run_stack(plan, "s0", base / "runs")
    given = pq.read_table(folder / "choices.parquet", filters=[("level", "=", "clean"), ("tokens", "=", 5120)])
    asked = Answers(*(table[name].to_numpy() for name in ("item", "right", "n_bytes")))
    ours = metrics(asked, given["nats"].to_numpy(), given["greedy"].to_numpy())

    out = export_run(plan, folder, "clean", 0, base / "hf", tokenizer=base / "tokenizer.json")
    (base / "task.yaml").write_text(TASK.replace("NAME", request.param).replace("FILE", str(rows)) + ASKED[request.param])
    manager = tasks.TaskManager(include_path=str(base), include_defaults=False)
    model = huggingface.HFLM(pretrained=str(out), device="cpu", batch_size=4, add_bos_token=True)
    theirs = lm_eval.simple_evaluate(model=model, tasks=[request.param], task_manager=manager, bootstrap_iters=0)
    told = [-float(one[0]) for sample in theirs["samples"][request.param] for one in sample["filtered_resps"]]
    return SimpleNamespace(
        nats=given["nats"].to_numpy(), ours={one.metric: one.value for one in ours}, told=np.array(told),
        theirs=theirs["results"][request.param],
    )  # fmt: skip


@pytest.mark.slow
def test_every_choice_has_the_log_probability_that_lm_eval_gives_it(scored):
    assert len(scored.told) == len(scored.nats)
    np.testing.assert_allclose(scored.nats, scored.told, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_accuracies_are_those_of_lm_eval(scored):
    assert scored.ours["accuracy"] == pytest.approx(scored.theirs["acc,none"])
    assert scored.ours["accuracy_bytes"] == pytest.approx(scored.theirs["acc_norm,none"])
