"""Recipes that might make a reading cheaper, quieter or truer to a law, side by side on real text, in one run.

    python benchmarks/training/cheaper.py POOL/*.jsonl.zst [--variants rule,v1024+lr2,...] [--seeds 8] [--tokens 32768,131072]

Loss is in bits per byte of the same held-out text, so vocabularies compare. ln L = ln(E + B/D^beta) is fitted to each recipe's
readings. Two things count: what the law misses of the means beside what seeds scatter, and the error of beta that an hour of
one core buys (its standard error, misfit included, times the root of the hours trained).

rule       the recipe as it is (vocabulary of 2,048, a cooldown over the last fifth); parts joined by + change it:
v512 ...   another vocabulary
w48 ...    another width (the depth stays 2)
lr2 ...    the learning rate of the rule, times this
b2 ...     the batch of the rule, times this
average    no cooldown: the mean of the weights over the last fifth at constant rate (WSM, arXiv:2507.17634)
muon       the matrices of the body by Muon (arXiv:2502.16982: orthogonal updates of Adam's size), the rest by AdamW
head0      the head begins at zero
small      the embedding begins at std 0.02 in place of 0.2
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from order import COOLDOWN, CPU, Corpus, branches, evaluator, rows
from scipy.optimize import least_squares

from curation.tokens import tokenizer
from training import schedule
from training.model import EMBEDDING_STD, Architecture
from training.muon import Muon
from training.order import Order, run_key
from training.plan import Optimizer
from training.recipe import Recipe, recipe
from training.shapes import Shape
from training.step import Trainer, keep_freed_memory, resolve_precision
from training.tokens import Batches

HELDOUT_PER_DOMAIN = 12_000  # characters


def read(paths: list[Path], every: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """(domain, text) of each `every`th document of the files, by chance, in an order by chance."""
    texts = []
    for path in sorted(paths):
        with pa.CompressedInputStream(str(path), "zstd") as content, io.TextIOWrapper(content, "utf-8", newline="\n") as lines:  # type: ignore[arg-type]
            texts += [(path.name.split(".")[0], json.loads(line)["text"]) for line in lines if rng.random() < 1 / every]
    return [texts[i] for i in rng.permutation(len(texts))]


def tokenised(texts: list[tuple[str, str]], vocab_size: int) -> tuple[Corpus, int]:
    """The first 2 % of each domain are held out and scored, as many characters of each, with their bytes; an eighth trains the
    tokenizer."""
    trained = tokenizer.train([text for _, text in texts[: len(texts) // 8]], vocab_size)
    of_domain = Counter(domain for domain, _ in texts)
    seen, scored = Counter[str](), Counter[str]()
    train, heldout = [], []
    for domain, text in texts:
        seen[domain] += 1
        if seen[domain] > 0.02 * of_domain[domain] + 1:
            train.append((domain, text))
        elif scored[domain] < HELDOUT_PER_DOMAIN:
            heldout.append((domain, text[: min(5_000, HELDOUT_PER_DOMAIN - scored[domain])]))
            scored[domain] += len(heldout[-1][1])
    parts = []
    for part in (train, heldout):
        lists = tokenizer.encode(trained, pa.array([text for _, text in part], pa.large_string()))
        values, bounds = lists.values.to_numpy(), lists.offsets.to_numpy()
        parts.append([(d, values[a:b]) for (d, _), a, b in zip(part, bounds[:-1], bounds[1:], strict=True) if b > a])
    return Corpus(parts[0], parts[1], vocab_size), sum(len(text.encode()) for _, text in heldout)


@dataclass(frozen=True)
class Variant:
    """A recipe: what `v1024+lr2+muon` names."""

    vocab: int = 2048
    width: int = 32
    rate: float = 1.0
    batch: float = 1.0
    average: bool = False
    muon: bool = False
    head0: bool = False
    small: bool = False

    @classmethod
    def of(cls, name: str) -> Variant:
        numbers = {"v": "vocab", "w": "width", "lr": "rate", "b": "batch"}
        given = {}
        for part in name.split("+"):
            letters = part.rstrip("0123456789.")
            if letters in numbers:
                given[numbers[letters]] = float(part[len(letters) :]) if letters in ("lr", "b") else int(part[len(letters) :])
            elif part != "rule":
                given[part] = True
        return cls(**given)

    @property
    def shape(self) -> Shape:
        return Shape(width=self.width, depth=2, heads=2, ff=3 * self.width)

    def rule(self, context: int, tokens: list[int]) -> Recipe:
        """The recipe of the rule, changed as this variant says."""
        rule = recipe(self.shape, self.vocab, context, tokens)
        batch_tokens = max(1, round(rule.batch_tokens * self.batch / context)) * context
        return replace(rule, batch_tokens=batch_tokens, lr=rule.lr * self.rate)

    def trainer(self, seeds: list[int], windows: list[np.ndarray], rule: Recipe) -> Trainer:
        """A stack that reads `windows`, from the initial weights of `seeds`."""
        architecture, context = Architecture(self.shape, self.vocab), windows[0].shape[1] - 1
        initial = torch.stack([architecture.initial(seed) for seed in seeds])
        views = architecture.views(initial)
        if self.head0:
            views["head"].zero_()
        if self.small:
            views["embedding"].mul_(0.02 / EMBEDDING_STD)
        kind, batches = (Muon if self.muon else Trainer), Batches(windows, rule.batch_tokens // context, CPU)
        return kind(architecture, batches, initial, (rule.lr,) * len(seeds), Optimizer(), resolve_precision("auto", CPU))


def readings(
    corpus: Corpus, n_bytes: int, variant: Variant, seeds: int, tokens: list[int], context: int
) -> tuple[np.ndarray, float]:
    """Bits per byte float64[D, K] of each seed at each D, and the seconds of a run (evaluation excluded)."""
    rule, laid = variant.rule(context, tokens), rows(corpus, 2048)
    windows = [Order.of(laid, run_key(0, "nano", seed), context).windows(tokens[-1] // context) for seed in range(seeds)]
    trainer, judge = variant.trainer(list(range(seeds)), windows, rule), evaluator(corpus, context, seeds)
    steps, warmup = [d // rule.batch_tokens for d in tokens], rule.warmup_tokens // rule.batch_tokens
    ends = averages(trainer, steps, warmup) if variant.average else branches(trainer, steps, warmup)
    found, seconds, began = [], 0.0, time.process_time()
    for _ in ends:
        seconds += time.process_time() - began
        found.append(judge.document_losses(trainer).sum(1) / np.log(2) / n_bytes)
        began = time.process_time()
    return np.array(found), seconds / seeds


def averages(trainer: Trainer, steps: list[int], warmup: int) -> Iterator[int]:
    """Train a trunk, and yield at each number of steps with the mean of its weights over the last steps, as many as a branch
    would cool down over."""
    trainer.set_schedule(schedule.trunk(steps[-1], warmup))
    for end in steps:
        start, mean_KP = schedule.branch_start(end, COOLDOWN), torch.zeros_like(trainer.weights_KP)
        while trainer.step < end:
            trainer.advance()
            mean_KP += (trainer.step > start) * trainer.weights_KP.detach() / (end - start)
        here = trainer.snapshot()
        with torch.no_grad():
            trainer.weights_KP.copy_(mean_KP)
        yield end
        trainer.restore(here)


def law(bits_DK: np.ndarray, tokens: list[int]) -> tuple[np.ndarray, float, float, np.ndarray]:
    """(E, B, beta), beta's standard error by Gauss-Newton (the law's misfit counts as noise), residual sd, and the law's
    misses of the means float64[D], all of ln L."""
    ln_D, y_DK = np.log(np.array(tokens) / tokens[0]), np.log(bits_DK)

    def misses(p: np.ndarray) -> np.ndarray:
        return (y_DK - np.log(np.exp(p[0]) + np.exp(p[1] - p[2] * ln_D))[:, None]).ravel()

    fit = least_squares(misses, [np.log(bits_DK.min() / 2), np.log(bits_DK.min() / 2), 0.3])
    sd = float(np.sqrt(2 * fit.cost / (y_DK.size - 3)))
    se = sd * float(np.sqrt(np.linalg.inv(fit.jac.T @ fit.jac)[2, 2]))
    return np.array([np.exp(fit.x[0]), np.exp(fit.x[1]), fit.x[2]]), se, sd, fit.fun.reshape(y_DK.shape).mean(1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pool", nargs="+", type=Path)
    parser.add_argument("--variants", default="rule,average,head0,small,v512,v1024,v4096")
    parser.add_argument("--tokens", default="32768,131072,524288")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--every", type=int, default=64)
    parser.add_argument("--context", type=int, default=128)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    tokens = [int(d) for d in arguments.tokens.split(",")]
    texts = read(arguments.pool, arguments.every, np.random.default_rng(0))
    corpora: dict[int, tuple[Corpus, int]] = {}
    for name in arguments.variants.split(","):
        variant = Variant.of(name)
        if variant.vocab not in corpora:
            corpora[variant.vocab] = tokenised(texts, variant.vocab)
            print(
                f"{sum(len(text) for _, text in corpora[variant.vocab][0].train):,} tokens at a vocabulary of {variant.vocab}"
            )
        bits_DK, seconds = readings(*corpora[variant.vocab], variant, arguments.seeds, tokens, arguments.context)
        mean_D, sd_D = bits_DK.mean(1), bits_DK.std(1, ddof=1) / bits_DK.mean(1)
        slope_D = -np.diff(np.log(mean_D)) / np.diff(np.log(tokens))
        (floor, _, beta), se, sd, miss_D = law(bits_DK, tokens)
        hours = arguments.seeds * seconds / 3600
        print(name)
        print(f"  bits/byte {told(mean_D, 4)}; sd {told(100 * sd_D, 2)} %; slopes {told(slope_D, 3)}; {seconds:.1f} s a run")
        print(f"  law: E {floor:.2f}, beta {beta:.3f} +- {se:.3f}; misses {told(100 * miss_D, 2)} % of the means; ", end="")
        print(f"scatter {100 * sd:.2f} % beside {100 * np.sqrt((sd_D**2).mean()):.2f} % of seeds; ", end="")
        print(f"error of beta for an hour {se * hours**0.5:.4f}", flush=True)


def told(values: np.ndarray, digits: int) -> str:
    return " ".join(f"{value:.{digits}f}" for value in values)


if __name__ == "__main__":
    main()
