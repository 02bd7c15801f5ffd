"""The other side of the benchmarks: one model, written and trained the way nanoGPT does, with this package's arithmetic.

Autograd everywhere, `scaled_dot_product_attention`, `cross_entropy`, autocast, fused AdamW, `clip_grad_norm_`; RMS norm
without gain, rotary position, QK-norm and SwiGLU as in training/model.py, so that both sides do the same mathematics.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.shapes import Shape


def rms(x: Tensor) -> Tensor:
    return functional.rms_norm(x, (x.size(-1),), eps=1e-6)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)
        self.gate_up = nn.Linear(shape.width, 2 * shape.ff, bias=False)
        self.down = nn.Linear(shape.ff, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        B, T, D = x.shape
        q, k, v = (t.view(B, T, self.heads, -1).transpose(1, 2) for t in self.qkv(rms(x)).split(D, -1))
        q, k = rotate(rms(q), cos, sin).to(v.dtype), rotate(rms(k), cos, sin).to(v.dtype)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(B, T, D))
        gate, up = self.gate_up(rms(x)).chunk(2, -1)
        return x + self.down(functional.silu(gate) * up)


class Plain(nn.Module):
    def __init__(self, shape: Shape, vocab: int, context: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.head = nn.Linear(shape.width, vocab, bias=False)
        frequency = 10_000.0 ** (-torch.arange(0, shape.head_width, 2) / shape.head_width)
        angle = torch.arange(context)[:, None] * frequency
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        logits = self.head(rms(x))
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


class PlainLoop:
    """One run's training loop; `step` does one optimizer step and, as nanoGPT's logging does, reads nothing back."""

    def __init__(
        self, shape: Shape, vocab: int, tokens: Tensor, context: int, batch: int, bfloat16: bool, compiled: bool = False
    ) -> None:
        device = tokens.device
        torch.manual_seed(0)
        self.model = Plain(shape, vocab, context).to(device)
        self.loss = torch.compile(self.model) if compiled else self.model
        decayed = [p for name, p in self.model.named_parameters() if name != "embedding.weight"]
        groups = [
            {"params": decayed, "weight_decay": 0.1},
            {"params": [self.model.embedding.weight], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=True)
        self.autocast = torch.autocast(device.type, torch.bfloat16, enabled=bfloat16)
        self.tokens, self.context, self.batch, self.done = tokens, context, batch, 0

    def step(self) -> None:
        first = self.done * self.batch * self.context % (len(self.tokens) - self.batch * self.context - 1)
        span = self.tokens[first : first + self.batch * self.context + 1].long()
        self.done += 1
        with self.autocast:
            loss = self.loss(span[:-1].view(self.batch, -1), span[1:].view(self.batch, -1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
