"""Orders of training data side by side: loss and spread over seeds, on real text, in one run.

    python benchmarks/training/order.py POOL/*.jsonl.zst [--orders was,product] [--tokens 65536,163840] [--seeds 8] [--every 4]

Every order reads the same documents with the same initial weights, rates and batches; the seeds of an order train as one
stack. Held-out documents are drawn by a hash of their own. The orders:

was       pieces of 2,048 tokens by hash, end to end; a batch is consecutive windows, each seed begins elsewhere
pieces    the same in pieces of the context, shuffled anew for each seed
strided   `was`, but the windows of a batch stand 64 windows apart
permuted  the windows of `was`, in an order by hash, of each seed
product   `training.order`: whole contexts kept whole, parts of a document spread evenly, each seed's own order
masked    `product`, and attention stays inside a document
weights   `product` in one order for all seeds: what is left is the luck of the initial weights
"""

import argparse
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from curation.tokens import tokenizer
from training import schedule
from training.evaluate import Documents, Evaluator
from training.model import Architecture
from training.order import Order, Rows, run_key
from training.plan import Optimizer
from training.recipe import recipe
from training.shapes import Shape
from training.step import Trainer, keep_freed_memory, resolve_precision
from training.tokens import Batches

EOT, CPU, SPACING, COOLDOWN = 0, torch.device("cpu"), 64, 0.2
HELDOUT_PER_DOMAIN = 4_000  # tokens
NANO = Shape(width=64, depth=3, heads=2, ff=192)


@dataclass(frozen=True)
class Corpus:
    """Documents' tokens by domain: those to train on and those held out."""

    train: list[tuple[str, np.ndarray]]
    heldout: list[tuple[str, np.ndarray]]
    vocab_size: int


def read(paths: list[Path], every: int, vocab_size: int, rng: np.random.Generator) -> Corpus:
    """Each `every`th document of the files, by chance; 2 % are held out, and scored up to as many tokens of each domain."""
    texts = []
    for path in sorted(paths):
        with pa.CompressedInputStream(str(path), "zstd") as content, io.TextIOWrapper(content, "utf-8", newline="\n") as lines:  # type: ignore[arg-type]
            texts += [(path.name.split(".")[0], json.loads(line)["text"]) for line in lines if rng.random() < 1 / every]
    sample = [texts[i][1] for i in rng.permutation(len(texts))[: len(texts) // 8]]
    trained = tokenizer.train(sample, vocab_size)
    lists = tokenizer.encode(trained, pa.array([text for _, text in texts], pa.large_string()))
    values, bounds = lists.values.to_numpy(), lists.offsets.to_numpy()
    tokens = [(domain, values[a:b]) for (domain, _), a, b in zip(texts, bounds[:-1], bounds[1:], strict=True) if b > a]
    out = rng.random(len(tokens)) < 0.02
    left = dict.fromkeys((domain for domain, _ in tokens), HELDOUT_PER_DOMAIN)
    heldout = []
    for domain, text in (document for document, held in zip(tokens, out, strict=True) if held):
        if left[domain] > 0:
            heldout.append((domain, text[: min(2048, left[domain])]))
            left[domain] -= len(heldout[-1][1])
    return Corpus([document for document, held in zip(tokens, out, strict=True) if not held], heldout, vocab_size)


def rows(corpus: Corpus, piece_tokens: int) -> Rows:
    """The training documents as `training.tokens.load_rows` lays them out."""
    names = tuple(sorted({domain for domain, _ in corpus.train}))
    parts, columns = [], []
    for uid, (domain, text) in enumerate(corpus.train):
        for piece, start in enumerate(range(0, len(text), piece_tokens)):
            end = [EOT] if start + piece_tokens >= len(text) else []
            parts.append(np.concatenate([[EOT], text[start : start + piece_tokens], end]).astype(np.uint16))
            columns.append((uid, piece, names.index(domain)))
    uid_R, piece_R, domain_R = np.array(columns).T
    start_R = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    mixed_R = np.random.default_rng(7).permutation(len(corpus.train)).astype(np.uint64)[uid_R] * np.uint64(0x9E3779B97F4A7C15)
    return Rows(np.concatenate(parts), start_R, uid_R, mixed_R, piece_R, domain_R, names, piece_tokens)


def stream(laid: Rows, seed: int) -> np.ndarray:
    """Pieces end to end as the order was: by hash within a domain, domains in proportion; an end-of-text after a document."""
    key_R = np.random.default_rng(seed).random(len(laid.uid_R))
    size_R = np.diff(laid.start_R) - 1
    place_R = np.empty(len(key_R))
    for domain in range(len(laid.domains)):
        mine = np.flatnonzero(laid.domain_R == domain)
        mine = mine[np.argsort(key_R[mine])]
        place_R[mine] = (np.cumsum(size_R[mine]) - size_R[mine]) / size_R[mine].sum()
    return np.concatenate([laid.tokens[laid.start_R[r] + 1 : laid.start_R[r + 1]] for r in np.argsort(place_R, kind="stable")])


def cut(stream_N: np.ndarray, context: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(stream_N, context + 1)[::context]


def orders(corpus: Corpus, context: int, batch: int, seeds: int, most: int) -> dict[str, Callable[[], list[np.ndarray]]]:
    """Of each order, what makes the windows that every seed reads first, up to `most`."""
    whole, pieces = rows(corpus, 2048), rows(corpus, context)

    def was() -> list[np.ndarray]:
        windows = cut(stream(whole, 0), context)
        first = [int(seed * 0.6180339887498949 % 1 * len(windows)) for seed in range(seeds)]
        return [np.take(windows, np.arange(f, f + most), axis=0, mode="wrap") for f in first]

    def strided() -> list[np.ndarray]:
        index = np.arange(most + batch * SPACING)
        segment, inside = np.divmod(index, batch * SPACING)
        step, b = np.divmod(inside, batch)
        index = (segment * batch * SPACING + b * SPACING + step)[:most]
        windows = cut(stream(whole, 0), context)
        first = [int(seed * 0.6180339887498949 % 1 * len(windows)) for seed in range(seeds)]
        return [np.take(windows, f + index, axis=0, mode="wrap") for f in first]

    def permuted() -> list[np.ndarray]:
        windows = cut(stream(whole, 0), context)
        return [windows[np.random.default_rng(seed).permutation(len(windows))[:most]] for seed in range(seeds)]

    def product(orders: int = seeds) -> list[np.ndarray]:
        return [Order.of(whole, run_key(0, "nano", seed % orders), context).windows(most) for seed in range(seeds)]

    return {
        "was": was,
        "pieces": lambda: [np.ascontiguousarray(cut(stream(pieces, seed), context)[:most]) for seed in range(seeds)],
        "strided": strided,
        "permuted": permuted,
        "product": product,
        "masked": product,
        "weights": lambda: product(1),
    }


def evaluator(corpus: Corpus, context: int, runs: int) -> Evaluator:
    """Of all held-out documents."""
    start_Q = np.concatenate([[0], np.cumsum([len(text) for _, text in corpus.heldout])])
    numbers, text = np.arange(len(corpus.heldout)), np.concatenate([text for _, text in corpus.heldout])
    return Evaluator(Documents(numbers, text, start_Q, np.diff(start_Q), {"heldout": numbers}), context, EOT, runs, CPU)


def branches(trainer: Trainer, steps: list[int], warmup: int) -> Iterator[int]:
    """Train a trunk, and from it a branch to each number of steps: yields where a branch has ended."""
    for end in steps:
        trainer.set_schedule(schedule.trunk(steps[-1], warmup))
        while trainer.step < schedule.branch_start(end, COOLDOWN):
            trainer.advance()
        fork = trainer.snapshot()
        trainer.set_schedule(schedule.branch(end, warmup, COOLDOWN))
        while trainer.step < end:
            trainer.advance()
        yield end
        trainer.restore(fork)


def losses(windows: list[np.ndarray], corpus: Corpus, tokens: list[int], batch: int, lr: float, warmup: int, masked: bool):
    """Held-out loss float64[D, K] in nats per token of each seed at each D."""
    context, architecture = windows[0].shape[1] - 1, Architecture(NANO, corpus.vocab_size)
    initial = torch.stack([architecture.initial(seed) for seed in range(len(windows))])
    trainer = Trainer(
        architecture, Batches(windows, batch, CPU), initial, (lr,) * len(windows), Optimizer(),
        resolve_precision("auto", CPU), EOT if masked else None,
    )  # fmt: skip
    judge, n_tokens = evaluator(corpus, context, len(windows)), sum(len(text) for _, text in corpus.heldout)
    steps = [d // (batch * context) for d in tokens]
    return np.array([judge.document_losses(trainer).sum(1) / n_tokens for _ in branches(trainer, steps, warmup)])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pool", nargs="+", type=Path)
    parser.add_argument("--orders", default="was,pieces,strided,permuted,product,masked,weights")
    parser.add_argument("--tokens", default="65536,163840")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--context", type=int, default=256)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    tokens = [int(d) for d in arguments.tokens.split(",")]
    corpus = read(arguments.pool, arguments.every, arguments.vocab, np.random.default_rng(0))
    rule = recipe(NANO, arguments.vocab, arguments.context, tokens)
    batch = rule.batch_tokens // arguments.context
    n_train, n_heldout = (sum(len(text) for _, text in part) for part in (corpus.train, corpus.heldout))
    print(f"{n_train:,} tokens to train on, {n_heldout:,} held out; {rule}")
    print(f"{'order':10}" + "".join(f"  {f'D {d:,}':>24}" for d in tokens))
    made = orders(corpus, arguments.context, batch, arguments.seeds, tokens[-1] // arguments.context)
    for name in arguments.orders.split(","):
        loss_DK = losses(
            made[name](), corpus, tokens, batch, rule.lr, rule.warmup_tokens // rule.batch_tokens, name == "masked"
        )
        told = (f"{row.mean():.3f} nats, sd {100 * row.std(ddof=1) / row.mean():.2f} %" for row in loss_DK)
        print(f"{name:10}" + "".join(f"  {text:>24}" for text in told), flush=True)


if __name__ == "__main__":
    main()
