"""The study file: what is accepted, and how each mistake is named."""

from pathlib import Path

import pytest
import yaml

from pipelines.outcomes.fit import settings
from pipelines.study.study import Study, StudyError, load, parse

CONFIGS = Path(__file__).resolve().parents[3] / "configs"

MINIMAL = """
name: small
sources: [{kind: python_environment}]
levels:
  raw:
  dedup: {extends: raw, drop: near}
  top: {extends: dedup, keep: gopher_quality, top: {fraction: 0.5, by: quality.score}}
ladder: {shapes: {a: {width: 32, depth: 2, heads: 2}}, tokens: [1000, 2000]}
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(MINIMAL)
    return path


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_study_is_valid(path):
    assert load(path).levels


def contenders(study):
    return settings(study).contenders(study.levels)


def test_controls_and_other_mixtures_do_not_contend(study_file):
    more = ["levels.chance={extends: raw, random: top}", "levels.natural={extends: top, mixture: {kind: natural}}"]
    study = load(study_file, more)
    assert [study.levels[name].kind for name in study.levels] == ["level", "level", "level", "control", "arm"]
    assert settings(study).roles == {"chance": "control", "natural": "arm"}
    assert settings(study).random_parts == ("chance",)
    assert contenders(study) == ("dedup", "top")
    of_mixtures = [f"levels.{name}={{extends: raw, mixture: {{kind: natural}}}}" for name in ("dedup", "top")]
    assert contenders(load(study_file, of_mixtures)) == ("dedup", "top"), "in a study of mixtures they are all there is"


def test_a_level_may_be_empty_and_a_single_rule_needs_no_list(study_file):
    study = load(study_file)
    assert study.levels["raw"].keep == []
    assert study.levels["dedup"].drop == ["near"]
    assert study.levels["top"].keep == ["gopher_quality"]
    assert study.lineage("top") == ["raw", "dedup", "top"]
    assert study.baseline == "raw"


def test_overrides_are_yaml_values_at_dotted_places(study_file):
    study = load(study_file, ["ladder.seeds=3", "levels.top.top.fraction=0.25", "ladder.tokens=[5, 6]", "report.samples=no"])
    assert (study.ladder.seeds, study.ladder.tokens, study.report.samples) == (3, [5, 6], False)
    assert study.levels["top"].top is not None
    assert study.levels["top"].top.fraction == 0.25


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("ladder.seed=2", r"ladder\.seed: unknown key"),
        ("levels.top.top.fraction=1.5", r"levels\.top\.top\.fraction: .*less than or equal to 1 \(given: 1\.5\)"),
        ("levels.dedup.extends=rae", r"levels\.dedup\.extends: 'rae' is not a level declared above it \(above: raw\)"),
        ("levels.raw.extends=top", r"levels\.raw\.extends: 'top' is not a level declared above it \(above: none\)"),
        ("fit.baseline=best", r"fit\.baseline: 'best' is not a level"),
        ("mixture.kind=explicit", r"mixture: `shares` belongs to `kind: explicit`"),
        ("mixture={kind: explicit, shares: {code: 0.5, docs: 0.4}}", r"shares sum to 0\.9; they must sum to 1"),
        ("levels.x={duplicate_noise: 0.1}", r"levels\.x: `duplicate_noise` is of the copies that `duplicate` adds"),
        ("classifiers.q={}", r"classifiers\.q: give either `positives`"),
        ("sources=[]", r"sources: .*at least 1 item"),
        ("sources=[{kind: jsonl, name: a, path: x}, {kind: text, name: a, path: y}]", "the name 'a' is used twice"),
        ("sources=[{kind: jsonl, name: a, path: x, role: reference}]", "none has `role: pool`"),
        ("sources=[{kind: magic, name: a}]", r"sources\.0: .*magic"),
        ("ladder.tokens=[]", "ladder: it has shapes alone; runs need `shapes` and `tokens`"),
        (
            "fit.eval_set=holdout",
            r"fit\.eval_set: 'holdout' is no evaluation set; did you mean `heldout`\? there are heldout, heldout-pool and",
        ),
        ("fit.eval_set=own:top", r"fit\.eval_set: 'own:top' is no evaluation set"),
        ("evaluation.heldout=0", r"evaluation\.heldout: it is 0 and no source has `role: reference`"),
        ("seeds", "write it as section.key=value"),
        ("report.quality.axis=zst", r"report\.quality\.axis: 'zst' is no quality axis of this study; the closest are zstd"),
        ("report.quality.axis=overlap:heldout", "is no quality axis of this study"),
        ("report.quality.axis=reference_bits", "needs clean text; give a source `role: reference`"),
    ],
)
def test_mistakes_name_the_place_and_the_value(study_file, override, message):
    with pytest.raises(StudyError, match=message):
        load(study_file, [override])


def test_a_missing_or_broken_file_is_one_clear_error(tmp_path):
    with pytest.raises(StudyError, match="is not there; give a path"):
        load(tmp_path / "nothing.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [unclosed")
    with pytest.raises(StudyError, match="not valid YAML"):
        load(broken)
    broken.write_text("- a list")
    with pytest.raises(StudyError, match="a study is a mapping"):
        load(broken)


def test_the_json_schema_lists_every_section():
    assert set(Study.model_json_schema()["properties"]) >= {"sources", "levels", "ladder", "evaluation", "fit", "report"}


def test_a_key_given_twice_is_an_error_with_its_line():
    with pytest.raises(StudyError, match=r"the key 'levels' is given twice\n.* line 3, column 1"):
        parse("levels: {raw: {}}\nname: x\nlevels: {other: {}}\n", Path("study.yaml"))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("sede: 3", "line 2: sede: unknown key; did you mean `seed`?"),
        ("levels: {raw: {}, a: {\n  extend: raw}}", "line 3: levels.a.extend: unknown key; did you mean `extends`?"),
        (
            "sources:\n- {kind: jsonl, name: s, path: x,\n   feilds: {}}",
            "line 4: sources.0.feilds: unknown key; did you mean `fields`?",
        ),
        (
            "sources:\n- {kind: jsonl, name: s,\n   path: x, fields: {url: 'a..b'}}",
            "line 4: sources.0.fields.url: 'a..b' is no path to a field",
        ),
        (
            "sources:\n- {kind: jsonl, name: s,\n   path: x, fields: {id: doc}}",
            "line 4: sources.0.fields: `id` is none of text, url, domain, date; all other fields of a record, its own id among",
        ),
        (
            "ladder:\n  tokens: [1]\n  shapes:\n    nano: {width: 8, depht: 1, heads: 1}",
            "line 5: ladder.shapes.nano.depht: unknown key; did you mean `depth`?",
        ),
        ("ladder:\n  tokens: [1]\n  shapes:\n    nano: 3", "line 5: ladder.shapes.nano: a mapping of keys is needed here"),
        ("levels:\n  raw: {}\n  b: {extends: rwa}", "line 4: levels.b.extends: 'rwa' is not a level declared above it"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_line_and_what_was_meant(wrong, told):
    rest = {"sources": "sources: [{kind: jsonl, name: s, path: x}]", "levels": "levels: {raw: {}}"}
    text = "\n".join(["name: x", wrong, *(line for key, line in rest.items() if not wrong.startswith(key))])
    with pytest.raises(StudyError) as error:
        parse(text, Path("study.yaml"))
    assert told in str(error.value)
    assert "[" not in str(error.value).partition(told)[0], "no type of pydantic's is named"
    assert "constrained" not in str(error.value)


def test_a_folder_is_no_study(tmp_path):
    (tmp_path / "a.yaml").write_text("name: a")
    with pytest.raises(StudyError, match=r"is a folder; give a study file, such as .*a\.yaml"):
        load(tmp_path)


def test_the_draws_of_a_control_are_levels_that_share_the_seeds_and_are_compared_as_one(study_file):
    study = load(study_file, ["levels.chance={extends: raw, random: top, draws: 3}", "ladder.seeds=5"])
    assert list(study.levels) == ["raw", "dedup", "top", "chance", "chance-draw2", "chance-draw3"]
    assert study.compared == ["raw", "dedup", "top", "chance"]
    assert [list(study.seeds_of(f"chance{which}")) for which in ("", "-draw2", "-draw3")] == [[0, 3], [1, 4], [2]]
    assert list(study.seeds_of("raw")) == [0, 1, 2, 3, 4]
    assert settings(study).roles == {"chance": "control"}
    assert parse(yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False), study_file) == study, (
        "a resolved study is the same study"
    )


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("levels.chance={extends: raw, random: top, draws: 3}", "3 draws for 1 seeds"),
        ("levels.more={extends: raw, draws: 3}", "`draws` is of the control `random`"),
        ("levels.more={extends: raw, draw: 2}", "`draw` is of the control `random`"),
    ],
)
def test_draws_that_cannot_be(study_file, override, said):
    with pytest.raises(StudyError, match=said):
        load(study_file, [override, "ladder.seeds=1"])


def test_short_runs_are_seeds_after_the_ladders_that_stop_early(study_file):
    study = load(study_file, ["ladder.seeds=2", "ladder.short={tokens: 1000, seeds: 3}"])
    assert [study.ladder.tokens_of(seed) for seed in range(5)] == [(1000, 2000)] * 2 + [(1000,)] * 3
    assert list(study.seeds_of("raw")) == [0, 1, 2, 3, 4]
    assert study.short_runs == 3 * len(study.levels)
    with pytest.raises(StudyError, match=r"short.tokens: 2000 is none of `tokens` before the last \(1000\)"):
        load(study_file, ["ladder.short={tokens: 2000, seeds: 3}"])
