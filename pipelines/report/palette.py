"""Colours of the page and its charts. A level has one colour everywhere: its place in the study decides which.

Hues follow Okabe and Ito (2008), but for a green that is far from the blue for every eye; the first four levels are told apart
with any common colour blindness, further ones also by the shape of their marks. All are dark (light page) or light (dark page)
enough that text set in them has a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3). The first level, usually the raw pool, is
grey: what is compared with it stands out.
"""

from collections.abc import Sequence

from pipelines.report.frames import JsonObject

LIGHT = {
    "--page": "#ffffff",
    "--panel": "#f7f7f5",
    "--ink": "#1b1c1f",
    "--soft": "#5b5f66",
    "--line": "#d9dade",
    "--grid": "#ececee",
    "--accent": "#0b62a8",
    "--drop": "#c9ccd1",
    "--good": "#00694e",
    "--warn": "#9a4a00",
    "--wash": "#eef3f8",
    "--level-0": "#666b73",
    "--level-1": "#0068ac",
    "--level-2": "#b84a00",
    "--level-3": "#115522",
    "--level-4": "#a33d78",
    "--level-5": "#7d6100",
    "--level-6": "#4a57b8",
    "--level-7": "#8c4030",
    "--level-8": "#00767a",
    "--level-9": "#c2185b",
    "--level-10": "#6a2fa0",
    "--level-11": "#4f6f00",
}
DARK = {
    "--page": "#15171a",
    "--panel": "#1d2024",
    "--ink": "#e9eaec",
    "--soft": "#a5aab2",
    "--line": "#3a3e45",
    "--grid": "#2a2d32",
    "--accent": "#6bb5ee",
    "--drop": "#4a4f57",
    "--good": "#4cc9a1",
    "--warn": "#f0a35e",
    "--wash": "#1c2630",
    "--level-0": "#a7acb4",
    "--level-1": "#56b4e9",
    "--level-2": "#f08a3c",
    "--level-3": "#a6e694",
    "--level-4": "#e08bbb",
    "--level-5": "#dcb83c",
    "--level-6": "#9aa5f5",
    "--level-7": "#dc9080",
    "--level-8": "#4fd0d0",
    "--level-9": "#ff7aa8",
    "--level-10": "#c79bff",
    "--level-11": "#b9d24a",
}
NUM_LEVEL_COLOURS = 12
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]

FONT = 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'


def css(colours: dict[str, str]) -> str:
    """The colours as CSS declarations."""
    return " ".join(f"{name}: {value};" for name, value in colours.items())


PALE = 0.6
"""Of a colour that is left in the charts for what is no choice."""


def pale(colours: dict[str, str], places: Sequence[int]) -> dict[str, str]:
    """The colours of these levels mixed with the page's."""
    page = _channels(colours["--page"])

    def mixed(colour: str) -> str:
        pairs = zip(_channels(colour), page, strict=True)
        return "#" + "".join(f"{round(PALE * own + (1 - PALE) * other):02x}" for own, other in pairs)

    names = dict.fromkeys(f"--level-{place % NUM_LEVEL_COLOURS}" for place in places)
    return {name: mixed(colours[name]) for name in names}


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5))


def level_colour(place: int) -> str:
    return f"var(--level-{place % NUM_LEVEL_COLOURS})"


def resolved(text: str) -> str:
    """Chart text with every `var(--name)` replaced by the light page's colour, for files that stand alone."""
    for name, value in LIGHT.items():
        text = text.replace(f"var({name})", value)
    return text


CHART_CONFIG: JsonObject = {
    "background": None,
    "font": FONT,
    "padding": 2,
    "view": {"stroke": None},
    "axis": {
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "gridColor": "var(--grid)",
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "titleFontWeight": "normal",
        "titleFontSize": 12,
        "labelFontSize": 11,
        "titlePadding": 8,
        "tickSize": 4,
        "labelLimit": 240,
        "labelSeparation": 6,
    },
    "axisY": {
        "domain": False,
        "ticks": False,
        "titleAlign": "left",
        "titleAngle": 0,
        "titleAnchor": "end",
        "titleX": 0,
        "titleY": -12,
    },
    "axisX": {"grid": False},
    "header": {"labelColor": "var(--ink)", "labelFontSize": 12, "titleColor": "var(--soft)"},
    "title": {"color": "var(--ink)", "fontSize": 12.5, "fontWeight": 600, "anchor": "start", "offset": 20, "frame": "group"},
    "legend": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--soft)",
        "labelFontSize": 12,
        "titleFontWeight": "normal",
        "orient": "top",
        "symbolType": "circle",
        "symbolStrokeWidth": 0,
        "symbolOpacity": 1,
        "offset": 10,
    },
    "text": {"color": "var(--ink)", "fontSize": 11},
    "rule": {"color": "var(--soft)"},
    "line": {"strokeWidth": 2},
    "area": {"opacity": 0.16, "line": False},
    "style": {
        "guide": {"stroke": "var(--soft)", "strokeDash": [4, 3], "strokeWidth": 1},
        "note": {"fill": "var(--soft)", "fontSize": 11},
    },
}
