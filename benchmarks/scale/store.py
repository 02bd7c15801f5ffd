"""An S3 server on loopback that counts its requests, answers late, and fails when told to: what a store costs, simulated.

It is moto's server behind a door that keeps the books. `serving(latency)` sets the environment that every S3 client looks at;
`listening(store)` opens a door before any other server (`tests/cluster`).
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import fsspec

BUCKET = "bucket"
OPERATIONS = {"uploads": "multipart", "uploadId": "multipart", "delete": "delete", "list-type": "list", "prefix": "list"}


@dataclass
class Store:
    """The store's door: every request passes `__call__`. `latency` in seconds; `refuses(method, path)` gives a status instead
    of an answer, 0 for none. `requests` counts by operation, `paths` are the requests themselves, `sent` the bytes answered."""

    application: Any
    latency: float = 0.0
    refuses: Callable[[str, str], int] = lambda method, path: 0
    requests: Counter[str] = field(default_factory=Counter)
    paths: list[tuple[str, str]] = field(default_factory=list)
    sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        method, path, query = (
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            parse_qs(environ["QUERY_STRING"], keep_blank_values=True),
        )
        operation = next((name for key, name in OPERATIONS.items() if key in query), method.lower())
        with self._lock:
            self.requests[operation] += 1
            self.paths.append((operation, path if operation != "list" else query.get("prefix", [""])[0]))
        time.sleep(self.latency)
        if status := self.refuses(method, path):
            start_response(f"{status} refused", [("Content-Type", "application/xml")])
            code = {403: "AccessDenied", 503: "SlowDown"}[status]
            return [f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()]

        def starting(status: str, headers: list[tuple[str, str]], *rest: object) -> Any:
            if method == "GET":
                self.sent += int(dict(headers).get("Content-Length", 0))
            return start_response(status, headers, *rest)

        return self.application(environ, starting)

    @property
    def total(self) -> int:
        return sum(self.requests.values())

    def forget(self) -> None:
        """Begin the books anew."""
        self.requests.clear()
        self.paths.clear()
        self.sent = 0


@contextmanager
def listening(store: Store, host: str = "127.0.0.1") -> Iterator[str]:
    """The URL at which the store is open, for the block."""
    from werkzeug.serving import make_server

    server = make_server(host, 0, store, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


@contextmanager
def serving(latency: float = 0.0) -> Iterator[Store]:
    """A store with an empty bucket `s3://bucket` at `AWS_ENDPOINT_URL`, for the block."""
    from moto.server import DomainDispatcherApplication, create_backend_app

    store = Store(DomainDispatcherApplication(create_backend_app), latency)
    with listening(store) as url:
        settings = {
            "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        remembered = fsspec.get_filesystem_class("s3")
        remembered.clear_instance_cache()  # of another store's address
        try:
            import boto3

            boto3.client("s3").create_bucket(Bucket=BUCKET)
            store.forget()
            yield store
        finally:
            remembered.clear_instance_cache()
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
