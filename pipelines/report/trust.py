"""What was checked and what it means, and what nobody looked at: the report's own doubts."""

from typing import Any

from pipelines.report.facts import Facts
from pipelines.report.wording import eval_words, interval, probability


def checks(facts: Facts, eval_set: str) -> list[tuple[str, str, str]]:
    """Rows of (check, answer, what it means) for one evaluation set."""
    fit = facts.fit["sets"][eval_set]
    return [
        _noise(fit["noise"], bool(facts.spreads)),
        _fit(fit["adequacy"]),
        _sizes(fit["adequacy"]),
        _identified(fit),
        _smallest(facts, fit),
        _forecast(fit),
        *_controls(facts, fit),
        *_luck(facts, eval_set),
        *_rates(facts, fit),
        *_schedule(facts, eval_set),
    ]


def _noise(noise: dict[str, Any], apart: bool) -> tuple[str, str, str]:
    """`apart`: the study measured its noise on runs of their own, which the fit takes where it would assume the trunks'."""
    seen = "measured between seeds" if noise["trunk_replicates"] else "from the fit's own residuals; no seed was repeated"
    if noise["trunk_assumed"]:
        seen = "the trunks' from runs repeated apart" if apart else "the trunks' is assumed; no seed was repeated"
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
    if not parts:
        return "Smallest shift this design can see", "cannot be said", "The exponents are not pinned down well enough to say."
    return "Smallest shift this design can see", ", ".join(parts), meaning


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


def _controls(facts: Facts, fit: dict[str, Any]) -> list[tuple[str, str, str]]:
    """A random part of the baseline must be as good as the baseline."""
    answers = []
    for name in _like_the_baseline(facts, fit):
        ends = fit["verdicts"][name]["difference_percent"]
        good = ends["low"] is None or ends["high"] is None or ends["low"] <= 0 <= ends["high"]
        meaning = (
            f"A random part of {facts.baseline} is as good as the whole, as it must be."
            if good
            else f"A random part of {facts.baseline} must be as good as the whole: differences of this size are luck here."
        )
        answers.append((f"Control: {name}", f"{interval(ends, '%+.2f')}% of loss against {facts.baseline}", meaning))
    return answers


def _like_the_baseline(facts: Facts, fit: dict[str, Any]) -> list[str]:
    """Levels that are a random part of the baseline."""
    controls = [level for level in facts.levels if level["declaration"].get("random") and level["name"] in fit["verdicts"]]
    return [level["name"] for level in controls if level["extends"] in (None, facts.baseline)]


def _luck(facts: Facts, eval_set: str) -> list[tuple[str, str, str]]:
    """What the noise runs measured, over all cells: root mean squares weighted by their degrees of freedom."""
    rows = [spread for spread in facts.spreads if spread["eval_set"] == eval_set]
    if not rows:
        return []
    seeds, paired = (_pooled(rows, source) for source in ("unpaired", "paired"))
    sampling = 100 * (sum((row["sampling"] / row["loss"]) ** 2 for row in rows) / len(rows)) ** 0.5
    answer = f"{seeds[0]:.2f}% between seeds ({seeds[1]} degrees of freedom)"
    meaning = "Sharing a seed between levels did not make their comparison sharper here."
    if paired[1]:
        answer += f", {paired[0]:.2f}% at the same seed ({paired[1]})"
        if paired[0] < seeds[0]:
            gain = (seeds[0] / paired[0]) ** 2 if paired[0] else float("inf")
            meaning = f"Comparing levels at the same seed is worth {gain:.1f} times as many seeds."
    else:
        meaning = "With one level only, nothing was compared at the same seed."
    return [("Luck, measured apart", f"{answer}; {sampling:.2f}% from the choice of evaluation documents", meaning)]


def _pooled(rows: list[dict[str, Any]], source: str) -> tuple[float, int]:
    known = [row for row in rows if row[source] is not None and row[f"{source}_df"]]
    freedom = sum(row[f"{source}_df"] for row in known)
    squares = sum(row[f"{source}_df"] * (row[source] / row["loss"]) ** 2 for row in known)
    return 100 * (squares / max(freedom, 1)) ** 0.5, freedom


def _rates(facts: Facts, fit: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Whether one learning rate was fair: the optima against each other, and what the ladder's rate costs against luck."""
    if not facts.optima:
        return []
    told = [f"{one['level']} {one['lr']:.2g} (the rate used costs {one['cost_of_used']:.4f} nats)" for one in facts.optima]
    rates, costs = ([one[key] for one in facts.optima] for key in ("lr", "cost_of_used"))
    luck = fit["noise"]["row_sd_percent"] / 100 * min(min(one["losses"]) for one in facts.optima)
    if not all(one["inside"] for one in facts.optima):
        meaning = "An optimum lies outside the rates tried, so its level may be judged below its best: try more rates."
    elif max(rates) / min(rates) < 2 and max(costs) - min(costs) <= luck:
        meaning = "Less than a factor of two apart, and the unfairness is within luck: one rate serves these levels."
    else:
        meaning = f"The best rates differ: up to {max(costs) - min(costs):.4f} nats of a difference in loss may come from that."
    return [("Is one learning rate fair?", "best: " + ", ".join(told), meaning)]


def _schedule(facts: Facts, eval_set: str) -> list[tuple[str, str, str]]:
    """The branches of a trunk against runs of their own under a cosine: what sharing the trunk costs in loss."""
    rows = [gap for gap in facts.gaps if gap["eval_set"] == eval_set]
    if not rows:
        return []
    told = []
    for gap in rows:
        ends = "" if gap["se"] is None else f" ± {100 * gap['se'] / gap['loss']:.2f}"
        told.append(
            f"{100 * gap['difference'] / gap['loss']:+.2f}{ends}% at {gap['factor']:g} times the rate ({gap['pairs']} pairs)"
        )
    meaning = (
        "Runs to several D share one trunk; a cosine of their own would end at a loss that differs by this much, on all levels."
    )
    return [("Branches against a cosine", "; ".join(told), meaning)]


def warnings(facts: Facts, eval_set: str) -> list[str]:
    """What a reader must know before acting on the verdict."""
    fit = facts.fit["sets"][eval_set]
    told = [fit["adequacy"]["warning"]] if fit["adequacy"]["warning"] else []
    flags = [f"{level}: {flag}" for level, one in fit["levels"].items() for flag in one["identifiability"]["flags"]]
    if flags:
        first = f"{flags[0]} (and {len(flags) - 1} more, with the fitted parameters)" if len(flags) > 1 else flags[0]
        told.append(f"These runs do not pin down every parameter of the law, so read what moved with care. {first}.")
    for name, answer, meaning in _controls(facts, fit):
        if "are luck" in meaning:
            told.append(f"{name}: {answer}. {meaning}")
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
    if not facts.optima:
        told.append("Whether the best learning rate is the same on every level.")
    unavailable = [name for name, fit in facts.fit["sets"].items() if not fit["available"]]
    told += [f"{eval_words(name)}: {facts.fit['sets'][name].get('reason', 'no fit')}" for name in unavailable]
    told.append("Downstream tasks: every verdict here is about loss on held-out text.")
    return told


def _size(row: dict[str, Any]) -> int:
    return row["params_body"] + row["params_head"]
