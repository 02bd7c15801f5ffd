"""A tidy table of runs from anything tabular, with every column found by name or told, and what was assumed written down.

A row is one (run, evaluation set): parameters N, training tokens D, loss in nats per token, and where known the level
(which data), shape, seed, trunk (runs that share their constant-rate part share its noise), unique tokens, exact FLOPs.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from scaling_fit.law.laws import Inputs

Array = np.ndarray

# Names seen in the wild, most specific first; matching ignores case, spaces, dashes and underscores.
GUESSES: dict[str, tuple[str, ...]] = {
    "loss": ("loss", "finalloss", "valloss", "evalloss", "validationloss", "testloss", "nats", "losspretrain"),
    "N": ("n", "params", "nparams", "parameters", "numparams", "modelsize", "paramsactiveprecise", "paramcount", "size"),
    "D": ("tokens", "d", "ntokens", "trainingtokens", "traintokens", "numtokens", "datasize", "dataset size"),
    "flops": ("flops", "trainingflop", "trainingflops", "flop", "compute", "c"),
    "level": ("level", "dataset", "corpus", "data", "group", "curation", "mix"),
    "shape": ("shape", "model", "architecture", "modelname"),
    "seed": ("seed", "replicate"),
    "trunk": ("trunk", "runname", "run"),
    "unique": ("uniquetokens", "unique", "u", "poolsize"),
    "eval_set": ("evalset", "evaluation", "task", "valset"),
    "certificate": ("certificate",),
    "loss_se": ("lossse", "stderr", "lossstderr"),
    "repeated": ("repeated",),
}


@dataclass(frozen=True)
class Observations:
    """Columns of equal length; `nan` where a number is unknown, "" where a label is. `notes` says what was guessed."""

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

    def inputs(self) -> Inputs:
        return Inputs(self.N, self.D, np.where(np.isfinite(self.unique), self.unique, np.inf))

    def noted(self, *notes: str) -> "Observations":
        return replace(self, notes=self.notes + notes)


def observations(table: Any, *, columns: Mapping[str, str] | None = None, parameters: str = "auto") -> Observations:
    """Read a table of runs.

    table: a path (.csv, .tsv, .json, .jsonl, .parquet), a dict of columns, a list of rows, a polars, pandas or pyarrow table.
    columns: our name -> the table's name, for columns whose name is not guessed (see `GUESSES`).
    parameters: "auto" counts body + head when the table has `params_body` and `params_head` (what the FLOPs see), or
        "body", "body+head", "total" (with embeddings).
    D missing is filled from FLOPs as C/(6N), noted. Errors: ValueError naming the missing column and those found.
    """
    if isinstance(table, Observations):
        return table
    raw = _columns(table)
    found, notes = _match(raw, dict(columns or {}))
    n = len(next(iter(raw.values()))) if raw else 0
    if n == 0:
        raise ValueError("the table has no rows; give one row per run with its parameters, tokens and loss")
    parts = {"body": ["params_body"], "body+head": ["params_body", "params_head"]}
    parts["total"] = ["params_body", "params_head", "params_embedding"]
    rule = "body+head" if parameters == "auto" else parameters
    if rule not in parts:
        raise ValueError(f"parameters={parameters!r} is not known; use auto, body, body+head or total")
    if "N" not in found and all(name in raw for name in parts[rule]):
        values = {"N": np.sum([_numbers(raw, name) for name in parts[rule]], axis=0)}
        notes.append(f"N is {rule} parameters ({' + '.join(parts[rule])})")
    elif "N" in found:
        values = {"N": _numbers(raw, found["N"])}
    else:
        raise ValueError(f"no column for parameters (N) among {', '.join(raw)}; name it with columns={{'N': ...}}")
    if "loss" not in found:
        raise ValueError(f"no column for the loss among {', '.join(raw)}; name it with columns={{'loss': ...}}")
    for name in ("loss", "D", "flops", "unique", "loss_se"):
        values[name] = _numbers(raw, found[name]) if name in found else np.full(n, np.nan)
    if "D" not in found:
        if "flops" not in found:
            raise ValueError(f"no column for tokens (D) among {', '.join(raw)}; name it with columns={{'D': ...}}")
        values["D"] = values["flops"] / (6.0 * values["N"])
        notes.append("D is FLOPs / (6 N): the table has no tokens column")
    for name, default in (("level", "all"), ("eval_set", "loss"), ("certificate", ""), ("seed", "0")):
        values[name] = _labels(raw, found[name]) if name in found else np.full(n, default, dtype=object)
    sizes = np.array([f"{size:.4g}" for size in values["N"]], dtype=object)
    values["shape"] = _labels(raw, found["shape"]) if "shape" in found else sizes
    if "trunk" in found:
        values["trunk"] = _labels(raw, found["trunk"])
    elif "seed" in found:
        values["trunk"] = np.array(
            ["/".join(key) for key in zip(values["level"], values["shape"], values["seed"], strict=True)], dtype=object
        )
        notes.append("trunk is level/shape/seed: the table does not say which runs share one")
    else:
        values["trunk"] = np.array([f"row {k}" for k in range(n)], dtype=object)
    repeated = values["D"] > values["unique"] * (1 + 1e-9)
    if "repeated" in found:
        repeated |= np.array([str(v).lower() in ("1", "true") for v in raw[found["repeated"]]])
    return Observations(**values, repeated=repeated, row=np.arange(n), notes=tuple(notes))


def _match(raw: dict[str, list], told: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    plain = {"".join(c for c in name.lower() if c.isalnum()): name for name in reversed(raw)}
    found, notes = {}, []
    for name, column in told.items():
        if name not in GUESSES:
            raise ValueError(f"columns={{{name!r}: ...}} is not a column we use; use {', '.join(GUESSES)}")
        if column not in raw:
            raise ValueError(f"column {column!r} (for {name}) is not in the table; it has {', '.join(raw)}")
        found[name] = column
    for name, guesses in GUESSES.items():
        if name in found:
            continue
        hit = next((plain[guess] for guess in guesses if guess in plain and plain[guess] not in found.values()), None)
        if hit is not None:
            found[name] = hit
            if hit != name:
                notes.append(f"{name} is column {hit!r} (guessed)")
    return found, notes


def _columns(table: Any) -> dict[str, list]:
    if isinstance(table, (str, Path)):
        return _read(Path(table))
    if isinstance(table, Mapping):
        return {str(name): list(values) for name, values in table.items()}
    if isinstance(table, list):
        return {name: [row.get(name) for row in table] for name in (table[0] if table else {})}
    if hasattr(table, "to_pydict"):  # pyarrow
        return table.to_pydict()
    if hasattr(table, "collect"):  # a lazy polars frame
        table = table.collect()
    if hasattr(table, "to_dicts"):  # polars
        return {name: table[name].to_list() for name in table.columns}
    if hasattr(table, "to_dict"):  # pandas
        return {str(name): values for name, values in table.to_dict("list").items()}
    raise ValueError(f"cannot read a table from {type(table).__name__}; give a path, a dict of columns or a dataframe")


def _read(path: Path) -> dict[str, list]:
    if not path.exists():
        raise ValueError(f"{path} does not exist; give a CSV, JSON lines or Parquet table of runs")
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path).to_pydict()
    with path.open(newline="", encoding="utf-8-sig") as file:
        if path.suffix in (".jsonl", ".json"):
            text = file.read().strip()
            return _columns(json.loads(text) if text[:1] in "[" else [json.loads(line) for line in text.splitlines()])
        reader = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        header = next(reader, None)
        if header is None:
            raise ValueError(f"{path} is empty; its first line must name the columns")
        rows = [row for row in reader if row]
    short = [k for k, row in enumerate(rows) if len(row) != len(header)]
    if short:
        raise ValueError(f"{path}, rows {short[:5]}: not {len(header)} fields; check quoting and delimiters")
    return {name: [row[k] for row in rows] for k, name in enumerate(header)}


def _numbers(raw: dict[str, list], name: str) -> Array:
    out = np.empty(len(raw[name]))
    for k, value in enumerate(raw[name]):
        try:
            out[k] = np.nan if value is None or value == "" else float(value)
        except (TypeError, ValueError):
            raise ValueError(f"row {k}, column {name!r}: {value!r} is not a number") from None
    return out


def _labels(raw: dict[str, list], name: str) -> Array:
    return np.array(["" if value is None else str(value) for value in raw[name]], dtype=object)
