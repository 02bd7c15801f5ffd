"""What an object store is asked for, and what becomes of its faults: counted and planted at a server on loopback."""

import logging
import socket

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from s3fs import S3FileSystem

from benchmarks.scale.store import BUCKET, serving
from pipelines.engine import store as patience
from pipelines.engine.store import Store, StoreError, patiently
from pipelines.engine.workdir import Workdir
from pipelines.verbs.terminal import plain_errors


class Time:
    """A clock that runs while somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def served():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with serving() as store:
        yield store


@pytest.fixture
def store(served):
    yield served
    served.refuses = lambda method, path: 0
    served.forget()


@pytest.fixture
def workdir(store, request):
    return Workdir(f"s3://{BUCKET}/{request.node.name}")


def test_a_small_object_is_one_request_each_way(store, workdir):
    workdir.write_bytes("a.json", b"[1]")
    assert workdir.read_json("a.json") == [1]
    assert store.requests == {"put": 1, "get": 1}
    workdir.write_bytes("empty", b"")
    assert workdir.read_bytes("empty") == b""
    with pytest.raises(FileNotFoundError):
        workdir.read_bytes("none")


def test_of_a_large_table_only_what_is_read_travels(store, workdir):
    rng = np.random.default_rng(1)
    table = pa.table({name: rng.random(200_000) for name in "abc"})
    with workdir.writing("t.parquet") as file:
        pq.write_table(table, file, row_group_size=50_000, use_dictionary=False)
    store.forget()
    assert workdir.read_table("t.parquet", ["c", "a"]).equals(table.select(["c", "a"]))
    column = 200_000 * 8
    assert 2 * column < store.sent < 2.7 * column
    assert store.requests["get"] <= 7  # the end, and what lies between two columns is not asked for
    store.forget()
    with workdir.parquet("t.parquet") as file:
        assert file.read([2], ["b"]).equals(table.select(["b"]).slice(100_000, 50_000).combine_chunks())
    assert (store.total, store.sent < column / 4 + 2**17) == (2, True)


def test_a_large_object_goes_in_parts_and_comes_in_blocks(store, workdir, monkeypatch):
    monkeypatch.setattr(patience, "AT_ONCE", 11_000_000)
    content = b"0123456789abcdef" * 375_000
    with workdir.writing("big") as file:
        for _ in range(2):
            file.write(content)
    assert store.requests == {"multipart": 4}  # begun, two parts, joined
    assert b"".join(workdir.blocks("big", 6_000_000)) == content * 2


def test_a_file_that_fails_half_way_does_not_appear(workdir, monkeypatch):
    monkeypatch.setattr(patience, "AT_ONCE", 1_000_000)

    def fail(size: int) -> None:
        with workdir.writing("file") as file:
            file.write(bytes(size))
            raise RuntimeError("the disk caught fire")

    for size in (10, 2_000_000):
        with pytest.raises(RuntimeError):
            fail(size)
    assert workdir.sizes("") == {}


def test_a_folder_is_not_in_its_own_listing(workdir, request):
    client = boto3.client("s3")
    for key in ("parts/", "parts/00000.json", "parts/deeper/", "parts/deeper/x"):
        client.put_object(Bucket=BUCKET, Key=f"{request.node.name}/{key}", Body=b"1" if key[-1] != "/" else b"")
    assert workdir.listing("parts") == ["00000.json", "deeper"]
    assert workdir.sizes("parts") == {"00000.json": 1, "deeper/x": 1}
    assert workdir.listing("none") == []
    workdir.clear("parts")
    assert workdir.sizes("parts") == {}


def test_a_fault_is_asked_again_with_growing_waits_until_it_passes():
    time, asked = Time(), []

    def request() -> str:
        asked.append(time.now)
        if len(asked) < 8:
            raise OSError("SlowDown")
        return "here"

    assert patiently(request, lambda error: isinstance(error, OSError), time.clock, time.sleep) == "here"
    waits = np.diff(asked)
    assert len(asked) == 8
    assert waits[0] < 0.6
    assert np.all(waits[1:-1] > waits[:-2])
    assert max(waits) <= patience.LONGEST_WAIT


def test_a_fault_that_stays_ends_after_minutes_in_one_line_with_object_node_and_cause():
    time = Time()
    place = Store("s3://bucket/study", time.clock, time.sleep)

    def request() -> None:
        raise ConnectionRefusedError("connection refused\nby 10.0.0.9")

    with pytest.raises(StoreError) as caught:
        place.ask("be written", "bucket/study/pool/x.parquet", request)
    assert patience.PATIENCE - patience.LONGEST_WAIT <= time.now <= patience.PATIENCE
    said = str(caught.value)
    assert said.startswith(f"s3://bucket/study/pool/x.parquet could not be written from node {socket.gethostname()}: ")
    assert "ConnectionRefusedError: connection refused by 10.0.0.9; asked again for" in said
    assert "\n" not in said
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_a_mistake_in_the_program_is_not_asked_again():
    time = Time()
    with pytest.raises(KeyError):
        Store("s3://bucket/study", time.clock, time.sleep).ask("be read", "x", lambda: {}["key"])
    assert time.now == 0


def test_a_key_that_may_only_read_is_refused_at_once(store, workdir):
    workdir.write_bytes("a", b"1")
    store.refuses = lambda method, path: 403 if method == "PUT" else 0
    with pytest.raises(StoreError, match=r"could not be written from node .*: PermissionError: .*; check the bucket"):
        workdir.write_bytes("b", b"2")
    assert store.requests["put"] == 2
    assert workdir.read_bytes("a") == b"1"


def test_a_storm_of_503_is_waited_out(store, workdir, monkeypatch):
    monkeypatch.setattr(patience, "FIRST_WAIT", 0.01)
    left = [7]

    def refuses(method: str, path: str) -> int:
        left[0] -= 1
        return 503 if left[0] >= 0 else 0

    store.refuses = refuses
    workdir.write_bytes("a", b"1")
    assert workdir.read_bytes("a") == b"1"


def test_a_store_that_does_not_answer_is_one_line_for_a_user(monkeypatch, capsys):
    """No traceback: the object, the node, and what the store's library said."""
    monkeypatch.setattr(patience, "PATIENCE", 0.1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(typer.Exit), plain_errors():
        Workdir(f"s3://{BUCKET}/study").write_bytes("a", b"1")
    S3FileSystem.clear_instance_cache()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: s3://{BUCKET}/study/a could not be written from node {socket.gethostname()}: ")
    assert "EndpointConnectionError" in line
