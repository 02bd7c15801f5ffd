"""What the names of runs say: `filtered-20M-2Btok-s0` is of level filtered, 20M parameters, 2B tokens, seed 0.

It goes into columns `name:size`, `name:tokens`, `name:step`, `name:seed` and `name:level`. They are used where the table has
no better one, said where they are used, and undone with `--ignore name:level`.
"""

import re
from collections import Counter
from collections.abc import Iterator

from scaling_fit.table.headings import GUESSES, heading
from scaling_fit.table.numerals import is_missing
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
ROLES = {"size": "N", "tokens": "D", "step": "step", "seed": "seed", "level": "level"}
MOST = 0.9  # of the runs must have it in their names
FEWEST = 3  # runs of a level whose name is believed


def run_names(table: Table) -> list[str]:
    """The name of each row's run, from the first column that has them; none where no column does."""
    return next(_columns_of_names(table), [])


def told(table: Table) -> Table:
    """The table with what its runs' names say and no column does, from the first names that nearly all say a size, tokens or
    steps."""
    filled = {heading(name).key for name, cells in table.columns.items() if not all(map(is_missing, cells))}
    missing = {part for part, role in ROLES.items() if filled.isdisjoint(GUESSES[role])}
    if "paramsbody" in filled:
        missing -= {"size"}
    for names in _columns_of_names(table):
        read = {name: _parts(name) for name in names}
        shares = Counter(part for name in names for part in read[name])
        said = {part for part in shares if shares[part] >= MOST * len(names)}
        if said.isdisjoint(("size", "tokens", "step")):
            continue
        levels = Counter(read[name]["level"] for name in names)
        if len(levels) < 2 or min(levels.values()) < FEWEST or "" in levels:
            said -= {"level"}
        new = {f"name:{part}": [read[name].get(part, "") for name in names] for part in ROLES if part in said & missing}
        return Table(table.columns | new, table.rows, table.semicolons, table.notes)
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
