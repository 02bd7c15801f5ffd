"""SeaweedFS on a host of its own, on disk, checking signatures, behind the door of `benchmarks/scale/store.py`."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from benchmarks.scale.store import BUCKET, Store, listening
from tests.cluster.hosts import DOOR, Host, wait_for

WEED = shutil.which("weed", path=f"{Path(sys.executable).parent}")
PORT = 8333
KEY = {"accessKey": "key", "secretKey": "secret"}
IDENTITY = {"identities": [{"name": "assay", "credentials": [KEY], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}


class Seaweed:
    """The server. Its files survive `kill` and are there again after `start`."""

    def __init__(self, folder: Path):
        self.host = Host("store", 2, folder, {})
        (folder / "disk").mkdir()
        (folder / "s3.json").write_text(json.dumps(IDENTITY))
        self.start()

    def start(self) -> None:
        options = {
            "-dir": "/tmp/disk", "-ip": self.host.address, "-ip.bind": "0.0.0.0", "-volume.max": 8,
            "-master.volumeSizeLimitMB": 1024, "-s3.port": PORT, "-s3.config": "/tmp/s3.json",
        }  # fmt: skip
        self.host.start([str(WEED), "server", "-s3", *(f"{name}={value}" for name, value in options.items())], "weed.log")
        wait_for("SeaweedFS answers", self._answers, 60)

    def kill(self) -> None:
        assert self.host.kill(lambda command: command.startswith(str(WEED)))

    def _answers(self) -> bool:
        try:
            self.ask("GET", "/", b"", {})
        except OSError:
            return False
        return True

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status, headers and body of an answer."""
        connection = HTTPConnection(self.host.address, PORT, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return f"{answer.status} {answer.reason}", answer.getheaders(), answer.read()
        finally:
            connection.close()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Pass a request on as it came, so that its signature holds; 502 while the server is away."""
        named = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        named |= {"Content-Type": environ["CONTENT_TYPE"]} if environ.get("CONTENT_TYPE") else {}
        headers = {name: value for name, value in named.items() if name not in ("CONNECTION", "EXPECT")}
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            status, told, data = self.ask(environ["REQUEST_METHOD"], environ["REQUEST_URI"], body, headers)
        except OSError:
            status, told, data = "502 Bad Gateway", [], b""
        whole = [(name, value) for name, value in told if name.lower() not in ("connection", "transfer-encoding")]
        start_response(status, whole)
        return [data]


@contextmanager
def seaweed(folder: Path) -> Iterator[tuple[Seaweed, Store, dict[str, str]]]:
    """The server, its door, and the environment that S3 clients need, for the block."""
    server = Seaweed(folder)
    store = Store(server)
    try:
        with listening(store, DOOR) as url:
            keys = {"AWS_ACCESS_KEY_ID": KEY["accessKey"], "AWS_SECRET_ACCESS_KEY": KEY["secretKey"]}
            settings = {"AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1", **keys}
            client(settings).create_bucket(Bucket=BUCKET)
            yield server, store, settings
    finally:
        server.host.remove()


def client(settings: dict[str, str]) -> Any:
    """A plain S3 client of that environment."""
    import boto3

    return boto3.client(
        "s3", endpoint_url=settings["AWS_ENDPOINT_URL"], region_name=settings["AWS_DEFAULT_REGION"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"], aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
