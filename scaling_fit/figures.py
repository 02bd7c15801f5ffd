"""Figures as Vega-Lite specifications: plain dicts, so that this library draws without a plotting dependency.

`render` turns one into SVG or PNG where vl-convert is installed (it comes with `assay`).
"""

from pathlib import Path

import numpy as np

from scaling_fit.law.fit import Fit

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
LOG = {"type": "log", "nice": False}
TOKENS = {"field": "D", "type": "quantitative", "scale": LOG, "title": "training tokens D", "axis": {"format": "~s"}}


def _loss(field: str = "loss") -> dict:
    return {"field": field, "type": "quantitative", "scale": LOG | {"zero": False}, "title": "loss (nats/token)"}


def _facet(spec: dict, values: dict[str, list[dict]]) -> dict:
    return {"$schema": SCHEMA, "datasets": values, "config": {"view": {"continuousWidth": 340, "continuousHeight": 260}}} | spec


def curves(content: dict, eval_set: str | None = None) -> dict:
    """L(D) per level, a panel per shape: runs, fitted curves, bands; dashed beyond the observed tokens."""
    one = content["sets"][eval_set or content["primary"]]
    lines = [
        {
            "level": c["level"],
            "shape": c["shape"],
            "D": D,
            "loss": loss,
            "low": low,
            "high": high,
            "seen": c["observed"][1] * 1.0001 >= D,
        }
        for c in one.get("curves", [])
        for D, loss, low, high in zip(c["D"], c["loss"], c["low"], c["high"], strict=True)
        if c["observed"][1] * 4 >= D
    ]
    color = {"field": "level", "type": "nominal", "sort": content["levels"]}
    line = {"mark": {"type": "line"}, "data": {"name": "lines"}}
    layers = [
        {
            "mark": {"type": "area", "opacity": 0.15},
            "data": {"name": "lines"},
            "encoding": {"x": TOKENS, "y": _loss("low"), "y2": {"field": "high"}, "color": color},
        },
        line | {"transform": [{"filter": "datum.seen"}], "encoding": {"x": TOKENS, "y": _loss(), "color": color}},
        line
        | {
            "mark": {"type": "line", "strokeDash": [4, 3]},
            "transform": [{"filter": f"!datum.seen || datum.D >= {_last(one)}"}],
            "encoding": {"x": TOKENS, "y": _loss(), "color": color},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 28},
            "data": {"name": "points"},
            "encoding": {"x": TOKENS, "y": _loss(), "color": color},
        },
    ]
    shapes = [s["name"] for s in content["shapes"]]
    panels = []
    for shape in shapes:
        here = {"filter": {"field": "shape", "equal": shape}}
        panels.append(
            {"title": shape, "layer": [layer | {"transform": [here, *layer.get("transform", [])]} for layer in layers]}
        )
    return _facet({"hconcat": panels}, {"lines": lines, "points": one["points"]})


def _last(one: dict) -> float:
    return max((c["observed"][1] for c in one.get("curves", [])), default=0.0) * 0.9999


def forest(content: dict, eval_set: str | None = None, quantity: str = "delta_beta") -> dict:
    """A row per level: the difference to the baseline with its interval, against the line of no difference."""
    rows = [
        r
        for r in content["sets"][eval_set or content["primary"]].get("forest", [])
        if r["quantity"] == quantity and r["value"] is not None
    ]
    label = rows[0]["label"] if rows else quantity
    y = {"field": "level", "type": "nominal", "title": None, "sort": content["levels"]}
    x = {"field": "value", "type": "quantitative", "title": label, "scale": {"zero": False}}
    layers = [
        {"mark": {"type": "rule"}, "encoding": {"y": y, "x": x | {"field": "low"}, "x2": {"field": "high"}}},
        {"mark": {"type": "point", "filled": True, "size": 60}, "encoding": {"y": y, "x": x}},
        {"mark": {"type": "rule", "strokeDash": [3, 3]}, "encoding": {"x": {"datum": rows[0]["null"] if rows else 0}}},
    ]
    return _facet({"data": {"name": "rows"}, "layer": layers}, {"rows": rows})


def fitted(fit: Fit) -> dict:
    """One fit: runs and the law's curves over D (or N), a colour per size, a panel per group."""
    problem, law = fit.grouped.problem, fit.law
    axis = "D" if "D" in law.needs else "N"
    points, lines = [], []
    for group, block in zip(fit.groups, problem.blocks, strict=True):
        logs = block.design.logs
        N, D = np.exp(logs["N"]) * fit.grouped.pivot[0], np.exp(logs["D"]) * fit.grouped.pivot[1]
        points += [
            {"group": group, "N": n, "D": d, "loss": loss}
            for n, d, loss in zip(N.tolist(), D.tolist(), problem.loss_N[block.rows].tolist(), strict=True)
        ]
        grid = np.geomspace(*((D.min(), D.max()) if axis == "D" else (N.min(), N.max())), 40)
        sizes = np.unique(N) if law.needs == "ND" else np.unique(N)[:1]
        for size in sizes[np.unique(np.linspace(0, len(sizes) - 1, 7).astype(int))] if axis == "D" else [np.nan]:
            where = (np.full(40, size), grid) if axis == "D" else (grid, np.full(40, D[0]))
            loss = fit.predict(*where, group=group)
            lines += [
                {"group": group, "N": float(n), "D": float(d), "loss": float(v)} for n, d, v in zip(*where, loss, strict=True)
            ]
    x = TOKENS if axis == "D" else TOKENS | {"field": "N", "title": "parameters N"}
    color = {
        "field": "N",
        "type": "quantitative",
        "scale": {"type": "log", "scheme": "viridis"},
        "title": "N",
        "legend": {"type": "gradient", "format": ".1s"},
    }
    layers = [
        {
            "mark": "line",
            "data": {"name": "lines"},
            "encoding": {"x": x, "y": _loss(), "color": color, "detail": {"field": "N"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 22},
            "data": {"name": "points"},
            "encoding": {"x": x, "y": _loss(), "color": color},
        },
    ]
    panels = [
        {"title": group, "layer": [layer | {"transform": [{"filter": {"field": "group", "equal": group}}]} for layer in layers]}
        for group in fit.groups
    ]
    return _facet({"hconcat": panels}, {"lines": lines, "points": points})


def render(spec: dict, path: Path) -> Path:
    """Write a figure as .svg or .png. Errors: ValueError for another suffix, ImportError without vl-convert."""
    import vl_convert

    if path.suffix == ".svg":
        path.write_text(vl_convert.vegalite_to_svg(spec), "utf-8")
    elif path.suffix == ".png":
        path.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
    else:
        raise ValueError(f"{path.name}: figures are .svg or .png")
    return path
