"""The manual says what the program does: commands parse, cheap ones run, links resolve, examples run, no key is unexplained."""

import importlib.util
import json
import random
import re
import shlex
import shutil
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


def write_tiny_study(folder: Path) -> None:
    """study.yaml and its corpus: two levels, one shape, seconds to train."""
    (folder / "corpus").mkdir()
    words, rng = (
        [f"{a}{b}" for a in ("stone", "river", "light", "north") for b in ("s", "ed", "ing", "y", "er")],
        random.Random(1),
    )
    lines = [json.dumps({"text": " ".join(rng.choices(words, k=120)), "domain": "ab"[i % 2]}) for i in range(200)]
    (folder / "corpus/a.jsonl").write_text("\n".join(lines))
    (folder / "study.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "tiny", "sources": [{"kind": "jsonl", "name": "a", "path": "corpus/*.jsonl"}],
                "levels": {"raw": {}, "dedup": {"extends": "raw", "drop": ["exact"]}},
                "tokenizer": {"vocab_size": 280, "sample_megabytes": 1}, "evaluation": {"heldout": 0.2},
                "ladder": {"shapes": {"a": {"width": 16, "depth": 1, "heads": 1}}, "tokens": [640, 1280, 2560, 5120],
                           "context": 32, "batch_tokens": 64, "warmup_tokens": 128},
                "fit": {"replicates": 50, "test_replicates": 0},
            },
            sort_keys=False,
        )
    )  # fmt: skip


@pytest.mark.slow
def test_gpu_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Curate, write the plan, train with `python -m training`, take the runs back: the page's own commands, on a tiny study."""
    write_tiny_study(tmp_path)
    monkeypatch.chdir(tmp_path)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    said = []
    for command in (line for body in blocks("docs/how-to/gpu.md", "bash")[1:] for line in body.splitlines()):
        program, *rest = words(command)
        if program == "python":
            subprocess.run([sys.executable, *rest], check=True, cwd=tmp_path, env=environment, timeout=200)
            continue
        result = CliRunner().invoke(app, [*rest, "--executor", "in-process"])
        assert result.exit_code == 0, result.output
        said.append(result.output)
    assert "2 runs taken from runs" in said[2]
    assert "train " not in said[3]  # nothing was left to train
    assert (tmp_path / "work/tiny/report/index.html").exists()


@pytest.mark.slow
def test_s3_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A whole study with its work directory on an S3 server; a second run finds everything there."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        told = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in {**told, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="bucket")
        write_tiny_study(tmp_path)
        command = ["run", str(tmp_path / "study.yaml"), "--workdir", "s3://bucket/studies/tiny", "--executor", "in-process"]
        first = CliRunner().invoke(app, command)
        assert first.exit_code == 0, first.output
        assert "s3://bucket/studies/tiny/report/index.html" in first.output
        plan = CliRunner().invoke(app, [*command, "--dry-run"])
        assert "to be made: nothing" in plan.output
    finally:
        server.stop()


def told_by(*pages: str) -> list[str]:
    """The `assay` commands of these pages, in order, without their remarks."""
    return list(dict.fromkeys(text.split("  #")[0].strip() for page, text in COMMANDS if page in pages and "assay " in text))


@pytest.mark.slow
def test_pages_on_fitting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every command of the pages on fitting a table, on a made one."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(2)
    rows = [
        (level, N, D, 1.8 + 400 * N**-0.34 + scale * D**-0.28 + draw.gauss(0, 0.003))
        for level, scale in (("raw", 410.0), ("clean", 380.0))
        for N in (1e7, 3e7, 1e8)
        for D in (1e8, 3e8, 1e9, 3e9, 1e10)
    ]
    for command in told_by("docs/fitting.md", "docs/how-to/fit-only.md"):
        head = "Corpus,Model Size,Training Tokens,loss" if "Model Size" in command else "level,N,tokens,loss"
        (tmp_path / "runs.csv").write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")
        result = CliRunner().invoke(app, words(command)[1:])
        assert result.exit_code == 0, (command, result.output)
    assert (tmp_path / "result/fit.json").exists()


@pytest.mark.slow
def test_pages_on_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every command on looking at a study, sharing and exporting it, on a tiny one; the pages name documents of their own."""
    write_tiny_study(tmp_path)
    body = yaml.safe_load((tmp_path / "study.yaml").read_text())
    body["signals"] = ["gopher_quality"]
    body["levels"]["filtered"] = {"extends": "dedup", "keep": ["gopher_quality.mean_word_length <= 6.85"]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(body, sort_keys=False))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(body | {"name": "mine"}, sort_keys=False))
    (tmp_path / "data/web").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    runs = ["run", "study.yaml", "--executor", "in-process"]
    first = CliRunner().invoke(app, runs)
    assert first.exit_code == 0, first.output
    for day in ("monday", "tuesday"):
        shutil.copytree(tmp_path / "work/tiny/report", tmp_path / f"work/{day}/report")
    pages = ("README.md", "docs/how-to/own-data.md", "docs/how-to/share-a-report.md", "docs/how-to/export.md")
    done = []
    for command in told_by(*pages):
        program, *rest = words(command)
        if program != "assay" or "quickstart" in command or rest[0] in ("doctor", "init"):
            continue  # `init` and `doctor` have tests of their own; quickstart.yaml is `make quickstart`
        rest = ["12" if word.isdigit() else word for word in rest]
        if rest[0] in ("run", "curate", "train"):
            rest += ["--executor", "in-process"]
        result = CliRunner().invoke(app, rest)
        assert result.exit_code == 0, (command, result.output)
        done.append(rest[0])
    assert {"run", "inspect", "explain", "diff", "ladder", "report", "compare", "export"} <= set(done)


@pytest.mark.slow
def test_manual_builds_without_a_warning(tmp_path: Path):
    pytest.importorskip("furo", reason="needs the extra `docs`")
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "docs", str(tmp_path)]
    result = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
