import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest

from curation.sources.storage import BrokenFileError, Uncompressed, stored

DATA = b"".join(b"line %d of the content\n" % i for i in range(50_000))
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
    path.write_bytes(PACK[codec](DATA) + PACK[codec](b"") + PACK[codec](b"more"))
    assert content(path, codec) == DATA + b"more"


@pytest.mark.parametrize("codec", PACK)
def test_damage_is_noticed_after_what_is_readable(tmp_path: Path, codec: str) -> None:
    path, packed = tmp_path / "x", PACK[codec](DATA)
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
