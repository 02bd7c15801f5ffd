"""The range an axis shows, and its round ticks: all that was measured, and as much of an interval as lets it be seen."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

JsonObject = dict[str, Any]
Rows = list[JsonObject]


def limits(
    values: Iterable[float | None],
    ends: Iterable[float | None] = (),
    reach: float = 1.5,
    log: bool = False,
    sane: tuple[float, float] | None = None,
) -> list[float]:
    """The range an axis shows: all `values`, and the interval `ends` up to `reach` times the values' own span.

    An interval that the data do not bound would otherwise flatten everything else; marks outside are cut at the frame and stand
    in the chart's numbers. The same goes for estimates outside `sane`, if any is inside: what a fit says that nobody believes.
    """
    inside = _usable(values, log)
    if not len(inside):
        return [0.5, 2.0] if log else [-1.0, 1.0]
    bars = _usable(ends, log)
    if sane:
        least, most = np.log(sane) if log else sane
        believed = inside[(inside >= least) & (inside <= most)]
        inside = believed if len(believed) else inside
    low, high = float(inside.min()), float(inside.max())
    span = high - low
    if not span:
        span = float(np.median(np.abs(bars - low))) if len(bars) else 0.0
    span = span or abs(low) * 0.02 or 1.0
    if len(bars):
        low, high = min(low, max(float(bars.min()), low - reach * span)), max(high, min(float(bars.max()), high + reach * span))
    margin = max(0.06 * (high - low), 0.02 * span)
    low, high = low - margin, high + margin
    return [math.exp(low), math.exp(high)] if log else [low, high]


def _usable(values: Iterable[float | None], log: bool) -> np.ndarray:
    usable = [value for value in values if value is not None and math.isfinite(value) and not (log and value <= 0)]
    return np.log(usable) if log else np.array(usable, float)


def log_ticks(values: Iterable[float], most: int = 7) -> list[float]:
    """Round values over the range of `values`: 1 2 5, 1 3, or powers of ten, as many as there is room for."""
    positive = [value for value in values if value > 0]
    low, high = min(positive), max(positive)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for mantissas in ((1, 2, 5), (1, 3), (1,)):
        ticks = [m * 10.0**k for k in decades for m in mantissas if low * 0.99 <= m * 10.0**k <= high * 1.01]
        if len(ticks) <= most:
            break
    return ticks


def by_set(
    sets: list[str], rows: Rows, value: str, ends: tuple[str, ...] = (), null: float | None = None, **options: Any
) -> dict[str, list[float]]:
    """The limits of `value` in the rows of each evaluation set; `null`, the line of no difference, is always inside."""
    out = {}
    for name in sets:
        own = [row for row in rows if row["eval_set"] == name]
        ends_of_own = (row.get(end) for row in own for end in ends)
        out[name] = limits([*(row.get(value) for row in own), null], ends_of_own, **{"reach": 0.5, **options})
    return out


def apart(values: list[float], gap: float, low: float, high: float) -> list[float]:
    """Places for labels in the order of `values`: at least `gap` apart, within [low, high] where there is room, and as near
    their values as that lets them (isotonic regression of value less rank: neighbours that are too close are pooled)."""
    order = sorted(range(len(values)), key=lambda k: values[k])
    pools: list[tuple[float, int]] = []
    for rank, k in enumerate(order):
        mean, size = min(max(values[k], low), high) - rank * gap, 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, size = (mean * size + before * many) / (size + many), size + many
        pools.append((mean, size))
    last = high - (len(values) - 1) * gap
    flat = [max(min(mean, last), min(low, last)) for mean, size in pools for _ in range(size)]
    out = [0.0] * len(values)
    for rank, k in enumerate(order):
        out[k] = flat[rank] + rank * gap
    return out


def frame(name: str, ranges: dict[str, list[float]]) -> tuple[JsonObject, list[dict[str, str]]]:
    """An axis range that follows the page's evaluation set: the parameter that holds it, and the scale domain that reads it."""
    return {"name": name, "value": ranges}, [{"expr": f"{name}[eval_set][{end}]"} for end in (0, 1)]
