"""One optimizer step of a stack: batch, loss, gradients, clip, AdamW, all per run and without a host sync.

On CUDA the whole step is captured once in a CUDA graph and replayed: a small model issues hundreds of kernels per
step, and launching them costs more than running them. Data-parallel ranks each take their share of the batch and
all-reduce one flat gradient buffer.

K runs, B sequences per batch, U = context + 1, P parameters, S steps.
"""

from __future__ import annotations

import ctypes
import sys
import warnings
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed
from torch import Tensor
from torch.optim.adamw import adamw

from training.model import Architecture, causal_mask, loss, rotary_tables
from training.plan import Optimizer
from training.tokens import Batches

RECORD_STEPS = 1024


@dataclass
class Snapshot:
    """Everything that a step changes, as copies; `step` steps are done."""

    step: int
    weights_KP: Tensor
    mean_KP: Tensor
    square_KP: Tensor


def resolve_precision(precision: str, device: torch.device) -> torch.dtype:
    """The dtype of matrix products: bfloat16 under "auto" on GPUs that have it (Ampere and later) and on CPUs with bfloat16
    instructions (AVX512-BF16 or AMX); emulated bfloat16 is slower than float32. Weights, moments and the head's gradient
    are always float32."""
    if precision != "auto":
        return torch.float32 if precision == "float32" else torch.bfloat16
    if device.type == "cuda":
        fast = not torch.cuda.is_available() or torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32


def keep_freed_memory() -> None:
    """Tell glibc to keep freed buffers instead of returning them to the kernel: a CPU step frees and allocates the same
    megabytes every time, and the page faults cost about a tenth of it. Without glibc, nothing happens."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


class Trainer:
    """The state of a stack in training, and `advance` to move it.

    lr_K is the peak learning rate of each run; `set_schedule` gives the multipliers of the steps to come.
    `gradient_K` and `loss_K` of the latest RECORD_STEPS steps stay on the device until `record` reads them.
    """

    def __init__(
        self,
        architecture: Architecture,
        batches: Batches,
        initial_KP: Tensor,
        lr_K: tuple[float, ...],
        optimizer: Optimizer,
        dtype: torch.dtype,
        masked_eot: int | None = None,
        micro_batch: int = 0,
    ) -> None:
        device = batches.device
        self.architecture, self.batches, self.optimizer = architecture, batches, optimizer
        self.dtype, self.masked_eot, self.device = dtype, masked_eot, device
        self.world = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
        self.rank = torch.distributed.get_rank() if self.world > 1 else 0
        if batches.batch % self.world:
            raise ValueError(
                f"a batch of {batches.batch} sequences does not divide over {self.world} data-parallel ranks; "
                "make batch_tokens a multiple of context * ranks"
            )
        self.share = batches.batch // self.world
        self.micro_batch = min(micro_batch or self.share, self.share)
        self.step = 0
        self.weights_KP = initial_KP.to(device, copy=True)
        self.mean_KP = torch.zeros_like(self.weights_KP)
        self.square_KP = torch.zeros_like(self.weights_KP)
        self.gradient_KP = torch.zeros_like(self.weights_KP)
        self.lr_K = torch.tensor(lr_K, dtype=torch.float32, device=device)
        self.alike = [[k for k, other in enumerate(lr_K) if other == lr] for lr in dict.fromkeys(lr_K)]
        self.multiplier_S = torch.ones(1, device=device)
        self.counter = torch.zeros((), dtype=torch.int64, device=device)
        self.record_S2K = torch.zeros(RECORD_STEPS, 2, len(lr_K), device=device)
        self.views = architecture.views(self.weights_KP)
        for view, gradient in zip(self.views.values(), architecture.views(self.gradient_KP).values(), strict=True):
            view.requires_grad_()
            view.grad = gradient
        self.cos_TE, self.sin_TE = rotary_tables(architecture.shape, batches.context, device, dtype)
        self.mask_TT = causal_mask(batches.context, device, dtype)
        self.graph: torch.cuda.CUDAGraph | None = None

    def set_schedule(self, multiplier_S: np.ndarray) -> None:
        """Multipliers of the learning rate by absolute step. Its length may grow once; a captured graph reads in place."""
        if len(multiplier_S) > len(self.multiplier_S):
            self.multiplier_S = torch.ones(len(multiplier_S), device=self.device)
            self.graph = None
        self.multiplier_S[: len(multiplier_S)] = torch.from_numpy(multiplier_S).to(self.device)

    def snapshot(self) -> Snapshot:
        return Snapshot(self.step, self.weights_KP.detach().clone(), self.mean_KP.clone(), self.square_KP.clone())

    def restore(self, snapshot: Snapshot) -> None:
        self.step = snapshot.step
        with torch.no_grad():
            self.weights_KP.copy_(snapshot.weights_KP)
            self.mean_KP.copy_(snapshot.mean_KP)
            self.square_KP.copy_(snapshot.square_KP)
            self.counter.fill_(snapshot.step)

    def advance(self) -> None:
        """Do one step."""
        if self.device.type == "cuda" and self.world == 1:
            if self.graph is None:
                self._capture()
            assert self.graph is not None
            self.graph.replay()
        else:
            self._step()
        self.step += 1

    def record(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """loss_SK and gradient norm_SK of the last `steps` steps (at most RECORD_STEPS): one copy to the host."""
        slots = torch.arange(self.step - steps, self.step, device=self.device) % RECORD_STEPS
        both = self.record_S2K[slots].cpu().numpy()
        return both[:, 0], both[:, 1]

    def _step(self) -> None:
        ids_KBU = self.batches(self.counter)
        mine = ids_KBU[:, self.rank * self.share : (self.rank + 1) * self.share]
        self.gradient_KP.zero_()
        loss_K = torch.zeros_like(self.lr_K)
        for micro in mine.split(self.micro_batch, dim=1):
            micro_K = loss(
                self.views, self.architecture.shape, micro, self.cos_TE, self.sin_TE, self.mask_TT, self.masked_eot
            ) * (micro.shape[1] / self.batches.batch)
            with warnings.catch_warnings():  # the views of one run's row are dense, those of several are strided
                warnings.filterwarnings("ignore", "grad and param do not obey the gradient layout contract")
                micro_K.sum().backward()
            loss_K += micro_K.detach()
        if self.world > 1:
            torch.distributed.all_reduce(self.gradient_KP)
            torch.distributed.all_reduce(loss_K)
        norm_K = torch.linalg.vector_norm(self.gradient_KP, dim=1)
        self.record_S2K.index_copy_(0, (self.counter % RECORD_STEPS)[None], torch.stack((loss_K, norm_K))[None])
        if self.optimizer.clip > 0:
            self.gradient_KP *= (self.optimizer.clip / norm_K).clamp(max=1.0)[:, None]
        self._adamw(self.lr_K * self.multiplier_S.index_select(0, self.counter[None]))
        self.counter += 1

    @torch.no_grad()
    def _adamw(self, lr_K: Tensor) -> None:
        """PyTorch's fused AdamW on the flat rows of all runs of one learning rate: the decayed slices, then the embeddings."""
        n = self.architecture.n_decayed
        state = (self.weights_KP, self.gradient_KP, self.mean_KP, self.square_KP)
        for runs in self.alike:
            for cut, decay in ((slice(None, n), self.optimizer.weight_decay), (slice(n, None), 0.0)):
                weights, gradient, mean, square = ([buffer[k, cut] for k in runs] for buffer in state)
                steps = [self.counter.float() for _ in runs]  # steps done before this one; adamw adds one in place
                adamw(
                    weights, gradient, mean, square, [], steps, fused=True, amsgrad=False, maximize=False, lr=lr_K[runs[0]],
                    beta1=self.optimizer.beta1, beta2=self.optimizer.beta2, eps=self.optimizer.eps, weight_decay=decay,
                )  # fmt: skip

    def _capture(self) -> None:
        """Capture one step in a CUDA graph; warm-up steps run on a side stream, from the same counter, and are undone."""
        before = self.snapshot()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.counter.fill_(before.step)  # so that the last steps of a schedule can be warmed up too
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self._step()
        self.restore(before)
