"""Batch, learning rate and warm-up by a rule of size.

The rule is that of Porian et al. (arXiv:2406.19146) as AI2 ships it in three ladders (OLMo `scripts/ladder.py`,
OLMo-core `wsds_chinchilla_run_configurator.py`, olmix), with N the non-embedding parameters (body + head):

    batch  = 2048 * 160 * (N / 108e6)^(2/3) tokens
    lr     = 0.0047 * (N / 108e6)^(-1/3), halved for a constant-LR trunk with cooldown
    warmup = N tokens
    beta2  = 0.95 if batch >= 524,288 tokens else 0.99; weight decay 0.1, none on embeddings; clip 1.0

Porian's fit covers 25 M to 110 M parameters; below that it is an extrapolation, so check it with `training.lr_check`.
Two bounds keep it usable when the smallest D of a ladder is short: at least MIN_STEPS optimizer steps to the first D,
and a warm-up of at most a quarter of its trunk (long warm-up on small models is what broke Kaplan's law, Porian
section 3). Where the first bound shrinks the batch, the learning rate shrinks by the square root of the ratio (the
square-root rule for Adam: Malladi et al., arXiv:2205.10287) and is capped at MAX_LR.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.shapes import Shape

MIN_STEPS = 160  # fewer, and the first D lies on the shoulder, where losses still fall ever faster (docs/log.md)
MAX_LR = 0.02


@dataclass(frozen=True)
class Recipe:
    """`batch_tokens` and `warmup_tokens` in tokens, both multiples of the context; `lr` is the peak of AdamW."""

    batch_tokens: int
    lr: float
    warmup_tokens: int
    beta2: float


def recipe(shape: Shape, vocab_size: int, context: int, tokens: list[int], schedule: str = "trunk") -> Recipe:
    """The rule of size for a shape trained to each D in `tokens`; override any field with `dataclasses.replace`.

    >>> recipe(Shape(width=512, depth=12, heads=8, ff=1408), 8192, 512, [855_000_000])
    Recipe(batch_tokens=176640, lr=0.0032, warmup_tokens=42746880, beta2=0.99)
    """
    size = shape.params_body + shape.params_head(vocab_size)
    ruled = 2048 * 160 * (size / 108e6) ** (2 / 3)
    batch = min(ruled, min(tokens) / MIN_STEPS)
    batch_tokens = max(1, round(batch / context)) * context
    lr = 0.0047 * (size / 108e6) ** (-1 / 3) * min(1.0, batch_tokens / ruled) ** 0.5
    if schedule == "trunk":
        lr /= 2
    warmup = min(float(size), 0.25 * 0.8 * min(tokens))
    return Recipe(
        batch_tokens=batch_tokens,
        lr=float(f"{min(lr, MAX_LR):.3g}"),
        warmup_tokens=max(1, round(warmup / batch_tokens)) * batch_tokens,
        beta2=0.95 if batch_tokens >= 524_288 else 0.99,
    )
