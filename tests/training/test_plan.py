import json

import pytest

from training.plan import PlanError, check_files, file_digest, load_plan, parse_plan


def test_paths_are_relative_to_the_plan(make_plan, tmp_path):
    raw = make_plan()
    raw["datasets"]["clean"]["path"] = "levels/clean"
    (tmp_path / "plan.json").write_text(json.dumps(raw))
    plan = load_plan(tmp_path / "plan.json")
    assert plan.datasets["clean"].path == tmp_path / "levels" / "clean"
    assert plan.stack("s0").lr_K == (0.01, 0.01)
    assert [plan.stack("s0").steps(d) for d in (1280, 5120)] == [10, 40]
    assert plan.shapes["tiny"].head_width == 8


def broken(raw, path, value):
    *parents, last = path
    place = raw
    for key in parents:
        place = place[key]
    place[last] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["version"], 2, "reads version 1"),
        (["eot"], 96, "eot is token 96, outside the vocabulary of 96"),
        (["precision"], "fp8", "precision is 'fp8'"),
        (["schedule", "kind"], "linear", "use trunk or cosine"),
        (["schedule", "cooldown"], 1.5, "cooldown is 1.5"),
        (["colour"], 1, "plan: unknown field 'colour'"),
        (["stacks", 0, "batch_size"], 1, r"stacks\[0\]: unknown field 'batch_size'"),
        (["stacks", 0, "runs", 1, "level"], "strict", "level 'strict' has no dataset; the plan has clean, noisy"),
        (["stacks", 0, "runs"], [], "no stack has a run"),
        (["stacks", 0, "tokens"], [], "at least one D"),
        (["stacks", 0, "runs", 0], {"level": "clean"}, r"stacks\[0\].runs\[0\]: field 'seed' is missing; needed: level, seed"),
        (["stacks", 0, "shape"], "huge", "shape 'huge' is not in the plan"),
        (["stacks", 0, "batch_tokens"], 100, "100 is not a multiple of the context 32"),
        (["stacks", 0, "lr"], [0.1], "1 learning rates for 2 runs"),
        (["stacks", 0, "lr"], -1.0, "must be positive"),
        (["stacks", 0, "tokens"], [2560, 1280], "must ascend"),
        (["stacks", 0, "tokens"], [256, 5120], "is 2 steps .* at least 5"),
        (["stacks", 0, "tokens"], [1280, 1290], "round to the same step"),
        (["stacks", 0, "warmup_tokens"], 2000, "warm-up of 2000 tokens outlasts"),
        (["shapes", "tiny", "heads"], 3, "shapes.tiny: shape: width 16 over 3 heads"),
        (["datasets"], {}, "datasets must be a non-empty object"),
        (["keep_weights"], "some", "keep_weights is 'some'"),
    ],
)
def test_what_cannot_run_is_refused_with_its_place(make_plan, tmp_path, path, value, message):
    with pytest.raises(PlanError, match=message):
        parse_plan(broken(make_plan(), path, value), tmp_path)


def test_one_d_per_cosine(make_plan, tmp_path):
    raw = broken(make_plan(), ["schedule", "kind"], "cosine")
    with pytest.raises(PlanError, match="one stack per D"):
        parse_plan(raw, tmp_path)


def test_a_missing_field_is_named(make_plan, tmp_path):
    raw = make_plan()
    del raw["optimizer"]
    with pytest.raises(PlanError, match="plan: field 'optimizer' is missing"):
        parse_plan(raw, tmp_path)


def test_two_stacks_of_one_name_are_refused(make_plan, tmp_path):
    raw = make_plan()
    raw["stacks"] *= 2
    with pytest.raises(PlanError, match="share an id"):
        parse_plan(raw, tmp_path)


def test_unreadable_plans(tmp_path):
    with pytest.raises(PlanError, match="cannot read the plan"):
        load_plan(tmp_path / "absent.json")
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(PlanError, match="is not JSON"):
        load_plan(tmp_path / "plan.json")


def test_files_that_were_not_copied_whole_are_named(make_plan, tmp_path):
    data = tmp_path / "levels" / "tokens.parquet"
    data.parent.mkdir()
    data.write_bytes(b"tokens" * 100)
    listed = {"levels/tokens.parquet": {"bytes": 600, "blake2b": file_digest(data)}}
    plan = parse_plan(make_plan() | {"files": listed}, tmp_path)
    check_files(plan, tmp_path)
    data.write_bytes(b"tokenz" * 100)
    with pytest.raises(PlanError, match=r"levels/tokens\.parquet has digest .* it is damaged; copy it again"):
        check_files(plan, tmp_path)
    data.write_bytes(b"tokens" * 99)
    with pytest.raises(PlanError, match="has 594 bytes, the plan says 600: it was not copied whole"):
        check_files(plan, tmp_path)
    data.unlink()
    with pytest.raises(PlanError, match="is missing; copy the plan's folder whole"):
        check_files(plan, tmp_path)


def test_a_stack_without_runs_states_a_recipe(make_plan, tmp_path):
    raw = make_plan()
    raw["stacks"].append(raw["stacks"][0] | {"id": "recipe", "runs": []})
    assert parse_plan(raw, tmp_path).stack("recipe").lr_K == ()
