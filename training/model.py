"""A stack of decoder-only transformers: K runs of one shape that train as one set of batched products.

Pre-norm blocks, rotary position, QK-norm, SwiGLU, no biases, no norm gains, untied head: Qwen3's arithmetic with every
gain at one (see training/export.py). All weights of a run are one row of a flat float32 buffer, so that clipping, AdamW,
all-reduce and checkpoints are each a few operations whatever the depth; `views` cuts it into matrices.

K runs, B sequences, T context, N = B * T positions, D width, H heads, E head width, F feed-forward, V vocabulary, P parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from training.kernels import HEAD_ELEMENTS_CPU, HEAD_ELEMENTS_GPU, Embed, HeadLoss, RmsNorm, RotaryNorm, SwiGlu, attention
from training.shapes import Shape

ROPE_BASE = 10_000.0
EMBEDDING_STD = 0.2  # of 0.02, 0.2 and 1 the best at three of four learning rates on real text (docs/log.md)


@dataclass(frozen=True)
class Architecture:
    """A shape with its vocabulary: names, sizes and order of the weights in a flat row of length P.

    The embedding comes last, so that weight decay is a slice. Matrices are [in, out].
    """

    shape: Shape
    vocab_size: int

    @cached_property
    def sizes(self) -> dict[str, tuple[int, int]]:
        D, F, V = self.shape.width, self.shape.ff, self.vocab_size
        sizes: dict[str, tuple[int, int]] = {}
        for layer in range(self.shape.depth):
            sizes[f"layers.{layer}.qkv"] = (D, 3 * D)
            sizes[f"layers.{layer}.out"] = (D, D)
            sizes[f"layers.{layer}.gate_up"] = (D, 2 * F)
            sizes[f"layers.{layer}.down"] = (F, D)
        sizes["head"] = (D, V)
        sizes["embedding"] = (V, D)
        return sizes

    @property
    def n_params(self) -> int:
        return self.shape.params_total(self.vocab_size)

    @property
    def n_decayed(self) -> int:
        """How many leading parameters of a row weight decay acts on: all but the embedding."""
        return self.n_params - self.shape.params_embedding(self.vocab_size)

    def views(self, flat_KP: Tensor) -> dict[str, Tensor]:
        """The matrices [K, in, out] of a flat buffer [K, P], as views."""
        views, offset = {}, 0
        for name, (rows, columns) in self.sizes.items():
            views[name] = flat_KP[:, offset : offset + rows * columns].view(-1, rows, columns)
            offset += rows * columns
        return views

    def initial(self, seed: int) -> Tensor:
        """The initial weights of `seed`, float32 [P], the same on every device and in every stack.

        Matrices that write into the residual stream start at zero, the others at std in^-1/2, the embedding at EMBEDDING_STD.
        """
        generator = torch.Generator().manual_seed(seed)
        flat_1P = torch.zeros(1, self.n_params)
        for name, view in self.views(flat_1P).items():
            if name.endswith((".out", ".down")):
                continue
            std = EMBEDDING_STD if name == "embedding" else view.shape[1] ** -0.5
            view.normal_(std=std, generator=generator)
        return flat_1P[0]


def rotary_tables(shape: Shape, context: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """cos_TE and sin_TE as `RotaryNorm` wants them."""
    E = shape.head_width
    frequency = ROPE_BASE ** (-torch.arange(0, E, 2, dtype=torch.float32) / E)
    angle = torch.arange(context, dtype=torch.float32)[:, None] * frequency
    cos_TE = torch.cat((angle.cos(), angle.cos()), -1)
    sin_TE = torch.cat((-angle.sin(), angle.sin()), -1)
    return cos_TE.to(device, dtype), sin_TE.to(device, dtype)


def causal_mask(context: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Additive [T, T]: 0 where the key is not after the query, else -inf."""
    return torch.full((context, context), float("-inf")).triu(1).to(device, dtype)


def document_mask(ids_NT: Tensor, eot: int, causal_TT: Tensor) -> Tensor:
    """Additive [N, 1, T, T]: causal and inside one document; an end-of-text belongs to the document it ends."""
    document_NT = (ids_NT == eot).cumsum(-1) - (ids_NT == eot).long()
    other = document_NT[:, :, None] != document_NT[:, None, :]
    return causal_TT.expand(len(ids_NT), -1, -1).masked_fill(other, float("-inf"))[:, None]


def hidden(weights: dict[str, Tensor], shape: Shape, ids_KBT: Tensor, cos_TE: Tensor, sin_TE: Tensor, mask: Tensor) -> Tensor:
    """The last block's output x_KND, normed, in the dtype of `cos_TE`; `weights` are float32 views [K, in, out]."""
    K, B, T = ids_KBT.shape
    D, H, E = shape.width, shape.heads, shape.head_width
    dtype = cos_TE.dtype
    x_KND = Embed.apply(weights["embedding"], ids_KBT.reshape(K, B * T), dtype)
    for layer in range(shape.depth):
        qkv, out, gate_up, down = (weights[f"layers.{layer}.{m}"].to(dtype) for m in ("qkv", "out", "gate_up", "down"))
        projected = torch.bmm(RmsNorm.apply(x_KND), qkv).view(K * B, T, 3 * H, E)
        qk_GHTE = RotaryNorm.apply(projected[:, :, : 2 * H], cos_TE, sin_TE)
        v_GHTE = projected[:, :, 2 * H :].transpose(1, 2)
        mixed_GHTE = attention(qk_GHTE[:, :H], qk_GHTE[:, H:], v_GHTE, mask)
        x_KND = torch.baddbmm(x_KND, mixed_GHTE.transpose(1, 2).reshape(K, B * T, D), out)
        x_KND = torch.baddbmm(x_KND, SwiGlu.apply(torch.bmm(RmsNorm.apply(x_KND), gate_up)), down)
    return RmsNorm.apply(x_KND)


def loss(
    weights: dict[str, Tensor],
    shape: Shape,
    ids_KBU: Tensor,
    cos_TE: Tensor,
    sin_TE: Tensor,
    mask: Tensor,
    masked_eot: int | None = None,
) -> Tensor:
    """Mean next-token loss_K (nats) of windows ids_KBU, U = T + 1. `masked_eot`: keep attention inside documents."""
    K = len(ids_KBU)
    inputs_KBT = ids_KBU[:, :, :-1]
    if masked_eot is not None:
        mask = document_mask(inputs_KBT.flatten(0, 1), masked_eot, mask)
    x_KND = hidden(weights, shape, inputs_KBT, cos_TE, sin_TE, mask)
    return HeadLoss.apply(x_KND, weights["head"], ids_KBU[:, :, 1:].reshape(K, -1))


def token_losses(
    weights: dict[str, Tensor], shape: Shape, ids_NU: Tensor, cos_TE: Tensor, sin_TE: Tensor, mask: Tensor
) -> Tensor:
    """Losses_KNT (float32 nats) of every run on the same windows ids_NU; the head is multiplied in float32."""
    K = len(weights["head"])
    N, T = ids_NU.shape[0], ids_NU.shape[1] - 1
    x_KND = hidden(weights, shape, ids_NU[:, :-1].expand(K, N, T), cos_TE[:T], sin_TE[:T], mask[:T, :T]).float()
    targets_N = ids_NU[:, 1:].flatten()
    elements = HEAD_ELEMENTS_CPU if ids_NU.device.type == "cpu" else HEAD_ELEMENTS_GPU
    rows = max(1, elements // weights["head"].shape[-1])
    losses_KN = torch.empty(K, N * T, device=ids_NU.device)
    for k in range(K):
        for n in range(0, N * T, rows):
            logits = x_KND[k, n : n + rows] @ weights["head"][k]
            losses_KN[k, n : n + rows] = functional.cross_entropy(logits, targets_N[n : n + rows], reduction="none")
    return losses_KN.view(K, N, T)
