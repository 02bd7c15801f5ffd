"""Write a published study's report anew from its tables, after the fitter, the words or the page have changed.

    python docs/studies/rewrite.py docs/studies/2026-12-01-web [--replicates 2000]

The runs are as they were; the law is fitted again, and report.html, report.json and report.md are written. Quality is
that of quality.csv, since the pool is not published.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from curation.quality.axes import for_law
from pipelines.outcomes.fit import analysed, courses, settings
from pipelines.report import facts, page
from pipelines.study.study import load
from scaling_fit import read_axes
from scaling_fit.encoding import encode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--replicates", type=int)
    asked = parser.parse_args()
    folder: Path = asked.folder
    body = json.loads((folder / "report.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        study = load(folder / "study.yaml")
        wanted = settings(study)
        wanted = replace(wanted, replicates=asked.replicates or wanted.replicates)
        table, measured = pq.read_table(folder / "observations.parquet"), read_axes(folder / "quality.csv")
        axes = for_law(measured.values, study.report.quality.axis)
        measured = replace(measured, values={name: measured.values[name] for name in axes})
        body["fit"], reading = analysed(table, wanted, courses(study), measured)
        body["courses"] = reading and encode(reading)
        made = facts.of(body)
        for path in [page.write(made, Path(scratch) / "report"), *(Path(scratch) / "report").glob("report.*")]:
            (folder / ("report.html" if path.name == "index.html" else path.name)).write_bytes(path.read_bytes())


if __name__ == "__main__":
    main()
