"""Hand-written backward passes against autograd of the plain definition, in float32; and the bfloat16 paths against float32."""

import pytest
import torch
from torch.nn import functional

from training.kernels import Embed, HeadLoss, MathAttention, RmsNorm, RotaryNorm, SwiGlu
from training.model import causal_mask, rotary_tables
from training.shapes import Shape

CPU = torch.device("cpu")


def compare(ours, plain, *inputs):
    """Outputs and every gradient agree."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    twins = [x.clone().requires_grad_() for x in inputs]
    a, b = ours(*leaves), plain(*twins)
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    cotangent = torch.randn_like(b)
    a.backward(cotangent)
    b.backward(cotangent)
    for leaf, twin in zip(leaves, twins, strict=True):
        torch.testing.assert_close(leaf.grad, twin.grad, rtol=2e-5, atol=2e-6)


def rms(x):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


def test_rms_norm():
    torch.manual_seed(0)
    compare(RmsNorm.apply, rms, torch.randn(3, 5, 16) * torch.tensor([1e-3, 1, 40])[:, None, None])


def test_rotary_norm():
    torch.manual_seed(0)
    cos_TE, sin_TE = rotary_tables(Shape(16, 1, 2, 16), 7, CPU, torch.float32)

    def plain(x_GTHE):
        y = rms(x_GTHE).transpose(1, 2)
        first, second = y.chunk(2, -1)
        cos, sin = cos_TE[:, :4], -sin_TE[:, :4]
        return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)

    compare(lambda x: RotaryNorm.apply(x, cos_TE, sin_TE), plain, torch.randn(2, 7, 3, 8))


def test_swiglu():
    torch.manual_seed(0)
    compare(SwiGlu.apply, lambda x: functional.silu(x[..., :6]) * x[..., 6:], torch.randn(2, 4, 12))


def test_embed_sums_repeated_ids():
    torch.manual_seed(0)
    ids_KN = torch.tensor([[0, 3, 3, 3, 1], [2, 2, 0, 1, 4]])
    compare(
        lambda e: Embed.apply(e, ids_KN, torch.float32),
        lambda e: torch.stack([functional.embedding(ids_KN[k], e[k]) for k in range(2)]),
        torch.randn(2, 5, 3),
    )


@pytest.mark.parametrize("vocab", [11, 700_000])  # one chunk, and a vocabulary so large that a chunk is one row
def test_head_loss(vocab):
    torch.manual_seed(0)
    targets_KN = torch.randint(vocab, (2, 3))
    compare(
        lambda x, w: HeadLoss.apply(x, w, targets_KN),
        lambda x, w: torch.stack([functional.cross_entropy(x[k] @ w[k], targets_KN[k]) for k in range(2)]),
        torch.randn(2, 3, 4),
        torch.randn(2, 4, vocab) * 0.3,
    )


@pytest.mark.parametrize("masked", [False, True])
def test_attention(masked):
    torch.manual_seed(0)
    mask = causal_mask(9, CPU, torch.float32)
    if masked:
        mask = mask.expand(6, 9, 9).clone()
        mask[:, 5:, :5] = float("-inf")
    compare(
        lambda q, k, v: MathAttention.apply(q, k, v, mask),
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, attn_mask=mask.expand(6, 9, 9)),
        *(torch.randn(6, 9, 8) for _ in range(3)),
    )


def test_bfloat16_attention_and_head_are_their_float32_rounded():
    """The exp / sum path of bfloat16 (no maximum, late division) against float32 on the same rounded inputs."""
    torch.manual_seed(0)
    mask = causal_mask(33, CPU, torch.float32)
    qkv = [torch.randn(4, 33, 16).bfloat16() for _ in range(3)]
    qkv[:2] = [4 * functional.normalize(x.float(), dim=-1).bfloat16() for x in qkv[:2]]  # as QK-norm leaves them
    x, w, targets = torch.randn(2, 50, 16).bfloat16(), torch.randn(2, 16, 300), torch.randint(300, (2, 50))
    results = {}
    for dtype in (torch.float32, torch.bfloat16):
        leaves = [t.to(dtype).requires_grad_() for t in qkv] + [x.to(dtype).requires_grad_(), w.clone().requires_grad_()]
        mixed = MathAttention.apply(*leaves[:3], mask.to(dtype))
        loss_K = HeadLoss.apply(leaves[3], leaves[4], targets)
        (mixed.float().square().sum() + 100 * loss_K.sum()).backward()
        results[dtype] = [mixed.detach().float(), loss_K.detach(), *(leaf.grad.float() for leaf in leaves)]
    for a, b in zip(results[torch.bfloat16], results[torch.float32], strict=True):
        assert float((a - b).norm() / b.norm()) < 0.02
