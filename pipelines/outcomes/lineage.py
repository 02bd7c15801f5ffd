"""Where results come from, as W3C PROV: entities (sources, what each step holds), activities (the steps), and who used what.

The form is PROV-JSON (W3C member submission, 2013), which `prov` and other tools read. It holds no times, so that the same
study gives the same bytes.
"""

from collections.abc import Iterable, Mapping

from pipelines.engine.step import Manifest, upstream
from pipelines.engine.workdir import JsonObject, canonical

PREFIXES = {"assay": "urn:assay:", "prov": "http://www.w3.org/ns/prov#"}
AGENT = "assay:assay"


def provenance(results: Iterable[Manifest], titles: Mapping[str, str], version: str) -> JsonObject:
    """The PROV-JSON document of `results` and all that they were made from.

    `titles` says in words what a step's path holds ("level dedup"); `version` is that of Assay. An entity has the digest of its
    files, their number and bytes, and the numbers of its summary; an activity the configuration of its step.
    """
    entities: JsonObject = {}
    activities: JsonObject = {}
    used, generated, derived = [], [], []
    for manifest in upstream(results):
        step, files = manifest.step, manifest.records()
        entity, activity = _entity(step.path), f"assay:run/{step.path}"
        entities[entity] = {
            "prov:type": _type("Collection"), "prov:label": titles.get(step.path, step.name), "assay:digest": manifest.digest,
            "assay:files": len(files), "assay:bytes": sum(file["bytes"] for file in files),
            "assay:summary": canonical(manifest.summary),
        }  # fmt: skip
        activities[activity] = {"prov:label": step.name, "assay:version": step.version, "assay:config": canonical(step.config)}
        generated.append({"prov:entity": entity, "prov:activity": activity})
        origins = {name: _entity(origin.step.path) for name, origin in step.inputs.items()}
        for source, fingerprint in step.config.get("fingerprints", {}).items():
            origins[source] = f"assay:source/{source}"
            entities[origins[source]] = {"prov:label": f"source {source}", "assay:fingerprint": fingerprint}
        for name, origin in origins.items():
            used.append({"prov:activity": activity, "prov:entity": origin, "prov:role": name})
            derived.append({"prov:generatedEntity": entity, "prov:usedEntity": origin, "prov:activity": activity})
    associated = [{"prov:activity": activity, "prov:agent": AGENT} for activity in activities]
    relations = {"used": used, "wasGeneratedBy": generated, "wasDerivedFrom": derived, "wasAssociatedWith": associated}
    return {
        "prefix": PREFIXES,
        "entity": entities,
        "activity": activities,
        "agent": {AGENT: {"prov:type": _type("SoftwareAgent"), "prov:label": f"Assay {version}"}},
        **{name: {f"_:{name}{k}": relation for k, relation in enumerate(rows)} for name, rows in relations.items()},
    }


def _entity(path: str) -> str:
    return f"assay:result/{path}"


def _type(name: str) -> dict[str, str]:
    return {"$": f"prov:{name}", "type": "prov:QUALIFIED_NAME"}
