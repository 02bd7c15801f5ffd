"""Recipes that might make a reading cheaper or quieter, side by side on real text, in one run.

    python benchmarks/training/cheaper.py POOL/*.jsonl.zst [--variants rule,average,...] [--seeds 8] [--tokens 32768,131072]

Loss is in bits per byte of the same held-out text, so vocabularies compare. What counts is the error of ln D that one second of
training buys: sd of the loss over seeds, over the loss's fall per unit of ln D, times the root of the seconds of a run.

rule       the recipe as it is (vocabulary of 2,048, a cooldown over the last fifth)
v512 ...   another vocabulary
average    no cooldown: the mean of the weights over the last fifth at constant rate (WSM, arXiv:2507.17634)
head0      the head begins at zero
small      the embedding begins at std 0.02 in place of 0.2
"""

import argparse
import io
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from order import COOLDOWN, CPU, EOT, Corpus, rows

from curation.tokens import tokenizer
from training import schedule
from training.evaluate import Documents, Evaluator
from training.model import EMBEDDING_STD, Architecture
from training.order import Order, run_key
from training.plan import Optimizer
from training.recipe import recipe
from training.shapes import Shape
from training.step import Trainer, keep_freed_memory, resolve_precision
from training.tokens import Batches

HELDOUT_PER_DOMAIN = 12_000  # characters
SHAPE, CONTEXT = Shape(width=32, depth=2, heads=2, ff=96), 128  # the quickstart's nano


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


def initial(architecture: Architecture, seed: int, variant: str) -> torch.Tensor:
    flat_P = architecture.initial(seed)
    views = architecture.views(flat_P[None])
    if variant == "head0":
        views["head"].zero_()
    if variant == "small":
        views["embedding"].mul_(0.02 / EMBEDDING_STD)
    return flat_P


def readings(corpus: Corpus, n_bytes: int, variant: str, seeds: int, tokens: list[int]) -> tuple[np.ndarray, float]:
    """Bits per byte float64[D, K] of each seed at each D, and the seconds of a run (evaluation excluded)."""
    architecture = Architecture(SHAPE, corpus.vocab_size)
    rule = recipe(SHAPE, 2048, CONTEXT, tokens)
    batch, warmup = rule.batch_tokens // CONTEXT, rule.warmup_tokens // rule.batch_tokens
    laid = rows(corpus, 2048)
    windows = [Order.of(laid, run_key(0, "nano", seed), CONTEXT).windows(tokens[-1] // CONTEXT) for seed in range(seeds)]
    weights = torch.stack([initial(architecture, seed, variant) for seed in range(seeds)])
    dtype = resolve_precision("auto", CPU)
    trainer = Trainer(architecture, Batches(windows, batch, CPU), weights, (rule.lr,) * seeds, Optimizer(), dtype)
    start_Q = np.concatenate([[0], np.cumsum([len(text) for _, text in corpus.heldout])])
    numbers = np.arange(len(corpus.heldout))
    text = np.concatenate([text for _, text in corpus.heldout])
    evaluator = Evaluator(Documents(numbers, text, start_Q, np.diff(start_Q), {"heldout": numbers}), CONTEXT, EOT, seeds, CPU)
    found, seconds = [], 0.0
    for end in (d // rule.batch_tokens for d in tokens):
        began = time.process_time()
        trainer.set_schedule(schedule.trunk(tokens[-1] // rule.batch_tokens, warmup))
        start = schedule.branch_start(end, COOLDOWN)
        while trainer.step < start:
            trainer.advance()
        fork, mean_KP = trainer.snapshot(), torch.zeros_like(trainer.weights_KP)
        if variant != "average":
            trainer.set_schedule(schedule.branch(end, warmup, COOLDOWN))
        while trainer.step < end:
            trainer.advance()
            if variant == "average":
                mean_KP += trainer.weights_KP.detach() / (end - start)
        seconds += time.process_time() - began
        if variant == "average":
            fork = trainer.snapshot()
            with torch.no_grad():
                trainer.weights_KP.copy_(mean_KP)
        found.append(evaluator.document_losses(trainer).sum(1) / np.log(2) / n_bytes)
        trainer.restore(fork)
    return np.array(found), seconds / seeds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pool", nargs="+", type=Path)
    parser.add_argument("--variants", default="rule,average,head0,small,v512,v1024,v4096")
    parser.add_argument("--tokens", default="32768,131072")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--every", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    tokens = [int(d) for d in arguments.tokens.split(",")]
    texts = read(arguments.pool, arguments.every, np.random.default_rng(0))
    corpora: dict[int, tuple[Corpus, int]] = {}
    for variant in arguments.variants.split(","):
        vocab = int(variant[1:]) if variant[1:].isdigit() else 2048
        if vocab not in corpora:
            corpora[vocab] = tokenised(texts, vocab)
        bits_DK, seconds = readings(*corpora[vocab], variant, arguments.seeds, tokens)
        mean_D, sd_D = bits_DK.mean(1), bits_DK.std(1, ddof=1) / bits_DK.mean(1)
        slope = -np.log(mean_D[-1] / mean_D[0]) / np.log(tokens[-1] / tokens[0])
        told = "  ".join(f"{mean:.4f} bits/byte, sd {100 * sd:.2f} %" for mean, sd in zip(mean_D, sd_D, strict=True))
        error = np.sqrt((sd_D**2).mean()) / slope
        print(
            f"{variant:8} {told}  slope {slope:.3f}  {seconds:5.1f} s a run  error {error:.3f} {error * seconds**0.5:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
