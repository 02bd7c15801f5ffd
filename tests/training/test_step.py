import numpy as np
import pytest
import torch

from training.model import Architecture
from training.order import Order, run_key
from training.plan import Optimizer
from training.shapes import Shape
from training.step import Trainer, resolve_precision
from training.tokens import Batches

SHAPE, CONTEXT, VOCAB, CPU = Shape(16, 2, 2, 32), 32, 96, torch.device("cpu")
ARCHITECTURE = Architecture(SHAPE, VOCAB)


def read(levels, seeds, batch, device):
    """What each seed reads of its level."""
    pairs = zip(levels, seeds, strict=True)
    return Batches([Order.of(rows, run_key(0, "tiny", seed), CONTEXT).windows(300) for rows, seed in pairs], batch, device)


def make(levels, seeds, lr_K, optimizer=Optimizer(), dtype=torch.float32, batch=4, **options):  # noqa: B008
    initial = torch.stack([ARCHITECTURE.initial(seed) for seed in seeds])
    trainer = Trainer(ARCHITECTURE, read(levels, seeds, batch, CPU), initial, lr_K, optimizer, dtype, **options)
    trainer.set_schedule(np.minimum(1, (np.arange(50) + 1) / 5).astype(np.float32))
    return trainer


def advance(trainer, steps):
    for _ in range(steps):
        trainer.advance()
    return trainer.weights_KP.detach().clone()


def test_adamw_equals_torch(levels):
    """Twelve steps equal torch.optim.AdamW with clip_grad_norm_ fed the same gradients, decay off the embedding."""
    optimizer = Optimizer(clip=0.5, weight_decay=0.3)
    trainer = make(levels[:1], [0], (0.02,), optimizer)
    n = ARCHITECTURE.n_decayed
    start = trainer.weights_KP.detach().clone()[0]
    decayed, spared = start[:n].clone().requires_grad_(), start[n:].clone().requires_grad_()
    groups = [{"params": [decayed], "weight_decay": 0.3}, {"params": [spared], "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=0.02, betas=(0.9, 0.99), eps=1e-8, foreach=False)
    clip = trainer.optimizer.clip
    for step in range(12):
        trainer.advance()
        norm = trainer.record(1)[1][0, 0]
        unclipped = trainer.gradient_KP[0] / min(1.0, clip / norm)
        decayed.grad, spared.grad = unclipped[:n].clone(), unclipped[n:].clone()
        torch.nn.utils.clip_grad_norm_([decayed, spared], clip)
        for group in reference.param_groups:
            group["lr"] = 0.02 * min(1, (step + 1) / 5)
        reference.step()
        ours = trainer.weights_KP.detach()[0]
        torch.testing.assert_close(ours, torch.cat((decayed, spared)).detach(), rtol=1e-5, atol=1e-6)


def test_a_stack_equals_separate_runs(levels):
    """Levels, seeds and learning rates side by side; clipping and AdamW act per run."""
    runs = [(levels[0], 0, 0.01), (levels[1], 0, 0.01), (levels[0], 3, 0.04)]
    together = make([run[0] for run in runs], [run[1] for run in runs], tuple(run[2] for run in runs))
    stacked = advance(together, 20)
    for k, (stream, seed, lr) in enumerate(runs):
        alone = advance(make([stream], [seed], (lr,)), 20)
        torch.testing.assert_close(stacked[k], alone[0], rtol=2e-3, atol=2e-4)
        moved = (alone[0] - ARCHITECTURE.initial(seed)).abs().max()
        assert moved > 0.05  # so that the tolerance means something


def test_micro_batches_change_only_rounding(levels):
    whole = advance(make(levels, [0, 0], (0.01, 0.01)), 10)
    cut = advance(make(levels, [0, 0], (0.01, 0.01), micro_batch=3), 10)
    torch.testing.assert_close(whole, cut, rtol=2e-3, atol=2e-4)


def test_restoring_a_snapshot_repeats_to_the_last_bit(levels):
    trainer = make(levels, [0, 1], (0.01, 0.01))
    advance(trainer, 7)
    snapshot = trainer.snapshot()
    first = advance(trainer, 8)
    trainer.restore(snapshot)
    np.testing.assert_array_equal(advance(trainer, 8), first)
    assert trainer.step == 15


def test_record_gives_the_latest_steps_in_order(levels):
    trainer = make(levels, [0, 1], (0.01, 0.01))
    losses = []
    for _ in range(6):
        trainer.advance()
        losses.append(trainer.record(1)[0][0])
    np.testing.assert_array_equal(trainer.record(6)[0], np.array(losses))
    assert losses[0] == pytest.approx(np.log(VOCAB) + 0.5, abs=0.4)


def test_bfloat16_learns_like_float32(levels):
    losses = {}
    for dtype in (torch.float32, torch.bfloat16):
        trainer = make(levels[:1], [0], (0.02,), dtype=dtype, batch=16)
        advance(trainer, 50)
        losses[dtype] = trainer.record(10)[0].mean()
    assert losses[torch.bfloat16] == pytest.approx(losses[torch.float32], abs=0.05)
    assert losses[torch.float32] < 3.6  # from 4.6


def test_precision(monkeypatch):
    assert resolve_precision("float32", CPU) == torch.float32
    assert resolve_precision("bfloat16", CPU) == torch.bfloat16
    assert resolve_precision("auto", torch.device("cuda")) == torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))  # a T4 only emulates bfloat16
    assert resolve_precision("auto", torch.device("cuda")) == torch.float32
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert resolve_precision("auto", torch.device("cuda")) == torch.bfloat16


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_captured_step_equals_the_cpu(levels):
    """CUDA graph, flash attention and fused AdamW against the CPU, in float32 and over a schedule that changes."""
    cuda = torch.device("cuda")
    initial = torch.stack([ARCHITECTURE.initial(seed) for seed in (0, 1)])
    batches = read(levels, [0, 1], 4, cuda)
    trainer = Trainer(ARCHITECTURE, batches, initial, (0.01, 0.02), Optimizer(), torch.float32)
    trainer.set_schedule(np.minimum(1, (np.arange(50) + 1) / 5).astype(np.float32))
    on_gpu = advance(trainer, 20).cpu()
    assert trainer.graph is not None
    assert trainer.step == int(trainer.counter) == 20
    on_cpu = advance(make(levels, [0, 1], (0.01, 0.02)), 20)
    torch.testing.assert_close(on_gpu, on_cpu, rtol=5e-3, atol=5e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_captured_step_restores(levels):
    batches = read(levels, [0, 1], 4, torch.device("cuda"))
    initial = torch.stack([ARCHITECTURE.initial(seed) for seed in (0, 1)])
    trainer = Trainer(ARCHITECTURE, batches, initial, (0.01, 0.01), Optimizer(), torch.bfloat16)
    trainer.set_schedule(np.ones(50, dtype=np.float32))
    advance(trainer, 5)
    snapshot = trainer.snapshot()
    first = advance(trainer, 5)
    trainer.restore(snapshot)
    torch.testing.assert_close(advance(trainer, 5), first, rtol=1e-3, atol=1e-4)
