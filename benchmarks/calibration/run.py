"""Does the instrument find what was planted, and nothing where nothing was? The real pipeline, from sources to the fit.

    python benchmarks/calibration/run.py [--work work/calibration] [--only halves,exponents,multipliers,floors]

Each experiment writes a pool (`pools.py`), a study over it, runs `assay run` in process (cut it off and run it again: it goes
on), and reads the observations with `scaling_fit.analyse`. Tables are printed, and kept in WORK/calibration.md.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pools
import yaml

from scaling_fit import Settings, analyse, fit
from scaling_fit.levels.shift import ShiftTest
from scaling_fit.settings import FitSettings

SHAPE = {"atom": {"width": 32, "depth": 2, "heads": 2}}
PARTS = 24
KAPPAS = {"copies70": 0.7, "copies85": 0.85}  # n pieces hold n^kappa different ones
FACT = 0.6  # a of the facts' p_k ~ k^-(1+a)
QUICK = {"replicates": 200, "test_replicates": 0}
TOKENS = (65_536, 131_072, 262_144, 524_288, 1_048_576)
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
        "fit": QUICK,
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
    """Pieces of text met once, and met by Zipf's law."""
    rng = np.random.default_rng(2)
    (documents,) = pools.python_parts(24, 1, rng)
    texts = pools.pieces((text for _, text in documents), 120)
    texts = [texts[i] for i in rng.permutation(len(texts))]
    half = len(texts) // 2
    sources = {name: folder / f"{name}.jsonl" for name in ("once", *KAPPAS)}
    pools.write(sources["once"], texts[:half])
    for name, kappa in KAPPAS.items():
        pools.write(sources[name], pools.copies(texts[half:], kappa, 5e6, rng))
    levels = {name: {"keep": [f"source == '{name}'"]} for name in sources}
    return study("exponents", sources, levels, TOKENS, tokenizer={"vocab_size": 512, "sample_megabytes": 4})


def multipliers(folder: Path) -> dict:
    """Facts, diluted by half with digits of chance, and with half of the tokens exact copies."""
    rng, words_K = np.random.default_rng(4), pools.fact_words(0)
    sources = {name: folder / f"{name}.jsonl" for name in ("facts", "digits")}
    pools.write(sources["facts"], pools.lines(words_K, FACT, 0.0, 1.5e6, rng))
    pools.write(sources["digits"], pools.noise(1e6, rng))
    levels: dict[str, dict] = {"facts": {"keep": ["source == 'facts'"]}}
    levels["diluted"] = {"mixture": {"kind": "explicit", "shares": {"facts": 0.5, "digits": 0.5}}}
    levels["copies"] = {"extends": "facts", "duplicate": 0.5}
    return study("multipliers", sources, levels, TOKENS, fit=QUICK | {"eval_set": "domain:facts"})


def floors(folder: Path) -> dict:
    """Facts in which a share of the lines is letters of chance, each level judged on text made as its own is."""
    rng, words_K = np.random.default_rng(3), pools.fact_words(0)
    sources = {name: folder / f"{name}.jsonl" for name in JUNK}
    for name, junk in JUNK.items():
        pools.write(sources[name], pools.lines(words_K, FACT, junk, 1.5e6, rng))
    levels = {name: {"keep": [f"source == '{name}'"]} for name in sources}
    return study("floors", sources, levels, TOKENS)


def pair(table: pl.DataFrame, base: str, level: str, eval_set: str) -> pl.DataFrame:
    return table.filter(pl.col("level").is_in([base, level]), pl.col("eval_set") == eval_set)


def compared(table: pl.DataFrame, base: str, level: str, eval_set: str) -> tuple[ShiftTest, tuple[float, float, float]]:
    """The tests of two levels on one set, and the mean difference of their losses in percent, with its interval."""
    settings = Settings(baseline=base, eval_set=eval_set, replicates=400, test_replicates=200)
    one = analyse(pair(table, base, level, eval_set), settings).sets[eval_set]
    assert one.fit is not None, one.reason
    mean = one.answer.verdicts[level].gap.mean
    return one.fit.tests[level], (mean.value, mean.low, mean.high)


def interval(value: float, low: float, high: float) -> str:
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def read_halves(table: pl.DataFrame) -> list[str]:
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
    rows.append(f"| hold zero (p: at least 0.05), of {PARTS // 2} | " + " | ".join(map(str, counts)) + " |")
    return [*rows, "", *read_groups(table), "", *read_draws(table)]


def read_groups(table: pl.DataFrame, size: int = 6) -> list[str]:
    """The same parts as studies of several levels: each group's first is the baseline of the others."""
    rows = [
        "| baseline | hold zero: loss, delta beta | any shift, p under 0.05 | smallest shift | missed alike, % |",
        "|---|---|---|---|---|",
    ]
    for first in range(0, PARTS, size):
        levels = [f"part{i:02}" for i in range(first, first + size)]
        settings = Settings(baseline=levels[0], eval_set="heldout", replicates=400, test_replicates=200)
        rest = table.filter(pl.col("level").is_in(levels), pl.col("eval_set") == "heldout")
        one = analyse(rest, settings).sets["heldout"]
        assert one.fit is not None, one.reason
        gaps = [verdict.gap.mean for verdict in one.answer.verdicts.values()]
        tests, smallest = (
            one.fit.tests.values(),
            [verdict.detectable_beta or np.inf for verdict in one.answer.verdicts.values()],
        )
        rows.append(
            f"| {levels[0]} | {sum(gap.low <= 0 <= gap.high for gap in gaps)}, "
            f"{sum(test.delta_beta.low <= 0 <= test.delta_beta.high for test in tests)} of {size - 1} | "
            f"{sum(test.contrasts.any_shift.p < 0.05 for test in tests)} | {max(smallest):.3f} | "
            f"{one.fit.adequacy.shared_percent or 0:.2f} |"
        )
    return rows


def read_draws(table: pl.DataFrame, deals: int = 10) -> list[str]:
    """The same parts dealt anew to levels of two draws each, three levels to a study: whether the loss interval of each level
    against the first holds zero with the draws told, and without."""
    rng, held = np.random.default_rng(0), []
    settings = Settings(baseline="raw", eval_set="heldout", replicates=200, test_replicates=0)
    for _ in range(deals):
        for six in np.array_split(rng.permutation(PARTS), PARTS // 6):
            level = {f"part{part:02}": ("raw", "a", "b")[k // 2] for k, part in enumerate(six)}
            dealt = table.filter(pl.col("level").is_in(list(level)), pl.col("eval_set") == "heldout")
            dealt = dealt.with_columns(draw=pl.col("level"), level=pl.col("level").replace_strict(level))
            for rows in (dealt, dealt.drop("draw")):
                verdicts = analyse(rows, settings).sets["heldout"].answer.verdicts
                held.append([verdicts[name].gap.mean.low <= 0 <= verdicts[name].gap.mean.high for name in ("a", "b")])
    told, untold = (float(np.mean(held[start::2])) for start in (0, 1))
    levels, said = 2 * deals * (PARTS // 6), f"{told:.0%} with the draws told, {untold:.0%} without"
    return [f"Of {levels} levels of two draws, {deals} deals, the loss interval holds zero: {said}."]


def beta_of(table: pl.DataFrame, base: str, level: str, eval_set: str) -> float:
    """The exponent of `base` where both levels have one floor."""
    asked = FitSettings("data", groups="level", sharing={"B": "free", "beta": "free"}, baseline=base, intervals="none")
    return fit(pair(table, base, level, eval_set), asked).values(base)["beta"]


def read_exponents(table: pl.DataFrame) -> list[str]:
    rows = ["| level | delta beta planted | found, floors equal | floors free | p |", "|---|---|---|---|---|"]
    for level, kappa in KAPPAS.items():
        test, _ = compared(table, "once", level, "domain:once")
        planted = (kappa - 1) * beta_of(table, "once", level, "domain:once")
        free, shared = test.delta_beta, test.delta_beta_floor_shared
        p = test.contrasts.exponent_floor_shared.p
        rows.append(f"| {level} | {planted:+.3f} | {interval(shared.value, shared.low, shared.high)} | "
                    f"{interval(free.value, free.low, free.high)} | {p:.3f} |")  # fmt: skip
    return rows


def read_multipliers(table: pl.DataFrame) -> list[str]:
    rows = ["| level | multiplier planted | found | delta beta | exponent, p |", "|---|---|---|---|---|"]
    for level, planted in (("diluted", "0.5"), ("copies", "0.5 to 1")):
        test, _ = compared(table, "facts", level, "domain:facts")
        free, worth = test.delta_beta, test.multiplier
        rows.append(f"| {level} | {planted} | {worth.value:.2f} [{worth.low:.2f}, {worth.high:.2f}] | "
                    f"{interval(free.value, free.low, free.high)} | {test.contrasts.exponent.p:.3f} |")  # fmt: skip
    return rows


def read_floors(table: pl.DataFrame) -> list[str]:
    # Nats per byte: merges of the tokeniser are of facts, and not of chance.
    own = table.filter(pl.col("eval_set") == "domain:" + pl.col("level"))
    own = own.with_columns(loss=pl.col("bits_per_byte") * np.log(2), eval_set=pl.lit("own"))
    result = analyse(own, Settings(baseline="clean", eval_set="own", replicates=400, test_replicates=0))
    fit = result.sets["own"].fit
    assert fit is not None, result.sets["own"].reason
    floors = {level: one.parameters.get("E") or one.parameters["E[atom]"] for level, one in fit.levels.items()}
    length = len(pools.fact_words(0)[0]) + 1
    rows = ["| level | floor found, nats per byte | from the clean floor and the share |", "|---|---|---|"]
    for level, junk in JUNK.items():
        E = floors[level]
        known = f"{pools.floor_with_junk(floors['clean'].value, junk, length):.3f}" if junk else ""
        rows.append(f"| {level} | {E.value:.3f} [{E.low:.3f}, {E.high:.3f}] | {known} |")
    return rows


EXPERIMENTS: dict[str, tuple[Callable[[Path], dict], Callable[[pl.DataFrame], list[str]]]] = {
    "halves": (halves, read_halves),
    "exponents": (exponents, read_exponents),
    "multipliers": (multipliers, read_multipliers),
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
        text += [f"## {name}", "", *read(pl.read_parquet(folder / "work" / "observations.parquet")), ""]
        print("\n".join(text), flush=True)
    (asked.work / "calibration.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
