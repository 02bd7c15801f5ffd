"""Learning-rate multipliers, as arrays over steps: a trunk, its cooldown branches, and the cosine check.

Step s (0-based) uses multiplier[s]. The branch to D starts where the last `cooldown` share of its steps begins and
falls as 1 - sqrt (Hagele et al., arXiv:2405.18392, section 3); the trunk itself never decays.
"""

from __future__ import annotations

import numpy as np

COSINE_FLOOR = 0.1  # Hoffmann et al. (arXiv:2203.15556) decay to a tenth


def branch_start(steps: int, cooldown: float) -> int:
    """The trunk step at which the branch that ends after `steps` steps leaves; at least one step is cooled."""
    return min(steps - 1, round(steps * (1 - cooldown)))


def trunk(steps: int, warmup: int) -> np.ndarray:
    """float32[steps]: linear warm-up over `warmup` steps, then 1."""
    return np.minimum(1.0, (np.arange(steps) + 1) / max(1, warmup)).astype(np.float32)


def branch(steps: int, warmup: int, cooldown: float) -> np.ndarray:
    """float32[steps]: the trunk up to `branch_start`, then 1 - sqrt of the share of the cooldown that has passed."""
    start = branch_start(steps, cooldown)
    multiplier = trunk(steps, warmup)
    passed = np.arange(steps - start) / (steps - start)
    multiplier[start:] *= 1 - np.sqrt(passed).astype(np.float32)
    return multiplier


def cosine(steps: int, warmup: int) -> np.ndarray:
    """float32[steps]: linear warm-up, then a cosine from 1 to COSINE_FLOOR at the last step."""
    after = np.clip((np.arange(steps) + 1 - warmup) / max(1, steps - warmup), 0, 1)
    decayed = COSINE_FLOOR + (1 - COSINE_FLOOR) * 0.5 * (1 + np.cos(np.pi * after))
    return (trunk(steps, warmup) * decayed).astype(np.float32)


def tokens_of_ladder(tokens: list[int], cooldown: float) -> float:
    """Tokens trained for one trunk with a branch to each D; compare with sum(tokens), the cost of separate runs."""
    return max(tokens) * (1 - cooldown) + cooldown * sum(tokens)
