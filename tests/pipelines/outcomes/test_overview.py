"""The table after curation: every document of the pool in it once, and nothing said twice."""

from types import SimpleNamespace
from typing import Any

from rich.console import Console

from curation.levels.ledger import IN, KEPT
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.outcomes import overview

FUNNELS = {
    "raw": {IN: 100, "held out": 10, KEPT: 90},
    "dedup": {IN: 100, "held out": 10, "exact duplicate": 20, "mixture: web": 3, KEPT: 67},
    "top": {IN: 100, "held out": 10, "exact duplicate": 20, "top half": 30, "mixture: web": 1, KEPT: 39},
    "again": {IN: 100, "held out": 10, "exact duplicate": 20, "top half": 30, "mixture: web": 1, KEPT: 39},
}


def rows(name: str) -> list[dict[str, Any]]:
    return [{"reason": r, "documents": n, "bytes": n * 10**6, "tokens": n} for r, n in FUNNELS[name].items()]


def test_what_the_parent_drops_alike_is_one_row() -> None:
    console = Console(record=True, width=100)
    extends = {"raw": None, "dedup": "raw", "top": "dedup", "again": "top"}
    study: Any = SimpleNamespace(levels={name: SimpleNamespace(extends=parent) for name, parent in extends.items()})
    pool = SimpleNamespace(documents=SimpleNamespace(summary={"sources": {"pool": {"malformed": 0}}, "unread": {}}))
    ledgers = {name: SimpleNamespace(summary={"funnel": rows(name)}) for name in FUNNELS}
    curated: Any = SimpleNamespace(ledgers=ledgers, pool=pool)
    context: Any = Context(SimpleNamespace(), SimpleNamespace(), Progress(None, console))  # pyright: ignore[reportArgumentType]
    overview.funnel(context, study, curated)
    told = [" ".join(line.split()) for line in console.export_text().splitlines()[2:]]
    assert told == [
        "raw in 100 100.00 100",
        "held out 10 10.00 10",
        "kept 90 90.00 90",
        "dedup in 100 100.00 100",
        "held out 10 10.00 10",
        "exact duplicate 20 20.00 20",
        "no room in the mixture 3 3.00 3",
        "kept 67 67.00 67",
        "top in 100 100.00 100",
        "as in dedup 30 30.00 30",
        "top half 30 30.00 30",
        "no room in the mixture 1 1.00 1",
        "kept 39 39.00 39",
        "again in 100 100.00 100",
        "as in top 61 61.00 61",
        "kept 39 39.00 39",
    ]
