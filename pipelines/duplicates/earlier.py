"""Pools that other studies curated before, found again in their work directories by the manifests that lie there."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.duplicates.duplicate_shards import Duplicates
from pipelines.duplicates.duplicates import SignedPool
from pipelines.engine.step import Manifest, load_manifest
from pipelines.engine.workdir import Workdir
from pipelines.study.study import StudyError


def earlier_pools(
    places: Sequence[str], base: Path, pool: Manifest, signals: Mapping[str, Manifest], declared: Duplicates
) -> list[SignedPool]:
    """The pools whose duplicates were found in the work directories `places` (relative to `base`), with the signals that the
    search needs.

    Raises StudyError where there are none, more than one, other signatures than those of `signals`, or a source of `pool`.
    """
    return [_earlier(place, base, pool, signals, declared) for place in places]


def _earlier(place: str, base: Path, pool: Manifest, signals: Mapping[str, Manifest], declared: Duplicates) -> SignedPool:
    where = f"duplicates.earlier: {place!r}"
    workdir = Workdir(place if "://" in place else str((base / place).absolute()))
    name = "signals/duplicates" if declared.by == "text" else "signals/duplicates_url"
    found = [number for number in workdir.listing(name) if workdir.exists(f"{name}/{number}/manifest.json")]
    if len(found) != 1:
        what = f"{len(found)} results of it ({', '.join(found)}); remove those that are not meant" if found else "none"
        raise StudyError(f"{where}: a work directory whose duplicates `assay curate` found once is needed, and it has {what}")
    clusters = _inputs(workdir, f"{name}/{found[0]}")["clusters"]
    sets = _inputs(workdir, _inputs(workdir, clusters)["sets"])
    made = {
        key: load_manifest(workdir, path) for key, path in sets.items() if key != "labels" and not key.startswith("earlier-")
    }
    old = made.pop("pool")
    for key in declared.signals():
        mine, theirs = signals[key].step, made[key].step
        if (mine.config, mine.version) != (theirs.config, theirs.version):
            raise StudyError(
                f"{where}: its signal {key} was made with {theirs.config} (version {theirs.version}) and this study's with "
                f"{mine.config} (version {mine.version}); declare `duplicates` as that study did, or curate it again"
            )
    if shared := sorted(_sources(old) & _sources(pool)):
        raise StudyError(
            f"{where}: it has a source {shared[0]!r}, as this study has; documents are identified by it, so rename this one"
        )
    return SignedPool(old, made)


def _inputs(workdir: Workdir, path: str) -> dict[str, str]:
    """By name, the steps that a step was made from."""
    return {name: made["step"] for name, made in workdir.read_json(f"{path}/manifest.json")["inputs"].items()}


def _sources(pool: Manifest) -> set[str]:
    """The names of the sources that a pool, edited or not, was read from."""
    while "sources" not in pool.summary:
        pool = pool.step.inputs["pool"]
    return set(pool.summary["sources"])
