"""Does the instrument find what was planted, and nothing where nothing was? The real pipeline, from sources to the fit.

    python benchmarks/calibration/run.py [--work work/calibration] [--only halves,exponents,floors]

Each experiment writes a pool (`pools.py`), a study over it, runs `assay run` in process (cut it off and run it again: it goes
on), and reads the observations with `scaling_fit.analyse`. Tables are printed, and kept in WORK/calibration.md.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pools
import yaml

from scaling_fit import Observations, Settings, analyse, observations
from scaling_fit.levels.shift import ShiftTest

SHAPE = {"atom": {"width": 32, "depth": 2, "heads": 2}}
PARTS = 24
FACTS = {"base": 0.6, "slow": 0.3, "fast": 1.2}  # the exponent a of p_k ~ k^-(1+a) of each level
TOKENS = (65_536, 131_072, 262_144, 524_288, 1_048_576)
COPIES = 0.5  # share of a level's tokens that are copies
JUNK = {"clean": 0.0, "junk10": 0.1, "junk30": 0.3}


def study(name: str, sources: dict[str, Path], levels: dict[str, dict], tokens: Sequence[int], **more: object) -> dict:
    """A study with one tiny shape, every level a source of its own unless it says otherwise."""
    return {
        "name": name,
        "sources": [{"kind": "jsonl", "name": key, "path": str(path)}
                    for key, path in sources.items()],
        "levels": levels,
        "mixture": {"kind": "natural"},
        "tokenizer": {"vocab_size": 260, "sample_megabytes": 1},
        "ladder": {"shapes": SHAPE, "tokens": list(tokens), "seeds": 3, "context": 64},
        "evaluation": {"heldout": 0.02, "tokens_per_set": 40_000},
        "fit": {"replicates": 200, "test_replicates": 0},
        **more,
    }  # fmt: skip


def halves(folder: Path) -> dict:
    """Levels that differ by nothing but chance: text of this Python, dealt at random to 24 levels."""
    rng = np.random.default_rng(1)
    sources = {f"part{i:02}": folder / f"part{i:02}.jsonl" for i in range(PARTS)}
    for path, documents in zip(sources.values(), pools.python_parts(44, PARTS, rng), strict=True):
        pools.write(path, documents)
    levels = {name: {"keep": [f"source == '{name}'"]} for name in sources}
    tokenizer = {"vocab_size": 512, "sample_megabytes": 4}
    return study("halves", sources, levels, [40_960, 81_920, 163_840, 327_680], tokenizer=tokenizer)


def exponents(folder: Path) -> dict:
    """Facts met with three exponents; the first also diluted by half with digits of chance, and half of it copies."""
    rng, words_K = np.random.default_rng(2), pools.fact_words(0)
    sources = {name: folder / f"{name}.jsonl" for name in (*FACTS, "digits")}
    for name, a in FACTS.items():
        pools.write(sources[name], pools.facts(words_K, a, 1.5e6, rng))
    pools.write(sources["digits"], pools.noise(1e6, rng))
    levels: dict[str, dict] = {name: {"keep": [f"source == '{name}'"]} for name in FACTS}
    levels["diluted"] = {
        "keep": ["source == 'base' or source == 'digits'"],
        "mixture": {"kind": "explicit", "shares": {"base": 0.5, "digits": 0.5}},
    }
    levels["copies"] = {"extends": "base", "duplicate": COPIES}
    return study("exponents", sources, levels, TOKENS)


def floors(folder: Path) -> dict:
    """Facts in which a share of the lines is letters of chance, each level judged on text made as its own is."""
    rng, words_K = np.random.default_rng(3), pools.fact_words(0)
    sources = {name: folder / f"{name}.jsonl" for name in JUNK}
    for name, junk in JUNK.items():
        pools.write(sources[name], pools.lines(words_K, FACTS["base"], junk, 1.5e6, rng))
    levels = {name: {"keep": [f"source == '{name}'"]} for name in sources}
    return study("floors", sources, levels, TOKENS)


def compared(table: Observations, base: str, level: str, eval_set: str) -> tuple[ShiftTest, tuple[float, float, float]]:
    """The tests of two levels on one set, and the mean difference of their losses in percent, with its interval."""
    rows = np.isin(table.level, [base, level]) & (table.eval_set == eval_set)
    settings = Settings(baseline=base, eval_set=eval_set, replicates=400, test_replicates=200)
    one = analyse(table.where(rows), settings).sets[eval_set]
    assert one.fit is not None, one.reason
    mean = one.answer.verdicts[level].gap.mean
    return one.fit.tests[level], (mean.value, mean.low, mean.high)


def interval(value: float, low: float, high: float) -> str:
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def read_halves(table: Observations) -> list[str]:
    rows = ["| pair | loss, % | delta beta | floors shared | any shift, p |", "|---|---|---|---|---|"]
    covered = np.zeros((PARTS // 2, 4), bool)
    for i in range(PARTS // 2):
        base, level = f"part{2 * i:02}", f"part{2 * i + 1:02}"
        test, loss = compared(table, base, level, "heldout")
        free, shared = test.delta_beta, test.delta_beta_floor_shared
        p = test.contrasts.any_shift.p
        covered[i] = [loss[1] <= 0 <= loss[2], free.low <= 0 <= free.high, shared.low <= 0 <= shared.high, p >= 0.05]
        rows.append(f"| {base}, {level} | {interval(*loss)} | {interval(free.value, free.low, free.high)} | "
                    f"{interval(shared.value, shared.low, shared.high)} | {p:.3f} |")  # fmt: skip
    counts = covered.sum(0)
    return [*rows, f"| hold zero (p: at least 0.05), of {PARTS // 2} | " + " | ".join(map(str, counts)) + " |"]


def own(table: Observations) -> Observations:
    """Every level on held-out text of its own source alone, as one evaluation set, "own"."""
    rows = table.where(table.eval_set == np.array([f"domain:{level}" for level in table.level]))
    return replace(rows, eval_set=np.full(len(rows), "own", object))


def read_exponents(table: Observations) -> list[str]:
    beta = {name: a / (1 + a) for name, a in FACTS.items()}
    own_text = own(table)
    rows = [
        "| level against base | delta beta planted | found | floors shared | multiplier planted | found | exponent, p |",
        "|---|---|---|---|---|---|---|",
    ]
    for level in ("slow", "fast", "diluted", "copies"):
        judged = own_text if level in FACTS else table
        test, _ = compared(judged, "base", level, "own" if level in FACTS else "domain:base")
        free, shared, worth = test.delta_beta, test.delta_beta_floor_shared, test.multiplier
        cells = [
            level,
            f"{beta.get(level, beta['base']) - beta['base']:+.3f}",
            interval(free.value, free.low, free.high),
            interval(shared.value, shared.low, shared.high),
            {"diluted": "0.5", "copies": "0.5 to 1"}.get(level, ""),
            f"{worth.value:.2f} [{worth.low:.2f}, {worth.high:.2f}]",
            f"{test.contrasts.exponent.p:.3f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def read_floors(table: Observations) -> list[str]:
    result = analyse(own(table), Settings(baseline="clean", eval_set="own", replicates=400, test_replicates=0))
    fit = result.sets["own"].fit
    assert fit is not None, result.sets["own"].reason
    length, clean = len(pools.fact_words(0)[0]) + 1, fit.levels["clean"].parameters["E"].value
    rows = ["| level | floor found, nats per token | from the clean floor and the share |", "|---|---|---|"]
    for level, junk in JUNK.items():
        E = fit.levels[level].parameters["E"]
        known = f"{pools.floor_with_junk(clean, junk, length):.3f}" if junk else ""
        rows.append(f"| {level} | {E.value:.3f} [{E.low:.3f}, {E.high:.3f}] | {known} |")
    return rows


EXPERIMENTS: dict[str, tuple[Callable[[Path], dict], Callable[[Observations], list[str]]]] = {
    "halves": (halves, read_halves),
    "exponents": (exponents, read_exponents),
    "floors": (floors, read_floors),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("work/calibration"))
    parser.add_argument("--only", default=",".join(EXPERIMENTS))
    asked = parser.parse_args()
    text = []
    for name in asked.only.split(","):
        plant, read = EXPERIMENTS[name]
        folder = asked.work.absolute() / name
        path = folder / "study.yaml"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(plant(folder), sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-c", "from pipelines.cli import app; app()", "run", str(path)]
        subprocess.run([*command, "--workdir", str(folder / "work"), "--executor", "in-process"], check=True)
        text += [f"## {name}", "", *read(observations(str(folder / "work" / "observations.parquet"))), ""]
        print("\n".join(text), flush=True)
    (asked.work / "calibration.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
