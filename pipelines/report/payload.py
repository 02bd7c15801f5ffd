"""What may stand inside the page: packed tables, JSON and scripts that cannot break out, and what is forbidden."""

import base64
import gzip
import json
from functools import cache
from hashlib import sha256

import vl_convert

from pipelines.report.frames import JsonObject, Rows


def columns(rows: Rows) -> JsonObject:
    """A table by column, a third of its size as rows: texts as places in a list, numbers to six significant digits (what a
    chart can show). Column -> values, or {"of": texts, "at": places}."""
    out: JsonObject = {}
    for name in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(name) for row in rows]
        if all(isinstance(value, str) for value in values):
            texts = list(dict.fromkeys(values))
            place = {text: i for i, text in enumerate(texts)}
            out[name] = {"of": texts, "at": [place[value] for value in values]}
        else:
            out[name] = [_short(value) for value in values]
    return out


def _short(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, float):
        return value
    rounded = float(f"{value:.6g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def inert_json(value: object) -> str:
    """JSON that is safe inside a script element: no text in it can end the element or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return (
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def packed(value: object) -> str:
    """JSON as gzip in base64, a quarter of its size: the page unpacks it itself. The same value gives the same text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


@cache
def vega() -> str:
    """Vega, Vega-Lite and vega-embed as one script, from the copy inside vl-convert."""
    bundle = vl_convert.javascript_bundle()  # pyright: ignore[reportCallIssue]
    return bundle.replace("</script", "<\\/script")


def policy(scripts: list[str]) -> str:
    """Nothing may be fetched; only these scripts run. Vega compiles its expressions, hence 'unsafe-eval'."""
    hashes = " ".join(f"'sha256-{base64.b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
