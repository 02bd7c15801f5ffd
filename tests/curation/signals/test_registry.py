import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from curation.document import SCHEMA, Batch
from curation.levels.expression import conjuncts, parse
from curation.signals.registry import RULES, SIGNALS, contents

PROSE = """The river begins as a narrow stream high in the hills, where the snow melts late and the grass stays wet all summer.
By the time it reaches the first village it has gathered three others, and the people there have built a mill beside it.
Below that point boats can pass, and in autumn they carry apples, wool and timber to the market towns of the plain."""
TEXTS = [PROSE, "", "\u4f60\u597d", "a " * 500]
NEED_A_FILE = {"contamination": {"texts": "evaluation.jsonl"}, "word_list": {"path": "list.txt"}}


@pytest.fixture(scope="module")
def documents():
    columns = {field.name: [None] * len(TEXTS) for field in SCHEMA}
    columns |= {name: list(range(len(TEXTS))) for name in ("doc_id", "uid")}
    columns |= {"text": TEXTS, "source": ["s"] * len(TEXTS), "domain": ["d"] * len(TEXTS)}
    return pa.table(columns, SCHEMA)


def compute(name, documents, folder):
    params = dict(SIGNALS[name].params)
    if name in NEED_A_FILE:
        (folder / "evaluation.jsonl").write_text(json.dumps({"text": "one two three four five six seven eight"}) + "\n")
        (folder / "list.txt").write_text("word\n")
        for parameter, file in NEED_A_FILE[name].items():
            params[parameter] = [str(folder / file)] if isinstance(params[parameter], list) else str(folder / file)
    return SIGNALS[name].compute(Batch(documents), **params)


COMPUTED = [name for name in SIGNALS if name != "perplexity"]  # its library is optional; see test_perplexity


@pytest.mark.parametrize("name", COMPUTED)
def test_a_signal_has_a_row_for_every_document_and_needs_only_what_it_says(name, documents, tmp_path):
    needed = documents.select(SIGNALS[name].needs)
    table = compute(name, needed, tmp_path)
    assert table.num_rows == len(TEXTS)
    assert set(SIGNALS[name].files) <= set(SIGNALS[name].params)


@pytest.mark.parametrize("name", COMPUTED)
def test_a_signal_says_the_same_of_a_document_alone_and_among_others(name, documents, tmp_path):
    """So it is pure, and its rows stand in the order of the documents."""
    together = compute(name, documents, tmp_path)
    alone = [compute(name, documents.slice(i, 1), tmp_path) for i in range(len(TEXTS))]
    assert together.combine_chunks().equals(pa.concat_tables(alone).combine_chunks())


@pytest.mark.parametrize("name", COMPUTED)
def test_a_signal_of_no_documents_has_the_same_columns(name, documents, tmp_path):
    none, some = (compute(name, table, tmp_path) for table in (documents.slice(0, 0), documents))
    assert none.schema.equals(some.schema)
    assert none.num_rows == 0


@pytest.fixture(scope="module")
def columns(documents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("columns")
    return {f"{name}.{column}" for name in COMPUTED for column in compute(name, documents, folder).column_names}


@pytest.mark.parametrize("rules", RULES)
def test_rules_are_read_by_the_grammar_and_speak_of_columns_that_are_there(rules, columns):
    for rule in conjuncts(parse(RULES[rules], columns)):
        assert len(rule.columns) == 1  # one threshold, one reason


def test_published_rules_drop_what_they_should(documents):
    rules = {name: RULES[name] for name in ("gopher_quality", "gopher_repetition", "c4_tfds", "fineweb")}
    table = pl.DataFrame(
        {
            f"{name}.{column}": values
            for name in rules
            for column, values in pl.from_arrow(SIGNALS[name].compute(Batch(documents), **SIGNALS[name].params))
            .to_dict()
            .items()
        }
    )
    kept = {
        name: table.select(parse(" ".join(text.split()), table.columns).polars()).to_series().to_list()
        for name, text in rules.items()
    }
    assert kept == {
        "gopher_quality": [True, False, False, False],
        "gopher_repetition": [True, False, True, False],
        "c4_tfds": [True, False, False, False],
        "fineweb": [True, False, False, False],
    }


def test_contents_of_the_named_files_identify_the_values(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    signal = SIGNALS["contamination"]
    first = contents(signal, dict(signal.params) | {"texts": [str(tmp_path / "*.txt")]})
    assert [path.rsplit("/", 1)[1] for path in first] == ["a.txt", "b.txt"]
    (tmp_path / "b.txt").write_text("changed")
    second = contents(signal, dict(signal.params) | {"texts": [str(tmp_path / "*.txt")]})
    assert [first[path] == second[path] for path in first] == [True, False]
    assert contents(SIGNALS["language"], SIGNALS["language"].params) == {}
    with pytest.raises(FileNotFoundError, match=r"missing\.txt"):
        contents(SIGNALS["word_list"], {"path": str(tmp_path / "missing.txt")})


@pytest.mark.parametrize("name", ["gopher_quality_spaced", "gopher_repetition"])
def test_the_manual_lists_the_conditions_of_a_set_to_copy(name):
    manual = (Path(__file__).parents[3] / "docs" / "reference" / "levels.md").read_text("utf-8")
    listed = manual.partition(f"keep: # {name}\n")[2].partition("```")[0].split("\n")
    columns = {word for word in RULES[name].split() if "." in word and not word[0].isdigit()}
    assert [line.removeprefix("  - ") for line in listed if line] == [c.text for c in conjuncts(parse(RULES[name], columns))]
