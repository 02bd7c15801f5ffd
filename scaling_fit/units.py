"""Doubts about what a table's columns mean: numbers in billions, logarithms, N and D exchanged, FLOPs that do not fit.

A law is fitted as happily to a wrong unit as to a right one; only plans come out wrong by powers of ten. What no run can
have is an error, with the reading that would make sense of it; what is merely odd is a warning.
"""

from collections.abc import Callable

import numpy as np

from scaling_fit.observations import Observations
from scaling_fit.table.numerals import is_numeric

Add = Callable[[str, str, str, np.ndarray], None]
LEAST = 1e4  # parameters, or tokens, of the largest run of any table
LEAST_BESIDE = 0.01  # tokens per parameter from which fewer tokens are believed: those of a trial with a tiny model
FACTOR = 10.0  # between exact FLOPs and 6 N D: attention, heads and embeddings stay within it
RISES = 0.8  # share of steps in D, at one N, over which loss rises


def check_units(table: Observations, add: Add) -> None:
    """Faults of meaning; every one names the option or the heading that mends it."""
    if (nameless := table.level == "").any() and not nameless.all():
        advice = "name it, or leave them out with --where 'level!='"
        add("no-level", "error", f"{nameless.sum()} rows have no level, and others do: {advice}", table.row[nameless])
    counted = bool((table.certificate != "").all())  # by a study, however small its models are
    for name, values, heading in (("N", table.N, "params"), ("D", table.D, "tokens")):
        low, high = float(values.min()), float(values.max())
        if counted or high >= LEAST or (name == "D" and high >= LEAST / 10 and low >= LEAST_BESIDE * table.N.max()):
            continue
        like = f"billions or millions: give counts, or head the column '{heading} (B)' or '{heading} (M)'"
        if low > 3 and high < min(40, 3 * low):
            like = f"logarithms: give counts, or head the column log10_{heading} or ln_{heading}"
        add("unit", "error", f"{name} of {low:.4g} to {high:.4g} are no counts of {heading}; they look like {like}", table.row)
    ratio = float((table.D / table.N).max())
    exchanged = "if N and D are exchanged, --column N=... --column D=..."
    if np.array_equal(table.N, table.D):
        add("swapped", "error", "N and D are equal in every run: name their columns, --column N=... --column D=...", table.row)
    elif ratio < 0.01 and table.D.max() >= LEAST:
        like = f"give tokens as counts, or head the column 'tokens (M)'; {exchanged}"
        add("unit", "error", f"D is at most {ratio:.2g} N, and no run sees so little: {like}", table.row)
    elif ratio < 1 and len(table) > 1:
        add("swapped", "warning", f"D is below N in every run (at most {ratio:.2g} N): {exchanged}", table.row)
    _check_flops(table, add)
    _check_direction(table, add)
    swept = table.setting != ""
    if swept.any():
        name, _, value = table.setting[int(np.argmin(table.loss))].partition("=")
        advice = f"keep the best of each cell, or one setting with --where {name}={value}; if it is a seed, -c seed={name}"
        if not is_numeric(value):
            advice = f"if it names the data, -c level={name}; else {advice}"
        add("sweep", "error", f"runs of one N and D differ in {name!r}, which moves their loss: {advice}", table.row[swept])


def _check_flops(table: Observations, add: Add) -> None:
    ratio = table.flops / (6.0 * table.N * table.D)
    known = np.isfinite(ratio) & (ratio > 0)
    if not known.any():
        return
    middle, per_token = float(np.median(ratio[known])), float(np.median((ratio * table.D)[known]))
    far = known & ~((ratio > 1 / FACTOR) & (ratio < FACTOR))
    if 1 / FACTOR < middle < FACTOR:
        if far.any():
            add("flops", "warning", f"FLOPs are far from 6 N D in some rows ({ratio[far][0]:.2g} of it)", table.row[far])
        return
    power = round(-np.log10(middle))
    like = f"in units of 1e{power}: head the column 'flops (1e{power})'"
    if 1 / FACTOR < per_token < FACTOR:
        like = "FLOPs per token: leave the column unread with --ignore"
    elif power <= 0 or abs(middle * 10.0**power - 1) > 0.5:
        like = "of something else: leave the column unread with --ignore, or mend N or D"
    add("flops", "error", f"FLOPs are {middle:.2g} of 6 N D. N, D and C do not go together; C may be {like}", table.row)


def _check_direction(table: Observations, add: Add) -> None:
    fresh = table.where(~table.repeated & (table.loss > 1))  # what rises below 1 is an accuracy
    codes = [np.unique(labels.astype(str), return_inverse=True)[1] for labels in (fresh.level, fresh.eval_set)]
    _, group_N = np.unique(np.stack(codes), axis=1, return_inverse=True)
    order = np.lexsort((fresh.D, fresh.N, group_N))
    group, N, D, loss = (values[order] for values in (group_N, fresh.N, fresh.D, fresh.loss))
    step = (np.diff(group) == 0) & (np.diff(N) == 0) & (np.diff(D) > 0)
    steps, rises = (np.bincount(group[1:][mask]) for mask in (step, step & (np.diff(loss) > 0)))
    for g in np.flatnonzero(steps >= 4):
        if g < len(rises) and rises[g] > RISES * steps[g]:
            rows = order[group == g]
            where = f"level {fresh.level[rows[0]]}, {fresh.eval_set[rows[0]]}"
            message = (
                f"{where}: loss rises with tokens at every N, as no law here does; is the column a loss, and D its tokens?"
            )
            add("loss-rises", "error", message, np.sort(fresh.row[rows]))
