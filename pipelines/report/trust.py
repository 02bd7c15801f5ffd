"""What was checked and what nobody looked at: the doubts of the fit, those of the instrument, and those of the study."""

from pipelines.report.facts import Facts
from scaling_fit.instrument.learning_rate import fairness
from scaling_fit.instrument.schedule import against_cosine
from scaling_fit.instrument.spread import luck
from scaling_fit.wording import Check, eval_words


def checks(facts: Facts, eval_set: str) -> list[Check]:
    """What the fit was checked for on one evaluation set, then the checks that were run apart."""
    found = facts.fit.sets[eval_set]
    row_noise = found.fit.noise.row if found.fit else 0.0
    apart = (luck(facts.spreads, eval_set), fairness(facts.optima, row_noise), against_cosine(facts.gaps, eval_set))
    return [*found.answer.checks, *(check for check in apart if check)]


def warnings(facts: Facts, eval_set: str) -> list[str]:
    """What a reader must know before acting on the verdict."""
    mixed = f"The runs carry {len(facts.certificates)} different certificates: not all of them may be compared."
    return [*facts.fit.sets[eval_set].answer.warnings, *([mixed] if len(facts.certificates) > 1 else [])]


def not_tested(facts: Facts) -> list[str]:
    """What the study's runs cannot say anything about."""
    rows, lines = facts.observations, []
    if rows:
        largest, size = max(row["tokens"] for row in rows), max(shape.N for shape in facts.fit.shapes)
        lines.append(f"Anything beyond {largest:,.0f} training tokens or {size:,.0f} parameters.")
        if len({row["seed"] for row in rows}) < 3:
            lines.append("More than two seeds: the luck of a run is itself known only roughly.")
    if not facts.optima:
        lines.append("Whether the best learning rate is the same on every level.")
    lines += [f"{eval_words(name)}: {one.reason}" for name, one in facts.fit.sets.items() if one.fit is None]
    if facts.made_from == "table":
        lines.append("Whether the runs were alike in all but their data: a table has no certificate of what was held equal.")
    text = " on held-out text" if facts.made_from == "study" else ""
    lines.append(f"Downstream tasks: every verdict here is about loss{text}.")
    return lines
