"""`assay export`: the levels as a Hugging Face dataset folder, here or where others read it."""

from typing import Annotated

import typer

from pipelines.verbs.opening import opened
from pipelines.verbs.options import Address, AsJson, ExecutorOption, Set, StudyFile, WorkdirOption, Workers
from pipelines.verbs.terminal import print_json


def export(
    study_file: StudyFile,
    overrides: Set = [],
    workdir: WorkdirOption = "",
    address: Address = "",
    workers: Workers = None,
    executor: ExecutorOption = "ray",
    to: Annotated[
        str, typer.Option(metavar="PLACE", help="Bring it to a folder, a URL (s3://...) or the Hub (hf://datasets/OWNER/NAME).")
    ] = "",
    private: Annotated[bool, typer.Option("--private", help="Make the Hub's repository private, where it is new.")] = False,
    lineage: Annotated[
        bool, typer.Option("--lineage", help="Write where it all comes from, as W3C PROV: provenance.json.")
    ] = False,
    level: Annotated[list[str], typer.Option("--level", metavar="NAME", help="Only this level; may be repeated.")] = [],
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the levels as a Hugging Face dataset folder with a card.

    The study is one that `assay curate` has done; each level, text and all, is a configuration of the dataset.

    Example: `assay export configs/quickstart.yaml --to s3://bucket/quickstart`
    """
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        from pipelines import run_study
        from pipelines.outcomes import publishing
        from pipelines.outcomes.dataset import counts, dataset

        publishing.require_place(to)  # said before the levels are written
        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        command = f"assay {'run' if study.trains else 'curate'} {study_file}"
        made = dataset(context, study, curated, command, lineage, level)
        folder, rows = context.workdir.full(made.step.path), counts(study, made)
        published = publishing.publish(context.workdir, made, to, private) if to else None
    place = published["place"] if published else folder
    if as_json:
        print_json({"folder": folder, "configs": list(rows), "rows": rows, "published": published})
        return
    typer.echo(place)
    if quiet:
        return
    for name, sums in rows.items():
        stream = (
            "" if sums["stream_tokens"] == sums["tokens"] else f", {sums['stream_tokens']:,} of them in the training stream"
        )
        size = f"{sums['documents']:,} documents, {sums['bytes'] / 1e6:,.2f} MB, {sums['tokens']:,} tokens"
        typer.echo(f"{name}: {size}{stream}", err=True)
    if published:
        typer.echo(f"{published['sent']} files sent, {published['unchanged']} there, {published['removed']} removed", err=True)
    else:
        typer.echo(f"datasets.load_dataset({folder!r}, {list(rows)[-1]!r}) reads it", err=True)
