"""Level expressions: conditions over signal columns, read with Python's grammar and never evaluated as Python.

    condition := condition and|or condition | not condition | value (< | <= | > | >= | == | != value)+
               | value [not] in [constants] | column
    value     := value (+ | - | * | /) value | -value | number | "string" | True | False | column | percentile(column, q)
    column    := signal.column, or a bare document column such as `domain`

`percentile(column, q)` is the smallest value such that the documents still in the level at this rule (the earlier rules
have dropped theirs) with at most this value hold q % of those documents' tokens.

A missing value (null or NaN) makes a comparison unknown, and a condition that is not known to hold does not hold.
"""

import ast
import difflib
import operator
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import reduce

import polars as pl

COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
SIGNS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
MIRRORED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


class ExpressionError(ValueError):
    """A level expression that cannot be read: says what, where in the text, and what would be right."""


@dataclass(frozen=True)
class Percentile:
    """The token-weighted percentile `q` (0 to 100) of `column` among the documents that the earlier rules keep."""

    column: str
    q: float


@dataclass(frozen=True)
class Expression:
    """A condition or a value that has been read: its canonical text, and what it needs to be computed."""

    text: str
    node: ast.expr
    columns: tuple[str, ...]
    percentiles: tuple[Percentile, ...]

    def polars(self, percentiles: Mapping[Percentile, float] | None = None) -> pl.Expr:
        """As a Polars expression; `percentiles` gives the value of every percentile it names."""
        return _polars(self.node, percentiles or {})

    def sides(self, percentiles: Mapping[Percentile, float] | None = None) -> tuple[pl.Expr, str, pl.Expr] | None:
        """A comparison of a document's value with a limit as (value, operator, limit), the value first; else None."""
        node = self.node
        if not isinstance(node, ast.Compare) or len(node.ops) > 1 or type(node.ops[0]) not in COMPARISONS:
            return None
        left, right, op = node.left, node.comparators[0], type(node.ops[0])
        if _columns(left) and not _columns(right):
            return _polars(left, percentiles or {}), SIGNS[op], _polars(right, percentiles or {})
        if _columns(right) and not _columns(left):
            return _polars(right, percentiles or {}), SIGNS[MIRRORED.get(op, op)], _polars(left, percentiles or {})
        return None

    def observed(self, percentiles: Mapping[Percentile, float] | None = None) -> pl.Expr:
        """What was seen, as a string column: the compared value, or `column=value, ...` where several play a part."""
        compared = self.sides(percentiles)
        if compared is not None:
            return compared[0].cast(pl.String)
        if len(self.columns) == 1:
            return pl.col(self.columns[0]).cast(pl.String)
        named = [pl.concat_str(pl.lit(f"{name}="), pl.col(name).cast(pl.String).fill_null("null")) for name in self.columns]
        return pl.concat_str(named, separator=", ") if named else pl.lit(None, pl.String)

    def check(self, schema: Mapping[str, pl.DataType], *, truth: bool = True) -> None:
        """Raise `ExpressionError` where types do not fit: text compared with a number, a value used as a condition."""
        percentiles = dict.fromkeys(self.percentiles, 0.0)
        empty = pl.DataFrame(schema={name: schema[name] for name in self.columns})
        try:
            kind = empty.select(x=self.polars(percentiles)).schema["x"]
        except pl.exceptions.PolarsError as error:
            types = ", ".join(f"{name} is {schema[name]}" for name in self.columns)
            raise ExpressionError(f"level expression {self.text!r}: {str(error).splitlines()[0]} ({types})") from None
        if truth and kind != pl.Boolean:
            raise ExpressionError(f"level expression {self.text!r} is a value of type {kind}, not a condition; compare it")


def parse(text: str, known_columns: Collection[str]) -> Expression:
    """Read a condition over `known_columns` (`signal.column`, bare document columns).

    Raises `ExpressionError` naming the text, the character and the closest known columns.
    """
    expression = parse_value(text, known_columns)
    _require_condition(expression.node, text)
    for part in conjuncts(expression):
        if not part.columns:
            raise ExpressionError(f"level expression {text!r}: {part.text!r} names no column, so it says nothing of a document")
    return expression


def parse_value(text: str, known_columns: Collection[str]) -> Expression:
    """Read a value, such as what `top: {by: ...}` ranks documents by. Errors as `parse`."""
    text = " ".join(line.strip() for line in text.splitlines()).strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an unknown escape in a string: Python would warn whoever reads the study
            node = ast.parse(text, mode="eval").body
        _check_grammar(node, text, known_columns)
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        raise ExpressionError(f"level expression {text!r}: {error.msg or 'not an expression'}{place}") from None
    except (RecursionError, MemoryError):
        raise ExpressionError(f"level expression {text[:80]!r}...: nested too deeply; split it into rules") from None
    return _expression(node)


def conjuncts(expression: Expression) -> tuple[Expression, ...]:
    """The conditions that must each hold: top-level `and` and chains of comparisons (`3 <= x <= 10`) taken apart."""
    return tuple(_expression(node) for node in _conjuncts(expression.node))


def _expression(node: ast.expr) -> Expression:
    percentiles = dict.fromkeys(_percentile(call) for call in ast.walk(node) if isinstance(call, ast.Call))
    return Expression(ast.unparse(node), node, tuple(dict.fromkeys(_columns(node))), tuple(percentiles))


def _conjuncts(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [part for value in node.values for part in _conjuncts(value)]
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        lefts = [node.left, *node.comparators]
        return [ast.Compare(left, [op], [right]) for left, op, right in zip(lefts, node.ops, node.comparators, strict=False)]
    return [node]


def _columns(node: ast.expr) -> list[str]:
    """Columns compared in `node`, in order; the column inside a percentile is not one of a document's own values."""
    name = _name(node)
    if name is not None:
        return [name]
    if isinstance(node, ast.Call):
        return []
    return [name for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr) for name in _columns(child)]


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
        parent = _name(node.value)
        return f"{parent}.{node.attr}" if parent is not None else None
    return None


def _percentile(call: ast.Call) -> Percentile:
    column, q = call.args
    assert isinstance(q, ast.Constant)
    assert isinstance(q.value, int | float)
    return Percentile(str(_name(column)), float(q.value))


def _check_grammar(node: ast.expr, text: str, columns: Collection[str]) -> None:
    def fail(message: str, at: ast.AST = node) -> ExpressionError:
        return ExpressionError(f"level expression {text!r}, character {getattr(at, 'col_offset', 0) + 1}: {message}")

    name = _name(node)
    if name is not None:
        if name not in columns:
            close = difflib.get_close_matches(name, columns, n=3, cutoff=0.5) or sorted(columns)[:8]
            raise fail(f"unknown column {name!r}; the closest are {', '.join(close)}")
        return
    match node:
        case ast.Constant(value=bool() | int() | float() | str()):
            return
        case ast.BoolOp(values=children) | ast.List(elts=children):
            pass
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=child):
            children = [child]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            children = [left, right]
        case ast.Compare(ops=[ast.In() | ast.NotIn()], left=left, comparators=[ast.List(elts=items)]):
            if not items or not all(_is_constant(item) for item in items):
                raise fail("`in` wants a list of constants, such as domain in ['web', 'code']")
            children = [left, *items]
        case ast.Compare(left=left, ops=ops, comparators=rights) if all(type(op) in COMPARISONS for op in ops):
            children = [left, *rights]
        case ast.Call(func=ast.Name(id="percentile"), args=[column, ast.Constant(value=int() | float() as q)], keywords=[]):
            if _name(column) is None or not 0 <= q <= 100:
                raise fail("percentile wants a column and a number from 0 to 100: percentile(quality.score, 90)")
            children = [column]
        case _:
            what = ast.get_source_segment(text.strip(), node) or ast.unparse(node)
            raise fail(
                f"{what!r} is not part of the language; it has and, or, not, comparisons, in [...], + - * /, numbers, "
                "strings, signal.column names and percentile(signal.column, q)"
            )
    for child in children:
        _check_grammar(child, text, columns)
    if isinstance(node, ast.BoolOp) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
        for child in children:
            _require_condition(child, text)


def _is_constant(node: ast.expr) -> bool:
    minus = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    return isinstance(node.operand if minus else node, ast.Constant)  # pyright: ignore[reportAttributeAccessIssue]


def _require_condition(node: ast.expr, text: str) -> None:
    """A bare column may be a condition (its type is seen by `Expression.check`); arithmetic and constants may not."""
    if isinstance(node, ast.BoolOp | ast.Compare) or _name(node) is not None:
        return
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return
    what = f"character {node.col_offset + 1}: {ast.unparse(node)!r} is a value, not a condition; compare it"
    raise ExpressionError(f"level expression {text!r}, {what}")


def _polars(node: ast.expr, percentiles: Mapping[Percentile, float]) -> pl.Expr:
    name = _name(node)
    if name is not None:
        return pl.col(name)
    match node:
        case ast.Constant(value=value):
            return pl.lit(value)
        case ast.Call():
            return pl.lit(percentiles[_percentile(node)])
        case ast.BoolOp(op=op, values=values):
            combine = operator.and_ if isinstance(op, ast.And) else operator.or_
            return reduce(combine, (_polars(value, percentiles) for value in values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return ~_polars(operand, percentiles)
        case ast.UnaryOp(operand=ast.Constant(value=int() | float() as value)):
            return pl.lit(-value)
        case ast.UnaryOp(operand=operand):
            return -_polars(operand, percentiles).cast(pl.Float64)
        case ast.BinOp(left=left, op=op, right=right):
            # unsigned columns would wrap around below zero, and x / 0 is as unknown as a missing value
            sides = (_polars(side, percentiles).cast(pl.Float64) for side in (left, right))
            return ARITHMETIC[type(op)](*sides).fill_nan(None)
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn() as op], comparators=[ast.List(elts=items)]):
            value = _polars(left, percentiles)
            is_member = reduce(operator.or_, (value == _polars(item, percentiles) for item in items))
            return ~is_member if isinstance(op, ast.NotIn) else is_member
        case ast.Compare(left=left, ops=ops, comparators=rights):
            values = [_polars(value, percentiles) for value in (left, *rights)]
            pairs = zip(ops, values, values[1:], strict=False)
            return reduce(operator.and_, (COMPARISONS[type(op)](low, high) for op, low, high in pairs))
    raise AssertionError(ast.dump(node))
