import numpy as np
import pytest
import torch

from tests.training.test_step import ARCHITECTURE, advance, make
from training.muon import ADAM_RMS, Muon, orthogonal
from training.plan import Optimizer
from training.step import Trainer

MUON = Optimizer(matrices="muon", weight_decay=0.3)


def muon(levels, seeds, lr_K):
    plain = make(levels, seeds, lr_K, MUON)
    trainer = Muon(ARCHITECTURE, plain.batches, plain.weights_KP.detach(), lr_K, MUON, torch.float32)
    trainer.set_schedule(np.minimum(1, (np.arange(50) + 1) / 5).astype(np.float32))
    return trainer


@pytest.mark.parametrize("size", [(16, 16), (16, 48), (48, 16)])
def test_a_matrix_becomes_orthogonal_without_turning(size):
    """Singular values end near one (Jordan's steps swing by a third), and the singular vectors stay: about the polar factor."""
    matrix = torch.randn(3, *size, generator=torch.Generator().manual_seed(1))
    U, _, V = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonal(matrix)
    inner = U.mT @ found @ V.mT
    assert (inner.diagonal(dim1=1, dim2=2) - 1).abs().max() < 0.35
    assert (inner - torch.diag_embed(inner.diagonal(dim1=1, dim2=2))).abs().max() < 1e-3


def test_body_moves_by_muon_and_the_rest_as_adamw_moves_it(levels):
    """One step, each matrix by hand: query, key and value apart, gate and up apart; the same size of step as AdamW's."""
    ours, reference = muon(levels[:1], [0], (0.02,)), make(levels[:1], [0], (0.02,), MUON)
    start = ours.weights_KP.detach().clone()
    ours.advance()
    reference.advance()
    torch.testing.assert_close(ours.mean_KP, reference.mean_KP)
    rate, after, moments = 0.02 / 5, ours.architecture.views(ours.weights_KP.detach()), ours.architecture.views(ours.mean_KP)
    adamw = reference.architecture.views(reference.weights_KP.detach())
    for name, before in ours.architecture.views(start).items():
        if name in ("head", "embedding"):
            assert torch.equal(after[name], adamw[name])
            continue
        parts = {"qkv": 3, "gate_up": 2}.get(name.split(".")[-1], 1)
        update = torch.cat([orthogonal(part) for part in moments[name].chunk(parts, 2)], 2)
        expected = before * (1 - rate * 0.3) - rate * ADAM_RMS * max(before.shape[1], before.shape[2] // parts) ** 0.5 * update
        torch.testing.assert_close(after[name], expected, rtol=1e-4, atol=1e-6)


def test_runs_of_a_stack_move_as_they_do_alone(levels):
    both = advance(muon(levels, [0, 1], (0.02, 0.01)), 6)
    for k, lr in enumerate((0.02, 0.01)):
        alone = advance(muon([levels[k]], [k], (lr,)), 6)
        torch.testing.assert_close(both[k], alone[0], rtol=1e-3, atol=2e-5)


def test_a_restored_run_goes_on_bit_for_bit(levels):
    trainer = muon(levels[:1], [0], (0.02,))
    advance(trainer, 4)
    fork = trainer.snapshot()
    first = advance(trainer, 5)
    trainer.restore(fork)
    assert torch.equal(advance(trainer, 5), first)
    assert not isinstance(make(levels[:1], [0], (0.02,)), Muon)
    assert isinstance(trainer, Trainer)
