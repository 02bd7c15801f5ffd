"""Write a published study's report anew from its tables, after the fitter, the words or the page have changed.

    python docs/studies/rewrite.py docs/studies/2026-11-30-web [--replicates 2000]

The runs are as they were; the law is fitted again, and report.html, report.json and report.md are written. Quality is
that of quality.csv, since the pool is not published.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from pipelines.outcomes.fit import settings
from pipelines.report import facts, page
from pipelines.study.study import load
from scaling_fit import analyse, read_axes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--replicates", type=int)
    asked = parser.parse_args()
    folder: Path = asked.folder
    body = json.loads((folder / "report.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        wanted = settings(load(folder / "study.yaml"))
        sets = tuple(name for name in body["fit"]["sets"] if not name.startswith("own:"))
        wanted = replace(wanted, eval_sets=sets, replicates=asked.replicates or wanted.replicates)
        body["fit"] = analyse(folder / "observations.parquet", wanted, quality=read_axes(folder / "quality.csv"))
        made = facts.of(body)
        for path in [page.write(made, Path(scratch) / "report"), *(Path(scratch) / "report").glob("report.*")]:
            (folder / ("report.html" if path.name == "index.html" else path.name)).write_bytes(path.read_bytes())


if __name__ == "__main__":
    main()
