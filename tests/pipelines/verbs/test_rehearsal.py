"""The dry run: a sample of each source goes the whole way, what would fail late fails there, and nothing is written."""

import json
from pathlib import Path

import pytest

from pipelines.cli import app
from tests.pipelines.verbs.test_init import runner


def dry_run(folder: Path, *overrides: str, verb: str = "run", code: int = 0, as_json: bool = True):
    words = [verb, str(folder / "study.yaml"), "-w", str(folder / "work"), "--executor", "in-process", "--dry-run"]
    result = runner.invoke(app, [*words, *(["--json"] if as_json else []), *(w for one in overrides for w in ("--set", one))])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if as_json and not code else " ".join(result.output.split())


@pytest.fixture(scope="module")
def folder(module_study_folder: Path) -> Path:
    return module_study_folder


@pytest.mark.parametrize("verb", ["run", "curate"])
def test_a_sample_goes_through_and_nothing_is_written(folder: Path, verb: str):
    before = sorted(folder.rglob("*"))
    planned = dry_run(folder, verb=verb)
    (sampled,) = planned["sample"]
    assert (sampled["source"], sampled["malformed"], sampled["lacking"]) == ("small", 0, {})
    assert 150 < sampled["documents"] <= 200, "of both files"
    clean = {row["level"]: row for row in planned["sample_drops"]}["clean"]
    assert 0 < clean["by_rule"] <= clean["failed"] < sampled["documents"]
    assert clean["rule"] in ("gopher_quality.n_words >= 60", "gopher_repetition.top_2_gram <= 0.3")
    assert sorted(folder.rglob("*")) == before


def test_rules_over_signals_that_are_always_there_pass(folder: Path):
    rules = "minhash.n_shingles >= 5, tokens.n_tokens >= 3, duplicates.cluster_size < 9, not withheld.free == False"
    always = f"levels.clean.keep=[{rules}]"
    dry_run(
        folder, always, "duplicates.also=[url, lines]", "levels.top.keep=[duplicates_url.survivor, lines.removed_share <= 0.5]"
    )


def test_a_file_that_is_one_json_list_says_what_makes_lines_of_it(folder: Path, tmp_path: Path):
    (tmp_path / "all.json").write_text('[{"text": "a"}, {"text": "b"}]')
    said = dry_run(folder, f"sources=[{{kind: jsonl, name: small, path: {tmp_path}/all.json}}]", code=2)
    assert "a JSON list, not an object); kind jsonl reads an object a line, as `jq -c '.[]'` makes of a list" in said


def test_people_see_the_sample(folder: Path):
    told = dry_run(
        folder, "sources=[{kind: jsonl, name: small, path: corpus/*.jsonl, fields: {date: meta.when}}]", as_json=False
    )
    assert "sample of small: 200 documents" in told
    assert "caution none of them has the field 'meta.when' that `fields.date` of small names; they have url, domain" in told


def test_without_a_ladder_there_is_no_table_of_runs(folder: Path):
    told = dry_run(folder, "ladder={}", verb="curate", as_json=False)
    assert "sample of small" in told
    assert "FLOPs" not in told


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("levels.clean.keep=[gopher_quality.n_wrods >= 3]", "unknown column 'gopher_quality.n_wrods'"),
        ("levels.clean.keep=[language]", "levels.clean: level 'clean'"),
        ("levels.top.top.by=quality.socre", "unknown column 'quality.socre'"),
        ("classifiers.quality.positives=langauge.score > 1", "unknown column 'langauge.score'"),
        ("duplicates.survivor=[quality.score]", "duplicates.survivor: there is no column 'quality.score'"),
        ("levels.clean.edit=[c4_lines]", "levels.clean.edit: edits: 'c4_lines' is not one of"),
        (
            "sources=[{kind: jsonl, name: small, path: corpus/*.jsonl, fields: {text: body}}]",
            "no field 'body'; it has domain, text, url); name the field of the text in `fields: {text: ...}`",
        ),
        ("sources=[{kind: jsonl, name: small, path: nowhere/*.jsonl}]", "holds no file of kind jsonl"),
        ("signals={word_list: {path: nowhere.txt}}", "signals.word_list"),
        ("ladder.batch_tokens=100", "ladder.batch_tokens: 100 is not a multiple of ladder.context 32"),
        ("checks={cosine: {shape: c, tokens: 1024}}", "checks.cosine: 'c' is not a shape of the ladder (a, b)"),
        ("fit.eval_set=holdout", "did you mean `heldout`?"),
    ],
)  # fmt: skip
def test_what_would_fail_late_fails_early(folder: Path, override: str, message: str):
    assert message in dry_run(folder, override, code=2)
