"""Tokenising real text from Arrow to Arrow: the compiled BPE against the `tokenizers` library, on one core.

    TOKENIZERS_PARALLELISM=false python benchmarks/curation/tokens.py POOL_FOLDER [--vocab 4096]

Takes the first megabytes of every file of the folder, trains on a part, encodes all, both sides in turns, compares every token,
and prints the medians. Processor time is measured, as the machine may be shared.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from curation.sources import Record, Source, read, slices
from curation.tokens import tokenizer


def texts(file: Path, limit: float) -> list[str]:
    found, size = [], 0
    for record in read(slices(Source("x", "jsonl", (str(file),)))[0]):
        if size >= limit:
            break
        if isinstance(record, Record):
            found.append(record.text)
            size += len(record.text.encode())
    return found


def seconds(run: Callable[[], object]) -> tuple[float, object]:
    started = time.process_time()
    result = run()
    return time.process_time() - started, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    files = sorted(given.pool.glob("*.jsonl.zst"))
    trained = tokenizer.train([text for file in files for text in texts(file, 1e6)], given.vocab)
    library = tokenizer.load(trained)
    tokenizer.encode(trained, ["compile"])
    ratios = []
    for file in files:
        strings = texts(file, 3e6)
        array = pa.array(strings, pa.large_string())
        ours, theirs = [], []
        for _ in range(given.rounds):
            taken, tokens = seconds(lambda array=array: tokenizer.encode(trained, array))
            ours.append(taken)
            taken, reference = seconds(lambda array=array: [e.ids for e in library.encode_batch_fast(array.to_pylist())])
            theirs.append(taken)
        assert tokens.to_pylist() == reference, file  # type: ignore[attr-defined]
        ratios += [b / a for a, b in zip(ours, theirs, strict=True)]
        mb = array.nbytes / 1e6
        print(f"{file.name:20} {mb / statistics.median(ours):6.1f} MB/s, library {mb / statistics.median(theirs):5.1f} MB/s")
    print(
        f"vocabulary {given.vocab}: {statistics.median(ratios):.1f} times the library ({min(ratios):.1f} to {max(ratios):.1f})"
    )


if __name__ == "__main__":
    main()
