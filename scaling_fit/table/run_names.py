"""What the names of runs say: `filtered-20M-2Btok-s0` is of level filtered, 20M parameters, 2B tokens, seed 0.

It goes into columns `name:size`, `name:tokens`, `name:step`, `name:seed` and `name:level`. They are used where the table has
no better one, said where they are used, and undone with `--ignore name:level`.
"""

import re
from collections import Counter
from collections.abc import Iterator

from scaling_fit.table.headings import heading
from scaling_fit.table.read import Table, label

NAMES = (
    "runname",
    "mlflowrunname",
    "run",
    "name",
    "displayname",
    "runid",
    "trunk",
    "model",
    "modelname",
    "file",
    "shape",
    "group",
)
NUMBER = r"(\d+(?:[.p]\d+)?[kmbt]?)"
PARTS = {
    "tokens": re.compile(rf"(?:d|tok|tokens)?{NUMBER}(?:tok|toks|token|tokens)", re.IGNORECASE),
    "step": re.compile(r"(?:steps?(\d+)|(\d+)steps?)", re.IGNORECASE),
    "seed": re.compile(r"(?:s|seed|rep|run)(\d{1,4})", re.IGNORECASE),
    "size": re.compile(r"(?:n|params?)?(\d+(?:[.p]\d+)?[kmb])(?:params?)?", re.IGNORECASE),
}
SETTING = re.compile(
    r"(?:(?:lr|wd|bs|bsz|gbs|mbs|ctx|seq|d|l|h|w|ep|epochs?|dim|width|depth|layers?|heads?)[\d.em]+|[\d.em]+)", re.I
)
EXPONENT = re.compile(r"(?<=\d)e-(?=\d)", re.IGNORECASE)
JOINED = re.compile(r"(?<=[\dkmbt])[-_ ](?=(?:tok|steps?\b))", re.IGNORECASE)
BETWEEN = re.compile(r"[-_/ +:,]+")
MOST = 0.9  # of the runs must have it in their names
FEWEST = 3  # runs of a level whose name is believed


def run_names(table: Table) -> list[str]:
    """The name of each row's run, from the first column that has them; none where no column does."""
    return next(_columns_of_names(table), [])


def told(table: Table) -> Table:
    """The table with what its runs' names say, from the first column that says a size, tokens or steps of nearly all."""
    for names in _columns_of_names(table):
        read = {name: _parts(name) for name in names}
        shares = Counter(part for name in names for part in read[name])
        known = [part for part in PARTS if names and shares[part] >= MOST * len(names)]
        if {"size", "tokens", "step"}.isdisjoint(known):
            continue
        columns = dict(table.columns)
        for part in known:
            columns[f"name:{part}"] = [read[name].get(part, "") for name in names]
        levels = Counter(read[name]["level"] for name in names)
        if len(levels) > 1 and min(levels.values()) >= FEWEST and "" not in levels:
            columns["name:level"] = [read[name]["level"] for name in names]
        return Table(columns, table.rows, table.semicolons, table.notes)
    return table


def _columns_of_names(table: Table) -> Iterator[list[str]]:
    by_key = {heading(name).key: name for name in table.columns}
    return ([label(cell) for cell in table.columns[by_key[key]]] for key in NAMES if key in by_key)


def _parts(name: str) -> dict[str, str]:
    """What one name says; of a part that it says twice, nothing. `level` is what is left of it."""
    found: dict[str, list[str]] = {}
    rest: list[str] = []
    for word in BETWEEN.split(JOINED.sub("", EXPONENT.sub("em", name.strip()))):
        part, value = next(((part, m) for part, pattern in PARTS.items() if (m := pattern.fullmatch(word))), ("", None))
        if value is not None:
            found.setdefault(part, []).append(next(filter(None, value.groups())).replace("p", "."))
        elif not SETTING.fullmatch(word):
            rest.append(word)
    once: dict[str, str] = {part: values[0] for part, values in found.items() if len(values) == 1}
    return once | {"level": "-".join(rest)}
