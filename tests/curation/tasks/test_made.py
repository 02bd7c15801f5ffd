"""Made tasks: what their rules promise, on text made of numbered words."""

import re

import numpy as np
import pyarrow as pa
import pytest

from curation.tasks.agreement import NOUNS
from curation.tasks.encode import choices, fitting
from curation.tasks.items import Item
from curation.tasks.last_word import NEAR
from curation.tasks.made import make
from curation.tasks.passages import EXCERPT, WINDOWS, Document, excerpt, passage_words
from curation.tokens import tokenizer

N = 12


def numbered(name: str, domain: str, n_words: int) -> Document:
    return Document(
        ord(name) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF,
        domain,
        "\n".join(" ".join(f"{name}{i}" for i in range(j, j + 5)) for j in range(0, n_words, 5)),
    )


def test_continuations_are_the_passages_own_among_others_of_the_domain():
    documents = [numbered(name, "law" if name < "f" else "art", 40) for name in "abcdefghi"] + [numbered("z", "lone", 40)]
    made = make("continuation", documents, N, 5, 1000)
    assert len(made) == 9 * 3  # 40 words are three passages of 12; the lone domain has no other text
    assert make("continuation", documents, N, 5, 4) == made[:4]
    assert {item.context[0] for item in made[:9]} == set("abcdefghi"), "each document once before any twice"
    for item in made:
        letters = [choice.strip()[0] for choice in item.choices]
        assert letters[item.answer] == item.context[0]
        assert len(set(letters)) == 4
        assert len({letter < "f" for letter in letters}) == 1
        last = int(re.findall(r"\d+", item.context)[-1])
        assert [int(n) for n in re.findall(r"\d+", item.choices[item.answer])] == [last + 1, last + 2, last + 3]
        assert all(len(choice.split()) == 3 for choice in item.choices)
    assert 3 < np.bincount([item.answer for item in made], minlength=4).max() < 15  # no place is favoured


def test_last_words_were_read_before_and_not_near():
    rng = np.random.default_rng(2)
    lexicon = ["alpha", "bravo", "delta", "gamma,", "of", "the", "a1b2c", "omega."]
    documents = [Document(i, "d", " ".join(rng.choice(lexicon, 200))) for i in range(30)]
    made = make("last_word", documents, N, 5, 1000)
    assert len(made) > 30
    for item in made:
        (target,) = item.choices
        words = [re.sub(r"\W", "", word) for word in item.context.split()]
        assert re.fullmatch(r"\s[a-z]{4,}", target)
        assert len(words) == N - 1
        assert target.strip() in words[:-NEAR]
        assert target.strip() not in words[-NEAR:]
    assert max(np.unique([item.context for item in made], return_counts=True)[1]) == 1


@pytest.mark.parametrize(("n_words", "pairs"), [(32, 4), (8, 2)])
def test_induction_asks_for_what_followed_the_name(n_words, pairs):
    made = make("induction", [], n_words, 5, 50)
    assert len(made) > 45
    for item in made:
        told = dict(re.findall(r"(\w+) (\w+)\.", item.context))
        assert len(told) == pairs
        assert item.choices[item.answer] == told[item.context.split()[-1]]
        assert sorted(item.choices) == sorted(told.values())
    assert make("induction", [], n_words, 6, 50) != made


def test_agreement_differs_in_one_word_by_number():
    made = make("agreement", [], N, 5, 300)
    assert len({item.choices for item in made}) == 300
    forms = dict(NOUNS) | {"is": "are", "was": "were", "seems": "seem", "This": "These", "That": "Those"}
    singular = 0
    for item in made:
        good, bad = (sentence.split() for sentence in item.choices)
        ((right, wrong),) = [pair for pair in zip(good, bad, strict=True) if pair[0] != pair[1]]
        assert forms.get(right) == wrong or forms.get(wrong) == right
        singular += right in forms
    assert 110 < singular < 190, "neither number is always right"


def test_excerpts_begin_with_a_word_and_depend_on_the_key():
    text = " ".join(f"w{i}" for i in range(5000))
    for key in (0, 7, 2**63 + 11):
        cut = excerpt(text, key)
        assert len(cut) <= EXCERPT
        assert all(re.fullmatch(r"w\d+", word) for word in cut.split())
    assert excerpt(text, 7) != excerpt(text, 12345)
    assert excerpt("short", 7) == "short"
    assert [passage_words(context) for context in (32, 128, 4096)] == [8, 32, 64]
    assert len(list(Document(0, "", text[:EXCERPT]).windows(8))) == WINDOWS


def test_choices_are_tokenised_whole_and_split_after_the_context():
    trained = tokenizer.train(["the cat sat on the mat and the cat ate " * 40], 270)
    items = [
        Item("choice", "the cat", ("sat", "ate the mat"), 1),
        Item("pair", "", ("the cat", "the mat")),
        Item("cloze", "on ", ("the",)),
    ]
    table = choices(items, trained)
    loaded = tokenizer.load(trained)
    rows = table.to_pylist()
    assert [loaded.decode(row["tokens"]) for row in rows] == [
        "the cat sat",
        "the cat ate the mat",
        "the cat",
        "the mat",
        "on the",
    ]
    scored = [loaded.decode(row["tokens"][row["n_context"] :]) for row in rows]
    assert scored == [" sat", " ate the mat", "the cat", "the mat", " the"]
    assert [row["n_bytes"] for row in rows] == [3, 11, 7, 7, 3]
    assert [row["right"] for row in rows] == [False, True, True, False, True]
    assert table.schema.field("tokens").type == pa.list_(pa.uint16())
    assert fitting(table, max(len(row["tokens"]) for row in rows)).all()
    assert fitting(table, max(len(row["tokens"]) for row in rows) - 1).tolist() == [False, True, True]
