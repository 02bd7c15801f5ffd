"""A tidy table of runs from anything tabular, with every column found by name or told, and what was assumed written down.

A row is one (run, evaluation set): parameters N, training tokens D, loss in nats per token, and where known the level
(which data), shape, seed, trunk (runs that share their constant-rate part share its noise), unique tokens, exact FLOPs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from scaling_fit.law.laws import Inputs
from scaling_fit.table.headings import NUMBERS, match, unfinished
from scaling_fit.table.numerals import numbers
from scaling_fit.table.read import Table, label, read_table
from scaling_fit.table.sweep import settings

Array = np.ndarray
PARTS = {
    "body": ("params_body",),
    "body+head": ("params_body", "params_head"),
    "total": ("params_body", "params_head", "params_embedding"),
}


@dataclass(frozen=True)
class Observations:
    """Columns of equal length; `nan` where a number is unknown, "" where a label is. `row` is a row's number as a spreadsheet
    counts it (the header is row 1); `setting` what else differs between runs of one cell, e.g. "lr=0.001"; `notes` say what
    was guessed."""

    N: Array
    D: Array
    loss: Array
    level: Array
    shape: Array
    seed: Array
    trunk: Array
    unique: Array
    flops: Array
    eval_set: Array
    certificate: Array
    loss_se: Array
    repeated: Array
    setting: Array
    row: Array
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def levels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.level.tolist()))

    @property
    def eval_sets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.eval_set.tolist()))

    def where(self, rows: Array) -> "Observations":
        """The rows picked by a mask or an index, in that order."""
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "notes"}
        return Observations(**columns, notes=self.notes)

    def thinned(self, most: int, seed: int) -> "Observations":
        """At most `most` rows, an equal number of every level at random, noted; itself where it has no more."""
        if len(self) <= most:
            return self
        rng, share = np.random.default_rng(seed), most // len(self.levels)
        rows = [rng.permutation(np.flatnonzero(self.level == level))[:share] for level in self.levels]
        kept = np.sort(np.concatenate(rows))
        note = f"{len(kept)} of {len(self)} rows are fitted, drawn at random (seed {seed}): intervals are those of this part"
        return self.where(kept).noted(note)

    def inputs(self) -> Inputs:
        return Inputs(self.N, self.D, np.where(np.isfinite(self.unique), self.unique, np.inf))

    def noted(self, *notes: str) -> "Observations":
        return replace(self, notes=self.notes + notes)


def observations(
    table: object,
    *,
    columns: Mapping[str, str] | None = None,
    parameters: str = "auto",
    where: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> Observations:
    """Read a table of runs.

    table: anything `read_table` reads. columns: our name -> the table's name, for columns whose name is not guessed (see
        `GUESSES`). where: conditions such as "dataset=c4", all of which a row must meet. ignore: columns to leave unread.
    parameters: "auto" counts body + head when the table has `params_body` and `params_head` (what the FLOPs see), or
        "body", "body+head", "total" (with embeddings).
    D missing is filled from FLOPs as C/(6N), noted. Errors: ValueError naming the missing column and those found.
    """
    if isinstance(table, Observations):
        return table
    raw = _kept(read_table(table).without(ignore), where)
    headings, notes = match(raw.columns, columns or {})
    n = len(raw.rows)
    if n == 0:
        raise ValueError("the table has no rows; give one row per run with its parameters, tokens and loss")
    rule = "body+head" if parameters == "auto" else parameters
    if rule not in PARTS:
        raise ValueError(f"parameters={parameters!r} is not known; use auto, body, body+head or total")
    parts = PARTS[rule] if "N" not in headings and set(PARTS[rule]) <= set(raw.columns) else ()
    read = {name: raw.columns[one.name] for name, one in headings.items() if name in NUMBERS}
    cells = numbers({headings[name].name: column for name, column in read.items()} | {p: raw.columns[p] for p in parts},
                    raw.rows, raw.semicolons)  # fmt: skip
    values = {name: np.full(n, np.nan) for name in NUMBERS}
    for name in read:
        plain, convert = cells[headings[name].name], headings[name].convert
        values[name] = plain if convert is None else convert(plain)
    if parts:
        values["N"] = np.sum([cells[part] for part in parts], axis=0)
        notes.append(f"N is {rule} parameters ({' + '.join(parts)})")
    for name, what in (("N", "parameters (N)"), ("loss", "the loss"), ("D", "tokens (D)")):
        if name not in headings and not (name == "N" and parts) and not (name == "D" and "flops" in headings):
            raise ValueError(f"no column for {what} among {', '.join(raw.columns)}; name it with --column {name}=...")
    if "D" not in headings:
        values["D"] = values["flops"] / (6.0 * values["N"])
        notes.append("D is FLOPs / (6 N): the table has no tokens column")
    labels = {name: np.array([label(cell) for cell in raw.columns[one.name]], dtype=object)
              for name, one in headings.items() if name not in NUMBERS}  # fmt: skip
    repeated = values["D"] > values["unique"] * (1 + 1e-9)
    if "repeated" in labels:
        repeated |= np.isin([text.lower() for text in labels.pop("repeated")], ("1", "true"))
    labels.setdefault("shape", np.array([f"{size:.4g}" for size in values["N"]], dtype=object))
    for name, default in (("level", "all"), ("eval_set", "loss"), ("certificate", "")):
        labels.setdefault(name, np.full(n, default, dtype=object))
    if "trunk" not in labels and "seed" in labels:
        keys = zip(labels["level"], labels["shape"], labels["seed"], strict=True)
        labels["trunk"] = np.array(["/".join(key) for key in keys], dtype=object)
        notes.append("trunk is level/shape/seed: the table does not say which runs share one")
    labels.setdefault("trunk", np.array([f"row {k}" for k in range(n)], dtype=object))
    labels.setdefault("seed", np.full(n, "0", dtype=object))
    keys = (labels["level"], labels["eval_set"], labels["seed"], values["N"], values["D"], values["unique"])
    cells_KN = np.stack([np.unique(key, return_inverse=True)[1] for key in keys])
    cell_N = np.unique(cells_KN, axis=1, return_inverse=True)[1].ravel()
    setting = settings(raw.columns, {one.name for one in headings.values()} | set(parts), cell_N, values["loss"])
    return Observations(
        **values, **labels, repeated=repeated, setting=setting, row=np.array(raw.rows), notes=(*raw.notes, *notes)
    )


def _kept(raw: Table, where: Sequence[str]) -> Table:
    """The rows that meet all conditions, of runs that finished."""
    ended = unfinished(raw.columns)
    if ended is not None and ended[1].any() and not any(text.startswith(ended[0]) for text in where):
        name, lost_N = ended
        raw = raw.where(
            ~lost_N, f"{lost_N.sum()} rows left out, of runs that did not finish ({name}; --ignore {name!r} keeps them)"
        )
    if not where:
        return raw
    keep_N = np.logical_and.reduce([raw.condition(text) for text in where])
    if not keep_N.any():
        raise ValueError(f"--where {' --where '.join(where)}: no row of {len(keep_N)} is left")
    return raw.where(keep_N, f"{keep_N.sum()} of {len(keep_N)} rows, where {' and '.join(where)}")
