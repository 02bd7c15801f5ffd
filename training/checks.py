"""Plans of the checks of the instrument: repeated seeds, several learning rates, and whole cosine runs beside branches."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

from training.plan import Plan, Run, Stack

COSINE_FACTORS = (1.0, 2.0)
"""A trunk at a constant rate wants about half of what a cosine wants (Hagele et al., arXiv:2405.18392, their released
notebook: 0.001 against 0.002), so the cosine is trained at the trunk's peak rate and at twice that."""


def noise_stack(plan: Plan, stack_id: str, tokens: Sequence[int], seeds: Iterable[int]) -> Plan:
    """`plan` with one stack "noise-<id>": every level of `stack_id` on each of `seeds`, with a branch to each D of `tokens`."""
    stack = plan.stack(stack_id)
    levels = list(dict.fromkeys(run.level for run in stack.runs))
    runs = tuple(Run(level, seed) for seed in seeds for level in levels)
    repeated = Stack(
        f"noise-{stack_id}", stack.shape, runs, tuple(sorted(tokens)), stack.batch_tokens, stack.lr_K[0], stack.warmup_tokens
    )  # fmt: skip
    others = tuple(other for other in plan.stacks if other.id != stack_id)  # their recipes are part of the certificate
    return replace(plan, stacks=(*others, repeated))


def lr_check_stack(
    plan: Plan, stack_id: str, levels: Sequence[str], tokens: int, factors: Sequence[float] = (0.5, 1.0, 2.0)
) -> Plan:
    """`plan` with one stack "lr-<id>": each of `levels` at each multiple of the stack's rate, to one D, first seed.

    Errors: ValueError for fewer than three factors.
    """
    if len(factors) < 3:
        raise ValueError(f"{len(factors)} learning rates cannot show an optimum; give at least 3 factors")
    stack = plan.stack(stack_id)
    seed = stack.runs[0].seed
    runs = tuple(Run(level, seed) for level in levels for _ in factors)
    lr = tuple(stack.lr_K[0] * factor for _ in levels for factor in sorted(factors))
    check = Stack(f"lr-{stack_id}", stack.shape, runs, (tokens,), stack.batch_tokens, lr, stack.warmup_tokens)
    return replace(plan, stacks=(check,))


def cosine_stack(plan: Plan, stack_id: str, tokens: int) -> Plan:
    """`plan` under a cosine schedule: one stack "cosine-<id>", the runs of `stack_id` to D = `tokens` at each factor."""
    stack = plan.stack(stack_id)
    both = list(product(COSINE_FACTORS, stack.runs))
    lr = tuple(stack.lr_K[0] * factor for factor, _ in both)
    runs = tuple(Run(run.level, run.seed) for _, run in both)
    cosine = Stack(f"cosine-{stack_id}", stack.shape, runs, (tokens,), stack.batch_tokens, lr, stack.warmup_tokens)
    return replace(plan, schedule=replace(plan.schedule, kind="cosine"), stacks=(cosine,))
