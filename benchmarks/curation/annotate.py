"""The whole annotate pass on real web text: what each signal costs, and all together, in CPU seconds of one core.

python benchmarks/curation/annotate.py ../shared/data/text/pool/web.jsonl.zst [--model classifier.bin]
"""

import argparse
import resource
import time
from collections.abc import Callable
from functools import partial

import polars as pl
import pyarrow as pa

from curation.document import Batch
from curation.signals import quality
from curation.signals.registry import SIGNALS

NAMES = (
    "gopher_quality", "gopher_repetition", "c4_datatrove", "fineweb", "refinedweb", "nemo", "language", "pii", "exact",
    "minhash",
)  # fmt: skip
GROUP = 16e6  # bytes of text handled at once, as in a pool shard's row groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("--model", help="a fastText quality classifier")
    arguments = parser.parse_args()
    text = pl.read_ndjson(arguments.pool)["text"]
    calls = {name: partial(SIGNALS[name].compute, **SIGNALS[name].params) for name in NAMES}
    if arguments.model:
        calls["classifier"] = partial(quality.compute, model=arguments.model)
    spent = dict.fromkeys(("words", "segments", *calls), 0.0)

    def timed(name: str, call: Callable[[], object]) -> None:
        start = time.process_time()
        call()
        spent[name] += time.process_time() - start

    def annotate(batch: Batch) -> None:
        timed("words", lambda: batch.words)
        timed("segments", lambda: batch.segments)
        for name, call in calls.items():
            timed(name, partial(call, batch))

    annotate(Batch(pa.table({"text": pa.array(["compile this, once"], pa.large_string())})))
    spent = dict.fromkeys(spent, 0.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    groups = (text.str.len_bytes().cum_sum() / GROUP).cast(pl.Int64)
    for group in groups.unique(maintain_order=True):
        annotate(Batch(pa.table({"text": text.filter(groups == group).to_arrow().cast(pa.large_string())})))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    megabytes = text.str.len_bytes().sum() / 1e6
    for name, seconds in spent.items():
        print(f"{name:20}{1000 * seconds / megabytes:8.1f} ms/MB{megabytes / seconds:10.0f} MB/s")
    total = sum(spent.values())
    print(f"{'all':20}{1000 * total / megabytes:8.1f} ms/MB{megabytes / total:10.1f} MB/s")
    print(f"peak memory {peak / 2**20:.2f} GiB, {before / 2**20:.2f} of it the pool in memory, the libraries and the compiler")


if __name__ == "__main__":
    main()
