"""A small study with known answers, with hostile text in it, and a real browser to open its page in."""

import math
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.report import page
from pipelines.report.facts import Facts
from scaling_fit import Result, Settings, analyse
from scaling_fit.encoding import Json, encode
from scaling_fit.instrument.learning_rate import Optimum
from scaling_fit.instrument.schedule import Gap
from scaling_fit.instrument.spread import Spread
from scaling_fit.levels.analysis import prepare
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.quality import Axes

HOSTILE = (
    "<script>window.pwned = true; fetch('https://example.com/')</script><img src=x onerror='window.pwned=true'>"
    "</script></textarea><!-- {{ 7*7 }} \u202egnp.exe\u2066 \u200f\x00\x1b[31m ]]> & \u2028 end"
)
LEVELS = {"raw": 1.0, "deduplicated": 1.12, "filtered": 1.45, "top": 1.9}
EVAL_SETS = ["heldout", "domain:docs"]
POOL = {"raw": 12_000_000, "deduplicated": 9_700_000, "filtered": 8_200_000, "top": 8_000_000}
QUALITY = Axes(
    {
        "kept": {level: tokens / POOL["raw"] for level, tokens in POOL.items()},
        "quality.score": {"raw": 0.31, "deduplicated": 0.33, "filtered": 0.47, "top": 0.78},
        "zstd": {"raw": 2.41, "deduplicated": 2.28, "filtered": 2.33},
    },
    {name: {"raw": 0.1, "deduplicated": 0.11, "filtered": 0.12, "top": 0.12} for name in EVAL_SETS},
)
SHAPES = {"s": 400_000, "m": 1_600_000}
TOKENS = [250_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000]


def observations(
    shapes: dict[str, int] = SHAPES, eval_sets: list[str] = EVAL_SETS, noise: float = 0.002
) -> list[dict[str, Any]]:
    """Losses from a law in which curation multiplies the tokens and moves no exponent, with seed noise."""
    draw = random.Random(7)
    rows = []
    for level, multiplier in LEVELS.items():
        for shape, params in shapes.items():
            for seed in (0, 1):
                for tokens in TOKENS:
                    for i, eval_set in enumerate(eval_sets):
                        loss = 1.6 + 0.1 * i + 130 / params**0.36 + 190 / (tokens * multiplier) ** 0.4
                        loss *= math.exp(draw.gauss(0, noise))
                        rows.append(
                            {
                                "level": level,
                                "seed": seed,
                                "trunk": f"{level}-{shape}-{seed}",
                                "shape": shape,
                                "params_body": params // 2,
                                "params_head": params // 4,
                                "params_embedding": params // 4,
                                "tokens": tokens,
                                "unique_tokens": POOL[level],
                                "repeated": False,
                                "flops": 6.0 * params * tokens,
                                "eval_set": eval_set,
                                "loss": loss,
                                "bits_per_byte": loss / 2.7,
                                "eval_tokens": 60_000,
                                "loss_se": 0.01,
                                "certificate": "c0ffee00c0ffee00",
                            }
                        )
    return rows


def _funnel(level: int) -> list[dict[str, Any]]:
    rules = [
        ("held out for evaluation", 0.02),
        ("duplicate of a held-out document", 0.004),
        ("exact duplicate", 0.08),
        ("near duplicate", 0.11),
        ("gopher_quality.n_words >= 50", 0.09),
        ("gopher_quality.mean_word_length <= 10", 0.02),
        ("c4.n_lines >= 3 <b>", 0.03),
        ("top 25% by quality.score", 0.38),
    ]
    taken = rules[: [2, 4, 7, 8][level]]
    rows = [(reason, round(share * 1e6)) for reason, share in taken]
    rows.append((None, 1_000_000 - sum(n for _, n in rows)))
    name = list(LEVELS)[level]
    return [{"level": name, "reason": r, "documents": n // 50, "bytes": n * 40, "tokens": n * 12} for r, n in rows]


def planted(fit: Result, rows: list[dict[str, Any]] | None = None) -> Facts:
    names = list(LEVELS)
    declarations: list[dict[str, Any]] = [
        {},
        {"drop": ["exact", "near"]},
        {"keep": ["gopher_quality", "c4"]},
        {"top": {"fraction": 0.25, "by": "quality.score", "within": "domain"}},
    ]
    funnel = [row for i in range(4) for row in _funnel(i)]
    kept = {row["level"]: row for row in funnel if row["reason"] is None}
    reasons = [row["reason"] for row in _funnel(3)[2:-1]]
    samples = [
        {
            "level": "filtered",
            "rule": "gopher_quality.n_words >= 50",
            "kept": k,
            "value": f"n_words = {50 + (2 - i if k else -3 - i)}",
            "domain": "docs",
            "source": "python",
            "text": text,
        }
        for k in (True, False)
        for i, text in enumerate(["A short licence text, repeated in many packages.\nSecond line.", HOSTILE, "x" * 1_000_000])
    ]
    paired = [
        {
            "eval_set": e,
            "level": level,
            "baseline": "raw",
            "shape": shape,
            "seed": seed,
            "tokens": tokens,
            "difference": -0.03 * i - 0.004 * seed,
            "se": 0.006,
            "documents": 320,
            "better": 0.6 + 0.05 * i,
            "quantiles": [-0.2 - 0.03 * i, -0.08 - 0.03 * i, -0.03 * i, 0.05, 0.16],
        }
        for e in EVAL_SETS
        for i, level in enumerate(names)
        if i
        for shape in SHAPES
        for seed in (0, 1)
        for tokens in TOKENS
    ]
    shares = {"docs": 0.3, "modules": 0.42, "licences": 0.08, "docstrings": 0.2}
    return Facts(
        name="planted",
        title="Python environment, four levels",
        levels=[
            {
                "name": n,
                "kind": "level",
                "extends": names[i - 1] if i else None,
                "declaration": declarations[i],
                "unique_tokens": kept[n]["tokens"],
                "documents": kept[n]["documents"],
                "bytes": kept[n]["bytes"],
            }
            for i, n in enumerate(names)
        ],
        fit=fit,
        observations=observations() if rows is None else rows,
        provenance={
            "created": "2026-11-22T07:00:00Z",
            "command": "assay run configs/quickstart.yaml",
            "study_file": "name: planted\n",
            "study_hash": "0123456789ab",
            "commit": "abcdef0",
            "versions": {"python": "3.11.9", "torch": "2.9.1"},
            "machine": {"cpu": "x86-64", "cores": "2", "memory": "6 GiB", "device": "cpu float32"},
        },
        steps=[
            {"name": n, "id": f"{i:012x}", "digest": f"{i:032x}", "seconds": s, "bytes": b, "cached": i == 0}
            for i, (n, s, b) in enumerate(
                [
                    ("pool", 6.2, 24e6),
                    ("signals/minhash", 9.1, 12e6),
                    ("levels/raw", 1.2, 4e5),
                    ("levels/filtered", 1.4, 3e5),
                    ("tokens/raw", 2.1, 9e6),
                    ("train/s", 140.5, 2e6),
                    ("train/m", 160.1, 3e6),
                    ("fit", 31.0, 2e5),
                ]
            )
        ],
        shapes={
            n: {"width": 64 * (i + 1), "depth": 4, "heads": 4, "ff": 192, "params": p}
            for i, (n, p) in enumerate(SHAPES.items())
        },
        funnel=funnel,
        overlap=[
            {
                "level": "top",
                "reasons": reasons,
                "documents": [
                    [1000 if i == j else 40 * ((i + j) % 5) for j in range(len(reasons))] for i in range(len(reasons))
                ],
            }
        ],
        domains=[{"level": n, "domain": d, "tokens": round(s * kept[n]["tokens"])} for n in names for d, s in shares.items()],
        lengths=[
            {
                "level": n,
                "low": 2**k,
                "high": 2 ** (k + 1),
                "documents": round(4000 * math.exp(-((k - 8.2 - 0.4 * i) ** 2) / 5)),
            }
            for i, n in enumerate(names)
            for k in range(3, 15)
        ],
        clusters=[
            {"low": lo, "high": hi, "documents": d}
            for lo, hi, d in [(1, 2, 15500), (2, 3, 2100), (3, 5, 1200), (5, 9, 700), (9, 17, 300)]
        ],
        classifiers=[
            {
                "name": "quality",
                "auc": 0.934,
                "auc_low": 0.921,
                "auc_high": 0.946,
                "positives": 900,
                "negatives": 1100,
                "calibration": [
                    {"low": k / 10, "high": (k + 1) / 10, "examples": 120, "positive_share": (k / 10 + 0.05) ** 1.3}
                    for k in range(10)
                ],
                "scores": [{"low": k / 10, "high": (k + 1) / 10, "documents": 3000 // (k + 1)} for k in range(10)],
            }
        ],
        samples=samples,
        paired=paired,
        certificates=[
            {
                "certificate": "c0ffee00c0ffee00",
                "runs": 96,
                "levels": names,
                "equal": {
                    "tokenizer": "8f3e1a",
                    "context": 256,
                    "batch_tokens": 8192,
                    "precision": "float32",
                    "evaluation": "77aa01",
                },
            }
        ],
        training=[
            {
                "shape": "s",
                "runs": 48,
                "tokens": 86_400_000,
                "flops": 2.1e14,
                "together": 4,
                "tokens_per_second": 31_200.0,
                "flops_per_second": 7.5e10,
                "mfu": None,
            },
            {
                "shape": "m",
                "runs": 48,
                "tokens": 86_400_000,
                "flops": 8.3e14,
                "together": 4,
                "tokens_per_second": 412_000.0,
                "flops_per_second": 4.0e12,
                "mfu": 0.314,
            },
        ],
        near={
            "bands": 14,
            "rows": 9,
            "verify": "jaccard",
            "threshold": 0.7,
            "documents": 19800,
            "candidates": 5200,
            "tested": 9100,
            "joined": 4300,
            "curve": [[k / 20, 1 - (1 - (k / 20) ** 9) ** 14] for k in range(6, 21)],
        },
        spreads=[
            Spread(shape, 2_000_000, eval_set, 3.9, 0.024, 12, 0.012, 9, 0.012) for shape in SHAPES for eval_set in EVAL_SETS
        ],
        gaps=[Gap("heldout", factor, difference, 0.01, 4, 3.9) for factor, difference in ((1.0, 0.039), (2.0, -0.0078))],
        optima=[
            Optimum(level, (0.004, 0.008, 0.016), (3.92 - better, 3.9 - better, 3.92 - better), 0.008, True, 0.0)
            for level, better in (("raw", 0.0), ("top", 0.05))
        ],
        judge=[
            {"set": name, "documents": n, "passages": n, "tokens": tokens, "bytes": 4 * tokens, "weight": w, "pool_share": p}
            for name, n, tokens, w, p in [
                ("heldout", 311, 60_000, 1.0, 1.0),
                ("domain:docs", 120, 30_000, 0.5, 0.08),
                ("domain:modules", 191, 30_000, 0.5, 0.92),
            ]
        ],
        quarantine={"records": 12, "share": 0.0004, "reasons": {"not UTF-8": 9, "no text": 3}},
    )


def _analysed(rows: list[dict[str, Any]], **options: Any) -> Result:
    return analyse(
        pl.DataFrame(rows), Settings("raw", "heldout", replicates=100, test_replicates=79, **options), quality=QUALITY
    )


@pytest.fixture(scope="session")
def analysis() -> Result:
    """scaling_fit's own answer on the planted study: two sizes, so every size has its floor."""
    return _analysed(observations())


@pytest.fixture(scope="session")
def facts(analysis: Result) -> Facts:
    return planted(analysis)


@pytest.fixture(scope="session")
def wide_analysis() -> Result:
    """Three sizes: the additive law, N continuous."""
    return _analysed(observations({**SHAPES, "l": 6_400_000}, ["heldout"]))


@pytest.fixture(scope="session")
def wide_comparison(wide_analysis: Result) -> Comparison:
    """The joint fit behind `wide_analysis`, solved once more."""
    rows = pl.DataFrame(observations({**SHAPES, "l": 6_400_000}, ["heldout"]))
    return prepare(rows, wide_analysis.settings).joint_fit("heldout")


@pytest.fixture(scope="session")
def marked() -> Facts:
    """The planted study where the level of the lowest loss is a control, and the next one another mixture of domains."""
    roles = {"top": "control", "filtered": "arm"}
    facts = planted(_analysed(observations(), roles=roles, random_parts=("top",)))
    return replace(facts, levels=[{**level, "kind": roles.get(level["name"], "level")} for level in facts.levels])


@pytest.fixture(scope="session")
def edit() -> Callable[..., Facts]:
    """`edit(facts, change)`: the same facts after `change` was made to the fit as JSON."""

    def edited(facts: Facts, change: Callable[[Any], object]) -> Facts:
        body: Json = encode(facts.fit)
        change(body)
        return replace(facts, fit=Result.from_dict(body))

    return edited


@pytest.fixture(autouse=True)
def _page_without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of a page's time; `written`, made before this, has them, and no other test looks at any."""
    monkeypatch.setattr("pipelines.report.page.write_figures", lambda charts, eval_set, folder: [])


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium of the system, without its own traffic."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (the `test` extra)")
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs a system Chromium (apt-get install chromium)")
    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, headless=True, args=quiet)
        yield opened
        opened.close()


@dataclass
class Opened:
    """A page opened from disk, with what it said and what it asked for."""

    tab: Any
    said: list[str]
    asked: list[str]


@pytest.fixture(scope="session")
def plant() -> Callable[..., Facts]:
    """The planted study around any fit."""
    return planted


@pytest.fixture(scope="session")
def written(facts: Facts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the planted study on disk."""
    return page.write(facts, tmp_path_factory.mktemp("report")).parent


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Opened]]:
    contexts = []

    def open_(path: Path, width: int = 1280, scheme: str = "light") -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        opened = Opened(tab, [], [])
        tab.on("console", lambda message: opened.said.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: opened.said.append(f"uncaught: {error}"))
        tab.on("request", lambda request: opened.asked.append(request.url))
        tab.goto(path.as_uri())
        tab.wait_for_function("document.documentElement.dataset.ready === 'yes'", timeout=60_000)
        return opened

    yield open_
    for context in contexts:
        context.close()
