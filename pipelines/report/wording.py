"""Sizes, times, settings and declarations in words; numbers of the fit are worded by scaling_fit."""

from pipelines.report.frames import JsonObject


def size(value: float) -> str:
    """Bytes, in powers of 1000."""
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:.0f} B"


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def plain(value: object) -> str:
    """A setting of any shape in a few words: no braces, hashes cut to twelve digits."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return " / ".join(plain(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text[:12] if len(text) >= 32 and all(c in "0123456789abcdef" for c in text) else text


def declaration(level: JsonObject) -> str:
    """A level's rules in one line, after those of its parent."""
    rules = level["declaration"]
    parts = [f"{level['extends']}, then" if level["extends"] else ""]
    if rules.get("drop"):
        parts.append(f"drop {' and '.join(rules['drop'])} duplicates;")
    if rules.get("keep"):
        parts.append(f"keep what passes {' and '.join(rules['keep'])};")
    if top := rules.get("top"):
        parts.append(f"best {top['fraction']:.0%} by {top['by']}{' in each domain' if top.get('within') else ''};")
    if rules.get("random"):
        parts.append(f"drop at random to the size of {rules['random']};")
    if rules.get("duplicate"):
        near = "near " if rules.get("duplicate_noise") else ""
        parts.append(f"add {near}copies of {rules['duplicate']:.0%};")
    if rules.get("mixture"):
        parts.append(f"{rules['mixture'].get('kind', 'pinned')} mixture;")
    text = " ".join(part for part in parts if part).rstrip(";")
    return text.removesuffix(", then") or "the whole pool"
