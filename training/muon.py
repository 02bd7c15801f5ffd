"""Muon for the matrices of the body, AdamW for embedding and head.

Each matrix moves along the nearest orthogonal matrix of its first moment (Jordan et al. 2024,
https://kellerjordan.github.io/posts/muon/), scaled to the root mean square that an update of AdamW has, so that both
share one learning rate and one weight decay (Liu et al., arXiv:2502.16982, section 2.2). Query, key and value are
matrices of their own, and so are gate and up. The moment is AdamW's, an average without Nesterov's step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.step import Trainer

QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan's: five steps bring singular values near one, not to it (0.6 to 1.2)
STEPS = 5
ADAM_RMS = 0.2  # that of an AdamW update in practice (arXiv:2502.16982)


class Muon(Trainer):
    """A stack in training whose body moves by Muon; the second moment of the body is kept and not used."""

    @torch.no_grad()
    def _adamw(self, lr_K: Tensor) -> None:
        n_body = self.architecture.n_decayed - self.architecture.shape.params_head(self.architecture.vocab_size)
        body = self.weights_KP[:, :n_body]
        before = body.detach().clone()
        super()._adamw(lr_K)
        body.copy_(before)
        body *= 1 - lr_K[:, None] * self.optimizer.weight_decay
        for weights, moments in zip(self._matrices(self.weights_KP), self._matrices(self.mean_KP), strict=True):
            rate_K11 = lr_K[:, None, None] * ADAM_RMS * max(weights[0].shape[1:]) ** 0.5
            for weight, update in zip(weights, orthogonal(torch.stack(moments)), strict=True):
                weight -= rate_K11 * update

    def _matrices(self, flat_KP: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Views [K, D, D] of the attention's matrices and [K, D, F] of the feed-forward's, all layers."""
        views = self.architecture.views(flat_KP)
        attention, feed_forward = [], []
        for layer in range(self.architecture.shape.depth):
            attention += [*views[f"layers.{layer}.qkv"].chunk(3, 2), views[f"layers.{layer}.out"]]
            feed_forward += [*views[f"layers.{layer}.gate_up"].chunk(2, 2), views[f"layers.{layer}.down"].mT]
        return attention, feed_forward


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest orthogonal matrices [..., n, m] by Newton-Schulz steps; float32 in and out, whatever the devices multiply in.

    >>> orthogonal(torch.tensor([[3.0, 0.0], [0.0, 0.5]])).diag()
    tensor([0.7136, 1.0420])
    """
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.mT
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    a, b, c = QUINTIC
    for _ in range(STEPS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide else x.mT
