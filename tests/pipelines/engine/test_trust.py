"""Nothing is committed that the driver does not see, and nothing is made from a file that changed."""

from pathlib import Path

import pytest
from rich.console import Console

from pipelines.engine import trust
from pipelines.engine.executor import InProcess
from pipelines.engine.output import Output
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import Workdir


class Cluster(InProcess):
    """Stands for a cluster whose second node has another disk, and notes which functions it ran."""

    def __init__(self, joined: bool = False):
        self.joined, self.ran = joined, []

    def map(self, function, arguments, resources=None, names=(), done=None):
        self.ran += [function.__name__] * len(arguments)
        return super().map(function, arguments)

    def on_every_node(self, function, arguments):
        return {"10.0.0.1": function(*arguments), "10.0.0.2": ""}


def context(place: Path, executor=None) -> Context:
    workdir = Workdir(str(place))
    return Context(workdir, executor or Cluster(), Progress(workdir, Console(quiet=True)))


def letters(out: Output) -> dict:
    out.write_json("letters.json", "abc")
    return {"letters": 3}


def elsewhere(out: Output) -> dict:
    """A unit on a node without the shared mount: its file lies on that node's own disk."""
    out.write_json("letters.json", "abc")
    out.workdir.remove([f"{out.path}/letters.json"])
    return {"letters": 3}


def doubled(out: Output, manifest: Manifest) -> dict:
    (text,) = [out.workdir.read_json(path) for path in manifest.files()]
    out.write_json("doubled.json", text * 2)
    return {"letters": 6}


def after(made: Manifest) -> Step:
    return Step("doubled", {}, {"letters": made}, compute=doubled, units=lambda: [(made,)])


def test_a_file_that_lies_on_a_nodes_own_disk_is_not_committed(tmp_path):
    with pytest.raises(ValueError, match=r"letters/\w+/letters\.json was written by \S+ with 6 bytes and is not there"):
        run_step(context(tmp_path), Step("letters", {}, compute=elsewhere))
    assert not list(tmp_path.rglob("manifest.json"))


@pytest.mark.parametrize(
    ("content", "said"), [(b'"abd"\n', "other content"), (b'"abcd"\n', "7 bytes, and 6"), (None, "is gone")]
)
def test_nothing_is_made_from_a_file_that_changed_since_an_earlier_run(tmp_path, content, said):
    made = run_step(context(tmp_path), Step("letters", {}, compute=letters))
    (path,) = tmp_path.rglob("letters.json")
    path.unlink() if content is None else path.write_bytes(content)
    later = context(tmp_path)
    with pytest.raises(ValueError, match=said):
        run_step(later, after(run_step(later, made.step)))
    assert not list(tmp_path.rglob("doubled.json"))


def test_files_are_read_against_their_digests_once_and_not_in_the_run_that_wrote_them(tmp_path):
    one = context(tmp_path)
    made = run_step(one, Step("letters", {}, compute=letters))
    run_step(one, after(made))
    assert one.executor.ran == ["run_job", "run_job"]
    for path in tmp_path.glob("doubled/*/manifest.json"):
        path.unlink()
    later = context(tmp_path)
    for _ in range(2):
        run_step(later, after(run_step(later, made.step)))
    assert later.executor.ran == ["altered", "run_job"]


def test_a_cluster_whose_nodes_do_not_share_the_work_directory_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ValueError, match=r"nodes 10\.0\.0\.2 do not see the work directory"):
        run_step(context(tmp_path, Cluster(joined=True)), Step("letters", {}, compute=letters))
    assert list(tmp_path.iterdir()) == []


def test_recorded_steps_are_named_with_what_is_wrong_in_their_manifests(tmp_path):
    made = run_step(context(tmp_path), Step("letters", {}, compute=letters))
    workdir = Workdir(str(tmp_path))
    (one,) = trust.recorded(workdir)
    assert (one.path, [file.path for file in one.files], one.problem) == (made.step.path, made.files(), "")
    (path,) = tmp_path.rglob("manifest.json")
    path.write_text(path.read_text().replace('"letters": 3', '"letters": 4'))
    assert ["other content" in step.problem for step in trust.recorded(workdir)] == [True]
    path.write_text(path.read_text().replace('"name": "letters",', '"name": "../../x",'))
    (one,) = trust.recorded(workdir)
    assert one.problem.endswith(f"is the manifest of ../../x/{made.step.id}")


def test_lineage_is_walked_from_a_changed_step_to_all_that_was_made_from_it(tmp_path):
    one = context(tmp_path)
    made = run_step(one, Step("letters", {}, compute=letters))
    later = run_step(one, after(made))
    last = run_step(one, Step("last", {}, {"doubled": later}, compute=letters))
    other = run_step(one, Step("other", {}, compute=letters))
    steps = trust.recorded(one.workdir)
    assert set(trust.downstream(steps, [made.step.path])) == {later.step.path, last.step.path}
    assert trust.downstream(steps, [later.step.path]) == [last.step.path]
    assert trust.downstream(steps, [last.step.path, other.step.path]) == []


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd"])
def test_a_path_that_leaves_the_work_directory_is_refused(tmp_path, path):
    with pytest.raises(ValueError, match="leaves the work directory"):
        Workdir(str(tmp_path)).write_bytes(path, b"")


def test_files_are_read_in_batches_of_a_size():
    listed = [trust.File(name, size, "") for name, size in (("a", 40_000_000), ("b", 40_000_000), ("c", 1), ("d", 2))]
    assert [[file.path for file in batch] for batch in trust._batches(listed)] == [["a", "b"], ["c", "d"]]
