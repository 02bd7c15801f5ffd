"""Words, Gopher quality and repetition, C4 and FineWeb: Assay beside datatrove's chain of four filters, one core each.

The same real web documents for both, taken in turns; the ratio is the median over the turns. Times are CPU seconds of the
process, whose arithmetic is one thread, so other load on the machine hardly counts. datatrove's filters run one after the
other and stop at the first that drops a document, as in its pipelines; Assay computes every value of every document, and is
also given a whole batch. Kernels are compiled before.

    python benchmarks/curation/heuristics.py ../shared/data/text/pool/web.jsonl.zst
"""

import argparse
import statistics
import time
from collections.abc import Callable

import polars as pl
import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter

from curation.document import Batch
from curation.signals.registry import SIGNALS

NAMES = ("gopher_quality", "gopher_repetition", "c4_datatrove", "fineweb")


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def assay(text: pa.Array) -> None:
    batch = Batch(pa.table({"text": text}))
    _ = batch.words
    for name in NAMES:
        SIGNALS[name].compute(batch, **SIGNALS[name].params)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--documents", type=int, default=120, help="of each turn, for datatrove and for the ratio")
    arguments = parser.parse_args()
    text = pl.read_ndjson(arguments.pool)["text"]
    text = text.filter(text.str.len_bytes() < 100_000).sample(fraction=1.0, shuffle=True, seed=0)
    chain = [
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]

    def datatrove(texts: list[str]) -> None:
        for i, one in enumerate(texts):
            document = Document(text=one, id=str(i))
            all(keep.filter(document) is True for keep in chain)

    start = time.perf_counter()
    assay(pa.array(["compile"], pa.large_string()))
    print(f"first call, compiling what the cache does not hold: {time.perf_counter() - start:.1f} s")
    datatrove(["It has to load its tokenizer. " * 20])
    whole = text.head(4000).to_arrow().cast(pa.large_string())
    ratios, ours, theirs, batches = [], [], [], []
    for turn in range(arguments.turns):
        part = text.slice(turn * arguments.documents, arguments.documents)
        megabytes = part.str.len_bytes().sum() / 1e6
        column, texts = part.to_arrow().cast(pa.large_string()), part.to_list()
        assay_s = statistics.median(seconds(lambda column=column: assay(column)) for _ in range(5))
        datatrove_s = seconds(lambda texts=texts: datatrove(texts))
        ours.append(megabytes / assay_s)
        theirs.append(megabytes / datatrove_s)
        ratios.append(datatrove_s / assay_s)
        batches.append(whole.nbytes / 1e6 / seconds(lambda: assay(whole)))
    batch = f"({statistics.median(batches):.1f} MB/s on a batch of {whole.nbytes / 1e6:.0f} MB)"
    print(f"assay       {statistics.median(ours):8.1f} MB/s   {batch}")
    print(f"datatrove   {statistics.median(theirs):8.3f} MB/s")
    print(f"ratio       {statistics.median(ratios):8.0f}x       turns: {', '.join(f'{r:.0f}' for r in ratios)}")


if __name__ == "__main__":
    main()
