"""The exported lineage: every reference leads somewhere, nothing comes from itself, and the steps' inputs are all there."""

import json
from graphlib import TopologicalSorter

from pipelines.engine.step import Manifest, Step
from pipelines.outcomes.lineage import provenance


def manifest(name: str, *inputs: Manifest, **config: object) -> Manifest:
    files = [{"name": f"{k}.parquet", "bytes": 10, "digest": "d"} for k in range(2)]
    step = Step(name, config, {made.step.name: made for made in inputs})
    return Manifest(step, [{"part": 0, "files": files}], {"documents": 3})


POOL = manifest("pool", fingerprints={"web": "ff", "books": "ee"})
SIGNALS = manifest("signals/exact", POOL)
LEDGERS = [manifest(f"ledgers/{name}", POOL, SIGNALS, keep=name) for name in ("raw", "dedup")]


def document() -> dict:
    return provenance(LEDGERS, {LEDGERS[0].step.path: "level raw"}, "1.0")


def test_every_reference_leads_to_a_node():
    graph = document()
    nodes = {f"prov:{kind}": set(graph[kind]) for kind in ("entity", "activity", "agent")}
    nodes |= {"prov:generatedEntity": nodes["prov:entity"], "prov:usedEntity": nodes["prov:entity"]}
    relations = [relation for name in graph if name.startswith("was") or name == "used" for relation in graph[name].values()]
    assert len(relations) > 10
    for relation in relations:
        for role, node in relation.items():
            assert role == "prov:role" or node in nodes[role]
    prefixes = {name.partition(":")[0] for kind in ("entity", "activity", "agent") for name in graph[kind]}
    assert prefixes <= set(graph["prefix"])


def test_a_level_leads_back_to_its_sources_and_never_to_itself():
    graph = document()
    origins: dict[str, set[str]] = {}
    for relation in graph["wasDerivedFrom"].values():
        origins.setdefault(relation["prov:generatedEntity"], set()).add(relation["prov:usedEntity"])
    order = list(TopologicalSorter(origins).static_order())
    assert set(order[:2]) == {"assay:source/web", "assay:source/books"}
    assert set(order) == set(graph["entity"])
    for made in (POOL, SIGNALS, *LEDGERS):
        entity = f"assay:result/{made.step.path}"
        steps = {f"assay:result/{origin.step.path}" for origin in made.step.inputs.values()}
        assert {name for name in origins[entity] if "source" not in name} == steps
        assert graph["entity"][entity]["assay:digest"] == made.digest
        assert graph["entity"][entity]["assay:bytes"] == 20
    assert graph["entity"][f"assay:result/{LEDGERS[0].step.path}"]["prov:label"] == "level raw"


def test_the_same_results_give_the_same_bytes():
    assert json.dumps(document()) == json.dumps(document())
    assert not any("ime" in key for activity in document()["activity"].values() for key in activity)
