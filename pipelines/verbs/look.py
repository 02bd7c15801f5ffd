"""`assay inspect`, `explain`, `diff`: what curation did, level by level and document by document. They only read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.verbs.opening import opened
from pipelines.verbs.options import AsJson, Set, StudyFile, WorkdirOption
from pipelines.verbs.terminal import print_json

if TYPE_CHECKING:
    from pipelines.engine.workdir import JsonObject

LevelName = Annotated[str, typer.Argument(metavar="LEVEL", help="A level of the study.")]


def inspect(
    study_file: StudyFile,
    level: Annotated[str, typer.Argument(metavar="LEVEL", help="A level of the study (default: the quality of all).")] = "",
    rule: Annotated[str, typer.Option(help="Only rules with this in their text (default: all).")] = "",
    samples: Annotated[int, typer.Option("-n", "--samples", min=1, help="Documents on each side of a threshold.")] = 2,
    removed: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all documents that the level drops to a Parquet file."),
    ] = None,
    as_json: AsJson = False,
    overrides: Set = [],
    workdir: WorkdirOption = "",
) -> None:
    """Show the levels' quality, and documents at each rule's threshold.

    Of one level: its quality, and for each rule some documents that it drops and some that it keeps. Without a level: every
    quality axis of all levels, and what the evaluation sets are made of.

    Example: `assay inspect configs/quickstart.yaml filtered --rule mean_word_length`
    """
    with opened(study_file, overrides, workdir, writes=False) as (context, study, base):
        from pipelines import run_study
        from pipelines.outcomes import looking, quality_table
        from pipelines.study.study import StudyError

        if removed is not None and not level:
            raise StudyError(f"--removed {removed}: say of which level (levels: {', '.join(study.levels)})")

        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        records = {name: made.summary for name, made in curated.quality.levels.items()}
        sets = curated.judge.summary["sets"] if curated.judge else []
        ledger = context.workdir.full(curated.ledgers[level].step.path) if level in curated.ledgers else ""
        n_removed = looking.write_removed(context, study, curated, level, removed) if removed else 0
        documents = list(looking.at_threshold(context, study, curated, level, rule, samples)) if level and not removed else []
    if removed:
        typer.echo(f"wrote {removed}: {n_removed:,} documents that {level} drops, first failing rule in `reason`")
        return
    if as_json:
        print_json(documents if level else {"levels": records, "evaluation_sets": sets})
        return
    console, last = Console(highlight=False), ""
    console.print(quality_table.of_level(records[level]) if level else quality_table.of_all(records))
    if level:
        console.print(f"ledger: {ledger}/shard-*.parquet", markup=False, soft_wrap=True)
    if sets and not level:
        console.print("", quality_table.of_sets(sets))
    for row in documents:
        if row["rule"] != last:
            last = row["rule"]
            console.print(f"\n[bold]{escape(last)}[/]")
        mark = "[green]passes[/]" if row["passes"] else "[red]fails [/]"
        place = f"document {row['doc_id']} ({escape(row['domain'])})" if "doc_id" in row else "a document of an earlier pool"
        console.print(f"  {mark} by {quality_table.four_digits(abs(row['margin']))}  {place}")
        console.print(f"         {_one_line(row.get('text', ''))}", markup=False, style="dim")
        if other := row.get("other"):
            console.print(f"         and document {other['doc_id']} ({escape(other['domain'])})")
            console.print(f"         {_one_line(other['text'])}", markup=False, style="dim")


def explain(
    study_file: StudyFile,
    document: Annotated[
        str,
        typer.Argument(
            metavar="DOC",
            help="Its number (ledgers, `assay inspect`), its `id` in the export, its url, or an id of the source's own.",
        ),
    ],
    as_json: AsJson = False,
    overrides: Set = [],
    workdir: WorkdirOption = "",
) -> None:
    """Show one document's life through all levels.

    Every rule, the value that it saw, its limit, and where the document was dropped. Of courses: how much of it the longest run
    at the first shape and seed reads.

    Example: `assay explain configs/quickstart.yaml 12`, or `... 5558708e6a1b0c4d`, or `... https://example.org/a`
    """
    with opened(study_file, overrides, workdir, writes=False) as (context, study, base):
        from pipelines import run_study
        from pipelines.outcomes import looking

        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        life = looking.life(context, study, curated, looking.found(context, curated, document))
    if as_json:
        print_json(life)
        return
    console = Console(highlight=False)
    alone = "no copy" if life["cluster_size"] == 1 else f"one of {life['cluster_size']} in cluster {life['cluster']}"
    console.print(f"document {life['doc_id']} of {life['source']} ({life['domain']}), {alone}", markup=False)
    console.print(f"id {life['uid']}" + (f", {life['url']}" if life["url"] else ""), markup=False, soft_wrap=True)
    console.print(_one_line(life["text"]), markup=False, style="dim")
    if not life["survivor"]:
        stays = life["kept_doc_id"]
        console.print("it goes for " + ("a document of an earlier pool" if stays is None else f"document {stays}, which stays"))
    for pair in life["pairs"]:
        mark = "[green]similar[/]" if pair["accepted"] else "[red]not similar[/]"
        other = f"document {pair['doc_id']}" if pair["doc_id"] is not None else f"{pair['uid']} of an earlier pool"
        console.print(f"  tested against {other}: {mark}, Jaccard {pair['jaccard']:.3f}, containment {pair['containment']:.3f}")
    table = Table(box=None, header_style="bold")
    for column in ("level", "rule", "value", ""):
        table.add_column(column, overflow="fold")
    shown: set[str] = set()
    for name, level in life["levels"].items():
        fate = f"[green]kept[/], {level['tokens']:,} tokens" if level["kept"] else f"[red]dropped[/]: {escape(level['reason'])}"
        table.add_row(f"[bold]{escape(name)}[/]", fate)
        for rule in sorted(level["rules"], key=lambda rule: rule["holds"]):
            if rule["rule"] not in shown:  # a level repeats its parent's rules
                mark = "[green]holds[/]" if rule["holds"] else "[red]fails[/]"
                table.add_row("", escape(rule["rule"]), _seen(rule), mark)
        shown |= {rule["rule"] for rule in level["rules"]}
    console.print(table)
    for name, phases in life["courses"].items():
        console.print(f"course {name}: {'; then '.join(map(_phase, phases))}", markup=False, soft_wrap=True)


def _phase(phase: "JsonObject") -> str:
    """What a phase of a course has to do with the document, in the longest run."""
    told = f"{phase['level']} for {phase['share']:.0%} of a run " + (
        f"reads {phase['tokens']:,} tokens of it, {phase['times']:.2f} times" if phase["tokens"] else "does not read it"
    )
    return told + (f", at {phase['by']} = {_short(str(phase['value']))}" if "by" in phase else "")


def diff(
    study_file: StudyFile,
    a: LevelName,
    b: LevelName,
    as_json: AsJson = False,
    overrides: Set = [],
    workdir: WorkdirOption = "",
) -> None:
    """Show where the documents of one level are in another.

    Kept by both, or dropped there, and why.

    Example: `assay diff configs/quickstart.yaml raw filtered`
    """
    with opened(study_file, overrides, workdir, writes=False) as (context, study, base):
        from pipelines import run_study
        from pipelines.outcomes import looking

        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        difference = looking.difference(context, study, curated, a, b)
    if as_json:
        print_json(difference.to_dicts())
        return
    table = Table(box=None, header_style="bold")
    for column in (a, b):
        table.add_column(escape(column), overflow="fold")
    for column in ("documents", "MB", "tokens"):
        table.add_column(column, justify="right")
    for row in difference.iter_rows(named=True):
        if row["a"] != row["b"] or row["a"] == "kept":
            counts = (f"{row['documents']:,}", f"{row['bytes'] / 1e6:,.2f}", f"{row['tokens']:,}")
            table.add_row(escape(row["a"]), escape(row["b"]), *counts)
    Console(highlight=False).print(table)


def _short(value: str | None) -> str:
    """A number to four digits, anything else as it is."""
    from pipelines.outcomes.quality_table import four_digits

    try:
        return four_digits(float(value or "")) if "." in (value or "") else value or ""
    except ValueError:
        return escape(value or "")


def _seen(rule: "JsonObject") -> str:
    """What a rule saw, with its limit where the rule's words do not have it."""
    seen, limit = _short(rule["value"]), _short(rule["limit"])
    return seen if not limit or rule["limit"] in rule["rule"] else f"{seen} (limit {limit})"


def _one_line(text: str, limit: int = 160) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
