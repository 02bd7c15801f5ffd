import pyarrow as pa
import pytest

from curation.document import SCHEMA, Batch
from curation.signals.perplexity import lines, perplexity

pytest.importorskip("kenlm", reason="compiled on installation; extra `perplexity`")

ARPA = """\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-2.0\t<unk>
0\t<s>\t0
-1.0\t</s>
-1.0\tthe\t-0.5
-1.5\tcat\t0

\\2-grams:
-0.25\t<s> the
-0.5\tthe cat

\\end\\
"""


@pytest.fixture
def model(tmp_path):
    (tmp_path / "model.arpa").write_text(ARPA)
    return str(tmp_path / "model.arpa")


def batch(*texts: str) -> Batch:
    return Batch(pa.table({"text": pa.array(texts, SCHEMA.field("text").type)}))


def test_it_is_the_probability_of_the_lines(model):
    table = perplexity(batch("The cat", "The, cat!\n\n...\nthe CAT", "dog", "", "\U0001f600"), model)
    assert table["n_tokens"].to_pylist() == [3, 6, 2, 0, 0]
    one_line = -0.25 - 0.5 - 1.0  # <s> the, the cat, </s>
    unknown = -2.0 - 1.0
    expected = [10 ** (-one_line / 3), 10 ** (-one_line / 3), 10 ** (-unknown / 2)]
    assert table["perplexity"].to_pylist()[:3] == pytest.approx(expected, rel=1e-5)
    assert table["perplexity"].to_pylist()[3:] == [None, None]


def test_lines_are_lower_cased_words():
    assert lines("Don't  STOP\r\n\n-- \u00dcber 3.14") == ["don t stop", "\u00fcber 3 14"]


def test_a_file_that_is_no_model_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="set `model`"):
        perplexity(batch("a"))
    (tmp_path / "no.arpa").write_text("nothing")
    with pytest.raises(ValueError, match=r"no\.arpa is not a KenLM model"):
        perplexity(batch("a"), str(tmp_path / "no.arpa"))
