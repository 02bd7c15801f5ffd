"""The table after curation: every document of the pool in it once, and nothing said twice."""

from types import SimpleNamespace
from typing import Any

from rich.console import Console

from curation.levels.ledger import IN, KEPT
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.outcomes import overview
from pipelines.study.curation import FileSource

FUNNELS = {
    "raw": {IN: 100, "held out": 10, KEPT: 90},
    "dedup": {IN: 100, "held out": 10, "exact duplicate": 20, "mixture: web": 3, KEPT: 67},
    "top": {IN: 100, "held out": 10, "exact duplicate": 20, "top half": 30, "mixture: web": 1, KEPT: 39},
    "again": {IN: 100, "held out": 10, "exact duplicate": 20, "top half": 30, "mixture: web": 1, KEPT: 39},
    "again-draw2": {IN: 100, KEPT: 100},
}


def rows(name: str) -> list[dict[str, Any]]:
    return [{"reason": r, "documents": n, "bytes": n * 10**6, "tokens": n} for r, n in FUNNELS[name].items()]


def test_what_the_parent_drops_alike_is_one_row() -> None:
    console = Console(record=True, width=100)
    extends = {"raw": None, "dedup": "raw", "top": "dedup", "again": "top", "again-draw2": "top"}
    levels = {name: SimpleNamespace(extends=parent, keep=[]) for name, parent in extends.items()}
    study: Any = SimpleNamespace(levels=levels, sources=[], control_of={"again-draw2": "again"})
    pool = SimpleNamespace(
        documents=SimpleNamespace(summary={"sources": {"pool": {"malformed": 0}}, "unread": {}, "lacking": {}, "renamed": 0})
    )
    ledgers = {name: SimpleNamespace(summary={"funnel": rows(name)}) for name in FUNNELS}
    curated: Any = SimpleNamespace(ledgers=ledgers, pool=pool, tasks=None)
    context: Any = Context(SimpleNamespace(), SimpleNamespace(), Progress(None, console))  # pyright: ignore[reportArgumentType]
    overview.funnel(context, study, curated, "s.yaml")
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


def test_the_rule_that_drops_most_is_named_and_over_a_fifth_is_a_caution() -> None:
    console = Console(record=True, width=200)
    funnels = {
        "raw": {IN: 100, "near duplicate": 50, KEPT: 50},
        "some": {IN: 100, "near duplicate": 50, "a.b >= 1": 4, "not (a.c in [1])": 6, KEPT: 40},
        "hard": {
            IN: 100,
            "near duplicate": 50,
            "a.b >= 1": 4,
            "not (a.c in [1])": 6,
            "q.x < 2": 9,
            "top 0.5 by q.s": 20,
            KEPT: 11,
        },
    }
    extends = {"raw": None, "some": "raw", "hard": "some"}
    levels = {name: SimpleNamespace(extends=parent, keep=["x"]) for name, parent in extends.items()}
    levels["hard"].keep += ["q.x < 2", "a.b >= 0.5"]
    lacking = {"web": {"url": 0.7, "date": 0.2}}
    summary = {"sources": {"pool": {"malformed": 1203}}, "unread": {}, "lacking": lacking, "renamed": 3}
    summary |= {"reasons": {"a NUL byte: not text": 1200, "no text": 3}}
    pool = SimpleNamespace(
        summary=summary, parts=[{"source": "web", "others": ["href", "id"]}], step=SimpleNamespace(path="pool/0a")
    )
    ledgers = {
        name: SimpleNamespace(
            summary={"funnel": [{"reason": r, "documents": n, "bytes": n, "tokens": n} for r, n in funnel.items()]}
        )
        for name, funnel in funnels.items()
    }
    curated: Any = SimpleNamespace(ledgers=ledgers, pool=SimpleNamespace(documents=pool), tasks=None)
    context: Any = Context(Workdir("/made"), SimpleNamespace(), Progress(None, console))  # pyright: ignore[reportArgumentType]
    web = FileSource(kind="jsonl", name="web", path="a.jsonl", fields={"url": "link"})
    study: Any = SimpleNamespace(levels=levels, sources=[web], control_of={})
    overview.funnel(context, study, curated, "s.yaml")
    told = [
        line.strip()
        for line in console.export_text().splitlines()
        if any(word in line for word in ("level", "source", "domain", "quarantine"))
    ][1:]
    assert told == [
        "level some: not (a.c in [1]) drops most, 6 documents, 13% of those that reach it",
        "caution level hard: q.x < 2 drops most, 9 documents, 22% of those that reach it; look at what it drops: "
        "`assay inspect s.yaml hard --rule 'q.x'`",
        "level hard: a.b >= 0.5 drops nothing; what it would drop, a rule set or another rule of the level drops before, if "
        "anything fails it",
        "caution source web: 70% of its documents have no 'link', which `fields.url` names; others of their fields are "
        "href, id",
        "3 documents have control characters in their domain: they are spaces now",
        "1,203 malformed records in quarantine (1,200 a NUL byte: not text, 3 no text): /made/pool/0a/quarantine-*.jsonl",
    ]
