"""How many tokens of each domain a level's training data holds.

`budget` finds the largest stream whose domains have the wanted shares, given what the level kept: exact arithmetic on
fractions of integers, so the answer is the same everywhere.

Small domains: a level that is filtered hard may keep nothing of a domain with 0.1 % of the tokens, and a pinned share of it
would then forbid any stream at all. So domains with less than `min_share` of the pinned level's tokens count together as
one domain, `OTHER`; where these hold less than that in total, the next smallest joins them. Their joint share is pinned.
Natural mixtures count them together too: a pool with a domain for each web host has no use for a hundred thousand places.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Literal

OTHER = "(other)"


@dataclass(frozen=True)
class Mixture:
    """What a study says of the domains of a level's stream.

    `pinned`: the shares of the level that the study names (its first one, by default), for every level the same.
    `natural`: the shares of what the level kept. `explicit`: `shares` by domain, in any unit; domains that are not named get
    nothing. `temperature`: natural shares to the power ``1 / temperature``, made to sum to one.
    `max_epochs` says how often a domain may be gone through, 1 where it is not named.
    """

    kind: Literal["pinned", "natural", "explicit", "temperature"] = "pinned"
    shares: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    max_epochs: Mapping[str, float] = field(default_factory=dict)
    min_share: float = 0.001


@dataclass(frozen=True)
class Budget:
    """The stream of a level: its `length` in tokens, the groups' `shares` of it, and what was `available` of each group.

    `shares` sum to one; they and the length are exact. `group` of each domain is itself, or `OTHER`. `scarce` is the group
    that ends the stream.
    """

    length: Fraction
    available: Mapping[str, int]
    shares: Mapping[str, Fraction]
    group: Mapping[str, str]
    scarce: str

    @property
    def tokens(self) -> dict[str, int]:
        """Of each group, at least."""
        return {name: ceil(share * self.length) for name, share in self.shares.items()}

    @property
    def total(self) -> int:
        """Tokens in all, at least: each group runs to the end of its last piece."""
        return sum(self.tokens.values())


def budget(level: str, mixture: Mixture, available: Mapping[str, int], pinned: Mapping[str, int], wanted: int = 0) -> Budget:
    """The largest stream that the mixture allows.

    Parameters
    ----------
    level : its name, for errors.
    available : tokens that the level kept, by domain.
    pinned : tokens of the level whose shares are pinned, by domain; read by `pinned` mixtures only.
    wanted : the fewest tokens that will do (the level's longest run).

    Raises `ValueError` naming the domain and the tokens missing where nothing, or less than `wanted`, can be made.
    """
    group = {name: name for name in available}
    if mixture.kind in ("pinned", "natural"):
        whole = pinned if mixture.kind == "pinned" else available
        group |= _groups(whole, mixture.min_share)
    stock = _by_group(available, group)
    reference = _by_group(pinned, group) if mixture.kind == "pinned" else stock
    shares = {name: share for name, share in sorted(_shares(level, mixture, reference).items()) if share}
    if unknown := set(mixture.max_epochs) - set(shares):
        named, groups = sorted(unknown)[0], ", ".join(shares)
        raise ValueError(
            f"level {level!r}: max_epochs names {named!r}, which is none of {groups}; small domains are in {OTHER}"
        )
    epochs = {name: _epochs(level, name, mixture) for name in shares}
    limits = {name: stock.get(name, 0) * epochs[name] / shares[name] for name in shares}
    scarce = min(limits, key=limits.__getitem__)
    length = limits[scarce]
    if length < max(wanted, 1):
        need = max(wanted, 1)
        short = ", ".join(
            f"{name} by {ceil(shares[name] * (need - limits[name])):,} tokens (share {float(shares[name]):.3g})"
            for name in shares
            if limits[name] < need
        )
        raise ValueError(
            f"level {level!r} cannot fill {need:,} tokens at its {mixture.kind} mixture: short of {short}; "
            "shorten the runs, loosen the level, give the domain max_epochs, or choose another mixture"
        )
    return Budget(length, {name: stock.get(name, 0) for name in shares}, shares, dict(sorted(group.items())), scarce)


def _shares(level: str, mixture: Mixture, reference: Mapping[str, int]) -> dict[str, Fraction]:
    if mixture.kind == "explicit":
        weights = {name: Fraction(str(share)) for name, share in mixture.shares.items()}
        if any(weight < 0 for weight in weights.values()):
            raise ValueError(f"level {level!r}: mixture shares must not be negative: {dict(mixture.shares)}")
    elif mixture.kind == "temperature":
        if mixture.temperature <= 0:
            raise ValueError(f"level {level!r}: mixture temperature {mixture.temperature} must be above 0")
        most = max(reference.values(), default=0)
        powers = {name: (n / most) ** (1 / mixture.temperature) for name, n in reference.items() if n}
        # rounded, so that a last bit in which two machines' powers differ changes no budget
        weights = {name: Fraction(power).limit_denominator(10**9) for name, power in powers.items()}
    else:
        weights = {name: Fraction(n) for name, n in reference.items()}
    total = sum(weights.values())
    if not total:
        raise ValueError(f"level {level!r}: its {mixture.kind} mixture has no tokens in any domain")
    return {name: weight / total for name, weight in weights.items()}


def _epochs(level: str, name: str, mixture: Mixture) -> Fraction:
    epochs = mixture.max_epochs.get(name, 1)
    if epochs < 1:
        raise ValueError(f"level {level!r}: max_epochs of {name} is {epochs}; it must be at least 1")
    return Fraction(str(epochs))


def as_composed(
    tokens: Mapping[str, int], composition: Mapping[str, int], pinned: Mapping[str, int], min_share: float
) -> dict[str, float]:
    """`tokens` by domain, with what falls on the domains that a pinned mixture counts as one laid out as in `composition`.

    A pinned mixture holds the joint share of the small domains, and not the share of each: a control with a strict level's
    tokens of each would differ from its parent in what they are."""
    small = {name for name, group in _groups(pinned, min_share).items() if group == OTHER and composition.get(name)}
    together, whole = sum(tokens.get(name, 0) for name in small), sum(composition[name] for name in small)
    return {name: float(n) for name, n in tokens.items()} | {
        name: together * composition[name] / whole for name in sorted(small)
    }


def _groups(pinned: Mapping[str, int], min_share: float) -> dict[str, str]:
    """Each domain's group: itself, or `OTHER` where it is small."""
    least = min_share * sum(pinned.values())
    group = {name: name for name in pinned}
    pooled = 0
    for name in sorted(pinned, key=lambda name: (pinned[name], name)):
        if pinned[name] >= least and not 0 < pooled < least:
            break
        group[name] = OTHER
        pooled += pinned[name]
    return group


def _by_group(tokens: Mapping[str, int], group: Mapping[str, str]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, n in tokens.items():
        sums[group[name]] = sums.get(group[name], 0) + n
    return sums
