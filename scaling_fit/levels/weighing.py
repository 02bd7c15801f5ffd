"""Whether a finding hangs on how the domains of held-out text are weighed: all about alike, or by their share of the pool."""

from collections.abc import Mapping

from scaling_fit.levels.verdict import Verdict
from scaling_fit.levels.words import DIRECTION
from scaling_fit.settings import Settings
from scaling_fit.wording import Check, interval, listed

ALIKE, POOLED = "heldout", "heldout-pool"


def weights(verdicts: Mapping[str, Mapping[str, Verdict]], settings: Settings) -> tuple[Check, str] | None:
    """verdicts: by evaluation set and level. The second is a warning, "" where every level stands alike under both weights;
    None where a table has not both sets."""
    if not {ALIKE, POOLED} <= verdicts.keys():
        return None
    alike, pooled = verdicts[ALIKE], verdicts[POOLED]
    contenders = [level for level in settings.contenders([settings.baseline, *alike]) if level in pooled]
    changed = [level for level in contenders if alike[level].direction != pooled[level].direction]
    question = "Do the weights of the domains decide?"
    meaning = "All held-out text weighs every domain about alike; the second set weighs each as the pool does."
    if not changed:
        return Check(question, "no: every level stands alike under both weights", meaning), ""
    told = [
        f"{level} has {_said(alike[level])} with all domains about alike, {_said(pooled[level])} weighed as the pool"
        for level in changed
    ]
    return Check(question, f"yes, for {listed(changed)}", meaning), f"The weights of the domains decide: {'; '.join(told)}."


def _said(verdict: Verdict) -> str:
    words = DIRECTION[verdict.direction]
    article = "" if words.startswith("no ") else "a "
    return f"{article}{words} ({interval(verdict.gap.mean, '%+.1f')} %)"
