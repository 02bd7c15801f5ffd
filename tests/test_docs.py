"""The manual says what the program does: commands parse, cheap ones run, links resolve, examples run, no key is unexplained."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import jsonschema
import pytest
import typer
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.runs.ladder import rungs
from pipelines.study.study import Study, load

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if "_build" not in path.parts
)
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
USERS_FILES = re.compile(r"[\"'(](work|runs|out|plan\.json|study\.yaml)\b")
OUTSIDE = {
    "aws",
    "docker",
    "kubectl",
    "source",
    "git",
    "pip",
}  # programs that are not ours to check, beyond the files they name


def blocks(page: str, *languages: str) -> list[str]:
    """The fenced blocks of a page in these languages, their indentation taken off."""
    found = BLOCK.findall((ROOT / page).read_text("utf-8"))
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, language, body in found if language in languages]


def commands() -> list[tuple[str, str]]:
    """(page, command) of every console and bash block."""
    found = []
    for page in PAGES:
        for body in blocks(page, "console"):
            lines = body.replace("\\\n", " ").splitlines()
            found += [(page, line[2:].strip()) for line in lines if line.startswith("$ ")]
        for body in blocks(page, "bash"):
            lines = body.replace("\\\n", " ").splitlines()
            found += [(page, line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    return list(dict.fromkeys(found))


COMMANDS = commands()
CHEAP_MARKS = re.compile(r"^assay (.*--help|run configs/quickstart\.yaml.*--dry-run|power .*--simulate 0|schema$)")
CHEAP = [(page, text) for page, text in COMMANDS if CHEAP_MARKS.search(text)]


def words(text: str) -> list[str]:
    """A command's words, without variables set before it and without the path of the environment's own programs."""
    parts = shlex.split(text, comments=True)
    while parts and re.fullmatch(r"[A-Z_]+=.*", parts[0]):
        parts = parts[1:]
    return [parts[0].removeprefix(".venv/bin/"), *parts[1:]]


@cache
def verbs() -> Any:
    return typer.main.get_command(app)


def parse_assay(arguments: list[str]) -> None:
    """Parse as the command line would, without running. A wrong verb, option or value raises."""
    if arguments and not arguments[0].startswith("-"):
        assert arguments[0] in verbs().commands, f"assay has no verb {arguments[0]!r}"
        if "--help" not in arguments:
            verbs().commands[arguments[0]].make_context(arguments[0], list(arguments[1:]))


def parse_ray(arguments: list[str]) -> None:
    from ray.scripts.scripts import cli

    command: Any = cli
    while isinstance(command, click.Group):
        assert arguments[0] in command.commands, f"ray has no command {arguments[0]!r}"
        command, arguments = command.commands[arguments[0]], arguments[1:]
    context = command.make_context("ray", list(arguments), resilient_parsing=False)
    entry = list(context.params.get("entrypoint", ()))
    if entry:
        parse(entry)


@cache
def help_of_training() -> str:
    return subprocess.run(
        [sys.executable, "-m", "training", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def parse_python(arguments: list[str]) -> None:
    if arguments[0] == "-c":
        compile(arguments[1], "documentation", "exec")
    elif arguments[0] == "-m":
        if arguments[1] == "training":
            assert all(word in help_of_training() for word in arguments[2:] if word.startswith("--"))
        else:
            assert importlib.util.find_spec(arguments[1]), f"no module {arguments[1]}"


def parse(parts: list[str]) -> None:
    program, arguments = parts[0], parts[1:]
    if program == "assay":
        parse_assay(arguments)
    elif program == "ray":
        parse_ray(arguments)
    elif program in ("python", "python3"):
        parse_python(arguments)
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert all(word in targets for word in arguments if "=" not in word), targets
    else:
        assert program in OUTSIDE | {"pytest", "ruff", "pyright", "sphinx-build", "cd", "torchrun"}, f"what is {program!r}?"
    for word in parts:
        if re.match(r"(configs|docs|tests|benchmarks)/", word) and "*" not in word and "_build" not in word:
            assert (ROOT / word.split("::")[0]).exists(), f"{word} is not in the repository"


@pytest.mark.parametrize(("page", "text"), COMMANDS, ids=[f"{page}: {text}" for page, text in COMMANDS])
def test_command_parses(page: str, text: str):
    parse(words(text))


@pytest.mark.parametrize(("page", "text"), CHEAP, ids=[text for _, text in CHEAP])
def test_cheap_command_runs(page: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    arguments = words(text)[1:]
    if "--dry-run" in arguments and "--workdir" not in arguments:
        arguments += ["--workdir", str(tmp_path / "work")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "work").exists()


def test_numbers_of_the_identifiability_page():
    page = (ROOT / "docs/concepts/identifiability.md").read_text("utf-8")
    shown = [text for name, text in COMMANDS if name.endswith("identifiability.md") and text.startswith("assay power")]
    assert len(shown) == 2
    for text in shown:
        output = CliRunner().invoke(app, words(text)[1:]).output
        smallest = re.search(r"four times in five: ([\d.]+)\.$", output, re.MULTILINE)
        assert smallest is not None
        assert smallest[1] in page, text


@pytest.mark.parametrize("verb", [[], *([name] for name in typer.main.get_command(app).commands)], ids=" ".join)  # pyright: ignore
def test_every_verb_explains_itself(verb: list[str]):
    result = CliRunner().invoke(app, [*verb, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 8
    assert not verb or "Example" in result.output


def anchors(path: Path) -> set[str]:
    """What a link may point at in a page: headings as MyST and GitHub name them, and explicit targets."""
    text = re.sub(r"^( *)```.*?^\1```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r"^\(([^)]+)\)=$", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page: str):
    text = re.sub(r"^( *)```.*?^\1```$|`[^`\n]*`", "", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), f"{page} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors(path), f"{page} links to {target}, which has no such heading"


def merged(into: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Two fragments of a study as one."""
    both = {
        key: merged(into[key], value)
        for key, value in more.items()
        if isinstance(into.get(key), dict) and isinstance(value, dict)
    }
    return into | more | both


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")])
def test_study_fragments_are_valid(page: str):
    """The YAML of a page, put together with what a study cannot do without, is a study."""
    study: dict[str, Any] = {
        "name": "page", "sources": [{"kind": "python_environment"}], "levels": {"raw": {}},
        "ladder": {"shapes": {"a": {"width": 16, "depth": 1, "heads": 1}}, "tokens": [65_536]},
    }  # fmt: skip
    fragments = [yaml.safe_load(body) for body in blocks(page, "yaml")]
    for fragment in fragments:
        if isinstance(fragment, dict) and fragment.keys() <= Study.model_fields.keys():
            study = merged(study, fragment)
    named = {level.get(key) for level in study["levels"].values() for key in ("extends", "random") if level}
    study["levels"] = {name: {} for name in sorted(named - {None} - study["levels"].keys())} | study["levels"]
    Study.model_validate(study)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_python_examples_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The Python blocks of a page, in order, as one program in an empty folder; what reads a user's files is only compiled."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "documentation"}
    for body in blocks(page, "python"):
        code = compile(body, page, "exec")
        if not USERS_FILES.search(body):
            exec(code, namespace)


def test_own_signal_of_the_classifier_page_computes():
    import pyarrow as pa

    from curation.document import Batch
    from curation.signals.registry import SIGNALS

    page = "docs/how-to/classifier.md"
    namespace: dict[str, Any] = {}
    try:
        for body in blocks(page, "python"):
            exec(compile(body, page, "exec"), namespace)
        table = SIGNALS["shouting"].compute(Batch(pa.table({"text": pa.array(["ab!!", "", "abc"], pa.large_string())})))
    finally:
        SIGNALS.pop("shouting", None)
    assert table["share"].to_pylist() == [0.5, 0.0, 0.0]


@cache
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_reference", ROOT / "docs/generate_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["reference/study.md", "reference/cli.md", "reference/observations.md"])
def test_reference_is_what_the_code_says(name: str):
    made = generator().PAGES[name]()
    assert (ROOT / "docs" / name).read_text("utf-8") == made, "run `python docs/generate_reference.py` and commit the page"


def test_every_key_of_the_study_file_is_explained():
    missing = [
        f"{path}.{name}"
        for path, model in generator().sections()
        for name, field in model.model_fields.items()
        if not generator().description(name, field)
    ]
    assert not missing, "give these keys (pipelines/study) a description"


def test_the_schema_describes_every_key():
    """`assay schema` says of every key what the page says: the words stand on the models and nowhere else."""
    schema = Study.model_json_schema()
    titles = {"Study": schema} | schema["$defs"]
    for path, model in generator().sections():
        described = titles[model.__name__]["properties"]
        for name, field in model.model_fields.items():
            assert described[name].get("description") or "$ref" in described[name], f"{path}.{name}"
            assert field.description in (None, described[name].get("description")), f"{path}.{name}"


def test_every_key_of_the_study_file_is_on_the_page():
    page = (ROOT / "docs/reference/study.md").read_text("utf-8")
    for path, model in generator().sections():
        section = page.partition(f"## `{path}`\n")[2].partition("\n## ")[0]
        assert all(f"| `{name}` |" in section for name in model.model_fields), path


@pytest.mark.parametrize("name", ["aws", "machines"])
def test_ray_up_reads_the_cluster(name: str):
    import ray
    from ray.autoscaler._private.util import prepare_config, validate_config

    body = yaml.safe_load((ROOT / f"configs/cluster/{name}.yaml").read_text())
    jsonschema.validate(body, json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text()))
    validate_config(prepare_config(body))
    starts = [
        line for key in ("head_start_ray_commands", "worker_start_ray_commands") for line in body[key] if "ray start" in line
    ]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token" in line and "0.0.0.0" not in line for line in starts)


@pytest.mark.parametrize("name", ["kuberay-job", "kuberay-cluster"])
def test_kuberay_manifest_is_whole(name: str, tmp_path: Path):
    documents = list(yaml.safe_load_all((ROOT / f"configs/cluster/{name}.yaml").read_text()))
    maps = {body["metadata"]["name"]: body for body in documents if body["kind"] == "ConfigMap"}
    main = documents[-1]
    assert main["apiVersion"] == "ray.io/v1"
    spec = main["spec"]["rayClusterSpec"] if main["kind"] == "RayJob" else main["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        assert isinstance(group["rayStartParams"], dict)
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for container in pod["containers"]:
            assert container["image"].startswith("REGISTRY/assay:")
            assert container["resources"]["limits"]
            for mount in container.get("volumeMounts", []):
                assert volumes[mount["name"]]["configMap"]["name"] in maps
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for body in maps.values():
        (tmp_path / "study.yaml").write_text(body["data"]["study.yaml"])
        assert rungs(load(tmp_path / "study.yaml"))
    if main["kind"] == "RayJob":
        parse(words(main["spec"]["entrypoint"]))


@pytest.mark.slow
def test_manual_builds_without_a_warning(tmp_path: Path):
    pytest.importorskip("furo", reason="needs the extra `docs`")
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "docs", str(tmp_path)]
    result = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
