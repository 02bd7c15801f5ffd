"""The loop: the same bytes whoever computes, nothing computed twice, nothing trained that a change does not touch."""

import json
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from pipelines import run_study
from pipelines.engine.executor import InProcess, OnRay
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context, StepMissingError, _compute_side_by_side, run_job
from pipelines.engine.workdir import Workdir
from pipelines.outcomes.fit import settings
from pipelines.study.study import StudyError, load


class Counting(InProcess):
    """Counts the units it runs, by function name."""

    def __init__(self):
        self.units: dict[str, int] = {}

    def map(self, function, arguments, resources=None, names=(), done=None):
        for each in arguments:
            target = each[0] if function is run_job else function
            targets = [compute for compute, _ in each[3][0]] if target is _compute_side_by_side else [target]
            for target in targets:
                name = (target.args[0] if isinstance(target, partial) else target).__name__
                self.units[name] = self.units.get(name, 0) + 1
        return super().map(function, arguments)


def context(place: Path, executor=None) -> Context:
    workdir = Workdir(str(place))
    return Context(workdir, executor or Counting(), Progress(workdir))


def whole(folder: Path, place: Path, executor=None, overrides=()):
    study = load(folder / "study.yaml", list(overrides))
    here = context(place, executor)
    curated = run_study.curate(here, study, folder)
    trained = run_study.train_levels(here, study, curated)
    return here, study, curated, trained


def manifests(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("manifest.json"))}


@pytest.fixture(scope="module")
def quiet(module_study_folder):
    """One finished run in this process, to compare the others with."""
    _, _, curated, trained = whole(module_study_folder, module_study_folder / "work")
    return module_study_folder, curated, trained


def test_every_document_is_accounted_for(quiet):
    _, curated, _ = quiet
    for name, ledgers in curated.ledgers.items():
        rows = {row["reason"]: row for row in ledgers.summary["funnel"]}
        assert rows["in"]["documents"] == 360, name
        for amount in ("documents", "bytes", "tokens"):
            assert rows["in"][amount] == sum(row[amount] for reason, row in rows.items() if reason != "in")


def test_planted_duplicates_are_dropped_and_levels_are_nested(quiet):
    folder, curated, _ = quiet
    workdir = Workdir(str(folder / "work"))
    kept = {}
    for name, selection in curated.selections.items():
        rows = pl.concat([pl.DataFrame(workdir.read_table(path)) for path in selection.files(".parquet")])
        kept[name] = set(rows.filter(pl.col("keep"))["doc_id"].to_list())
    assert kept["top"] < kept["clean"] < kept["dedup"] < kept["raw"]
    dropped = {row["reason"]: row["documents"] for row in curated.ledgers["dedup"].summary["funnel"]}
    assert dropped["exact duplicate"] > 30  # every sixth of 360 was copied, a tenth is held out
    assert dropped["near duplicate"] > 20


def test_no_held_out_document_nor_a_copy_of_one_is_trained_on(quiet):
    folder, curated, _ = quiet
    workdir = Workdir(str(folder / "work"))
    clusters = pl.concat([pl.DataFrame(workdir.read_table(p)) for p in curated.pool.signals["duplicates"].files(".parquet")])
    of = dict(clusters.select("doc_id", "cluster").iter_rows())
    documents = workdir.read_table(curated.evaluation.files("documents.parquet")[0])
    heldout = {of[doc] for doc in documents["doc_id"].to_pylist()}
    assert heldout
    for manifest in curated.levels.values():
        for path in manifest.files(".parquet"):
            assert not heldout & {of[doc] for doc in workdir.read_table(path, ["doc_id"])["doc_id"].to_pylist()}


def test_domain_shares_are_pinned(quiet):
    _, curated, _ = quiet
    shares = []
    for manifest in curated.levels.values():
        domains = manifest.summary["domains"]
        total = sum(domains.values())
        shares.append({name: n / total for name, n in domains.items()})
    for other in shares[1:]:
        assert other == pytest.approx(shares[0], abs=0.02)


def test_every_run_is_certified_alike_and_every_set_observed(quiet):
    folder, _, trained = quiet
    table = pl.DataFrame(Workdir(str(folder / "work")).read_table("observations.parquet"))
    assert len(trained.runs) == 4 * 2
    assert table["certificate"].n_unique() == 1
    sets = set(table["eval_set"].unique())
    assert {"heldout", "heldout-pool", "domain:essays", "domain:letters", "own:raw", "own:top"} <= sets
    cells = table.group_by("level", "shape", "tokens", "eval_set").len()
    assert (cells["len"] == 1).all()
    assert (table["loss"] > 0).all()


def test_every_run_is_asked_every_task_at_every_d(quiet):
    folder, curated, trained = quiet
    workdir = Workdir(str(folder / "work"))
    table = pl.DataFrame(workdir.read_table("tasks.parquet"))
    key = ["level", "shape", "seed", "tokens"]
    assert table.group_by(*key, "eval_set", "metric").len()["len"].to_list() == [1] * (4 * 2 * 3 * 4)
    heldout = pl.DataFrame(workdir.read_table("observations.parquet")).filter(pl.col("eval_set") == "heldout")
    assert table.join(heldout, on=[*key, "loss", "certificate"]).height == table.height
    accuracy = table.filter(pl.col("metric") == "accuracy")
    items = curated.tasks.summary["continuation"]["items"]
    assert accuracy.select("eval_set", "chance", "n_items").unique().row(0) == ("continuation", 0.5, items)
    assert (accuracy["value"] * items - (accuracy["value"] * items).round()).abs().max() < 1e-9
    scores = pl.DataFrame(workdir.read_table(trained.runs["runs/top-b-s0"].files("choices.parquet")[0]))
    right = pl.DataFrame(workdir.read_table(curated.tasks.files("choices.parquet")[0])).select("item", "choice", "right")
    best = scores.filter(tokens=4096).sort("nats").group_by("item").first().join(right, on=["item", "choice"])
    assert best["right"].mean() == pytest.approx(accuracy.filter(level="top", shape="b", tokens=4096)["value"].item())


def test_a_second_run_computes_nothing(quiet):
    folder, curated, trained = quiet
    counting = Counting()
    _, _, again, retrained = whole(folder, folder / "work", counting)
    assert counting.units == {}
    assert again.levels == curated.levels
    assert retrained.observations == trained.observations


def test_a_changed_threshold_touches_one_level_and_no_signal(quiet, tmp_path):
    import shutil

    folder, curated, trained = quiet
    place = tmp_path / "work"
    shutil.copytree(folder / "work", place)
    counting = Counting()
    overrides = ["levels.top.top.fraction=0.7"]
    _, _, changed, retrained = whole(folder, place, counting, overrides)
    assert not {"annotate_shard", "read_slice", "send_keys", "train", "fit"} & set(counting.units), counting.units
    assert counting.units["select_level"] == len(curated.selections["top"].parts)
    assert counting.units["train_stack"] == 2  # one stack a shape, of the one changed level
    same = [name for name in trained.runs if trained.runs[name] == retrained.runs[name]]
    assert len(same) == 3 * 2
    assert changed.levels["top"] != curated.levels["top"]


def test_the_same_bytes_on_ray_with_one_and_two_workers(quiet, tmp_path):
    folder, _, _ = quiet
    expected = manifests(folder / "work")
    for workers in (1, 2):
        place = tmp_path / f"ray-{workers}"
        executor = OnRay(workers=workers)
        try:
            whole(folder, place, executor)
        finally:
            executor.close()
        assert manifests(place) == expected


def test_an_interrupted_run_goes_on_where_it_stopped(quiet, tmp_path):
    """Cut after every few units, again and again, until it is through: the result is that of a quiet run."""

    class Cut(Counting):
        def map(self, function, arguments, resources=None, names=(), done=None):
            for done, result in enumerate(super().map(function, arguments, resources)):
                yield result
                if done == 1 and len(arguments) > 2 and function is run_job:
                    raise KeyboardInterrupt

    folder, _, _ = quiet
    place, cuts = tmp_path / "work", 0
    while True:
        try:
            whole(folder, place, Cut())
            break
        except KeyboardInterrupt:
            cuts += 1
            assert cuts < 200
    assert cuts > 3
    assert manifests(place) == manifests(folder / "work")


def test_controls_and_edits_are_levels_too(quiet, tmp_path):
    import shutil

    folder, curated, _ = quiet
    place = tmp_path / "work"
    shutil.copytree(folder / "work", place)
    counting = Counting()
    overrides = [
        "ladder.seeds=2",
        "levels.random={extends: raw, random: top, draws: 2}",
        "levels.copied={extends: dedup, duplicate: 0.5}",
        "levels.edited={extends: dedup, edit: c4_lines_tfds}",
        "levels.natural={extends: clean, mixture: {kind: natural}}",
    ]
    here = context(place, counting)
    made = run_study.curate(here, load(folder / "study.yaml", overrides), folder)
    assert not {"annotate_shard", "read_slice", "train", "fit"} & set(counting.units)
    top, random = (made.selections[name].summary["tokens"] for name in ("top", "random"))
    assert random == pytest.approx(top, rel=0.25)  # to within a document in each domain
    assert made.selections["random-draw2"].summary["tokens"] == pytest.approx(top, rel=0.25)
    assert made.selections["random-draw2"].digest != made.selections["random"].digest, "another draw, other documents"
    study = load(folder / "study.yaml", overrides)
    assert [list(study.seeds_of(name)) for name in ("random", "random-draw2", "raw")] == [[0], [1], [0, 1]]
    assert settings(study).same_floor == ("random",), "of raw itself; `copied` is of a filtered level"
    funnels = {name: {row["reason"]: row for row in made.ledgers[name].summary["funnel"]} for name in made.ledgers}
    added = funnels["copied"]["added: copies"]
    assert added["tokens"] == pytest.approx(0.5 * sum(made.selections["dedup"].summary["tokens"].values()), rel=0.25)
    assert made.levels["copied"].summary["unique_tokens"] > curated.levels["dedup"].summary["unique_tokens"]
    assert funnels["edited"]["edits"]["tokens"] > 0  # junk without an end mark goes line by line
    kept = made.selections["clean"].summary["tokens"]
    natural = made.levels["natural"].summary["domains"]
    assert natural == pytest.approx(kept, rel=0.02)


def test_a_signal_follows_the_content_of_the_files_it_names(study_folder):
    (study_folder / "words.txt").write_text("house\n")
    study = load(study_folder / "study.yaml", ["signals={word_list: {path: words.txt}}"])
    here = context(study_folder / "work")
    made = run_study.pool.pool(here, study, study_folder)
    first = run_study.signals.declared(made, study.signal_params, study_folder)[0]
    assert run_study.signals.declared(made, study.signal_params, study_folder)[0].step.id == first.step.id
    (study_folder / "words.txt").write_text("house\nmister\n")
    assert run_study.signals.declared(made, study.signal_params, study_folder)[0].step.id != first.step.id
    (study_folder / "words.txt").unlink()
    with pytest.raises(StudyError, match=r"signals\.word_list: .*words\.txt"):
        run_study.signals.declared(made, study.signal_params, study_folder)


def test_a_later_verb_says_what_to_run_first(quiet, tmp_path):
    folder, _, _ = quiet
    study = load(folder / "study.yaml")
    with pytest.raises(StepMissingError, match="pool is not in the work directory; run `assay curate` first"):
        run_study.curate(context(tmp_path / "empty").only_reading("assay curate"), study, folder)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sources=[{kind: jsonl, name: small, path: nowhere/*.jsonl}]"], "nowhere"),
        (["levels.clean.keep=gopher_quality.n_words >= 1000000", "levels.top.extends=raw"], "clean.*keeps no document"),
        (["levels.clean.keep=gopher_quality.n_words >= 1000000"], "'top': no document with tokens is left .* before it"),
        (["levels.clean.keep=gopher_quality.n_wrods >= 3"], "unknown column 'gopher_quality.n_wrods'.*n_words"),
        (["levels.clean.keep=nonsense_rules"], "no rule set 'nonsense_rules'"),
        (["signals=[gopher_qualty]"], "'gopher_qualty' is not a known signal"),
        (["signals={gopher_quality: {nowords: 1}}"], "'nowords' is no parameter"),
        (["levels.top.top.by=quality.scores"], "unknown column 'quality.scores'"),
        (["ladder.tokens=[1024, 900000]"], "cannot fill 900,000 tokens"),
        (["ladder.tokens=[100]"], "under 5 batches"),
        (["tokenizer.vocab_size=60000"], "fills only"),
        (["classifiers.quality.positives=domain == 'nothing'"], "classifiers.quality.positives"),
        (["evaluation.heldout=0.0001", "evaluation.tasks={}"], "no held-out document"),
    ],
)
def test_mistakes_are_found_before_any_training(quiet, tmp_path, overrides, message):
    import shutil

    folder, _, _ = quiet
    place = tmp_path / "work"
    shutil.copytree(folder / "work", place, ignore=shutil.ignore_patterns("runs", "fit"))
    counting = Counting()
    with pytest.raises((StudyError, ValueError), match=message):
        whole(folder, place, counting, overrides)
    assert "train_stack" not in counting.units


def test_malformed_records_are_quarantined_with_their_place(study_folder):
    corpus = study_folder / "corpus" / "a.jsonl"
    lines = corpus.read_bytes().splitlines()
    lines[4], lines[9], lines[14] = b'{"text": "half', b'{"text": "\xff\xfe"}', b'{"title": "no text here"}'
    corpus.write_bytes(b"\n".join(lines) + b"\n")
    study = load(study_folder / "study.yaml", ["pool.max_malformed=0.02"])
    here = context(study_folder / "work")
    made = run_study.pool.pool(here, study, study_folder)
    assert made.summary["sources"]["small"] == {"documents": 357, "malformed": 3}
    rows = [json.loads(line) for path in made.files(".jsonl") for line in here.workdir.read_bytes(path).decode().splitlines()]
    assert {row["place"].partition(",")[0] for row in rows} == {"line 5", "line 10", "line 15"}
    assert {row["path"] for row in rows} == {"a.jsonl"}
    with pytest.raises(StudyError, match=r"3 of 360 records are malformed \(0\.8%\), over pool\.max_malformed = 0\.5%"):
        run_study.pool.pool(here, load(study_folder / "study.yaml", ["pool.max_malformed=0.005"]), study_folder)


def test_a_source_without_a_readable_document_is_refused(study_folder):
    (study_folder / "corpus" / "a.jsonl").write_text("not json\n" * 3)
    (study_folder / "corpus" / "b.jsonl").unlink()
    with pytest.raises(StudyError, match="source 'small': no readable document"):
        run_study.pool.pool(context(study_folder / "work"), load(study_folder / "study.yaml"), study_folder)
