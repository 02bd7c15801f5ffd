"""Charts as files, drawn in a child process: the renderer is compiled, and where it fails it ends its process."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from pipelines.report import draw
from pipelines.report.chart import Chart, Spec, standalone

NOT_XML = re.compile(r"\\u(?:00[01][0-9a-f]|d[89a-f][0-9a-f]{2}|fff[ef])")
"""What JSON escapes and no SVG may hold: control characters, halves of surrogate pairs, non-characters."""
PAIR = re.compile(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}")


def write_figures(charts: Iterable[Chart], eval_set: str | None, folder: Path) -> list[str]:
    """Every chart as `folder`/ID.svg and ID.png; the ids of those that the renderer could not draw."""
    folder.mkdir(parents=True, exist_ok=True)
    left = [(chart.id, drawable(standalone(chart, eval_set))) for chart in charts]
    failed: list[str] = []
    while left:
        lines = "".join(f"{name} {spec}\n" for name, spec in left).encode()
        # -P: the folder of draw.py, whose names are ours, is not where the child looks for modules.
        child = subprocess.run([sys.executable, "-P", draw.__file__, folder], input=lines, capture_output=True)
        n_drawn = len(child.stdout.split())
        failed += [name for name, _ in left[n_drawn : n_drawn + 1]]
        left = left[n_drawn + 1 :]
    return failed


def drawable(spec: Spec) -> str:
    """The specification as one line of JSON, U+FFFD for characters that an SVG cannot hold."""
    paired = PAIR.sub(lambda pair: json.loads(f'"{pair[0]}"'), json.dumps(spec))
    return NOT_XML.sub(r"\\ufffd", paired)
