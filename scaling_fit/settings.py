"""What is asked of a fit: which law, which objective, how sure; of a comparison also its baseline, and what a level is for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["level", "control", "arm"]
Sharing = str | Mapping[str, float]


@dataclass(frozen=True)
class FitSettings:
    """Settings of `fit`.

    law: a name of `LAWS`. objective: "huber[:delta]" (log loss; 1e-3 unless said), "lad", "least-squares", "linear" (nats) or
    "likelihood" (free scale). groups: a column of the table ("level", "shape") whose values are fitted jointly; `sharing` then
    says per parameter "shared" (default), "free", or {group: covariate} for linear in a covariate (logs of coefficients);
    `baseline` is the group that others differ from (default the first). fixed: parameters held at a value, in the formula's
    own units, and tested against the law with all free (one group). intervals: "row", "trunk", "wild", "profile" (least
    squares only), "none"; "auto" is row where every run is a trunk, trunk where there are 8 or more a group, and refits to
    simulated tables where there are fewer. replicates: refits behind them.
    """

    law: str = "additive"
    objective: str = "huber"
    groups: str | None = None
    sharing: Mapping[str, Sharing] = field(default_factory=dict)
    baseline: str | None = None
    fixed: Mapping[str, float] = field(default_factory=dict)
    intervals: str = "auto"
    replicates: int = 1000
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Settings:
    """Settings of `analyse`.

    baseline: the level that others are compared with ("": raw if there, else the first). eval_set: the one that verdicts are
    read from ("": heldout if there, else the first); eval_sets: those fitted (empty: all). law: "auto" or a name of `LAWS`.
    objective: "huber" (half-width four robust standard deviations), "huber:DELTA" (in log loss) or "least-squares".
    confidence: of intervals; alpha: size of the tests. margin: |delta beta| below which exponents count as equal; 0.02 moves
    effective data by about 1.3x over two decades. multiplier_margin: the same for the worth of a token, as a share.
    replicates: simulated refits for intervals; test_replicates: simulated null tables per test (0: F distribution only).
    roles: what each level is for where it is no plain level: a control (shows how far luck and size reach) or an arm (another
    mixture of domains). random_parts: levels that are a random part of the baseline; luck and fewer documents tell them apart.
    same_floor: levels that share the baseline's floor by construction (a random part, added copies); no other is fitted.
    """

    baseline: str = ""
    eval_set: str = ""
    eval_sets: tuple[str, ...] = ()
    law: str = "auto"
    objective: str = "huber"
    confidence: float = 0.95
    alpha: float = 0.05
    margin: float = 0.02
    multiplier_margin: float = 0.1
    replicates: int = 1000
    test_replicates: int = 400
    seed: int = 0
    roles: dict[str, Role] = field(default_factory=dict)
    random_parts: tuple[str, ...] = ()
    same_floor: tuple[str, ...] = ()

    def role(self, level: str) -> Role:
        return self.roles.get(level, "level")

    def plain(self, levels: Iterable[str]) -> tuple[str, ...]:
        """Of `levels`, those that are no control and no other mixture, the baseline among them."""
        return tuple(level for level in levels if level == self.baseline or self.role(level) == "level")

    def contenders(self, levels: Iterable[str]) -> tuple[str, ...]:
        """Of `levels`, those that may be recommended over the baseline: no control, and arms only where there is nothing
        else, since a difference to an arm is one of topics too."""
        others = {level: self.role(level) for level in levels if level != self.baseline}
        wanted = "level" if "level" in others.values() else "arm"
        return tuple(level for level, role in others.items() if role == wanted)
