"""Named model shapes with their parameter counts and exact FLOPs.

A shape is `width x depth x heads` with a SwiGLU feed-forward of `ff`. Counts are kept apart (body, head,
embedding) because published suites disagree on which of them "N" is; FLOPs follow the shared convention of
nanoGPT, torchtitan and OLMo-core: 6 per matrix weight and token (embedding lookup excluded, head included) plus
12 * depth * width * context for attention, causality not discounted. tests/training/test_shapes.py holds them equal
to `torch.utils.flop_counter` to the last FLOP.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """One architecture. `width` must be a multiple of `heads`, and the head width even (rotary halves)."""

    width: int
    depth: int
    heads: int
    ff: int

    def __post_init__(self) -> None:
        for name in ("width", "depth", "heads", "ff"):
            if getattr(self, name) < 1:
                raise ValueError(f"shape: {name} is {getattr(self, name)}; it must be at least 1")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(
                f"shape: width {self.width} over {self.heads} heads gives a head width of {self.width / self.heads:g}; "
                "rotary embedding needs a whole even number: change width or heads"
            )

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    @property
    def params_body(self) -> int:
        """Weights of the blocks: 4 width^2 for attention and 3 width ff for SwiGLU, per layer. Norms have none."""
        return self.depth * (4 * self.width**2 + 3 * self.width * self.ff)

    def params_head(self, vocab_size: int) -> int:
        return self.width * vocab_size

    def params_embedding(self, vocab_size: int) -> int:
        return self.width * vocab_size

    def params_total(self, vocab_size: int) -> int:
        return self.params_body + self.params_head(vocab_size) + self.params_embedding(vocab_size)

    def flops_per_token(self, vocab_size: int, context: int) -> int:
        """Training FLOPs (forward and backward) per token at sequence length `context`."""
        matrices = self.params_body + self.params_head(vocab_size)
        return 6 * matrices + 12 * self.depth * self.width * context


# Body parameters in the name. From 0.2m up the rule is width = 64 x depth-aspect, the table of
# training notes 1.15 (head width 32-64, ff about 8/3 width); the three smallest exist for CPU studies and tests.
SHAPES: dict[str, Shape] = {
    "0.03m": Shape(width=32, depth=2, heads=2, ff=96),
    "0.1m": Shape(width=48, depth=3, heads=2, ff=128),
    "0.2m": Shape(width=64, depth=4, heads=2, ff=192),
    "0.3m": Shape(width=80, depth=4, heads=2, ff=208),
    "0.7m": Shape(width=96, depth=6, heads=3, ff=256),
    "1.3m": Shape(width=128, depth=6, heads=4, ff=384),
    "2m": Shape(width=160, depth=6, heads=5, ff=448),
    "3.5m": Shape(width=192, depth=8, heads=6, ff=512),
    "6.4m": Shape(width=256, depth=8, heads=8, ff=704),
    "18m": Shape(width=384, depth=10, heads=6, ff=1024),
    "39m": Shape(width=512, depth=12, heads=8, ff=1408),
    "85m": Shape(width=768, depth=12, heads=12, ff=2048),
    "150m": Shape(width=1024, depth=12, heads=16, ff=2752),
}
