"""Hand-written backward passes for the parts of a step where plain autograd wastes the time of a small model.

On a CPU with bfloat16 instructions a small transformer is bound by element-wise passes, not by matrix products: the
fused SDPA backward alone took 37 % of a step and the softmax of the head another quarter (docs/log.md). Everything
here is plain PyTorch, the same on every device, and checked against autograd in tests/training/test_kernels.py.

K runs, N positions of one batch, D width, G = K * sequences, T context, H heads, E head width, F feed-forward, V vocabulary.
"""

# pyright: reportIncompatibleMethodOverride=false
# (PyTorch types the arguments of an autograd.Function as *Any.)

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

NORM_EPS = 1e-6
HEAD_ELEMENTS_CPU = 1 << 20  # logits of one chunk: 2 MB in bfloat16, so that the softmax stays near the core
HEAD_ELEMENTS_GPU = 1 << 27


def _inverse_rms(x: Tensor) -> Tensor:
    squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square_()
    return squares.div_(x.shape[-1]).add_(NORM_EPS).rsqrt_().to(x.dtype)


def _spread(column: Tensor, like: Tensor) -> Tensor:
    """A trailing dimension of 1 laid out to the width of `like`: broadcasting over a short one is 4x slower on a CPU."""
    return column.expand_as(like).contiguous()


class RmsNorm(Function):
    """x / rms(x) over the last dimension, without a gain (the matrix that follows can hold any)."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        inverse = _inverse_rms(x)
        y = x * inverse
        ctx.save_for_backward(y, inverse)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        y, inverse = ctx.saved_tensors
        return torch.addcmul(grad, y, (grad * y).mean(-1, keepdim=True), value=-1).mul_(inverse)


class RotaryNorm(Function):
    """RMS norm over the head width, then rotary position (half-split, as Llama and Qwen3): x_GTHE -> y_GHTE.

    `cos_TE` repeats its half twice; `sin_TE` is negated in its first half, so that rotation is x cos + roll(x) sin.
    """

    @staticmethod
    def forward(ctx, x_GTHE: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
        inverse = _spread(_inverse_rms(x_GTHE), x_GTHE)
        y_GHTE = (x_GTHE * inverse).transpose(1, 2).contiguous()
        ctx.save_for_backward(y_GHTE, inverse, cos_TE, sin_TE)
        half = y_GHTE.shape[-1] // 2
        return torch.addcmul(y_GHTE * cos_TE, y_GHTE.roll(half, -1), sin_TE)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_GHTE: Tensor) -> tuple[Tensor, None, None]:
        y_GHTE, inverse, cos_TE, sin_TE = ctx.saved_tensors
        half = y_GHTE.shape[-1] // 2
        grad = grad_GHTE * cos_TE
        grad += (grad_GHTE * sin_TE).roll(half, -1)
        along = _spread((grad * y_GHTE).mean(-1, keepdim=True), grad)
        return grad.addcmul_(y_GHTE, along, value=-1).transpose(1, 2).mul(inverse), None, None


class SwiGlu(Function):
    """silu(gate) * up for x_KN(2F) = gate | up."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        gate, up = x.chunk(2, -1)
        sigmoid = torch.sigmoid(gate)
        ctx.save_for_backward(x, sigmoid)
        return (gate * sigmoid).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        x, sigmoid = ctx.saved_tensors
        gate, up = x.chunk(2, -1)
        silu = gate * sigmoid
        slope = torch.addcmul(sigmoid, silu, 1 - sigmoid)
        return torch.cat((grad * up * slope, grad * silu), -1)


class Embed(Function):
    """Rows of embedding_KVD (float32) for ids_KN, in `dtype`; the gradient is summed in float32, in order."""

    @staticmethod
    def forward(ctx, embedding_KVD: Tensor, ids_KN: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(ids_KN)
        ctx.shape = embedding_KVD.shape
        return embedding_KVD[torch.arange(len(ids_KN), device=ids_KN.device)[:, None], ids_KN].to(dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_KND: Tensor) -> tuple[Tensor, None, None]:
        (ids_KN,) = ctx.saved_tensors
        K, V, D = ctx.shape
        rows = (ids_KN + V * torch.arange(K, device=ids_KN.device)[:, None]).flatten()
        grad = torch.zeros(K * V, D, dtype=torch.float32, device=ids_KN.device)
        grad.index_add_(0, rows, grad_KND.reshape(-1, D).float())
        return grad.view(K, V, D), None, None


class HeadLoss(Function):
    """Mean cross-entropy loss_K (nats per token) of x_KND through head_KDV (float32), the logits never held whole.

    The gradient is known as soon as a chunk's softmax is, so the forward pass computes it (in x's dtype, summed over
    chunks in float32) and backward only scales it. Softmax's division is moved from the V columns to the D columns that
    follow; a token's loss beyond 88 nats is infinite, and a stop.
    """

    @staticmethod
    def forward(ctx, x_KND: Tensor, head_KDV: Tensor, targets_KN: Tensor) -> Tensor:
        K, N, _ = x_KND.shape
        V = head_KDV.shape[-1]
        elements = HEAD_ELEMENTS_CPU if x_KND.device.type == "cpu" else HEAD_ELEMENTS_GPU
        group = max(1, min(K, elements // (N * V)))  # whole runs where they fit, else rows of one
        rows = max(1, elements // (group * V))
        weight_KDV = head_KDV.to(x_KND.dtype)
        grad_x_KND = torch.empty_like(x_KND)
        grad_head_KDV = torch.zeros_like(head_KDV, memory_format=torch.contiguous_format)
        loss_K = torch.zeros(K, dtype=torch.float32, device=x_KND.device)
        row_starts = V * torch.arange(group * rows, device=x_KND.device)
        for k in range(0, K, group):
            runs = slice(k, k + group)
            weight = weight_KDV[runs]
            for n in range(0, N, rows):
                x, target = x_KND[runs, n : n + rows], targets_KN[runs, n : n + rows, None]
                odds, total = _odds(torch.bmm(x, weight))
                total = total.float()
                flat, index = odds.view(-1), (target + row_starts[: target.numel()].view_as(target)).flatten()
                right = flat[index].float().view_as(total)
                loss_K[runs] += (total / right).log().sum((1, 2))
                flat.index_copy_(0, index, (right - total).to(odds.dtype).flatten())
                inverse = total.reciprocal_().to(x.dtype)
                grad_x_KND[runs, n : n + rows] = torch.bmm(odds, weight.transpose(1, 2)) * inverse
                grad_head_KDV[runs] += torch.bmm((x * inverse).transpose(1, 2), odds)
        ctx.save_for_backward(grad_x_KND, grad_head_KDV)
        return loss_K / N

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_K: Tensor) -> tuple[Tensor, Tensor, None]:
        grad_x_KND, grad_head_KDV = ctx.saved_tensors
        scale = (grad_K / grad_x_KND.shape[1])[:, None, None]
        return grad_x_KND * scale.to(grad_x_KND.dtype), grad_head_KDV * scale, None


def _odds(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Row-wise softmax as (odds, their sums [..., 1]), the division left to do; `logits` are overwritten.

    In bfloat16 a bare exp: no maximum need be subtracted, since bfloat16 has float32's range. In float32 a softmax,
    whose sums are one: PyTorch's float32 exp goes through MKL there, at nine times the cost on some CPUs.
    """
    if logits.dtype == torch.float32:
        odds = logits.softmax(-1)
        return odds, torch.ones_like(odds[..., :1])
    odds = logits.exp_()
    return odds, odds.sum(-1, keepdim=True)


class MathAttention(Function):
    """softmax(q k^T / sqrt(E) + mask) v by batched products, [S, T, E] each, S = sequences * heads.

    QK-norm bounds the logits by sqrt(E); the division by the row's sum moves behind the product with v.
    """

    @staticmethod
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        scale = q.shape[-1] ** -0.5
        odds_STT, total = _odds(torch.baddbmm(mask, q, k.transpose(1, 2), alpha=scale))
        inverse = _spread(total.reciprocal_(), q)
        mixed = torch.bmm(odds_STT, v).mul_(inverse)
        ctx.save_for_backward(q, k, v, odds_STT, inverse, mixed)
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, odds_STT, inverse, mixed = ctx.saved_tensors
        scale = q.shape[-1] ** -0.5
        grad = grad * inverse
        along = (grad * mixed).sum(-1, keepdim=True)
        grad_v = torch.bmm(odds_STT.transpose(1, 2), grad)
        logits = torch.baddbmm(along, grad, v.transpose(1, 2), beta=-scale, alpha=scale).mul_(odds_STT)
        return torch.bmm(logits, k), torch.bmm(logits.transpose(1, 2), q), grad_v, None


def attention(q_GHTE: Tensor, k_GHTE: Tensor, v_GHTE: Tensor, mask: Tensor) -> Tensor:
    """Causal attention, scaled by E^-1/2. `mask` is additive: the causal [T, T], or [G, 1, T, T].

    In bfloat16 on a CPU batched products beat the fused kernel 2 to 8 times (its backward pass is slow there); in
    float32 the fused kernel wins by 1.2 to 1.6, and on a GPU it is the flash one. One arithmetic, two orders of rounding.
    """
    G, H, T, E = q_GHTE.shape
    causal = mask.dim() == 2
    if q_GHTE.device.type != "cpu" or (causal and q_GHTE.dtype == torch.float32):
        given = None if causal else mask
        return functional.scaled_dot_product_attention(q_GHTE, k_GHTE, v_GHTE, attn_mask=given, is_causal=causal)
    if mask.dim() > 2:
        mask = mask.expand(G, H, T, T).reshape(G * H, T, T)
    q, k, v = (x.reshape(G * H, T, E) for x in (q_GHTE, k_GHTE, v_GHTE))
    return MathAttention.apply(q, k, v, mask).view(G, H, T, E)
