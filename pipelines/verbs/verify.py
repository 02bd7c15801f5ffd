"""`assay verify`: whether every file of a study is still what its step wrote."""

import typer
from rich.console import Console

from pipelines.verbs.opening import opened
from pipelines.verbs.options import Address, AsJson, ExecutorOption, Set, StudyFile, WorkdirOption, Workers
from pipelines.verbs.terminal import print_json


def verify(
    study_file: StudyFile,
    overrides: Set = [],
    workdir: WorkdirOption = "",
    address: Address = "",
    workers: Workers = None,
    executor: ExecutorOption = "ray",
    as_json: AsJson = False,
) -> None:
    """Read every file of a study against the digest in its manifest.

    Says which results were made from a file that changed. Exit code 1 when one is gone or has other content than was written.

    Example: `assay verify configs/quickstart.yaml`
    """
    with opened(study_file, overrides, workdir, address, workers, executor, writes=False) as (context, _, _):
        from pipelines.engine import trust

        steps = trust.recorded(context.workdir)
        listed = [file for step in steps for file in step.files]
        problems = [step.problem for step in steps if step.problem]
        problems += trust.verify(context.workdir, context.executor, listed)
    broken = {step.path for step in steps if any(problem.startswith(f"{step.path}/") for problem in problems)}
    made_from = trust.downstream(steps, broken)
    size = sum(file.size for file in listed)
    if as_json:
        print_json(
            {"steps": len(steps), "files": len(listed), "bytes": size, "problems": problems, "made_from_them": made_from}
        )
    else:
        console = Console(highlight=False, soft_wrap=True)
        for problem in problems:
            console.print(problem, style="red", markup=False)
        if made_from:
            console.print(f"made from them: {', '.join(made_from)}", markup=False)
        wrong = f"{len(problems) or 'no'} problem{'s' * (len(problems) != 1)}"
        console.print(f"{len(steps)} steps, {len(listed):,} files, {size / 1e6:,.1f} MB: {wrong}")
    raise typer.Exit(1 if problems else 0)
