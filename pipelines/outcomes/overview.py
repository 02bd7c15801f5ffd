"""What the terminal shows after curation: where the pool went."""

import re
from collections.abc import Collection, Iterator

from rich.markup import escape
from rich.table import Table

from curation.levels.ledger import IN, KEPT
from pipelines.engine.run import Context
from pipelines.engine.workdir import JsonObject
from pipelines.levels.curated import Curated
from pipelines.report.summaries import UNITS, since_parent
from pipelines.study.curation import FileSource
from pipelines.study.study import Study

MOST = 0.5  # of a source's documents without a field that the study names: worth a caution
COMPARES = re.compile(r"[<>=]")  # a condition of the level's own, no rule set
MUCH = 0.2  # of the documents that reach a rule: a rule that drops more is worth a look


def funnel(context: Context, study: Study, curated: Curated, study_file: str) -> None:
    """Where the documents, bytes and tokens of the pool went: one row per level and kind of reason.

    The rules of one signal are shown as one row, and so is all that the level extended drops in the same way; the level's
    ledger and the report have each rule.
    """
    table = Table(title="Where the pool went", title_justify="left", box=None, header_style="bold")
    for column in ("level", "reason"):
        table.add_column(column, overflow="fold")
    for column in ("documents", "MB", "tokens"):
        table.add_column(column, justify="right")
    shown = {name: ledgers for name, ledgers in curated.ledgers.items() if name not in study.control_of}
    funnels = {name: _by_kind(ledgers.summary["funnel"]) for name, ledgers in shown.items()}
    for name, (pool, *rows) in funnels.items():
        label, parent = name, study.levels[name].extends
        for row in [pool, *(since_parent(parent, rows, funnels[parent]) if parent else rows)]:
            style = {None: "bold", IN: "dim"}.get(row["reason"], "")
            counts = f"{row['documents']:,}", f"{row['bytes'] / 1e6:,.2f}", f"{row['tokens']:,}"
            table.add_row(label, row["reason"] or KEPT, *counts, style=style)
            label = ""
    context.progress.console.print(table)
    for name, ledgers in shown.items():
        declared = study.levels[name]
        above = {row["reason"] for row in curated.ledgers[declared.extends].summary["funnel"]} if declared.extends else set()
        if declared.keep and (most := hardest_rule(ledgers.summary["funnel"], above)):
            rule, documents, share = most
            look = f"look at what it drops: `assay inspect {study_file} {name} --rule '{_column(rule)}'`"
            said = f"level {name}: {rule} drops most, {documents:,} documents, {share:.0%} of those that reach it"
            context.progress.say(f"[yellow]caution[/] {escape(f'{said}; {look}')}" if share > MUCH else escape(said))
        seen = {row["reason"] for row in ledgers.summary["funnel"]}
        for rule in (entry for entry in declared.keep if COMPARES.search(entry) and entry not in seen):
            said = (
                f"level {name}: {rule} drops nothing; what it would drop, a rule set or another rule of the level drops before"
            )
            context.progress.say(escape(said + ", if anything fails it"))
    for name, counts in (curated.tasks.summary if curated.tasks else {}).items():
        context.progress.say(escape(f"task {name}: {task_items(counts)}"))
    for name, reasons in curated.pool.documents.summary["unread"].items():
        if reasons:
            files = ", ".join(f"{n} {reason}" for reason, n in reasons.items())
            context.progress.say(f"source {name}: {sum(reasons.values())} files are not read: {files}")
    declared = {source.name: source.fields for source in study.sources if isinstance(source, FileSource)}
    for name, shares in curated.pool.documents.summary["lacking"].items():
        for key in (key for key, share in shares.items() if share > MOST):
            parts = [part for part in curated.pool.documents.parts if part["source"] == name and part["others"]]
            there = f"; others of their fields are {', '.join(parts[0]['others'])}" if parts else ""
            path = declared[name][key]
            lack = f"source {name}: {shares[key]:.0%} of its documents have no {path!r}, which `fields.{key}` names{there}"
            context.progress.say(f"[yellow]caution[/] {escape(lack)}")
    if renamed := curated.pool.documents.summary["renamed"]:
        context.progress.say(f"{renamed} documents have control characters in their domain: they are spaces now")
    malformed = sum(source["malformed"] for source in curated.pool.documents.summary["sources"].values())
    if malformed:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in curated.pool.documents.summary["reasons"].items())
        place = context.workdir.full(f"{curated.pool.documents.step.path}/quarantine-*.jsonl")
        records = "record" if malformed == 1 else "records"
        context.progress.say(escape(f"{malformed:,} malformed {records} in quarantine ({reasons}): {place}"))
    for line in _changes(context, curated):
        context.progress.say(escape(line))


def _changes(context: Context, curated: Curated) -> Iterator[str]:
    """Of every level that this run made anew, what it kept before: `filtered: 4,345 -> 4,598 documents (was 5558708e6a1b)`."""
    made: dict[str, list[str]] = {}  # by step, its ids in the order in which they were first made
    for event in context.progress.told():
        if event["event"] == "finished":
            made.setdefault(event["step"], []).append(event["id"])
    again = {name: one for name, one in curated.ledgers.items() if made.get(f"ledgers/{name}")}
    for name, ledgers in again.items():
        before = [one for one in made[ledgers.step.name] if one != ledgers.step.id]
        if not before or ledgers.step.name in context.progress.cached_steps:
            continue
        path = f"{ledgers.step.name}/{before[-1]}/manifest.json"
        if context.workdir.exists(path):
            funnels = context.workdir.read_json(path)["summary"]["funnel"], ledgers.summary["funnel"]
            was, now = (funnel[-1]["documents"] for funnel in funnels)
            yield f"{name}: {was:,} -> {now:,} documents (was {before[-1]})"


def task_items(counts: JsonObject) -> str:
    """How many items a task has, and why there are not more."""
    left_out = {
        "malformed": counts["malformed"], "in the pool": counts["in_pool"], "longer than the context": counts["too_long"],
        "more than wanted": counts["not_drawn"],
    }  # fmt: skip
    why = ", ".join(f"{n:,} {reason}" for reason, n in left_out.items() if n)
    chance = f"chance {counts['chance']:.3g}"
    return f"{counts['items']:,} items, {chance}" + (f"; left out: {why}" if why else "")


def hardest_rule(rows: list[JsonObject], above: Collection[str] = ()) -> tuple[str, int, float] | None:
    """Of a level's own rules over columns that which drops most: its text, documents, and their share of those that reach it.

    `rows` is the level's funnel, in the order of its rules; `above` are the reasons of the level that it extends.
    """
    left, found = rows[0]["documents"], []
    for row in rows[1:]:
        if _column(row["reason"]) and row["reason"] not in above and row["documents"]:
            found.append((row["reason"], row["documents"], row["documents"] / left))
        left -= row["documents"]
    return max(found, key=lambda one: one[1], default=None)


def _column(reason: str) -> str:
    """The column that a rule is over; empty for reasons that are no rule over one."""
    named = re.search(r"\b[a-z]\w*\.\w+", reason) if not reason.startswith(("mixture:", "top ", "random:")) else None
    return named[0] if named else ""


def _by_kind(rows: list[JsonObject]) -> list[JsonObject]:
    """The rows of a funnel, what comes in first, the rules over one signal together; rows of nothing left out."""
    kinds: dict[str, JsonObject] = {}
    for row in rows:
        signal = re.match(r"(?:not )?\(?([a-z]\w*)\.\w+ ", row["reason"])
        reason = f"{signal[1]} rules" if signal else re.sub(r"^mixture: .*", "no room in the mixture", row["reason"])
        if row["tokens"] or row["documents"]:
            kind = kinds.setdefault(reason, {"reason": None if reason == KEPT else reason, **dict.fromkeys(UNITS, 0)})
            kind |= {unit: kind[unit] + row[unit] for unit in UNITS}
    return list(kinds.values())
