"""Whose luck is a run's? Initial weights crossed with orders of the data, and cheaper models that read the same orders.

    python benchmarks/training/luck.py POOL/*.jsonl.zst [--weights 6] [--orders 6] [--tokens 81920,235008] [--vocab 1024]

Every initial weight reads every order, so the variance of ln loss parts into weights, orders and the rest (two-way analysis of
variance without replication). A control variate that knows the order can take away the orders' share at most; the bigram
model's loss after the same tokens, and a small model's, correlated with the orders' means, say what one would take.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from cheaper import Variant, read, tokenised
from order import EOT, Corpus, branches, evaluator, rows

from training.order import Order, run_key
from training.step import keep_freed_memory

CONTEXT, DISCOUNT = 256, 0.75  # of absolute discounting


def losses(corpus: Corpus, windows: list[np.ndarray], weights: int, tokens: list[int], variant: Variant) -> np.ndarray:
    """ln of held-out nats per token, float64[D, weights, orders]."""
    rule, pairs = variant.rule(CONTEXT, tokens), [(seed, order) for seed in range(weights) for order in range(len(windows))]
    trainer = variant.trainer([seed for seed, _ in pairs], [windows[order] for _, order in pairs], rule)
    judge, n_tokens = evaluator(corpus, CONTEXT, len(pairs)), sum(len(text) for _, text in corpus.heldout)
    ends = branches(trainer, [d // rule.batch_tokens for d in tokens], rule.warmup_tokens // rule.batch_tokens)
    return np.array([np.log(judge.document_losses(trainer).sum(1) / n_tokens).reshape(weights, -1) for _ in ends])


def bigram(windows_WU: np.ndarray, corpus: Corpus) -> float:
    """ln of the held-out nats per token of a bigram model with absolute discounting, that read these windows."""
    V, text = corpus.vocab_size, np.concatenate([text for _, text in corpus.heldout])
    before = np.concatenate([np.insert(text[:-1], 0, EOT) for _, text in corpus.heldout])
    counts = np.zeros((V, V))
    np.add.at(counts, (windows_WU[:, :-1].ravel(), windows_WU[:, 1:].ravel()), 1.0)
    unigram_V = (counts.sum(0) + 1) / (counts.sum() + V)
    total_V, kinds_V = np.maximum(counts.sum(1), 1), (counts > 0).sum(1)
    seen = np.maximum(counts[before, text] - DISCOUNT, 0) / total_V[before]
    rest = np.where(counts.sum(1) > 0, DISCOUNT * kinds_V / total_V, 1.0)[before]
    return float(np.log(-np.log(seen + rest * unigram_V[text]).mean()))


def components(y_WO: np.ndarray) -> tuple[float, float, float]:
    """Variances of weights, orders and the rest, by the mean squares of a two-way table."""
    n_weights, n_orders = y_WO.shape
    mean, weight_W, order_O = y_WO.mean(), y_WO.mean(1), y_WO.mean(0)
    rest = float(((y_WO - weight_W[:, None] - order_O + mean) ** 2).sum() / ((n_weights - 1) * (n_orders - 1)))
    return (
        max(float(weight_W.var(ddof=1)) - rest / n_orders, 0.0),
        max(float(order_O.var(ddof=1)) - rest / n_weights, 0.0),
        rest,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pool", nargs="+", type=Path)
    parser.add_argument("--weights", type=int, default=6)
    parser.add_argument("--orders", type=int, default=6)
    parser.add_argument("--tokens", default="81920,235008")
    parser.add_argument("--variant", default="v1024+muon", help="a recipe as cheaper.py names it")
    parser.add_argument("--control", default="v1024+w16+muon", help="the small model; the vocabulary is the other's")
    parser.add_argument("--every", type=int, default=16)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    tokens, variant = [int(d) for d in asked.tokens.split(",")], Variant.of(asked.variant)
    corpus, _ = tokenised(read(asked.pool, asked.every, np.random.default_rng(0)), variant.vocab)
    laid = rows(corpus, 2048)
    windows = [
        Order.of(laid, run_key(0, "nano", order), CONTEXT).windows(tokens[-1] // CONTEXT) for order in range(asked.orders)
    ]
    y_DWO = losses(corpus, windows, asked.weights, tokens, variant)
    small_DO = losses(corpus, windows, 2, tokens, Variant.of(asked.control)).mean(1)
    for D, y_WO, small_O in zip(tokens, y_DWO, small_DO, strict=True):
        weights, orders, rest = components(y_WO)
        ngram_O = np.array([bigram(of_order[: D // CONTEXT], corpus) for of_order in windows])
        share = orders / (weights + orders + rest)
        bigrams, smalls = (np.corrcoef(one_O, y_WO.mean(0))[0, 1] for one_O in (ngram_O, small_O))
        parts = " ".join(f"{100 * part**0.5:.2f}" for part in (weights, orders, rest))
        print(f"D {D:,}: sd of weights, orders, the rest {parts} %; orders are {100 * share:.0f} % of the variance: ", end="")
        print(f"knowing them cuts an error by {(1 - share) ** -0.5:.2f} at most; ", end="")
        print(f"correlation with the orders' means: bigrams {bigrams:+.2f}, {asked.control} {smalls:+.2f}", flush=True)


if __name__ == "__main__":
    main()
