"""What was checked and what it means, and what nobody looked at: the report's own doubts."""

from typing import Any

from pipelines.report.facts import Facts
from pipelines.report.wording import eval_words, probability


def checks(facts: Facts, eval_set: str) -> list[tuple[str, str, str]]:
    """Rows of (check, answer, what it means) for one evaluation set."""
    fit = facts.fit["sets"][eval_set]
    return [
        _noise(fit["noise"]),
        _fit(fit["adequacy"]),
        _sizes(fit["adequacy"]),
        _identified(fit),
        _smallest(facts, fit),
        _forecast(fit),
    ]


def _noise(noise: dict[str, Any]) -> tuple[str, str, str]:
    seen = "measured between seeds" if noise["trunk_replicates"] else "from the fit's own residuals; no seed was repeated"
    answer = f"{noise['row_sd_percent']:.2f}% per run, {noise['trunk_sd_percent'] or 0:.2f}% per trunk ({seen})"
    return (
        "Luck",
        answer,
        "Two runs that differ only in their seed differ by about this much of their loss. All intervals contain it.",
    )


def _fit(adequacy: dict[str, Any]) -> tuple[str, str, str]:
    found = adequacy["lack_of_fit"]
    if found is None:
        return "Does the law fit?", "could not be tested", "Too few repeated runs to tell misfit from luck: add seeds."
    luck = f"{found['pure_error_percent']:.2f}%"
    answer = f"misses by {found['misfit_percent']:.2f}% beside luck of {luck} ({probability(found['p'])})"
    good = found["p"] >= 0.01
    return (
        "Does the law fit?",
        answer,
        "No sign that the law has the wrong form." if good else "It does not: read exponents as local slopes.",
    )


def _sizes(adequacy: dict[str, Any]) -> tuple[str, str, str]:
    found = adequacy["interaction"]
    if found is None:
        return "One exponent for all sizes?", "could not be tested", "It takes two or more model sizes and some runs to spare."
    good = found["p"] >= 0.01
    meaning = (
        "One exponent per level describes all sizes tested."
        if good
        else "The exponent changes with model size; one number is an average."
    )
    return "One exponent for all sizes?", probability(found["p"]), meaning


def _identified(fit: dict[str, Any]) -> tuple[str, str, str]:
    flags = [f"{level}: {flag}" for level, one in fit["levels"].items() for flag in one["identifiability"]["flags"]]
    pairs = [one["identifiability"]["correlations"].get("E, beta") for one in fit["levels"].values()]
    known = [abs(value) for value in pairs if value is not None]
    shown = [*flags[:3], f"and {len(flags) - 3} more, with the fitted parameters"] if len(flags) > 3 else flags
    answer = "; ".join(shown) or (f"yes; floor and exponent correlate at {max(known):.2f}" if known else "yes")
    meaning = (
        "The closer that correlation is to 1, the more a lower floor and a higher exponent look alike over the tested range."
    )
    return "Are the parameters pinned down?", answer, meaning


def _smallest(facts: Facts, fit: dict[str, Any]) -> tuple[str, str, str]:
    parts = [
        f"{level} {verdict['detectable_beta']:.3f}"
        for level, verdict in fit["verdicts"].items()
        if verdict["detectable_beta"] is not None
    ]
    meaning = f"A difference in exponent from {facts.baseline} smaller than this is found less than four times in five."
    return "Smallest shift this design can see", ", ".join(parts) or "none", meaning


def _forecast(fit: dict[str, Any]) -> tuple[str, str, str]:
    found = fit["extrapolation"]
    rate = found["rate_percent_per_e_fold"] if found else None
    if rate is None:
        return (
            "Forecast error",
            "could not be measured",
            "Predictions beyond the tested range have no interval: do not rely on them.",
        )
    answer = f"{rate:.2f}% of loss for every factor of 2.7 in D, bias {found['bias_percent']:+.2f}%"
    return (
        "Forecast error",
        answer,
        "Measured by hiding the largest runs and predicting them. Bands beyond the tested range contain it.",
    )


def warnings(facts: Facts, eval_set: str) -> list[str]:
    """What a reader must know before acting on the verdict."""
    fit = facts.fit["sets"][eval_set]
    told = [fit["adequacy"]["warning"]] if fit["adequacy"]["warning"] else []
    flags = [f"{level}: {flag}" for level, one in fit["levels"].items() for flag in one["identifiability"]["flags"]]
    if flags:
        first = f"{flags[0]} (and {len(flags) - 1} more, with the fitted parameters)" if len(flags) > 1 else flags[0]
        told.append(f"These runs do not pin down every parameter of the law, so read what moved with care. {first}.")
    if len(facts.certificates) > 1:
        told.append(f"The runs carry {len(facts.certificates)} different certificates: not all of them may be compared.")
    return told


def not_tested(facts: Facts) -> list[str]:
    """The study's own list, and what its runs cannot say anything about."""
    rows, told = facts.observations, list(facts.not_tested)
    if rows:
        largest = max(row["tokens"] for row in rows)
        told.append(f"Anything beyond {largest:,} training tokens or {max(_size(row) for row in rows):,} parameters.")
        if len({row["seed"] for row in rows}) < 3:
            told.append("More than two seeds: the luck of a run is itself known only roughly.")
    if not facts.lr_check:
        told.append("Whether the best learning rate is the same on every level.")
    unavailable = [name for name, fit in facts.fit["sets"].items() if not fit["available"]]
    told += [f"{eval_words(name)}: {facts.fit['sets'][name].get('reason', 'no fit')}" for name in unavailable]
    told.append("Downstream tasks: every verdict here is about loss on held-out text.")
    return told


def _size(row: dict[str, Any]) -> int:
    return row["params_body"] + row["params_head"]
