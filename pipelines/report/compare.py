"""Two reports side by side: what was declared differently, and what came out differently."""

from dataclasses import asdict, dataclass
from typing import Any

import yaml

from pipelines.report.facts import Facts
from pipelines.report.frames import JsonObject
from scaling_fit.intervals import Interval
from scaling_fit.wording import eval_words, interval


@dataclass(frozen=True)
class Change:
    """One thing that is not the same. `certain`: the two intervals do not overlap, or the two values are exact."""

    kind: str
    where: str
    first: str
    second: str
    certain: bool


@dataclass(frozen=True)
class Comparison:
    """What differs between two reports, by kind: settings, data, results, software."""

    first: str
    second: str
    changes: list[Change]

    def of(self, kind: str) -> list[Change]:
        return [change for change in self.changes if change.kind == kind]

    def to_dict(self) -> JsonObject:
        return asdict(self)


def compare(first: Facts, second: Facts) -> Comparison:
    """Differences from `first` to `second`. Levels and evaluation sets that only one has are told once."""
    changes = [*_settings(first, second), *_data(first, second), *_results(first, second), *_software(first, second)]
    return Comparison(
        f"{first.title}, {first.provenance['created'][:16]}", f"{second.title}, {second.provenance['created'][:16]}", changes
    )


def _settings(first: Facts, second: Facts) -> list[Change]:
    a, b = (_flat(yaml.safe_load(facts.provenance["study_file"])) for facts in (first, second))
    keys = [key for key in (a | b) if a.get(key) != b.get(key)]
    return [Change("settings", key, _shown(a.get(key)), _shown(b.get(key)), True) for key in keys]


def _flat(value: Any, at: str = "") -> JsonObject:
    if isinstance(value, dict) and value:
        return {
            key: item for name, part in value.items() for key, item in _flat(part, f"{at}.{name}" if at else str(name)).items()
        }
    return {at: value}


def _shown(value: object) -> str:
    return "not there" if value is None else str(value)


def _data(first: Facts, second: Facts) -> list[Change]:
    a, b = ({level["name"]: level for level in facts.levels} for facts in (first, second))
    changes = [
        Change("data", f"level {name}", "there" if name in a else "not there", "there" if name in b else "not there", True)
        for name in a.keys() ^ b.keys()
    ]
    for name, key in ((name, key) for name in a if name in b for key in ("documents", "unique_tokens")):
        one, two = a[name][key], b[name][key]
        if one is not None and two is not None and one != two:
            changes.append(Change("data", f"{name}: {key.replace('_', ' ')}", f"{one:,}", f"{two:,}", True))
    return changes


def _results(first: Facts, second: Facts) -> list[Change]:
    changes = []
    for eval_set in [name for name in first.fit.fits if name in second.fit.fits]:
        a, b = (facts.fit.fits[eval_set].tests for facts in (first, second))
        said, other = (facts.fit.sets[eval_set].answer.verdicts for facts in (first, second))
        on = f"on {eval_words(eval_set)}"
        for level in [name for name in a if name in b]:
            if said[level].kind != other[level].kind:
                where = f"{level} {on}: what moved"
                changes.append(Change("results", where, said[level].kind, other[level].kind, True))
            for label, one, two, form in (
                ("difference in exponent", a[level].delta_beta, b[level].delta_beta, "%+.3f"),
                ("worth of a token", a[level].multiplier, b[level].multiplier, "%.2f"),
                ("loss difference, %", said[level].gap.mean, other[level].gap.mean, "%+.2f"),
            ):
                if one.value != two.value:
                    where = f"{level} {on}: {label}"
                    changes.append(Change("results", where, interval(one, form), interval(two, form), _apart(one, two)))
    return changes


def _apart(one: Interval, two: Interval) -> bool:
    """Whether two intervals have nothing in common: stricter than a test of their difference."""
    return one.high < two.low or two.high < one.low


def _software(first: Facts, second: Facts) -> list[Change]:
    a, b = (
        {**facts.provenance["versions"], **facts.provenance["machine"], "commit": facts.provenance["commit"]}
        for facts in (first, second)
    )
    return [
        Change("software", key, _shown(a.get(key)), _shown(b.get(key)), True) for key in (a | b) if a.get(key) != b.get(key)
    ]
