"""What was measured, for the terminal and the card: the quality of one level or of all, and the evaluation sets."""

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table

from curation.quality import axes
from pipelines.engine.workdir import JsonObject


def rows(record: JsonObject) -> Iterator[tuple[str, str, str, str]]:
    """(axis, value, error, unit) of one level's record, in the order of the manual."""
    for name in axes.in_order(record["axes"]):
        measured = record["axes"][name]
        error = {None: "not known", 0: ""}.get(measured["error"], f"± {measured['error'] or 0:.2g}")
        yield name, four_digits(measured["value"]), error, axes.described(name).unit


def four_digits(value: float) -> str:
    """0.0312, 14.25, 89,420: no exponent for a count."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def of_level(record: JsonObject) -> Table:
    """One level for the terminal."""
    table = Table(title=f"Quality of {record['level']}", title_justify="left", box=None, header_style="bold")
    for column in ("axis", "value", "error", "unit"):
        table.add_column(column, justify="right" if column == "value" else "left", overflow="fold")
    for row in rows(record):
        table.add_row(*row)
    return table


def of_all(records: Mapping[str, JsonObject]) -> Table:
    """All levels for the terminal: a row per axis, a column per level."""
    table = Table(title="Quality of the levels", title_justify="left", box=None, header_style="bold")
    table.add_column("axis", overflow="fold")
    for level in records:
        table.add_column(level, justify="right", overflow="fold")
    values = {level: {name: value for name, value, _, _ in rows(record)} for level, record in records.items()}
    for name in axes.in_order(name for of in values.values() for name in of):
        table.add_row(name, *(of.get(name, "") for of in values.values()))
    return table


def of_sets(sets: Sequence[JsonObject]) -> Table:
    """The evaluation sets (`pipelines.levels.judge`) for the terminal."""
    table = Table(title="What the levels are judged on", title_justify="left", box=None, header_style="bold")
    for column in ("set", "documents", "tokens", "weight in all held-out text", "share of the pool"):
        table.add_column(column, justify="left" if column == "set" else "right", overflow="fold")
    for row in sets:
        shares = ("" if row[name] is None else f"{row[name]:.1%}" for name in ("weight", "pool_share"))
        table.add_row(row["set"], f"{row['documents']:,}", f"{row['tokens']:,}", *shares)
    return table
