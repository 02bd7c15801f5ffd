"""The exchange: every row reaches its partition once, in order, whatever the files and partitions."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.engine.exchange import receive, send, send_by
from pipelines.engine.output import Output
from pipelines.engine.workdir import Workdir


@pytest.mark.parametrize("partitions", [1, 3, 50])
def test_every_row_arrives_once_and_in_order(tmp_path, partitions):
    workdir, step, random = Workdir(str(tmp_path)), "sent", np.random.default_rng(partitions)
    sent, files = [], []
    for sender in range(4):
        n = 0 if sender == 2 else int(random.integers(1, 200))
        rows = pa.table(
            {"value": random.integers(0, 10**9, n), "text": pa.array([f"{sender}-{i}" for i in range(n)], pa.string())}
        )
        home = random.integers(0, partitions, n)
        send_by(Output(workdir, step, sender), f"part-{sender}.parquet", rows, home, partitions)
        files.append(f"{step}/part-{sender}.parquet")
        sent.append((rows, home))
    for p in range(partitions):
        want = pa.concat_tables([rows.filter(pa.array(home == p)) for rows, home in sent])
        assert receive(workdir, files, p).equals(want)
        assert receive(workdir, files, p, ["text"]).column_names == ["text"]


def test_sorted_rows_are_cut_where_told(tmp_path):
    workdir, step = Workdir(str(tmp_path)), "sent"
    out = Output(workdir, step, 0)
    send(out, "part.parquet", pa.table({"key": [1, 2, 3, 4]}), np.array([0, 0, 3, 4]))
    found = [receive(workdir, [f"{step}/part.parquet"], p)["key"].to_pylist() for p in range(3)]
    assert found == [[], [1, 2, 3], [4]]
    assert out.commit({})["files"][0]["rows"] == 4


def test_equal_rows_make_equal_bytes(tmp_path):
    rows = pa.table({"key": np.arange(1000, dtype=np.uint64)})
    for name in ("a", "b"):
        send_by(Output(Workdir(str(tmp_path / name)), "sent", 0), "part.parquet", rows, np.arange(1000) % 7, 7)
    first, second = (next((tmp_path / name).rglob("part.parquet")).read_bytes() for name in ("a", "b"))
    assert first == second
