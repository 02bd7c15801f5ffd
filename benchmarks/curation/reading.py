"""Reading sources into pool shards on one core: throughput by kind, and peak memory at one and ten times the input.

    python benchmarks/curation/reading.py POOL_FOLDER WARC_FOLDER HTML_FOLDER

Each measurement is a process of its own (Linux): it plans, reads, cuts shards of 16 MB of text and drops them. The yardstick is
the time to decompress and `json.loads` the same lines, which no reader of JSON lines in Python can beat by much.
"""

import argparse
import gzip
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.ingest import shards
from curation.sources import Record, Source, read, slices


def ingest(kind: str, path: str, extract: str = "resiliparse") -> None:
    started, text_bytes, documents, malformed = time.process_time(), 0, 0, 0
    source = Source("x", kind, (path,), extract=extract)
    for piece in slices(source):
        for shard in shards(read(piece), source, piece.index * 1024, 16_000_000):
            text_bytes += shard.documents["text"].nbytes
            documents += shard.documents.num_rows
            malformed += shard.quarantine.num_rows
    report(started, text_bytes, documents, malformed)


def yardstick(path: str) -> None:
    started, text_bytes, documents = time.process_time(), 0, 0
    with io.TextIOWrapper(pa.CompressedInputStream(path, "zstd"), "utf-8", newline="\n") as lines:  # type: ignore[arg-type]
        for line in lines:
            text_bytes += len(json.loads(line)["text"].encode())
            documents += 1
    report(started, text_bytes, documents, 0)


def report(started: float, text_bytes: int, documents: int, malformed: int) -> None:
    taken = time.process_time() - started
    status = Path("/proc/self/status").read_text(encoding="utf-8")  # ru_maxrss would be the parent's
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(
        f"{documents:8,} documents {text_bytes / 1e6:7.1f} MB {malformed:4} quarantined {text_bytes / 1e6 / taken:7.1f} MB/s "
        f"{documents / taken:8,.0f} documents/s, peak {peak:.0f} MiB"
    )


def measure(label: str, *arguments: str) -> None:
    print(f"{label:22}", end="", flush=True)
    subprocess.run([sys.executable, __file__, "--measure", *arguments], check=True)


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        kind, *rest = sys.argv[2:]
        return yardstick(*rest) if kind == "yardstick" else ingest(kind, *rest)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("pool", "warc", "html"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    wiki = given.pool / "wiki.jsonl.zst"
    with tempfile.TemporaryDirectory() as directory:
        plain, ten = Path(directory, "wiki.jsonl"), Path(directory, "ten.jsonl.zst")
        with pa.CompressedInputStream(str(wiki), "zstd") as content:
            data = content.read()
        plain.write_bytes(data)
        Path(directory, "wiki.jsonl.gz").write_bytes(gzip.compress(data, 6))
        ten.write_bytes(wiki.read_bytes() * 10)
        records = [r for piece in slices(Source("x", "jsonl", (str(plain),))) for r in read(piece) if isinstance(r, Record)]
        pq.write_table(pa.table({"text": [r.text for r in records]}), Path(directory, "wiki.parquet"), row_group_size=1000)
        del data, records
        measure("zstd + json.loads", "yardstick", str(wiki))
        measure("jsonl.zst", "jsonl", str(wiki))
        measure("jsonl.zst, ten times", "jsonl", str(ten))
        measure("jsonl.gz", "jsonl", f"{directory}/wiki.jsonl.gz")
        measure("jsonl", "jsonl", str(plain))
        measure("parquet", "parquet", f"{directory}/wiki.parquet")
    measure("jsonl.zst, short texts", "jsonl", str(given.pool / "forum.jsonl.zst"))
    for extract in ("resiliparse", "trafilatura"):
        measure(f"html, {extract}", "html", str(given.html), extract)
        measure(f"warc, {extract}", "warc", str(given.warc), extract)
    return None


if __name__ == "__main__":
    main()
