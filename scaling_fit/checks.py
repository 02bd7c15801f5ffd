"""Faults of a table of runs, each with a name, the rows it concerns and what to do: errors stop a fit, warnings ride along."""

from dataclasses import dataclass

import numpy as np

from scaling_fit.instrument.shoulder import shoulders
from scaling_fit.observations import Observations
from scaling_fit.units import check_units
from scaling_fit.wording import row_numbers


@dataclass(frozen=True)
class Fault:
    """`severity` is "error" (no honest fit exists) or "warning"; `rows` as a spreadsheet counts (the header is row 1)."""

    name: str
    severity: str
    message: str
    rows: tuple[int, ...] = ()

    def to_dict(self) -> dict:
        return {"name": self.name, "severity": self.severity, "message": self.message, "rows": list(self.rows[:50])}


_LEAVE_OUT = "repair them, or leave them out with --where 'COLUMN>0'"


def check(table: Observations, n_parameters: int = 5) -> tuple[Fault, ...]:
    """All design and data faults of one table (all evaluation sets together). `n_parameters`: of the law to be fitted."""
    faults: list[Fault] = []

    def add(name: str, severity: str, message: str, rows: np.ndarray) -> None:
        faults.append(Fault(name, severity, message, tuple(rows.tolist())))

    for column in ("N", "D", "loss"):
        values = getattr(table, column)
        bad = table.row[~np.isfinite(values)]
        if len(bad):
            add(
                "non-finite",
                "error",
                f"{column} is empty or no finite number in rows {row_numbers(bad.tolist())}; {_LEAVE_OUT}",
                bad,
            )
        low = table.row[np.isfinite(values) & (values <= 0)]
        if len(low):
            add(
                "non-positive",
                "error",
                f"{column} must be positive; rows {row_numbers(low.tolist())} are not: {_LEAVE_OUT}",
                low,
            )
    if faults:
        return tuple(faults)
    check_units(table, add)
    _check_loss(table, add)
    parts = (table.level, table.eval_set, table.shape, table.seed, table.trunk, table.N, table.D, table.draw)
    keys = list(zip(*parts, strict=True))
    named = [key for key in keys if not str(key[4]).startswith("row ")]
    if len(set(named)) < len(named):
        seen, again = set(), []
        for row, key in zip(table.row, keys, strict=True):
            again += [row] if key in seen else []
            seen.add(key)
        add(
            "duplicate-run",
            "error",
            f"rows {row_numbers(again)} repeat a (level, trunk, N, D, set) already seen: "
            "keep one of each, or give seeds their own `seed` or `trunk`",
            np.array(again),
        )
    elif not named:
        exact = [(key[0], key[1], key[5], key[6], loss) for key, loss in zip(keys, table.loss, strict=True)]
        if len(set(exact)) < len(exact):
            first: dict = {}
            again = [row for row, key in zip(table.row, exact, strict=True) if first.setdefault(key, row) != row]
            add(
                "duplicate-row",
                "warning",
                f"rows {row_numbers(again)} equal an earlier row in N, D and loss: copies make intervals too narrow, drop them",
                np.array(again),
            )
    if len({c for c in table.certificate if c}) > 1:
        add(
            "mixed-certificates",
            "error",
            "runs carry different certificates (tokenizer, schedule, code or evaluation differ): fit one certificate at a time",
            table.row,
        )
    if table.repeated.any():
        rows = table.row[table.repeated]
        add(
            "repeated-data",
            "warning",
            f"{len(rows)} rows use more tokens than their unique ones; a law of fresh data "
            "leaves them out (use law=repetition or law=overfitting to keep them)",
            rows,
        )
    for shape in shoulders(table):
        slopes = " ".join(f"{slope:.3f}" for slope in shape.slope_G)
        add(
            "on-the-shoulder",
            "warning",
            f"shape {shape.shape}: the ladder begins on the shoulder, where the loss falls ever faster and no law can follow "
            f"(-d ln L / d ln D is {slopes}); begin it at D {shape.begin:,.0f} or leave out what is below",
            np.array(shape.rows),
        )
    for level in table.levels:
        for name in table.eval_sets:
            _check_design(
                table.where((table.level == level) & (table.eval_set == name) & ~table.repeated),
                n_parameters,
                f"level {level}, {name}: " if len(table.levels) * len(table.eval_sets) > 1 else "",
                add,
            )
    return tuple(faults)


def _check_loss(table: Observations, add) -> None:
    for name in table.eval_sets:
        one = table.where(table.eval_set == name)
        order, rank = np.argsort(one.D), np.argsort(np.argsort(one.loss))
        rising = len(one) > 5 and np.corrcoef(np.arange(len(one)), rank[order])[0, 1] > 0.5
        if np.all(one.loss < 1.0) and rising:
            add(
                "accuracy-like",
                "error",
                f"{name}: values lie in (0, 1) and rise with tokens; they look like accuracies. Give losses in nats per "
                "token, and scores of tasks as rows with a chance level (columns metric, value, chance)",
                one.row,
            )
        elif np.median(one.loss) > 12.0:
            add(
                "perplexity-like",
                "error",
                f"{name}: median {np.median(one.loss):.3g} is above ln(vocabulary) of any usual "
                "tokenizer (ln 160000 = 12); it looks like perplexity. Give its logarithm",
                one.row,
            )
        elif np.all(one.loss < 1.3):
            add(
                "bits-per-byte-like",
                "warning",
                f"{name}: all losses are below 1.3; if they are bits per byte, exponents are comparable only within this table",
                one.row,
            )


def _check_design(one: Observations, n_parameters: int, where: str, add) -> None:
    if len(one) == 0:
        return
    sizes, tokens = len(np.unique(one.N)), len(np.unique(one.D))
    cells = len(set(zip(one.N, one.D, strict=True)))
    if cells < n_parameters:
        add(
            "too-few-points",
            "warning",
            f"{where}{cells} distinct (N, D) for {n_parameters} parameters: a law this rich has no "
            "error to judge it by; add runs or fit a smaller law",
            one.row,
        )
    if sizes == 1:
        add(
            "one-size", "warning", f"{where}one distinct N: alpha and A are not identified; a law in D alone is fitted", one.row
        )
    elif sizes == 2:
        add(
            "two-sizes",
            "warning",
            f"{where}two distinct N: E, A and alpha are three numbers from two; each shape gets a free floor instead",
            one.row,
        )
    if tokens == 1:
        add("one-token-count", "warning", f"{where}one distinct D: beta and B are not identified; vary the tokens", one.row)
    elif tokens < 4:
        add("few-token-counts", "warning", f"{where}{tokens} distinct D: beta, B and the floor need at least 4", one.row)
    decades = float(np.log10(one.D.max() / one.D.min()))
    if 0 < decades < 1.5:
        add(
            "short-token-range",
            "warning",
            f"{where}D spans {decades:.1f} decades; beta and the floor are hard to tell apart below about 2",
            one.row,
        )
    if len(one) > 8 and sizes > 2 and tokens > 2:
        correlation = float(np.corrcoef(np.log(one.N), np.log(one.D))[0, 1])
        if abs(correlation) > 0.9:
            add(
                "collinear",
                "warning",
                f"{where}ln N and ln D correlate {correlation:.2f}: runs along one ray of tokens per "
                "parameter cannot separate alpha from beta; cross the grid",
                one.row,
            )
