import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.document import SCHEMA, Batch
from curation.signals import quality
from curation.signals.pretokenized import pretokenized
from curation.signals.quality import GOOD, Settings, auc, auc_error, disjoint, load, rank_correlation, score, train

SMALL = Settings(dim=4, bucket=1000, epochs=5, lr=0.5, min_count=1)
WORDS = {
    "good": ["river", "stone", "light", "careful", "theorem", "garden"],
    "rest": ["click", "buy", "cheap", "casino", "now", "free"],
}


def examples(kind: str, n: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    mixed = WORDS[kind] * 3 + WORDS["good"] + WORDS["rest"]
    texts = [" ".join(rng.choice(mixed, rng.integers(8, 30))) for _ in range(n)]
    return pa.table({"text": texts, "domain": [f"{kind}-domain"] * n})


@pytest.fixture(scope="module")
def classifier() -> quality.Classifier:
    return train(examples("good", 400), examples("rest", 400), SMALL)


def test_it_tells_the_classes_apart_on_held_out_examples(classifier: quality.Classifier) -> None:
    report = classifier.report
    assert report.auc > 0.95
    assert report.auc_low <= report.auc <= report.auc_high
    assert report.n_good == report.n_rest == 400
    assert 40 < report.n_held_out < 130
    assert sum(row["n"] for row in report.calibration) == report.n_held_out
    assert report.calibration[0]["good"] < 0.3 < 0.7 < report.calibration[-1]["good"]
    assert report.domains["good-domain"]["score"] > report.domains["rest-domain"]["score"]
    assert set(report.length_bias) == {"good", "rest"}


def test_the_same_examples_in_any_order_give_the_same_bytes(classifier: quality.Classifier) -> None:
    order = np.random.default_rng(1).permutation(400)
    again = train(examples("good", 400).take(order), examples("rest", 400).take(order[::-1]), SMALL)
    assert again.model == classifier.model
    assert again.report == classifier.report
    other = train(examples("good", 400), examples("rest", 400), Settings(**(vars(SMALL) | {"seed": 1})))
    assert other.model != classifier.model


def test_training_does_not_see_what_memory_held_before() -> None:
    """fastText 0.9.3 with one thread leaves nine tenths of its matrix to malloc; 25 MB of ones must not show."""
    settings = Settings(dim=16, bucket=100_000, min_count=1)
    first = train(examples("good", 100), examples("rest", 100), settings)
    dirty = [np.full(200_000, 1e30, np.float32) for _ in range(40)]
    del dirty
    assert train(examples("good", 100), examples("rest", 100), settings).model == first.model


def test_artefact_scores_in_bulk_as_fasttext_does(classifier: quality.Classifier, tmp_path: Path) -> None:
    import fasttext

    classifier.save(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["auc"] == classifier.report.auc
    texts = [*examples("good", 20, 9)["text"].to_pylist(), "two\nlines\r\nof casino", "", "caf\u00e9 \u4e2d\u6587"]
    scores = score(load(str(tmp_path / "model.bin")), pa.chunked_array([texts[:5], texts[5:]], pa.large_string()))
    assert scores.dtype == np.float32
    reference = fasttext.load_model(str(tmp_path / "model.bin"))
    for text, value in zip(texts, scores, strict=True):
        labels, probabilities = reference.predict(
            [pretokenized(pa.array([text], pa.large_string()), "separated")[0].as_py()], k=2
        )
        expected = dict(zip(labels[0], probabilities[0], strict=True)).get(GOOD, 0.0)
        assert value == np.float32(min(max(expected, 0), 1))


@pytest.fixture(scope="module")
def model(classifier: quality.Classifier, tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("model")
    classifier.save(folder)
    return load(str(folder / "model.bin"))


@pytest.mark.parametrize("space", ["\n", "\r\n", "\x0b", "\x1c", "\x85", "\xa0", "\u2009", "\u2028", "\u2029", "\u3000"])
def test_any_white_space_separates_words(model: object, space: str) -> None:
    for words in WORDS.values():
        assert score(model, [space.join(words)]) == score(model, [" ".join(words)])


def test_documents_are_scored_to_their_end(model: object) -> None:
    good, rest = (" ".join(WORDS[kind]) for kind in ("good", "rest"))
    for end in (" </s> ", "\n</s>\n", " </s>\u3000", " __label__hq "):
        first, second, both, neither = score(
            model, [f"{good}{end}{good}", f"{good}{end}{rest}", f"{good} {rest}", f"{end}{rest}"]
        )
        assert first > 0.9
        assert neither < 0.1
        assert abs(second - both) < 0.1


def test_scripts_without_spaces_are_told_apart() -> None:
    """Texts of one long "word" each; without separation every text is a word that no other has."""
    draw = np.random.default_rng(0)
    for good, rest in (
        ("\u6cb3\u77f3\u5149\u82b1\u56ed\u4e66", "\u4e70\u5356\u4ef7\u94b1\u514d\u8d39"),
        ("\u0e01\u0e02\u0e04\u0e07", "\u0e14\u0e15\u0e16\u0e17"),
    ):
        tables = [
            pa.table({"text": ["".join(draw.choice(list(letters * 3 + good + rest), 30)) for _ in range(200)]})
            for letters in (good, rest)
        ]
        assert train(*tables, SMALL).report.auc > 0.95
        assert train(*tables, replace(SMALL, words="as written")).report.auc < 0.7


def test_a_users_model_reads_documents_as_written(model: object) -> None:
    texts = ["river\u3000stone", "\u6cb3\u77f3 river", "casino\nriver", "a b\xa0c"]
    found = [model.f.predict(text.replace("\n", " ") + "\n", 2, 0.0, "strict") for text in texts]  # type: ignore[attr-defined]
    expected = [next(probability for probability, label in pairs if label == GOOD) for pairs in found]
    np.testing.assert_allclose(score(model, texts, words="as written"), np.clip(expected, 0, 1), atol=1e-6)
    assert score(model, ["river </s> casino"], words="as written") != score(model, ["river"], words="as written")


def test_signal(classifier: quality.Classifier, tmp_path: Path) -> None:
    classifier.save(tmp_path)
    documents = examples("good", 7).select(["text"])
    table = quality.compute(Batch(documents), model=str(tmp_path / "model.bin"))
    assert table.schema == pa.schema({"score": pa.float32()})
    assert table.num_rows == 7
    assert quality.compute(Batch(documents.slice(0, 0)), model=str(tmp_path / "model.bin")).num_rows == 0


def test_texts_of_every_form_have_a_score(classifier: quality.Classifier, tmp_path: Path) -> None:
    """Empty, one line, no spaces, right to left, emoji, NUL, ten megabytes: one score each, and none moves its neighbour's."""
    classifier.save(tmp_path)
    model = load(str(tmp_path / "model.bin"))
    texts = ["", "river", "x" * 1000, "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\U0001f600 \U0001f600"]
    texts += ["click " * 1_700_000, "x" * 10_000_000, "river stone"]
    scores = score(model, texts)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert [score(model, [text])[0] for text in texts] == scores.tolist()
    assert scores[5] < 0.5 < scores[7]


def test_a_rewritten_model_is_loaded_again(classifier: quality.Classifier, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(classifier.model)
    first = load(str(path))
    assert load(str(path)) is first
    os.utime(path, (1, 1))
    assert load(str(path)) is not first


def test_a_users_model_and_an_unknown_label(tmp_path: Path) -> None:
    lines = ["__label__en hello world\n", "__label__fr bonjour monde\n", "__label__de hallo welt\n"] * 20
    (tmp_path / "m.bin").write_bytes(quality._fit(lines, SMALL))
    model = load(str(tmp_path / "m.bin"))
    assert score(model, ["hello world"], "__label__en")[0] > score(model, ["hello world"], "__label__fr")[0]
    with pytest.raises(ValueError, match=r"no label '__label__hq'; it has __label__.*; set `label`"):
        score(model, ["hello"])


def test_one_class_is_an_error() -> None:
    none = examples("rest", 0)
    with pytest.raises(ValueError, match=r"0 usable negatives \(of 0 given\); .* declare wider negatives"):
        train(examples("good", 100), none, SMALL)
    with pytest.raises(ValueError, match="usable positives"):
        train(none, examples("good", 100), SMALL)
    with pytest.raises(ValueError, match=r"0 usable negatives \(of 100 given\)"):
        train(examples("good", 100), examples("good", 100), SMALL)  # every negative is a positive


def test_too_large_a_model_and_divergence_are_errors() -> None:
    with pytest.raises(ValueError, match=r"classifier is 160 MB .bucket 2000000, dim 20.; the limit is 100 MB"):
        train(examples("good", 100), examples("rest", 100), Settings(dim=20, bucket=2_000_000))
    with pytest.raises(ValueError, match=r"could not train the classifier: .*NaN.*; lower `lr`"):
        train(examples("good", 100), examples("rest", 100), Settings(dim=4, bucket=1000, lr=1e30))


def test_classes_are_disjoint_by_text_and_by_cluster() -> None:
    positives = pa.table({"text": ["a", "b\nc"], "cluster": pa.array([1, 2], pa.uint64())})
    negatives = pa.table({"text": ["a", "d", "e", "b c"], "cluster": pa.array([7, 2, 9, 8], pa.uint64())})
    assert disjoint(negatives, positives)["text"].to_pylist() == ["e"]
    assert disjoint(negatives.drop_columns("cluster"), positives)["text"].to_pylist() == ["d", "e"]


def test_near_copies_are_held_out_together() -> None:
    table = examples("good", 300)
    clustered = table.append_column("cluster", pa.array(np.arange(300) // 10, pa.uint64()))
    held = quality._examples(clustered, SMALL)
    by_cluster: dict[int, set[bool]] = {}
    cluster_of = dict(zip(clustered["text"].to_pylist(), clustered["cluster"].to_pylist(), strict=True))
    for e, out in enumerate(held.held_out_E):
        by_cluster.setdefault(cluster_of[held.text(e)], set()).add(bool(out))
    assert all(len(sides) == 1 for sides in by_cluster.values())
    assert 0 < held.held_out_E.sum() < 120


def test_a_text_cannot_label_itself() -> None:
    good, rest = examples("good", 60), examples("rest", 60)
    tricky = pa.table({"text": [f"__label__hq __label__x {text}" for text in rest["text"].to_pylist()]})
    model = train(good, tricky, SMALL).model
    assert b"__label__x" not in model


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_counts_pairs(pairs: list[tuple[int, bool]]) -> None:
    score_D, good_D = np.array([p[0] for p in pairs], float), np.array([p[1] for p in pairs])
    if not 0 < good_D.sum() < len(pairs):
        return
    wins = [(g > r) + 0.5 * (g == r) for g in score_D[good_D] for r in score_D[~good_D]]
    assert auc(score_D, good_D) == pytest.approx(np.mean(wins))


def test_auc_error_is_the_spread_of_auc_over_samples() -> None:
    rng = np.random.default_rng(0)
    good_D = np.repeat([True, False], [60, 90])
    found = [auc(rng.exponential(1 + 2 * good_D), good_D) for _ in range(2000)]
    assert auc_error(float(np.mean(found)), 60, 90) == pytest.approx(np.std(found), rel=0.1)
    assert auc_error(1.0, 60, 90) == 0


def test_rank_correlation() -> None:
    from scipy.stats import spearmanr

    x, y = np.random.default_rng(0).integers(0, 9, (2, 50))
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y)[0])
    assert rank_correlation(x, np.ones(50)) == 0


def test_random_control_is_uniform_and_of_the_uid_alone() -> None:
    uid = np.arange(20_000, dtype=np.uint64)
    documents = pa.table({"uid": uid, "text": pa.array(["x"] * 20_000, SCHEMA.field("text").type)})
    scores = quality.random(Batch(documents), seed=3)["score"].to_numpy()
    assert scores.dtype == np.float32
    assert scores.min() >= 0
    assert scores.max() < 1
    np.testing.assert_allclose(np.histogram(scores, 10, (0, 1))[0], 2000, atol=200)
    shuffled = documents.take(np.random.default_rng(0).permutation(20_000))
    np.testing.assert_array_equal(np.sort(quality.random(Batch(shuffled), seed=3)["score"].to_numpy()), np.sort(scores))
    assert not np.array_equal(quality.random(Batch(documents), seed=4)["score"].to_numpy(), scores)
