"""Files on this machine and over real protocols on loopback: S3 (moto's server), http, and hosts that fail."""

import gzip
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from curation.sources import Record, Source, fingerprint, read, slices, storage
from curation.sources.storage import BrokenFileError, Uncompressed, stored
from curation.tasks import files

CONTENT = b"".join(b"line %d of the content\n" % i for i in range(50_000))
PACK = {"gzip": gzip.compress, "zstd": lambda data: pa.compress(data, "zstd", asbytes=True)}


def content(path: Path, codec: str | None) -> bytes:
    with Uncompressed(str(path), codec) as file:
        return b"".join(iter(lambda: file.read(10_000), b""))


def test_stored() -> None:
    assert stored("a.b/c.jsonl.gz") == (".jsonl", "gzip")
    assert stored("c.d.JSONL.ZST") == (".jsonl", "zstd")
    assert stored("c.parquet") == (".parquet", None)
    assert stored("gz") == ("", None)
    assert stored("only.gz") == ("", "gzip")


@pytest.mark.parametrize("codec", PACK)
def test_several_members_are_one_content(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(PACK[codec](CONTENT) + PACK[codec](b"") + PACK[codec](b"more"))
    assert content(path, codec) == CONTENT + b"more"


@pytest.mark.parametrize("codec", PACK)
def test_damage_is_noticed_after_what_is_readable(tmp_path: Path, codec: str) -> None:
    path, packed = tmp_path / "x", PACK[codec](CONTENT)
    for broken in (packed[: len(packed) // 2], packed + b"trailing rubbish", b"not compressed at all"):
        path.write_bytes(broken)
        with pytest.raises(BrokenFileError, match=f"broken {codec} file"):
            content(path, codec)


@pytest.mark.parametrize("codec", PACK)
def test_a_bomb_is_stopped(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(PACK[codec](bytes(200_000_000)))
    blocks: list[int] = []
    with Uncompressed(str(path), codec) as file, pytest.raises(BrokenFileError, match="decompression bomb"):
        blocks.extend(len(block) for block in iter(lambda: file.read(1 << 20), b""))
    assert sum(blocks) < 100_000_000


def test_a_failing_store_is_not_a_broken_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise TimeoutError("no answer")

    monkeypatch.setattr(Path, "open", lambda path, mode: Gone())
    with pytest.raises(TimeoutError, match="no answer"):
        content(tmp_path / "x", "gzip")


LINES = [json.dumps({"text": f"document {i} " + "x" * (i % 90)}) for i in range(2000)]
DATA = "\n".join(LINES).encode()


def texts(source: Source) -> list[str]:
    return [r.text for piece in slices(source) for r in read(piece) if isinstance(r, Record)]


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 server with a bucket; its address and credentials are where every AWS tool looks for them."""
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="pool")
        client.put_object(Bucket="pool", Key="web/a.jsonl", Body=DATA)
        client.put_object(Bucket="pool", Key="web/sub/b.jsonl.gz", Body=gzip.compress(DATA))
        client.put_object(Bucket="pool", Key="web/cut.txt.gz", Body=gzip.compress(DATA)[:3000])
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"text": [f"row {i}" for i in range(1000)]}), sink, row_group_size=100)
        client.put_object(Bucket="pool", Key="tables/c.parquet", Body=sink.getvalue().to_pybytes())
        yield "s3://pool"
    server.stop()


def test_s3_directories_globs_and_files(s3: str) -> None:
    source = Source("s", "jsonl", (f"{s3}/web",))
    parts = [part for piece in slices(source) for part in piece.parts]
    assert [part.path for part in parts] == ["a.jsonl", "sub/b.jsonl.gz"]
    assert all(part.location.startswith("s3://pool/web/") and part.size and part.stamp for part in parts)
    expected = [json.loads(line)["text"] for line in LINES]
    assert texts(source) == expected * 2
    assert texts(Source("s", "jsonl", (f"{s3}/web/*.jsonl",))) == expected
    assert texts(Source("s", "parquet", (f"{s3}/tables/c.parquet",))) == [f"row {i}" for i in range(1000)]


def test_s3_items_of_tasks(s3: str) -> None:
    places = files.locations(f"{s3}/web")
    assert places == ["s3://pool/web/a.jsonl", "s3://pool/web/sub/b.jsonl.gz"]
    asked = [found.item.choices for place in places for found in files.read(place, {"target": "text"}, " ")]
    assert asked == [(json.loads(line)["text"],) for line in LINES] * 2
    (table,) = files.locations(f"{s3}/tables/*.parquet")
    assert [found.item.choices for found in files.read(table, {"target": "text"}, " ")] == [(f"row {i}",) for i in range(1000)]
    with pytest.raises(FileNotFoundError, match=r"s3://pool/none\.jsonl: no file of items is there"):
        files.locations(f"{s3}/none.jsonl")


def test_s3_files_are_split_like_local_ones(s3: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(DATA)
    remote = Source("s", "jsonl", (f"{s3}/web/a.jsonl",), slice_megabytes=0.02)
    local = Source("s", "jsonl", (str(tmp_path / "a.jsonl"),), slice_megabytes=0.02)
    assert len(slices(remote)) == len(slices(local)) > 4
    assert [list(read(piece)) for piece in slices(remote)] == [list(read(piece)) for piece in slices(local)]
    groups = slices(Source("s", "parquet", (f"{s3}/tables/c.parquet",), slice_megabytes=0.002))
    assert len(groups) > 2
    assert [r.text for piece in groups for r in read(piece)] == [f"row {i}" for i in range(1000)]  # type: ignore[union-attr]


def test_s3_content_changes_the_fingerprint(s3: str) -> None:
    source = Source("s", "text", (f"{s3}/changing.txt",))
    client = boto3.client("s3")
    found = []
    for body in (b"one", b"two", b"one"):
        client.put_object(Bucket="pool", Key="changing.txt", Body=body)
        found.append(fingerprint(slices(source)))
    assert found[0] == found[2] != found[1]


def test_s3_truncated_file_is_quarantined(s3: str) -> None:
    (piece,) = slices(Source("s", "text", (f"{s3}/web/cut.txt.gz",)))
    (bad,) = read(piece)
    assert "Truncated" in bad[2]


def test_s3_errors_name_the_place(s3: str) -> None:
    with pytest.raises(ValueError, match=r"source 's': s3://pool/none.jsonl does not exist"):
        slices(Source("s", "jsonl", (f"{s3}/none.jsonl",)))
    with pytest.raises(ValueError, match=r"s3://no-such-bucket/\*.jsonl holds no file|does not exist"):
        slices(Source("s", "jsonl", ("s3://no-such-bucket/*.jsonl",)))


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(DATA))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_http(web: str) -> None:
    assert texts(Source("s", "jsonl", (f"{web}/a.jsonl.gz",))) == [json.loads(line)["text"] for line in LINES]
    with pytest.raises(ValueError, match=r"http://127.0.0.1:\d+/none.jsonl does not exist"):
        slices(Source("s", "jsonl", (f"{web}/none.jsonl",)))


@pytest.fixture
def silent() -> Iterator[int]:
    """A port whose host accepts and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_a_host_that_does_not_answer(scheme: str, silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "TIMEOUT", 0.3)
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent}")
    location = f"http://127.0.0.1:{silent}/a.jsonl" if scheme == "http" else "s3://silent/a.jsonl"
    with pytest.raises(OSError, match=f"{location} could not be read: .*; check the address"):
        slices(Source("s", "jsonl", (location,)))


def test_a_host_that_falls_silent_is_not_a_truncated_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer stops in the middle: an error to retry, and no record is quarantined."""
    monkeypatch.setattr(storage, "TIMEOUT", 2.0)
    body = gzip.compress(os.urandom(200_000).hex().encode())

    def serve(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            request = connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nAccept-Ranges: bytes\r\n\r\n" % len(body))
            if not request.startswith(b"HEAD"):
                connection.sendall(body[: len(body) // 2])
                held.append(connection)  # open, and silent from here on

    held: list[socket.socket] = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        location = f"http://127.0.0.1:{server.getsockname()[1]}/a.jsonl.gz"
        (piece,) = slices(Source("s", "jsonl", (location,)))
        with pytest.raises(OSError, match=f"{location} could not be read: no answer within 2 s"):
            list(read(piece))
    for connection in held:
        connection.close()


class Hub(BaseHTTPRequestHandler):
    """As much of the Hugging Face Hub as its client asks for: one data set of one file."""

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        file = {"type": "file", "path": "data/a.jsonl", "size": len(DATA), "oid": "f00"}
        known = {
            "/api/datasets/owner/name": {"id": "owner/name", "sha": "0" * 40, "siblings": []},
            "/api/datasets/owner/name/tree/main": [{"type": "directory", "path": "data", "oid": "d00"}],
            "/api/datasets/owner/name/tree/main/data": [file],
        }
        status, body = (200, json.dumps(known[path]).encode()) if path in known else (404, b"{}")
        if path == "/datasets/owner/name/resolve/main/data/a.jsonl":
            start, _, stop = self.headers.get("Range", f"bytes=0-{len(DATA) - 1}").removeprefix("bytes=").partition("-")
            status, body = 206, DATA[int(start) : int(stop or len(DATA) - 1) + 1]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET


def test_hugging_face_data_sets() -> None:
    """In a process of its own, since the client takes its address from the environment when it is imported."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    script = """if True:
        from curation.sources import Source, read, slices
        for path in ("data/a.jsonl", "data/*.jsonl", "data"):
            plan = slices(Source("h", "jsonl", ("hf://datasets/owner/name/" + path,), slice_megabytes=0.05))
            assert len(plan) > 1 and plan[0].parts[0].path == "a.jsonl" and plan[0].parts[0].stamp == "f00", plan
            print(*(record.text for piece in plan for record in read(piece)), sep="\\n")
        from curation.tasks import files
        (place,) = files.locations("hf://datasets/owner/name/data")
        print(*(found.item.choices[0] for found in files.read(place, {"target": "text"}, " ")), sep="\\n")
    """
    environment = os.environ | {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    server.shutdown()
    assert done.stderr == ""
    assert done.stdout.splitlines() == [json.loads(line)["text"] for line in LINES] * 4


def test_an_unknown_protocol_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"nosuch://x/a.jsonl: Protocol not known: nosuch"):
        slices(Source("s", "jsonl", ("nosuch://x/a.jsonl",)))
