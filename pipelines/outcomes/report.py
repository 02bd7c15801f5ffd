"""Report: gather what the work directory says of a study into `Facts`, and write the page from them."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import polars as pl
import yaml

from curation.hashing import mix64, stream
from curation.levels.ledger import IN, KEPT
from pipelines.engine.run import Context
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.levels.curated import Curated
from pipelines.outcomes.machine import machine, versions
from pipelines.outcomes.spent import spent
from pipelines.report import page, summaries
from pipelines.report.facts import Facts, Read
from pipelines.runs import checks, courses
from pipelines.runs.ladder import rungs
from pipelines.runs.observations import POOL_WEIGHED, of_controls, pool_shares
from pipelines.runs.train import trained_tokens
from pipelines.runs.trained import Trained
from pipelines.signals import classifiers
from pipelines.signals.shards import shards
from pipelines.study.study import Study
from scaling_fit import Result
from scaling_fit.courses.reading import Reading

SAMPLES_PER_RULE = 3
SAMPLE_CHARACTERS = 1500
PACKAGES = ("assay", "torch", "ray", "polars", "pyarrow", "numpy", "scipy", "datasketch", "fasttext", "tokenizers", "numba")


def report(
    context: Context, study: Study, curated: Curated, trained: Trained, fitted: Manifest, command: str, samples: bool
) -> str:
    """Write `report/` unless it is there already for exactly these results. Returns the path of index.html."""
    inputs = {"fit": fitted, "observations": trained.observations}
    inputs |= {f"levels/{name}": manifest for name, manifest in curated.levels.items()}
    inputs |= {f"checks/{name}": manifest for name, manifest in vars(trained.checks).items() if manifest}
    step = Step("report", {"samples": samples, "study": study.model_dump(mode="json"), "page": _page_digest()}, inputs)
    marker, workdir = "report/made_from.json", context.workdir
    if workdir.exists(marker) and workdir.read_json(marker) == step.id:
        context.progress.cached("report")
        return _index(workdir)
    with context.progress.bar("report", total=1, unit="pages"):
        facts = gather(context, study, curated, trained, fitted, command, samples)
        with TemporaryDirectory() as folder:
            page.write(facts, Path(folder), samples=samples)
            for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
                workdir.write_bytes(f"report/{path.relative_to(folder).as_posix()}", path.read_bytes())
    workdir.write_bytes(marker, json.dumps(step.id).encode())
    return _index(workdir)


def _page_digest() -> str:
    """Hash of the page's own code and templates: a report is written anew when they change."""
    digest = sha256()
    for path in sorted(p for p in Path(page.__file__).parent.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _index(workdir: Workdir) -> str:
    return workdir.full("report/index.html") if workdir.is_local else f"{workdir.root}/report/index.html"


def gather(
    context: Context, study: Study, curated: Curated, trained: Trained, fitted: Manifest, command: str, samples: bool
) -> Facts:
    """Everything that a report shows of a study."""
    workdir, checked = context.workdir, trained.checks
    curated = shown(study, curated)
    fit = Result.from_json(workdir.read_bytes(fitted.files("fit.json")[0]))
    observations = pl.DataFrame(workdir.read_table(trained.observations.files(".parquet")[0]))
    observations = observations.filter(~pl.col("level").is_in(list(study.courses)))
    return Facts(
        name=study.name,
        title=study.report.title or study.name,
        levels=[_level(study, curated, name) for name in curated.levels],
        fit=fit,
        observations=observations.to_dicts(),
        provenance=_provenance(study, command),
        steps=spent(context.progress.told()),
        shapes={
            rung.name: {**vars(rung.shape), "params": rung.shape.params_total(study.tokenizer.vocab_size)}
            for rung in rungs(study)
        },
        funnel=[row for name, made in curated.ledgers.items() for row in _funnel(name, made)],
        overlap=[_overlap(workdir, name, manifest) for name, manifest in curated.ledgers.items()],
        domains=[
            {"level": name, "domain": domain, "tokens": tokens}
            for name, manifest in curated.levels.items()
            for domain, tokens in manifest.summary["domains"].items()
        ],
        lengths=[row for name, manifest in curated.ledgers.items() for row in _lengths(workdir, curated, name, manifest)],
        clusters=summaries.cluster_bins(
            workdir.read_table(path, ["cluster_size"])["cluster_size"].to_numpy()
            for path in curated.pool.signals["duplicates"].files(".parquet")
        ),
        near=_near(curated.pool.signals["duplicates"]),
        classifiers=[_classifier(workdir, curated, name) for name, c in study.classifiers.items() if c.model is None],
        samples=list(_samples(workdir, study, curated)) if samples else [],
        paired=_paired(workdir, study, curated, trained),
        certificates=_certificates(workdir, trained),
        training=_training(workdir, study, trained),
        spreads=checks.spreads(workdir, checked.noise) if checked.noise else [],
        optima=checks.optima(workdir, study, checked.learning_rate) if checked.learning_rate else [],
        gaps=checks.schedule_gaps(workdir, study, checked.cosine) if checked.cosine else [],
        quarantine=_quarantine(curated.pool.documents),
        judge=curated.judge.summary["sets"] if curated.judge else [],
        courses=Reading.from_json(workdir.read_bytes(fitted.files("courses.json")[0])) if study.courses else None,
        reads=_reads(study, curated),
    )


def shown(study: Study, curated: Curated) -> Curated:
    """Without the further draws of controls, which a reader meets as runs of the control."""
    ledgers, levels = (
        {name: made for name, made in by_level.items() if name not in study.control_of}
        for by_level in (curated.ledgers, curated.levels)
    )
    return replace(curated, ledgers=ledgers, levels=levels)


def _reads(study: Study, curated: Curated) -> list[Read]:
    unique = {name: made.summary["unique_tokens"] for name, made in curated.levels.items()}
    return cast("list[Read]", courses.ledger(study, unique))


def _level(study: Study, curated: Curated, name: str) -> Any:
    declared, made = study.levels[name], curated.levels[name].summary
    return {
        "name": name, "kind": declared.kind, "extends": declared.extends,
        "declaration": declared.model_dump(mode="json", exclude_defaults=True),
        "unique_tokens": made["unique_tokens"], "documents": made["documents"], "bytes": made["bytes"],
    }  # fmt: skip


def _funnel(name: str, ledgers: Manifest) -> Iterator[Any]:
    for row in ledgers.summary["funnel"]:
        if row["reason"] != IN:
            yield {**row, "level": name, "reason": None if row["reason"] == KEPT else row["reason"]}


def _overlap(workdir: Workdir, name: str, ledgers: Manifest) -> Any:
    reasons = [row["reason"] for row in ledgers.summary["funnel"] if row["reason"] not in (IN, KEPT)]
    if not reasons:
        return {"level": name, "reasons": [], "documents": []}
    paths = [path for path in ledgers.files(".parquet") if "/exchange/" not in path]
    return summaries.overlap(name, (pl.DataFrame(workdir.read_table(path, ["failed"]))["failed"] for path in paths), reasons)


def _lengths(workdir: Workdir, curated: Curated, name: str, ledgers: Manifest) -> list[Any]:
    ledger_paths = [path for path in ledgers.files(".parquet") if "/exchange/" not in path]
    token_paths = curated.pool.signals["tokens"].files(".parquet")

    def kept_lengths() -> Iterator[np.ndarray]:
        for ledger, tokens in zip(ledger_paths, token_paths, strict=True):
            keep = workdir.read_table(ledger, ["keep"])["keep"].to_numpy()
            yield workdir.read_table(tokens, ["n_tokens"])["n_tokens"].to_numpy()[keep]

    return list(summaries.length_bins(name, kept_lengths()))


def _near(duplicates: Manifest) -> JsonObject:
    """How near duplicates were looked for, and what came of it."""
    declared, found = duplicates.step.config, duplicates.summary
    counts = ("documents", "candidates", "tested", "joined", "curve")
    return {name: declared[name] for name in ("bands", "rows", "verify", "threshold")} | {name: found[name] for name in counts}


def _classifier(workdir: Workdir, curated: Curated, name: str) -> Any:
    signal = curated.pool.signals[name]
    found = classifiers.report(signal)
    edges = np.linspace(0, 1, 21)
    counts = np.zeros(20, np.int64)
    for path in signal.files(".parquet"):
        counts += np.histogram(workdir.read_table(path, ["score"])["score"].to_numpy(), edges)[0]
    calibration = [
        {"low": tenth / 10, "high": (tenth + 1) / 10, "examples": row["n"], "positive_share": row["good"]}
        for row in found["calibration"]
        for tenth in [min(int(row["score"] * 10), 9)]
    ]
    scores = [{"low": float(edges[i]), "high": float(edges[i + 1]), "documents": int(n)} for i, n in enumerate(counts)]
    return {
        "name": name, "auc": found["auc"], "auc_low": found["auc_low"], "auc_high": found["auc_high"],
        "positives": found["n_good"], "negatives": found["n_rest"], "calibration": calibration, "scores": scores,
    }  # fmt: skip


def _samples(workdir: Workdir, study: Study, curated: Curated) -> Iterator[Any]:
    """Up to `SAMPLES_PER_RULE` documents that each rule of a level dropped first, nearest its threshold, and that it kept."""
    for name, ledgers in curated.ledgers.items():
        parent = study.levels[name].extends
        inherited = {row["reason"] for row in curated.ledgers[parent].summary["funnel"]} if parent else set()
        rules = [row["reason"] for row in ledgers.summary["funnel"] if row["reason"] not in inherited | {IN}]
        paths = [path for path in ledgers.files(".parquet") if "/exchange/" not in path]
        chosen = []
        for shard, path in zip(shards(workdir, curated.pool.documents, curated.pool.signals), paths, strict=True):
            rows = pl.DataFrame(workdir.read_table(path, ["keep", "reason", "value"])).with_row_index("row")
            frame = shard.frame(["uid"])
            rows = rows.with_columns(
                pl.col("reason").cast(pl.String).fill_null(KEPT),
                key=pl.Series(mix64(stream(study.seed, "report samples"), frame["uid"].to_numpy())),
            ).filter(pl.col("reason").is_in(rules))
            rows = rows.with_columns(far=summaries.margin(pl.col("reason"), pl.col("value")))
            few = rows.sort("far", "key").group_by("reason", maintain_order=True).head(SAMPLES_PER_RULE)
            chosen += [(row["reason"], (row["far"], row["key"]), shard, row) for row in few.to_dicts()]
        by_rule: dict[str, list[Any]] = defaultdict(list)
        for reason, _, shard, row in sorted(chosen, key=lambda item: item[:2]):
            if len(by_rule[reason]) < SAMPLES_PER_RULE:
                by_rule[reason].append((shard, row))
        for reason, found in by_rule.items():
            for shard, row in found:
                at = pl.Series(np.arange(pl.DataFrame(shard.frame(["uid"])).height) == row["row"])
                document = shard.text(at, ["text", "domain", "source"]).to_pylist()[0]
                yield {
                    "level": name, "rule": reason, "kept": reason == KEPT, "value": row["value"] or "",
                    "domain": document["domain"], "source": document["source"], "text": document["text"][:SAMPLE_CHARACTERS],
                }  # fmt: skip


def _paired(workdir: Workdir, study: Study, curated: Curated, trained: Trained) -> list[Any]:
    """Differences to the baseline on the same documents, at the longest D of every shape and seed."""
    assert curated.evaluation is not None, "only what was trained has a report"
    path = curated.evaluation.files("documents.parquet")[0]
    assert curated.judge is not None
    sets = weighed(pl.DataFrame(workdir.read_table(path, ["doc_id", "sets"])), curated.judge.summary["sets"])
    by_shape: dict[str, list[pl.DataFrame]] = defaultdict(list)
    for cell in (cell for cell in trained.cells if cell.level not in study.courses):
        losses = pl.DataFrame(workdir.read_table(trained.runs[cell.step.name].files("losses.parquet")[0]))
        longest = losses.filter(pl.col("tokens") == pl.col("tokens").max())
        # a long document is scored in passages: one row for each document again
        by_shape[cell.rung.name].append(
            of_controls(longest, study.control_of)
            .group_by("level", "seed", "tokens", "doc_id", maintain_order=True)
            .agg(pl.col("nats", "n_tokens").sum())
        )
    return [
        row for shape, losses in by_shape.items() for row in summaries.paired(pl.concat(losses), sets, shape, study.baseline)
    ]


def weighed(passages: pl.DataFrame, judge: list[JsonObject]) -> pl.DataFrame:
    """Every document of every set with its weight: doc_id, set, weight. In the set weighed as the pool, tokens of a domain
    count for its share of the pool over its tokens there; elsewhere all count alike."""
    documents = passages.unique("doc_id", maintain_order=True).explode("sets").select("doc_id", set="sets", weight=pl.lit(1.0))
    tokens = {row["set"]: row["tokens"] for row in judge}
    weights = {name: share / tokens[name] for name, share in pool_shares(judge).items()}
    pooled = documents.filter(pl.col("set").is_in(list(weights)))
    weight = pl.col("set").replace_strict(weights, return_dtype=pl.Float64)
    return pl.concat([documents, pooled.with_columns(set=pl.lit(POOL_WEIGHED), weight=weight)])


def _certificates(workdir: Workdir, trained: Trained) -> list[Any]:
    found: dict[str, JsonObject] = {}
    for cell in trained.cells:
        body = workdir.read_json(trained.runs[cell.step.name].files("certificate.json")[0])
        entry = found.setdefault(
            body["certificate"], {"certificate": body["certificate"], "runs": 0, "levels": [], "equal": body["held_equal"]}
        )
        entry["runs"] += 1
        if cell.level not in entry["levels"]:
            entry["levels"].append(cell.level)
    return list(found.values())


def _training(workdir: Workdir, study: Study, trained: Trained) -> list[Any]:
    """What each shape cost; a stack's metrics lie beside each of its runs, so they are read once per stack."""
    made = []
    for rung in rungs(study):
        cells = [cell for cell in trained.cells if cell.rung.name == rung.name]
        stacks: dict[str, list[JsonObject]] = {}
        for cell in cells:
            text = workdir.read_bytes(f"{cell.step.path}/metrics.jsonl").decode()
            lines = [json.loads(line) for line in text.splitlines()]
            stacks.setdefault(lines[0]["stack"], lines)
        speed, mfu, together = summaries.speed(line for lines in stacks.values() for line in lines)
        tokens, per_token = trained_tokens(study, cells), rung.flops_per_token(study)
        made.append({
            "shape": rung.name, "runs": sum(len(cell.rung.tokens) for cell in cells),
            "tokens": tokens, "flops": float(tokens * per_token),
            "together": together, "tokens_per_second": speed, "flops_per_second": speed * per_token, "mfu": mfu,
        })  # fmt: skip
    return made


def _quarantine(pool: Manifest) -> JsonObject:
    records = sum(source["malformed"] for source in pool.summary["sources"].values())
    total = records + sum(source["documents"] for source in pool.summary["sources"].values())
    return {"records": records, "share": records / max(total, 1), "reasons": pool.summary["reasons"]}


def _provenance(study: Study, command: str) -> Any:
    text = yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "study_file": text,
        "study_hash": Step("study", study.model_dump(mode="json")).id,
        "commit": None,
        "versions": versions(PACKAGES),
        "machine": {**machine(), "device": "cuda" if study.ladder.gpus else "cpu"},
    }
