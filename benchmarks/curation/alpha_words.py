"""Share of documents that Gopher's rule on words with a letter drops, by the two definitions of a word.

    python benchmarks/curation/alpha_words.py [FILE.jsonl[.zst] ...]

The first 400 documents of each file; by default those of ../shared/data/text. 2026-11-30, 2 cores: the table in
docs/reference/signals.md, in 9 s.
"""

import sys
from itertools import islice
from pathlib import Path

import polars as pl
import pyarrow as pa

from curation.document import Batch
from curation.signals import gopher
from curation.sources import Record, Source, read, slices

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "text"


def main(paths: list[str]) -> None:
    for path in paths or [*sorted(map(str, SHARED.glob("pool/*"))), str(SHARED / "reference" / "wikitext.jsonl.zst")]:
        records = (record for piece in slices(Source("s", "jsonl", (path,))) for record in read(piece))
        texts = [record.text for record in islice(records, 400) if isinstance(record, Record)]
        found = pl.DataFrame(gopher.quality(Batch(pa.table({"text": pa.array(texts, pa.large_string())}))))
        shares = {name: (found[name] < 0.8).mean() for name in ("alpha_words", "alpha_words_spaced")}
        print(Path(path).name, {name: round(float(str(share)), 2) for name, share in shares.items()})


if __name__ == "__main__":
    main(sys.argv[1:])
