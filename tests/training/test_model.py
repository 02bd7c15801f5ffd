import numpy as np
import pytest
import torch
from torch.nn import functional

from training.model import Architecture, causal_mask, document_mask, loss, rotary_tables, token_losses
from training.shapes import Shape

CPU, SHAPE, VOCAB, T = torch.device("cpu"), Shape(24, 2, 3, 40), 50, 12
ARCHITECTURE = Architecture(SHAPE, VOCAB)
TABLES = *rotary_tables(SHAPE, T, CPU, torch.float32), causal_mask(T, CPU, torch.float32)


def stack(seeds, spread=0.3):
    """Weights [K, P] with nothing left at its zero initial value."""
    rows = [
        ARCHITECTURE.initial(seed) + spread * torch.randn(ARCHITECTURE.n_params, generator=torch.Generator().manual_seed(seed))
        for seed in seeds
    ]
    return torch.stack(rows)


def reference_logits(weights, ids):
    """The same network written with nothing of ours: one run, float64, per-head loops."""
    w = {name: tensor[0].double() for name, tensor in weights.items()}

    def rms(x):
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()

    def rotate(x, position):
        half = x.shape[-1] // 2
        angle = position[:, None] * 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
        turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angle), angle)
        return torch.cat((turned.real, turned.imag), -1)

    D, H = SHAPE.width, SHAPE.heads
    x = w["embedding"][ids]
    position = torch.arange(ids.shape[-1], dtype=torch.float64)
    for layer in range(SHAPE.depth):
        q, k, v = (rms(x) @ w[f"layers.{layer}.qkv"]).split(D, -1)
        heads = []
        for one_q, one_k, one_v in zip(q.chunk(H, -1), k.chunk(H, -1), v.chunk(H, -1), strict=True):
            score = rotate(rms(one_q), position) @ rotate(rms(one_k), position).transpose(-1, -2) / SHAPE.head_width**0.5
            score = score.masked_fill(position[None, :] > position[:, None], -torch.inf)
            heads.append(score.softmax(-1) @ one_v)
        x = x + torch.cat(heads, -1) @ w[f"layers.{layer}.out"]
        gate, up = (rms(x) @ w[f"layers.{layer}.gate_up"]).chunk(2, -1)
        x = x + (functional.silu(gate) * up) @ w[f"layers.{layer}.down"]
    return rms(x) @ w["head"]


def test_losses_equal_a_plain_network():
    weights = ARCHITECTURE.views(stack([3]))
    ids_NU = torch.randint(VOCAB, (4, T + 1), generator=torch.Generator().manual_seed(0))
    logits = reference_logits(weights, ids_NU[:, :-1])
    expected = functional.cross_entropy(logits.flatten(0, 1), ids_NU[:, 1:].flatten(), reduction="none").view(4, T)
    torch.testing.assert_close(token_losses(weights, SHAPE, ids_NU, *TABLES)[0].double(), expected, rtol=1e-4, atol=1e-5)
    mean = loss(weights, SHAPE, ids_NU[None], *TABLES)
    assert float(mean) == pytest.approx(float(expected.mean()), rel=1e-5)


def test_runs_of_a_stack_do_not_touch_each_other():
    """Each run's loss and gradient equal those it has alone."""
    together = stack([0, 1, 2]).requires_grad_()
    ids_KBU = torch.randint(VOCAB, (3, 4, T + 1), generator=torch.Generator().manual_seed(1))
    loss_K = loss(ARCHITECTURE.views(together), SHAPE, ids_KBU, *TABLES)
    loss_K.sum().backward()
    for k in range(3):
        alone = stack([k]).requires_grad_()
        own = loss(ARCHITECTURE.views(alone), SHAPE, ids_KBU[k : k + 1], *TABLES)
        own.sum().backward()
        torch.testing.assert_close(loss_K[k], own[0], rtol=1e-6, atol=0)
        torch.testing.assert_close(together.grad[k], alone.grad[0], rtol=1e-4, atol=1e-7)


def test_document_mask_equals_documents_apart():
    """With the mask on, a window of two documents costs what its parts cost alone (rotary position is relative)."""
    eot = 0
    weights = ARCHITECTURE.views(stack([5]))
    first, second = torch.tensor([7, 8, 9, 10, eot]), torch.tensor([11, 12, 13, 14, 15, 16, 17, 18])
    both = torch.cat((first, second))[None]
    masked = document_mask(both[:, :-1], eot, TABLES[2])
    assert masked.shape == (1, 1, T, T)
    apart = torch.cat([token_losses(weights, SHAPE, part[None], *TABLES)[0, 0] for part in (first, second)])
    expected = float(apart.sum())  # every prediction but that of the second document's first token, which is not made apart
    inside = loss(weights, SHAPE, both[None], *TABLES, masked_eot=eot) * T
    across = functional.cross_entropy(reference_logits(weights, first[None])[0, -1:], second[:1])
    assert float(inside) == pytest.approx(expected + float(across), rel=1e-4)


def test_initial_weights_depend_on_the_seed_alone():
    torch.manual_seed(9)
    a = ARCHITECTURE.initial(1)
    torch.manual_seed(10)
    np.testing.assert_array_equal(a, ARCHITECTURE.initial(1))
    assert (a != ARCHITECTURE.initial(2)).any()
    views = ARCHITECTURE.views(a[None])
    assert not views["layers.0.out"].any()
    assert float(views["head"].std()) == pytest.approx(SHAPE.width**-0.5, rel=0.1)
    assert list(views)[-1] == "embedding"
    assert ARCHITECTURE.n_decayed == a.numel() - views["embedding"].numel()


def test_initial_loss_is_that_of_guessing():
    weights = ARCHITECTURE.views(ARCHITECTURE.initial(0)[None])
    ids_NU = torch.randint(VOCAB, (64, T + 1), generator=torch.Generator().manual_seed(0))
    assert float(token_losses(weights, SHAPE, ids_NU, *TABLES).mean()) == pytest.approx(np.log(VOCAB) + 0.5, abs=0.25)
