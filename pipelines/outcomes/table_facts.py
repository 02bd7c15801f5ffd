"""What a report shows of a table of runs: the fit and the table, and nothing of how the data were made."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import yaml

from pipelines.outcomes.machine import machine, versions
from pipelines.report.facts import Facts, Level, Provenance
from pipelines.report.frames import JsonObject
from pipelines.report.law_page import LawFacts
from scaling_fit import Fit, Observations, Result
from scaling_fit.encoding import encode

PACKAGES = ("assay", "numpy", "scipy")
HASH = 12  # hexadecimal digits


def facts_of(table: Path, data: Observations, result: Result, command: str) -> Facts:
    """`table`: where the runs were read, for the title. `command`: makes the report again."""
    rows = observed(data)
    return Facts(
        name=table.name,
        title=table.stem,
        levels=[_level(data, result, name) for name in result.levels],
        fit=result,
        observations=rows,
        provenance=provenance(rows, encode(result.settings), command),
        steps=[],
        made_from="table",
    )


def law_facts_of(table: Path, data: Observations, fit: Fit, command: str) -> LawFacts:
    """The same of one law."""
    rows = observed(data)
    settings = {"law": fit.law.name, "objective": fit.objective.describe(), "intervals": fit.spread.method}
    return LawFacts(table.name, table.stem, fit, rows, provenance(rows, settings, command))


def observed(data: Observations) -> list[JsonObject]:
    """The rows as they were read, under the names of a study's observations; `params` is N as it was counted."""
    columns = {
        "level": data.level, "seed": data.seed, "trunk": data.trunk, "shape": data.shape, "params": data.N, "tokens": data.D,
        "unique_tokens": data.unique, "repeated": data.repeated, "flops": data.flops, "eval_set": data.eval_set,
        "loss": data.loss, "loss_se": data.loss_se, "certificate": data.certificate,
    }  # fmt: skip
    return [dict(zip(columns, row, strict=True)) for row in zip(*(cells.tolist() for cells in columns.values()), strict=True)]


def provenance(rows: list[JsonObject], settings: object, command: str) -> Provenance:
    """The hash is that of the rows, so that two pages of one table can be told from those of two."""
    text = json.dumps(encode(rows), sort_keys=True)
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "study_file": yaml.safe_dump({"fit": settings}, sort_keys=False, allow_unicode=True),
        "study_hash": sha256(text.encode()).hexdigest()[:HASH],
        "commit": None,
        "versions": versions(PACKAGES),
        "machine": machine(),
    }


def _level(data: Observations, result: Result, name: str) -> Level:
    unique = data.unique[(data.level == name) & np.isfinite(data.unique)]
    return {
        "name": name, "kind": result.settings.role(name), "extends": None, "declaration": {}, "documents": None, "bytes": None,
        "unique_tokens": int(unique.max()) if len(unique) else None,
    }  # fmt: skip
