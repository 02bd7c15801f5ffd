"""What the terminal shows after curation: where the pool went."""

import re

from rich.table import Table

from curation.levels.ledger import IN, KEPT
from pipelines.engine.run import Context
from pipelines.engine.workdir import JsonObject
from pipelines.levels.curated import Curated
from pipelines.report.summaries import UNITS, since_parent
from pipelines.study.study import Study

MOST = 0.5  # of a source's documents without a field that the study names: worth a caution


def funnel(context: Context, study: Study, curated: Curated) -> None:
    """Where the documents, bytes and tokens of the pool went: one row per level and kind of reason.

    The rules of one signal are shown as one row, and so is all that the level extended drops in the same way; the level's
    ledger and the report have each rule.
    """
    table = Table(title="Where the pool went", title_justify="left", box=None, header_style="bold")
    for column in ("level", "reason"):
        table.add_column(column, overflow="fold")
    for column in ("documents", "MB", "tokens"):
        table.add_column(column, justify="right")
    funnels = {name: _by_kind(ledgers.summary["funnel"]) for name, ledgers in curated.ledgers.items()}
    for name, (pool, *rows) in funnels.items():
        shown, parent = name, study.levels[name].extends
        for row in [pool, *(since_parent(parent, rows, funnels[parent]) if parent else rows)]:
            style = {None: "bold", IN: "dim"}.get(row["reason"], "")
            counts = f"{row['documents']:,}", f"{row['bytes'] / 1e6:,.2f}", f"{row['tokens']:,}"
            table.add_row(shown, row["reason"] or KEPT, *counts, style=style)
            shown = ""
    context.progress.console.print(table)
    for name, reasons in curated.pool.documents.summary["unread"].items():
        if reasons:
            files = ", ".join(f"{n} {reason}" for reason, n in reasons.items())
            context.progress.say(f"source {name}: {sum(reasons.values())} files are not read: {files}")
    for name, shares in curated.pool.documents.summary["lacking"].items():
        for key, share in shares.items():
            if share > MOST:
                context.progress.say(
                    f"[yellow]caution[/] source {name}: {share:.0%} of the documents have no {key}; check `fields.{key}`"
                )
    malformed = sum(source["malformed"] for source in curated.pool.documents.summary["sources"].values())
    if malformed:
        context.progress.say(
            f"{malformed} malformed records in quarantine: {curated.pool.documents.step.path}/quarantine-*.jsonl"
        )


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
