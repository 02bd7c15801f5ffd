import gzip
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.document import SCHEMA, Batch
from curation.signals import phrases
from curation.signals.phrases import contamination, word_list


def batch(*texts: str) -> Batch:
    return Batch(pa.table({"text": pa.array(texts, SCHEMA.field("text").type)}))


QUESTION = "What is the name of the first city that stood on this side of the great river?"  # 17 words


@pytest.fixture
def evaluation(tmp_path):
    def write(*texts: str, name: str = "test.jsonl", field: str = "text") -> list[str]:
        (tmp_path / name).write_text("".join(json.dumps({field: text}) + "\n" for text in texts))
        return [str(tmp_path / name)]

    return write


def test_an_overlap_is_found_in_any_case_and_punctuation(evaluation):
    texts = evaluation(QUESTION)
    found = "WHAT IS THE NAME of the first city, that stood on\nthis side of the Great River"
    leak = f'Intro. "{found}": we ask. More \u00fcber words.'
    clean = QUESTION.replace("first", "second")
    table = contamination(batch(leak, clean, ""), texts).to_pylist()
    assert table[0]["n_matches"] == 5  # 17 - 13 + 1
    assert table[0]["overlap"] == pytest.approx(17 / 23)
    span = leak.encode()[table[0]["span_start"] : table[0]["span_end"]].decode()
    assert span == found
    assert table[1] == table[2] == {"n_matches": 0, "overlap": 0, "span_start": None, "span_end": None}


def test_the_span_is_the_longest_run(evaluation):
    texts = evaluation("a b c d e f g h i j k l m", "n o p q r s t u v w x y z 1 2")
    text = "a b c d e f g h i j k l m . no n o p q r s t u v w x y z 1 2"
    row = contamination(batch("first \u00e9", text), texts).to_pylist()[1]
    assert text[row["span_start"] : row["span_end"]] == "n o p q r s t u v w x y z 1 2"


def test_short_texts_are_looked_for_whole_down_to_eight_words(evaluation):
    texts = evaluation("one two three four five six seven eight", "red green blue", name="short.jsonl")
    documents = batch("so one two three four five six seven eight nine", "one two three four five six seven", "red green blue")
    assert contamination(documents, texts)["n_matches"].to_pylist() == [1, 0, 0]


def test_n_grams_do_not_cross_documents(evaluation):
    texts = evaluation("a b c d", "e f g h")
    documents = batch("c d e f", "a b c", "d e", "a b c d e")
    assert contamination(documents, texts, n=4)["n_matches"].to_pylist() == [0, 0, 0, 1]


def test_texts_may_be_compressed_and_in_another_field(tmp_path):
    path = tmp_path / "questions.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps({"question": QUESTION}) + "\n").encode()))
    assert contamination(batch(QUESTION), [str(path)], field="question")["overlap"].to_pylist() == [1]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=25), min_size=1, max_size=4),
    st.lists(st.sampled_from("abc"), min_size=3, max_size=9),
)
def test_contamination_is_the_definition(parts, target):
    n = 3
    known = {tuple(target[k : k + n]) for k in range(len(target) - n + 1)}
    words = phrases.scan(pa.array([" ".join(target)]))
    table = phrases._phrases([(n, (keys := phrases.n_gram_keys(words, n))[keys != 0])])
    matches_D, covered_D, _ = phrases._match(batch(*[" ".join(part) for part in parts]).words, table)
    for d, part in enumerate(parts):
        places = [k for k in range(len(part) - n + 1) if tuple(part[k : k + n]) in known]
        assert matches_D[d] == len(places)
        assert covered_D[d] == len({p for k in places for p in range(k, k + n)})


def test_nothing_to_look_for_is_an_error(evaluation):
    with pytest.raises(ValueError, match="has 8 words"):
        contamination(batch("a"), evaluation("too short"))
    with pytest.raises(ValueError, match="empty list"):
        contamination(batch("a"))
    with pytest.raises(ValueError, match="not a kind of file"):
        contamination(batch("a"), ["eval.csv"])


def test_a_word_list_matches_whole_words_and_phrases(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# comment\nbad\n\nvery bad thing\n\u00dcbel\n")
    documents = batch("Bad, BAD badly", "a very-bad thing", "\u00fcbel", "nothing", "")
    table = word_list(documents, str(path))
    assert table["n_matches"].to_pylist() == [2, 2, 1, 0, 0]
    assert table["matched_words"].to_pylist() == pytest.approx([2 / 3, 3 / 4, 1, 0, 0])


EDGES = {
    "empty": ("", 0, 0),
    "one line": ("one bad line", 1, 1 / 3),
    "no spaces": ("bad" * 100, 0, 0),
    "right to left": ("\u05e9\u05dc\u05d5\u05dd \u05e8\u05e2, \u05e9\u05dc\u05d5\u05dd", 1, 1 / 3),
    "emoji": ("\U0001f600bad\U0001f600 \U0001f600", 1, 1),  # an emoji is no word
    "no words": ("\U0001f600 ...", 0, 0),
    "Chinese": ("\u574f\u4eba\u574f", 1, 2 / 3),
    "ten megabytes": ("a bad line of words " * 500_000, 500_000, 1 / 5),
}


@pytest.mark.parametrize("case", EDGES)
def test_word_list_golden(tmp_path, case):
    text, n_matches, matched_words = EDGES[case]
    (tmp_path / "list.txt").write_text("bad\n\u05e8\u05e2\n\u574f\u4eba\n")
    assert word_list(batch(text), str(tmp_path / "list.txt")).to_pylist() == [
        {"n_matches": n_matches, "matched_words": pytest.approx(matched_words)}
    ]


CONTAMINATED = {
    "empty": ("", 0, None),
    "one line": (f"x {QUESTION}", 5, QUESTION[:-1]),
    "no spaces": (QUESTION.replace(" ", ""), 0, None),
    "right to left": (" ".join(f"\u05d0\u05d1{k}" for k in range(20)), 8, " ".join(f"\u05d0\u05d1{k}" for k in range(20))),
    "emoji": (QUESTION.replace(" ", " \U0001f600 "), 5, QUESTION[:-1].replace(" ", " \U0001f600 ")),
    "ten megabytes": ("words " * 1_700_000 + QUESTION, 5, QUESTION[:-1]),
}


@pytest.mark.parametrize("case", CONTAMINATED)
def test_contamination_golden(evaluation, case):
    text, n_matches, span = CONTAMINATED[case]
    row = contamination(batch(text), evaluation(QUESTION, CONTAMINATED["right to left"][0])).to_pylist()[0]
    assert row["n_matches"] == n_matches
    found = None if span is None else text.encode()[row["span_start"] : row["span_end"]].decode()
    assert found == span


def test_an_empty_word_list_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="set `path`"):
        word_list(batch("a"))
    (tmp_path / "list.txt").write_text("# nothing\n")
    with pytest.raises(ValueError, match="has no entry"):
        word_list(batch("a"), str(tmp_path / "list.txt"))
