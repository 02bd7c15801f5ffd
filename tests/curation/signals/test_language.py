import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from py3langid import langid

from curation.document import SCHEMA, Batch
from curation.signals.language import language
from curation.signals.quality import TRAINER, ZEROED_MEMORY

TEXTS = [
    "The quick brown fox jumps over the lazy dog, and then it sleeps.",
    "Der schnelle braune Fuchs springt \u00fcber den faulen Hund.",
    "Cafe\u0301s et the\u0301s: l'\u00e9l\u00e8ve a mange\u0301 une pomme hier soir.",  # not composed
    "\u042d\u0442\u043e \u043f\u0440\u043e\u0441\u0442\u043e\u0435 \u0441\u043b\u043e\u0432\u043e.",
    "\u4eca\u5929\u5929\u6c14\u5f88\u597d\uff0c\u6211\u4eec\u53bb\u516c\u56ed\u3002",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd, \u05de\u05d4 \u05e9\u05dc\u05d5\u05de\u05da?",
    "THIS SENTENCE IS WRITTEN IN CAPITAL LETTERS.",
    "",
    "1234",
    "\U0001f600\U0001f600",
    "word " * 50_000,
]  # fmt: skip


def batch(texts: list[str]) -> Batch:
    return Batch(pa.table({"text": pa.array(texts, SCHEMA.field("text").type)}))


def test_it_is_py3langid():
    model = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    table = language(batch(TEXTS), languages=["en", "de", "sr"], n_chars=None, min_letters=0)
    for row, text in zip(table.to_pylist(), TEXTS, strict=True):
        name, score = model.classify(text)
        ranks = dict(model.rank(text))
        assert row["language"] == name
        assert row["score"] == pytest.approx(score, abs=1e-3)
        assert [row["en"], row["de"], row["sr"]] == pytest.approx([ranks["en"], ranks["de"], ranks["sr"]], abs=1e-3)


@pytest.mark.parametrize(
    ("text", "language_code"),
    [
        ("", "und"), ("1234 5678 " * 900, "und"), ("\U0001f600\U0001f600", "und"), ("word", "und"), ("=" * 3000, "und"),
        ("\u043e\u043a", "und"), ("\u4e2d\u6587", "und"), ("\u4eca\u5929\u5929\u6c14\u5f88\u597d", "zh"),
        ("1234 5678 " * 9 + "the quick brown fox jumps over the lazy dog", "en"), ("a.b.c.d.e.f.g.h.i", "und"),
        ("the weather", "en"),
    ],
)  # fmt: skip
def test_a_text_of_few_letters_has_no_language(text: str, language_code: str) -> None:
    (row,) = language(batch([text])).to_pylist()
    assert row["language"] == language_code
    assert (row["score"], row["en"]) == (0, 0) if language_code == "und" else row["score"] > 0


def test_a_fasttext_model_by_path(tmp_path):
    lines = [f"__label__{name} {text}" for name, text in (("en", "the dog and the cat"), ("de", "der hund und die katze"))]
    (tmp_path / "train.txt").write_text("\n".join(lines * 200))
    settings = {"input": str(tmp_path / "train.txt"), "dim": 8, "epoch": 25, "lr": 0.1, "thread": 1, "verbose": 0}
    command = [sys.executable, "-c", TRAINER, json.dumps(settings), str(tmp_path / "lid.bin")]
    subprocess.run(command, env=os.environ | ZEROED_MEMORY, check=True)
    table = language(batch(["the cat\nand the dog", "die katze", ""]), str(tmp_path / "lid.bin"), ["de"], min_letters=5)
    assert table.column_names == ["language", "score", "de"]
    assert table["language"].to_pylist()[:2] == ["en", "de"]
    assert (table["de"].to_numpy()[:2] > 0.5).tolist() == [False, True]
    assert np.all((table["score"].to_numpy() >= 0) & (table["score"].to_numpy() <= 1))


def test_the_first_characters_are_enough():
    texts = ["\u00fcber den Berg und durch den Wald " * 9 + "and so on " * 900, "\u4f60\u597d", ""]
    some = language(batch(texts), n_chars=200)
    assert some.equals(language(batch([text[:200] for text in texts]), n_chars=None))
    assert some["language"].to_pylist()[0] == "de"
    assert language(batch(texts), n_chars=None)["en"][0].as_py() > 100 * some["en"][0].as_py()


def test_a_line_of_ten_megabytes_and_one_without_spaces():
    texts = ["the words of one long line and " * 340_000, "x" * 10_000_000, "thewordsofonelongline"]
    some, whole = language(batch(texts)), language(batch(texts), n_chars=None)
    assert some["language"].to_pylist()[0] == "en"
    assert all(0 < score <= 1 for score in whole["score"].to_pylist())
    assert whole["language"][2] == some["language"][2]  # short enough to be read whole both times


def test_an_unknown_language_is_an_error():
    with pytest.raises(ValueError, match="'klingon' is none of the 140 languages of py3langid"):
        language(batch(["a"]), languages=["klingon"])
