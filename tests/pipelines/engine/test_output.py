"""One unit of work: its files, its record, and going on after an interruption."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.engine.output import Output
from pipelines.engine.records import part_path
from pipelines.engine.workdir import Workdir


@pytest.fixture
def workdir(tmp_path):
    return Workdir(str(tmp_path / "work"))


def test_an_interrupted_unit_goes_on_with_the_files_that_it_wrote(workdir):
    def write(out: Output, numbers: range) -> None:
        for number in numbers:
            out.write_table(f"shard-{number}.parquet", pa.table({"a": [number]}))
            if number < 3:
                out.save({"number": number})

    whole = Output(workdir, "pool/whole", 0)
    assert whole.saved() == []
    write(whole, range(4))
    expected = whole.commit({})
    write(Output(workdir, "pool/cut", 0), range(2))  # and there it was cut
    for cut in (2, 3):
        again = Output(workdir, "pool/cut", 0)
        assert again.saved() == [{"number": number} for number in range(cut)]
        write(again, range(cut, cut + 1))
    last = Output(workdir, "pool/cut", 0)
    assert len(last.saved()) == 3
    write(last, range(3, 4))
    assert last.commit({}) == expected
    assert workdir.read_json(part_path("pool/cut", 0)) == expected


def test_row_groups_are_read_back_one_at_a_time(workdir):
    out = Output(workdir, "pool/x", 0)
    with out.parquet("t.parquet", pa.schema([("a", pa.int64())])) as writer:
        for start in (0, 3):
            writer.write_table(pa.table({"a": list(range(start, start + 3))}))
    assert [batch["a"].to_pylist() for batch in workdir.batches("pool/x/t.parquet")] == [[0, 1, 2], [3, 4, 5]]
    assert pq.read_table(workdir.full("pool/x/t.parquet")).num_rows == 6
