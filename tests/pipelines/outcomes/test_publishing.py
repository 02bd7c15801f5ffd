"""A study without a ladder is a data set: all that its rules keep, counted, and brought to a folder, to S3 and to the Hub."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.engine.workdir import Workdir
from pipelines.study.study import load
from tests.pipelines.conftest import STUDY, write_study

DECLARED = {key: STUDY[key] for key in ("name", "sources", "pool", "signals", "levels", "tokenizer")} | {
    "levels": {
        "raw": {},
        "dedup": {"extends": "raw", "drop": ["exact", "near"]},
        "clean": {"extends": "dedup", "keep": ["gopher_quality.n_words >= 60"]},
    }
}


def assay(*words: object, code: int = 0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_study(tmp_path_factory.mktemp("study"))
    (folder / "study.yaml").write_text(yaml.safe_dump(DECLARED, sort_keys=False))
    assay("curate", *study(folder))
    return folder


def study(folder: Path, *more: str) -> list[str]:
    return [str(folder / "study.yaml"), "-w", str(folder / "work"), "--executor", "in-process", *more]


def rows(files: list[Path]) -> dict[str, int]:
    tables = [pq.read_table(file) for file in files]
    return {
        "documents": sum(table.num_rows for table in tables),
        "bytes": sum(len(text.encode()) for table in tables for text in table["text"].to_pylist()),
        "tokens": sum(n for table in tables for n in table["n_tokens"].to_pylist()),
    }


def test_one_level_alone_with_the_declaration_beside_the_card(folder: Path):
    made = json.loads(assay("export", *study(folder, "--level", "clean", "--json")).stdout)
    out = Path(made["folder"])
    assert (made["configs"], [path.name for path in (out / "data").iterdir()]) == (["clean"], ["clean"])
    assert rows(sorted((out / "data" / "clean").iterdir())).items() <= made["rows"]["clean"].items()
    assert load(out / "study.yaml") == load(folder / "study.yaml")
    card = (out / "README.md").read_text("utf-8")
    assert "config_name: clean" in card
    assert not [word for word in ("### dedup", "scaling law", "training stream") if word in card]
    said = assay("export", *study(folder, "--level", "none"), code=2).stderr
    assert "'none' is not a level of this study (levels: raw, dedup, clean)" in " ".join(said.split())


def test_without_a_ladder_nothing_is_held_out_or_lacks_room(folder: Path):
    made = json.loads(assay("curate", *study(folder, "--json")).stdout)
    for funnel in made["funnels"].values():
        reasons = {row["reason"] for row in funnel if row["documents"] or row["tokens"]}
        assert reasons <= {"in", "kept", "exact duplicate", "near duplicate", "gopher_quality.n_words >= 60"}
    raw = {row["reason"]: row for row in made["funnels"]["raw"]}
    assert raw["kept"] == raw["in"] | {"reason": "kept"}
    answer = json.loads(assay("export", *study(folder, "--json")).stdout)
    for name, counted in answer["rows"].items():
        written = rows(sorted(Path(answer["folder"], "data", name).iterdir()))
        kept = made["funnels"][name][-1]
        assert written == {what: counted[what] for what in written} == {what: kept[what] for what in written}
        assert counted["stream_tokens"] == counted["tokens"]
    assert not Path(folder, "work", "evaluation").exists()


@pytest.mark.parametrize("verb", ["run", "train", "fit", "report", "ladder", "noise"])
def test_verbs_that_train_say_what_is_missing(folder: Path, verb: str):
    words = [str(folder / "study.yaml")] + ([] if verb == "ladder" else ["-w", str(folder / "work")])
    said = " ".join(assay(verb, *words, code=2).stderr.split())
    assert "the study has no `ladder`, so it trains nothing: `assay curate` and `assay export` make its data set" in said


def test_a_ladder_is_whole_or_none(folder: Path):
    said = assay("curate", *study(folder, "--set", "ladder.tokens=[1024]"), code=2).stderr
    assert "ladder: it has tokens alone; runs need `shapes` and `tokens`" in " ".join(said.split())


def publish(folder: Path, to: str) -> dict:
    return json.loads(assay("export", *study(folder, "--to", to, "--json")).stdout)


def check_sent_again(folder: Path, to: str, target: Workdir):
    """All is there; what did not change is not sent again, and what an export no longer has is removed."""
    answer = publish(folder, to)
    names = sorted(str(path.relative_to(answer["folder"])) for path in Path(answer["folder"]).rglob("*.parquet"))
    for name in [*names, "README.md", "files.json"]:
        assert target.read_bytes(name) == Path(answer["folder"], name).read_bytes()
    assert answer["published"]["sent"] > len(names)
    again = publish(folder, to)["published"]
    assert (again["sent"], again["unchanged"], again["removed"]) == (3, len(names), 0)
    target.write_bytes("data/notes.txt", b"somebody else's")
    listing = target.read_json("files.json")
    target.write_bytes("data/raw/train-00007-of-00099.parquet", b"of an earlier export")
    listing.append({"name": "data/raw/train-00007-of-00099.parquet", "bytes": 20, "digest": "0"})
    target.write_bytes("files.json", json.dumps(listing).encode())
    assert publish(folder, to)["published"]["removed"] == 1
    assert not target.exists("data/raw/train-00007-of-00099.parquet")
    assert target.read_bytes("data/notes.txt") == b"somebody else's"


def test_to_a_folder(folder: Path, tmp_path: Path):
    check_sent_again(folder, str(tmp_path / "out"), Workdir(str(tmp_path / "out")))


def test_to_s3(folder: Path):
    boto3, moto = pytest.importorskip("boto3"), pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="out")
        check_sent_again(folder, "s3://out/set", Workdir("s3://out/set"))
    server.stop()


class Hub(BaseHTTPRequestHandler):
    """A stand-in for the Hub: create a repository, upload by LFS or in the commit, commit, list. Keeps what it was given."""

    files: dict[str, bytes] = {}  # noqa: RUF012
    objects: dict[str, bytes] = {}  # noqa: RUF012
    asked: list[dict] = []  # noqa: RUF012

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def answer(self, body: object, code: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self) -> None:
        if re.search(r"/tree/", self.path):
            self.answer([{"type": "file", "path": name, "size": len(data), "oid": "0"} for name, data in self.files.items()])
        elif self.path.startswith("/api/datasets/me/set"):
            siblings = [{"rfilename": name} for name in self.files]
            self.answer(
                {"id": "me/set", "sha": "0" * 40, "private": True, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0}
            )
        else:
            self.answer({"error": self.path}, 404)

    def do_PUT(self) -> None:
        data = self.body()
        assert hashlib.sha256(data).hexdigest() == self.path.rpartition("/")[2]
        self.objects[self.path.rpartition("/")[2]] = data
        self.answer({})

    def do_POST(self) -> None:
        data = self.body()
        if self.path == "/api/repos/create":
            self.asked.append(json.loads(data))
            self.answer({"url": "https://huggingface.co/datasets/me/set", "name": "me/set", "id": "me/set"})
        elif self.path == "/api/validate-yaml":
            self.answer({"warnings": [], "errors": []})
        elif "/preupload/" in self.path:
            wanted = json.loads(data)["files"]
            kinds = [{"path": f["path"], "uploadMode": "lfs" if f["path"].endswith("parquet") else "regular", "shouldIgnore": False} for f in wanted]  # fmt: skip  # noqa: E501
            self.answer({"files": kinds})
        elif self.path.endswith("/info/lfs/objects/batch"):
            here = f"http://{self.headers['Host']}/lfs"
            made = [
                {"oid": o["oid"], "size": o["size"]}
                | ({} if o["oid"] in self.objects else {"actions": {"upload": {"href": f"{here}/{o['oid']}"}}})
                for o in json.loads(data)["objects"]
            ]
            self.answer({"transfer": "basic", "objects": made})
        elif "/commit/" in self.path:
            for line in map(json.loads, data.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    self.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    self.files[value["path"]] = self.objects[value["oid"]]
                elif line["key"] == "deletedFile":
                    del self.files[value["path"]]
            self.answer(
                {"commitUrl": "https://huggingface.co/datasets/me/set/commit/1", "commitOid": "1" * 40, "success": True}
            )
        else:
            self.answer({"error": self.path}, 404)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    huggingface_hub = pytest.importorskip("huggingface_hub")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    api = huggingface_hub.HfApi
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: api(endpoint=f"http://127.0.0.1:{server.server_port}", token="hf_x"))
    yield Hub
    server.shutdown()


def test_to_the_hub(folder: Path, hub: type[Hub]):
    hub.files["data/raw/train-00007-of-00099.parquet"] = b"of an earlier export"
    hub.files["notes.txt"] = b"somebody else's"
    answer = json.loads(assay("export", *study(folder, "--to", "hf://datasets/me/set", "--private", "--json")).stdout)
    assert answer["published"]["place"].endswith("/datasets/me/set")
    assert hub.asked[0]["name"] == "set"
    assert "private" in (hub.asked[0].get("visibility"), "private" if hub.asked[0].get("private") else None)
    here = {
        str(path.relative_to(answer["folder"])): path.read_bytes()
        for path in Path(answer["folder"]).rglob("*")
        if path.suffix in (".parquet", ".md") or path.name in ("files.json", "study.yaml")
    }
    assert hub.files == here | {"notes.txt": b"somebody else's"}
    sent = len(hub.objects)
    assay("export", *study(folder, "--to", "hf://datasets/me/set"))
    assert len(hub.objects) == sent


def test_a_place_on_the_hub_has_an_owner(folder: Path):
    said = assay("export", *study(folder, "--to", "hf://set"), code=2).stderr
    assert "name a dataset of the Hub as hf://datasets/OWNER/NAME" in " ".join(said.split())
