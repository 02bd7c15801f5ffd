"""Expressions against a three-valued evaluator written apart, and what each mistake is told."""

import contextlib
import operator

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from curation.levels.expression import ExpressionError, Percentile, conjuncts, parse, parse_value

COLUMNS = ("a.x", "a.y", "b.flag", "domain")
OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def test_a_published_rule_becomes_one_rule_per_condition():
    rules = conjuncts(parse("3 <= a.x <= 10 and (a.y < 1 or b.flag) and not b.flag", COLUMNS))
    assert [rule.text for rule in rules] == ["3 <= a.x", "a.x <= 10", "a.y < 1 or b.flag", "not b.flag"]
    assert [rule.columns for rule in rules] == [("a.x",), ("a.x",), ("a.y", "b.flag"), ("b.flag",)]


def test_observed_values():
    frame = pl.DataFrame({"a.x": [3, None], "a.y": [0.5, 2.0], "b.flag": [True, None], "domain": ["web", "code"]})
    seen = {
        "a.x >= 4": ["3", None],
        "4 <= a.x": ["3", None],
        "a.x / a.y > 1": ["6.0", None],
        "a.x > a.y": ["a.x=3, a.y=0.5", "a.x=null, a.y=2.0"],
        "a.y < 1 or b.flag": ["a.y=0.5, b.flag=true", "a.y=2.0, b.flag=null"],
        "not b.flag": ["true", None],
        "domain in ['web', 'news']": ["web", "code"],
    }
    for text, values in seen.items():
        assert frame.select(x=parse(text, COLUMNS).observed()).to_series().to_list() == values, text


def test_percentiles_are_named_and_filled_in():
    expression = parse("a.y >= percentile(a.x, 90) and a.y < percentile(a.y, 99.5)", COLUMNS)
    assert expression.columns == ("a.y",)
    assert expression.percentiles == (Percentile("a.x", 90), Percentile("a.y", 99.5))
    found = expression.polars({Percentile("a.x", 90): 1.0, Percentile("a.y", 99.5): 3.0})
    frame = pl.DataFrame({"a.y": [0.9, 1.0, 3.0]})
    assert frame.select(x=found).to_series().to_list() == [False, True, False]


def test_arithmetic_on_unsigned_columns_goes_below_zero():
    frame = pl.DataFrame({"a.x": pl.Series([1, 5], dtype=pl.UInt32), "a.y": pl.Series([3, 3], dtype=pl.UInt32)})
    assert frame.select(x=parse("a.x - a.y < 0", COLUMNS).polars()).to_series().to_list() == [True, False]
    assert frame.select(x=parse("-a.x < -4", COLUMNS).polars()).to_series().to_list() == [False, True]


def test_division_by_zero_of_zero_is_unknown():
    frame = pl.DataFrame({"a.x": [0, 1], "a.y": [0, 2]})
    assert frame.select(x=parse("a.x / a.y <= 1", COLUMNS).polars()).to_series().to_list() == [None, True]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.z > 1", r"character 1: unknown column 'a.z'; the closest are a\.\w, a\.\w"),
        ("a.x > 1 and gopher.n_wrods > 3", "character 13: unknown column 'gopher.n_wrods'"),
        ("a.x >", "invalid syntax"),
        ("__import__('os').system('true')", "not part of the language"),
        ("a.x.__class__ == 1", "unknown column 'a.x.__class__'"),
        ("(lambda: a.x)() > 1", "not part of the language"),
        ("a.x ** 99999999 > 1", "not part of the language"),
        ("[a.x for a in b] == 1", "not part of the language"),
        ("a.x if b.flag else a.y", "not part of the language"),
        ("a.x in (1, 2)", "not part of the language"),
        ("a.x in []", "wants a list of constants"),
        ("a.x in [a.y]", "wants a list of constants"),
        ("a.x in [-a.y]", "wants a list of constants"),
        ("", "invalid syntax"),
        (r"domain == '\>'", "invalid escape sequence"),
        ("a.x > 1\0", "null bytes"),
        ("not " * 5000 + "b.flag", "nested too deeply"),
        ("-" * 5000 + "a.x > 1", "nested too deeply"),
        ("(" * 5000 + "a.x" + ")" * 5000, "too many nested parentheses"),
        ("a.x > " + "9" * 5000, "integer string conversion"),
        ("percentile(a.x, 101) < a.x", "from 0 to 100"),
        ("percentile(a.q, 10) < a.x", "unknown column 'a.q'"),
        ("a.x + 1", "is a value, not a condition"),
        ("b.flag and a.x + 1", "character 12: 'a.x \\+ 1' is a value"),
        ("not 3", "is a value, not a condition"),
        ("a.x > 1 and 1 < 2", "'1 < 2' names no column"),
        ("a.x > None", "not part of the language"),
        ("a.x > b'1'", "not part of the language"),
    ],
)
def test_what_is_not_understood_is_said_with_its_place(text, says):
    with pytest.raises(ExpressionError, match=says):
        parse(text, COLUMNS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("domain > 3", "cannot compare string with numeric type.*domain is String"),
        ("a.x in ['web']", "a.x is Int64"),
        ("a.x and b.flag", "a.x is Int64"),
        ("not a.x", "not a condition"),
        ("a.x", "not a condition"),
    ],
)
def test_types_are_checked_against_the_columns(text, says):
    schema = {"a.x": pl.Int64(), "b.flag": pl.Boolean(), "domain": pl.String()}
    with pytest.raises(ExpressionError, match=says):
        parse(text, COLUMNS).check(schema)
    parse("a.x > 3 and b.flag and domain == 'x'", COLUMNS).check(schema)


def test_a_list_may_hold_negative_numbers():
    frame = pl.DataFrame({"a.x": [-1, 0, 2]})
    assert frame.select(x=parse("a.x not in [-1, 2.0]", COLUMNS).polars()).to_series().to_list() == [False, True, False]


@given(st.text(alphabet=st.sampled_from("ab.xy <>=!()[]'\"0123456789+-*/%,andornti\n\\#:"), max_size=40))
def test_no_text_does_worse_than_an_error_of_its_own(text):
    with contextlib.suppress(ExpressionError):
        parse(text, COLUMNS)


def test_a_value_may_rank():
    assert parse_value("a.x * 2 + a.y", COLUMNS).columns == ("a.x", "a.y")


# --- the same conditions, written as text and as three-valued Python functions of a row

NUMBERS = st.integers(-5, 5).map(lambda n: n / 2)


def _value_leaf():
    column = st.sampled_from(["a.x", "a.y"]).map(lambda name: (name, lambda row: row[name]))
    return st.one_of(column, NUMBERS.map(lambda n: (f"({n})", lambda row: n)))


def _arithmetic(children):
    def combine(op, left, right):
        def compute(row):
            x, y = left[1](row), right[1](row)
            return None if x is None or y is None else {"+": x + y, "-": x - y, "*": x * y}[op]

        return f"({left[0]} {op} {right[0]})", compute

    return st.builds(combine, st.sampled_from("+-*"), children, children)


VALUES = st.recursive(_value_leaf(), _arithmetic, max_leaves=4)


def _comparison(left, op, right):
    def compute(row):
        x, y = left[1](row), right[1](row)
        return None if x is None or y is None else OPERATORS[op](x, y)

    return f"{left[0]} {op} {right[0]}", compute


def _membership(values, negated):
    def compute(row):
        return None if row["domain"] is None else (row["domain"] in values) != negated

    return f"domain {'not ' if negated else ''}in {values!r}", compute


def _logic(children):
    def both(op, left, right):
        decisive = op == "or"

        def compute(row):
            answers = left[1](row), right[1](row)
            if decisive in answers:
                return decisive
            return None if None in answers else not decisive

        return f"({left[0]} {op} {right[0]})", compute

    def negate(child):
        return f"not ({child[0]})", lambda row: None if child[1](row) is None else not child[1](row)

    return st.one_of(st.builds(both, st.sampled_from(["and", "or"]), children, children), children.map(negate))


CONDITIONS = st.recursive(
    st.one_of(
        st.builds(_comparison, VALUES, st.sampled_from(list(OPERATORS)), VALUES),
        st.builds(_membership, st.lists(st.sampled_from(["w", "c", "d"]), min_size=1, max_size=2), st.booleans()),
        st.just(("b.flag", lambda row: row["b.flag"])),
    ),
    _logic,
    max_leaves=5,
)
ROWS = st.fixed_dictionaries(
    {
        "a.x": st.none() | NUMBERS,
        "a.y": st.none() | NUMBERS,
        "b.flag": st.none() | st.booleans(),
        "domain": st.none() | st.sampled_from(["w", "c"]),
    }
)
SCHEMA = {"a.x": pl.Float64, "a.y": pl.Float64, "b.flag": pl.Boolean, "domain": pl.String}


@given(CONDITIONS, st.lists(ROWS, min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_every_condition_means_what_it_says(condition, rows):
    text, compute = condition
    assume(all(part.columns for part in conjuncts(parse_value(text, COLUMNS))))
    expression = parse(text, COLUMNS)
    frame = pl.DataFrame(rows, SCHEMA)
    expected = [compute(row) for row in rows]
    assert frame.select(x=expression.polars()).to_series().to_list() == expected
    # taken apart, the rules hold together exactly where the whole is known to hold
    parts = [frame.select(x=part.polars().fill_null(False)).to_series().to_list() for part in conjuncts(expression)]
    assert [all(answers) for answers in zip(*parts, strict=True)] == [bool(answer) for answer in expected]
    # the canonical text means the same
    assert frame.select(x=parse(expression.text, COLUMNS).polars()).to_series().to_list() == expected
