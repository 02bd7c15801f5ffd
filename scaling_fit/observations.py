"""A tidy table of runs from anything tabular, with every column found by name or told, and what was assumed written down.

A row is one (run, evaluation set): parameters N, training tokens D, loss in nats per token, and where known the level
(which data), draw (which documents of it, where a level was drawn more than once), shape, seed, trunk (runs that share their
constant-rate part share its noise), unique tokens, exact FLOPs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from scaling_fit.law.laws import Inputs
from scaling_fit.table.exports import read_runs
from scaling_fit.table.headings import NUMBERS, Heading, match, unfinished
from scaling_fit.table.numerals import number, numbers
from scaling_fit.table.read import Table, label
from scaling_fit.table.run_names import run_names
from scaling_fit.table.scores import split
from scaling_fit.table.sweep import settings
from scaling_fit.wording import count

Array = np.ndarray
NAMED = 5  # of the runs that are left out
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
    draw: Array
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
    tokens_per_step: str | float = "",
    checkpoints: int = 1,
) -> Observations:
    """Read a table of runs.

    table: anything `read_runs` reads. columns: our name -> the table's name, for columns whose name is not guessed (see
        `GUESSES`). where: conditions such as "dataset=c4", all of which a row must meet. ignore: columns to leave unread.
    parameters: "auto" counts body + head when the table has `params_body` and `params_head` (what the FLOPs see), or
        "body", "body+head", "total" (with embeddings).
    tokens_per_step: where the table counts steps, a number or the name of a column. checkpoints: rows read of each run's log.
    D missing is filled from steps, else from FLOPs as C/(6N), noted. Errors: ValueError naming the missing column and those
    found.
    """
    if isinstance(table, Observations):
        return table
    raw, scored = split(_kept(read_runs(table, columns or {}, checkpoints).without(ignore), where))
    headings, notes = match(raw.columns, columns or {})
    step = headings.pop("step", None)
    n = len(raw.rows)
    if len(scored.rows):
        notes.append(f"{len(scored.rows)} rows score tasks ({', '.join(dict.fromkeys(scored.columns['task']))})")
    if n == 0:
        raise ValueError("the table has no rows; give one row per run with its parameters, tokens and loss")
    rule = "body+head" if parameters == "auto" else parameters
    if rule not in PARTS:
        raise ValueError(f"--parameters {parameters!r} is not known; use auto, body, body+head or total")
    parts = PARTS[rule] if "N" not in headings and set(PARTS[rule]) <= set(raw.columns) else ()
    read = {name: raw.columns[one.name] for name, one in headings.items() if name in NUMBERS}
    cells = numbers({headings[name].name: column for name, column in read.items()} | {p: raw.columns[p] for p in parts},
                    raw.rows, raw.semicolons)  # fmt: skip
    values = {name: np.full(n, np.nan) for name in NUMBERS if name != "step"}
    for name in read:
        plain, convert = cells[headings[name].name], headings[name].convert
        values[name] = plain if convert is None else convert(plain)
    if parts:
        values["N"] = np.sum([cells[part] for part in parts], axis=0)
        notes.append(f"N is {rule} parameters ({' + '.join(parts)})")
    for name, what in (("N", "parameters (N)"), ("loss", "the loss")):
        if name not in headings and not (name == "N" and parts):
            or_so = ", or give the runs names that say it, as raw-20M-s0" if name == "N" else ""
            raise ValueError(
                f"no column for {what} among {', '.join(raw.columns)}; name it with -c {name}=... (--column){or_so}"
            )
    if tokens_per_step:
        values["D"], told = _tokens(raw, step, headings.get("D"), tokens_per_step)
        notes.append(told)
    elif "D" not in headings and "flops" in headings:
        values["D"] = values["flops"] / (6.0 * values["N"])
        notes.append("D is FLOPs / (6 N): the table has no tokens column")
    elif "D" not in headings:
        fix = "name it with -c D=... (--column)"
        if step is not None:
            fix += f", or make tokens of the steps in {step.name!r} with --tokens-per-step (sequences x context of a batch)"
        raise ValueError(f"no column for tokens (D) among {', '.join(raw.columns)}; {fix}")
    labels = {name: np.array([label(cell) for cell in raw.columns[one.name]], dtype=object)
              for name, one in headings.items() if name not in NUMBERS}  # fmt: skip
    repeated = values["D"] > values["unique"] * (1 + 1e-9)
    if "repeated" in labels:
        repeated |= np.isin([text.lower() for text in labels.pop("repeated")], ("1", "true"))
    labels.setdefault("shape", _sizes(values["N"]))
    for name, default in (("level", "all"), ("draw", ""), ("eval_set", "loss"), ("certificate", "")):
        labels.setdefault(name, np.full(n, default, dtype=object))
    if "trunk" not in labels and "seed" in labels:
        keys = zip(labels["level"], labels["draw"], labels["shape"], labels["seed"], strict=True)
        labels["trunk"] = np.array(["/".join(filter(None, key)) for key in keys], dtype=object)
        notes.append("trunk is level/shape/seed: the table does not say which runs share one")
    labels.setdefault("trunk", np.array([f"row {k}" for k in range(n)], dtype=object))
    labels.setdefault("seed", np.full(n, "0", dtype=object))
    keys = (labels["level"], labels["draw"], labels["eval_set"], labels["seed"], values["N"], values["D"], values["unique"])
    cells_KN = np.stack([np.unique(key, return_inverse=True)[1] for key in keys])
    cell_N = np.unique(cells_KN, axis=1, return_inverse=True)[1].ravel()
    setting = settings(raw.columns, {one.name for one in headings.values()} | set(parts), cell_N, values["loss"])
    return Observations(
        **values, **labels, repeated=repeated, setting=setting, row=np.array(raw.rows), notes=(*raw.notes, *notes)
    )


def _tokens(raw: Table, step: Heading | None, D: Heading | None, per_step: str | float) -> tuple[Array, str]:
    """Steps times the tokens of one, and the words for it.

    Errors: ValueError where the table has tokens already, or counts no steps."""
    if D is not None or step is None:
        has = (
            f"has tokens in {D.name!r}: leave the option out, or that column with --ignore"
            if D
            else "counts no steps: -c step=..."
        )
        raise ValueError(f"--tokens-per-step {per_step}: the table {has}")
    column = str(per_step) if str(per_step) in raw.columns else ""
    tokens = number(raw.columns[column][0] if column else per_step)
    if not tokens > 0:
        raise ValueError(f"--tokens-per-step {per_step}: give a number such as 524288, or one of {', '.join(raw.columns)}")
    names = [step.name, *([column] if column else [])]
    read = numbers({name: raw.columns[name] for name in names}, raw.rows, raw.semicolons)
    return read[step.name] * (
        read[column] if column else tokens
    ), f"D is {step.name!r} times {column or f'{tokens:,.0f}'} tokens"


def _kept(raw: Table, where: Sequence[str]) -> Table:
    """The rows that meet all conditions, of runs that finished."""
    ended = unfinished(raw.columns)
    if ended is not None and ended[1].any() and not any(text.startswith(ended[0]) for text in where):
        state, lost_N = ended
        names = run_names(raw) or [f"row {row}" for row in raw.rows]
        lost = [f"{names[at]} ({raw.columns[state][at]})" for at in np.flatnonzero(lost_N).tolist()]
        shown = ", ".join(lost[:NAMED]) + (f" and {len(lost) - NAMED} more" if len(lost) > NAMED else "")
        raw = raw.where(
            ~lost_N,
            f"{len(lost)} of {len(lost_N)} runs did not finish and are left out: {shown}; --ignore {state!r} keeps them",
        )
    if not where:
        return raw
    keep_N = np.logical_and.reduce([raw.condition(text) for text in where])
    if not keep_N.any():
        raise ValueError(f"--where {' --where '.join(where)}: no row of {len(keep_N)} is left")
    return raw.where(keep_N, f"{keep_N.sum()} of {len(keep_N)} rows, where {' and '.join(where)}")


def _sizes(N: Array) -> Array:
    """A name for each size, such as 20M; with more digits where two sizes would share one."""
    sizes = np.unique(N).tolist()
    short = {size: count(size) for size in sizes}
    names = short if len(set(short.values())) == len(sizes) else {size: f"{size:.6g}" for size in sizes}
    return np.array([names[size] for size in N.tolist()], dtype=object)
