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


def test_continuations_exchange_the_ends_of_two_passages_of_a_domain():
    documents = [numbered(name, "law" if name < "f" else "art", 40) for name in "abcdefghi"] + [numbered("z", "lone", 40)]
    made = make("continuation", documents, N, 5, 1000)
    assert len(made) == 18  # pairs of the 20 passages of law and the 16 of art; the lone domain has none
    assert make("continuation", documents, N, 5, 4) == made[:4]
    for item in made:
        good, bad = ([re.findall(r"([a-z])(\d+)", text) for text in choice.split("\n\n")] for choice in item.choices)
        for passage in good:
            assert len({letter for letter, _ in passage}) == 1
            first = int(passage[0][1])
            assert [int(number) for _, number in passage] == list(range(first, first + 6))
        assert [passage[:4] for passage in bad] == [passage[:4] for passage in good]
        assert [passage[4:] for passage in bad] == [passage[4:] for passage in good[::-1]]
        letters = [passage[0][0] for passage in good]
        assert letters[0] != letters[1]
        assert len({letter < "f" for letter in letters}) == 1
        assert "z" not in letters
        assert sorted(item.choices[0]) == sorted(item.choices[1]), "frequencies cancel"
    begun = [re.findall(r"[a-z](?=0\b)", item.choices[0]) for item in made]
    assert sum(len(firsts) for firsts in begun[:4]) == 8, "first passages first"


def test_word_order_exchanges_two_neighbours_and_no_white_space():
    documents = [numbered(name, "law", 40) for name in "abcdefghi"]
    made = make("word_order", documents, 4 * N, 5, 1000)
    assert len(made) == 9 * 3  # of 12 words
    places = set()
    for item in made:
        good, bad = (choice.split() for choice in item.choices)
        assert [int(word[1:]) for word in good] == list(range(int(good[0][1:]), int(good[0][1:]) + N))
        at = next(i for i in range(N) if good[i] != bad[i])
        assert bad == [*good[:at], good[at + 1], good[at], *good[at + 2 :]]
        assert re.findall(r"\s+", item.choices[0]) == re.findall(r"\s+", item.choices[1])
        places.add(at)
    assert len(places) > 4
    assert len(make("word_order", documents, 8, 5, 1000)[0].choices[0].split()) == 8
    assert make("word_order", [Document(0, "law", "the " * 40)], N, 5, 10) == [], "alike words have no order"


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
    lists = [made[i : i + pairs] for i in range(0, len(made) - pairs, pairs)]
    assert all(len({one.choices for one in items}) == 1 for items in lists)
    assert all([one.answer for one in items] == list(range(pairs)) for items in lists), "who prefers a word is at chance"
    assert make("induction", [], n_words, 6, 50) != made


def test_agreement_differs_in_one_word_by_number():
    made = make("agreement", [], N, 5, 300)
    assert len({item.choices for item in made}) == 300
    forms = dict(NOUNS) | {"is": "are", "was": "were", "seems": "seem", "This": "These", "That": "Those"}
    changes = []
    for item in made:
        good, bad = (sentence.split() for sentence in item.choices)
        ((right, wrong),) = [pair for pair in zip(good, bad, strict=True) if pair[0] != pair[1]]
        assert forms.get(right) == wrong or forms.get(wrong) == right
        changes.append((right, wrong))
    assert changes[1::2] == [(wrong, right) for right, wrong in changes[::2]], "neither word is right more often"


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
