"""Tasks of a study: from its files and held-out text to the choices that runs are asked, and what is left out on the way."""

import json
from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from curation.tasks.made import FROM_RULES, FROM_TEXT
from pipelines import run_study
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.study.study import Study, StudyError, load, parse
from pipelines.study.tasks import Made

SMALL = ["levels={raw: {}}", "classifiers={}", "mixture={kind: natural}", "ladder.context=64"]


@pytest.fixture(scope="module")
def annotated(module_study_folder):
    """(context, folder, the annotated pool) of a study without tasks, of which each test declares its own."""
    study = load(module_study_folder / "study.yaml", [*SMALL, "evaluation.tasks={}"])
    workdir = Workdir(str(module_study_folder / "work"))
    context = Context(workdir, InProcess(), Progress(workdir))
    return context, module_study_folder, run_study.curate(context, study, module_study_folder).pool


def asked(annotated, tasks: dict):
    """(the manifest of the choices, their table, the items, those left out) of the study with `tasks`."""
    context, folder, pool = annotated
    study = load(folder / "study.yaml", [*SMALL, f"evaluation.tasks={json.dumps(tasks)}"])
    made = run_study.choices.choices(context, study, pool, folder)
    assert made is not None
    return made, *(pl.DataFrame(context.workdir.read_table(path)) for path in made.files(".parquet"))


def write(folder: Path, name: str, *items: object) -> None:
    (folder / name).write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in items))


def test_items_in_the_pool_too_long_or_malformed_are_left_out_and_counted(annotated):
    context, folder, pool = annotated
    path = pool.documents.files(".parquet")[0]
    free = pl.DataFrame(context.workdir.read_table(pool.signals["withheld"].files(".parquet")[0]))["free"].to_list()
    texts = [text.split() for text in context.workdir.read_table(path, ["text"])["text"].to_pylist()]
    known, held = texts[free.index(True)], texts[free.index(False)]
    write(
        folder, "own.jsonl",
        {"context": "zig zag", "target": "zoo"},
        {"context": " ".join(known[3:8]).upper(), "target": known[8]},  # six words that stand in the pool
        {"context": "zig zag " + " ".join(known[20:33]), "target": "zoo"},  # thirteen of its words do
        {"context": "zig zag " + " ".join(known[20:31]), "target": "zoo"},  # only eleven
        {"context": " ".join(held[3:8]), "target": held[8]},  # held out, so in no level
        {"context": "zig " * 99, "target": "zoo"},
        "{broken",
        {"context": "zig", "target": ""},
    )  # fmt: skip
    made, table, items, left_out = asked(annotated, {"own": {"path": "own.jsonl"}})
    counts = made.summary["own"]
    assert counts == {
        "kind": "cloze", "items": 3, "chance": 0.0, "read": 6, "malformed": 2, "in_pool": 2, "too_long": 1, "not_drawn": 0,
    }  # fmt: skip
    assert items["place"].to_list() == ["own.jsonl, line 1", "own.jsonl, line 4", "own.jsonl, line 5"]
    assert left_out["reason"].to_list() == ["in the pool", "in the pool", "longer than the context"]
    assert table["item"].to_list() == [0, 3, 4]
    quarantined = context.workdir.read_bytes(made.step.inputs["items"].files("quarantine.jsonl")[0]).decode().splitlines()
    told = [json.loads(line) for line in quarantined]
    assert [(row["place"], row["path"]) for row in told] == [("line 7", "own.jsonl"), ("line 8", "own.jsonl")]
    assert told[1]["reason"] == "a choice is empty"
    assert pl.read_csv(context.workdir.read_bytes("task_items.csv")).to_dicts() == [{"task": "own", **counts}]


def test_an_error_asks_for_so_many_items_drawn_by_hash(annotated):
    write(annotated[1], "many.jsonl", *({"context": f"zig{i}", "choices": ["a", "b"], "answer": i % 2} for i in range(80)))
    all_of_it, table, _, _ = asked(annotated, {"many": {"path": "many.jsonl"}})
    assert all_of_it.summary["many"]["items"] == 80
    assert len(table) == 160
    drawn, table, _, _ = asked(annotated, {"many": {"path": "many.jsonl", "error": 0.1}})
    assert (drawn.summary["many"]["items"], drawn.summary["many"]["not_drawn"]) == (25, 55)
    assert table["item"].unique().max() > 40, "not the first ones"


def test_made_tasks_stand_in_held_out_text_alone(annotated):
    context, _, pool = annotated
    made, _, items, _ = asked(
        annotated, {name: {"made": name, "error": 0.1} for name in ("word_order", "continuation", "last_word", "agreement")}
    )
    shards = zip(*(pool_part.files(".parquet") for pool_part in (pool.documents, pool.signals["withheld"])), strict=True)
    held = ""
    for documents, reasons in shards:
        frame = pl.DataFrame(context.workdir.read_table(documents, ["text"]))
        why = pl.DataFrame(context.workdir.read_table(reasons, ["reason"]))["reason"]
        held += "\n\n".join(frame.filter(why == "held out")["text"])
    for row in items.filter(pl.col("task") != "agreement").to_dicts():
        assert all(passage in held for passage in (row["context"] + row["choices"][row["answer"]]).split("\n\n"))
    assert made.summary["agreement"]["items"] == 25
    assert made.summary["continuation"]["chance"] == 0.5


def test_a_task_without_a_usable_item_is_an_error(annotated):
    folder = annotated[1]
    write(folder, "bad.jsonl", {"context": "a"}, "[]")
    with pytest.raises(
        StudyError, match=r"evaluation\.tasks\.bad: no usable item; 2 records are none, the first at bad\.jsonl, line 1: it has"
    ):
        asked(annotated, {"bad": {"path": "bad.jsonl"}})
    write(folder, "long.jsonl", {"context": "zig " * 99, "target": "b"})
    with pytest.raises(StudyError, match=r"evaluation\.tasks\.long: no usable item; of 1 there are 1 longer than the context"):
        asked(annotated, {"long": {"path": "long.jsonl"}})
    with pytest.raises(StudyError, match=r"evaluation\.tasks\.gone\.path: .*gone\.jsonl: no file of items"):
        asked(annotated, {"gone": {"path": "gone.jsonl"}})


def test_a_change_of_tasks_touches_no_level(annotated):
    context, folder, pool = annotated
    study = load(folder / "study.yaml", [*SMALL, 'evaluation.tasks={"agreement": {"made": "agreement", "error": 0.2}}'])
    again = run_study.curate(
        context.only_reading("assay curate"), load(folder / "study.yaml", [*SMALL, "evaluation.tasks={}"]), folder
    )
    assert again.tasks is None
    assert not again.evaluation.files("choices.parquet")
    run_study.choices.choices(context, study, pool, folder)
    with_task = run_study.evaluation.evaluation(context, study, pool, run_study.choices.choices(context, study, pool, folder))
    documents = [made.records("documents.parquet")[0]["digest"] for made in (again.evaluation, with_task)]
    assert documents[0] == documents[1]
    assert with_task.files("choices.parquet")
    assert with_task.summary == again.evaluation.summary


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({}, "give either `path`"),
        ({"path": "a.jsonl", "made": "agreement"}, "give either `path`"),
        ({"made": "agreement", "between": ""}, "`fields` and `between` are of items in files"),
        ({"made": "agrement"}, "agreement"),
        ({"path": "a.jsonl", "fields": {"context": "a..b"}}, "no path to a field"),
        ({"path": "a.jsonl", "error": 0}, "greater than 0"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(module_study_folder, task, message):
    text = (module_study_folder / "study.yaml").read_text()
    with pytest.raises(StudyError, match=message):
        parse(text, Path("study.yaml"), [f"evaluation.tasks={json.dumps({'t': task})}"])


def test_every_made_task_that_a_study_may_name_is_made():
    assert {*get_args(Made)} == {*FROM_TEXT, *FROM_RULES}


def test_a_standard_error_sets_the_number_of_items():
    section = Study.model_fields["evaluation"].annotation
    tasks = section(tasks={"a": {"made": "agreement"}, "b": {"path": "x"}, "c": {"path": "x", "error": 0.05}}).tasks
    assert [tasks[name].n_items for name in "abc"] == [205, None, 100]
