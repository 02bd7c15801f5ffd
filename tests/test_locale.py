"""The locale of the machine changes nothing: a study under a Latin-1 locale gives the bytes that it gives under UTF-8."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
import xxhash
import yaml

from curation.signals.quality import Settings, train

ROOT = Path(__file__).parents[1]
CURATE = "from pipelines.cli import app; app()"
STUDY = {
    "name": "small",
    "sources": [{"kind": "jsonl", "name": "small", "path": "a.jsonl"}],
    "classifiers": {"quality": {"positives": "domain == 'good'", "examples": 100, "bucket": 100, "dim": 2, "epochs": 1}},
    "levels": {"raw": {}, "top": {"extends": "raw", "top": {"fraction": 0.5, "by": "quality.score"}}},
    "mixture": {"kind": "natural"},
    "tokenizer": {"vocab_size": 270, "sample_megabytes": 0.01},
    "ladder": {"shapes": {"nano": {"width": 16, "depth": 1, "heads": 1}}, "tokens": [64], "context": 16},
    "evaluation": {"heldout": 0.1, "tokens_per_set": 100},
}


@pytest.fixture(scope="module")
def latin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Latin-1 locale; of an ASCII one where no locale can be compiled."""
    folder = tmp_path_factory.mktemp("locale")
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    if shutil.which("localedef"):
        command = ["localedef", "-f", "ISO-8859-1", "-i", "en_US", str(folder / "en_US.ISO-8859-1")]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            plain |= {"LC_ALL": "en_US.ISO-8859-1", "LOCPATH": str(folder)}
    return plain


def model() -> str:
    good, rest = (pa.table({"text": [f"{word} {k} \u4e2d" for k in range(200)]}) for word in ("caf\u00e9", "na\u00efve"))
    settings = Settings(bucket=100, dim=2, epochs=1, min_count=1, held_out=0.5)
    return xxhash.xxh3_64_hexdigest(train(good, rest, settings).model)


def test_a_classifier_is_the_same_under_every_locale(latin: dict[str, str]) -> None:
    command = [sys.executable, "-c", "from tests.test_locale import model; print(model())"]
    assert subprocess.check_output(command, env=os.environ | latin, cwd=ROOT, text=True).strip() == model()


@pytest.mark.slow
def test_a_study_gives_the_same_bytes_under_every_locale(tmp_path: Path, latin: dict[str, str]) -> None:
    words, draw = [f"{word}{k}" for word in ("caf\u00e9", "\u4e2d\u6587", "na\u00efve", "plain") for k in range(9)], Random(0)
    with (tmp_path / "a.jsonl").open("w", encoding="utf-8") as file:
        for i in range(240):
            text = " ".join(draw.choices(words, k=30))
            file.write(json.dumps({"text": text, "domain": ("good", "rest")[i % 2]}, ensure_ascii=False) + "\n")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY), "utf-8")
    results = []
    for number, locale in enumerate(({}, latin)):
        work = tmp_path / str(number)
        command = [sys.executable, "-c", CURATE, "curate", "study.yaml", "--executor", "in-process", "-w", str(work)]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ | locale, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        results.append({str(p.relative_to(work)): p.read_bytes() for p in work.rglob("*") if p.suffix in (".bin", ".parquet")})
    assert results[0] == results[1]
    assert any(name.endswith("model.bin") for name in results[0])
