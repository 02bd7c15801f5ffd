"""The report as a short Markdown text, for a pull request or a chat."""

from pipelines.report import trust, verdict
from pipelines.report.facts import Facts
from scaling_fit.wording import count, eval_words


def render(facts: Facts) -> str:
    """Verdict, one row per level, the doubts, and how to make it again."""
    answer = facts.fit.answer
    lines = [f"## {_plain(facts.title)}", "", f"**{answer.choice}** {answer.moved}", ""]
    over = facts.fit.over_quality()
    lines += [f"**Does better data change the exponent?** {_plain(over.answer)}", ""] if over else []
    rows = verdict.rows(facts.fit, facts.fit.primary, [level["name"] for level in facts.levels])
    if rows:
        lines += [
            f"On {eval_words(facts.fit.primary)}, against {facts.baseline}:",
            "",
            "| level | what moved | loss difference | worth of a token | unique tokens |",
            "|---|---|---|---|---|",
        ]
        known = [(level["name"], level["unique_tokens"]) for level in facts.levels]
        unique = {name: "unknown" if tokens is None else count(tokens) for name, tokens in known}
        for row in rows:
            low, value, high = row.percent
            worth = f"{row.words.worth} {_plain(row.words.worth_of)}".strip()
            lines.append(
                f"| {row.level} | {row.words.loss}, {row.words.badge} | {value:+.1f}% [{low:+.1f}, {high:+.1f}] | {worth} | "
                f"{unique[row.level]} |"
            )
        said = [(row.level, row.words.saving, row.words.finding, row.words.reading, row.words.floors) for row in rows]
        lines += ["", *(f"- {level}: {' '.join(_plain(text) for text in texts if text)}" for level, *texts in said)]
    lines += ["", _plain(answer.settling.said)] if answer.settling else []
    for name, task in (facts.fit.tasks.tasks if facts.fit.tasks else {}).items():
        told = task.words
        said = (told.finding, *told.equal_loss.values(), *told.emergence.values(), told.forecast)
        lines += ["", f"**Task {_plain(name)}.** {' '.join(_plain(sentence) for sentence in said if sentence)}"]
    if facts.courses is not None:
        lines += ["", "Levels in time:", "", *(f"- {_plain(sentence)}" for sentence in facts.courses.sentences)]
    cautions = trust.warnings(facts, facts.fit.primary)
    lines += ["", *(f"> {_plain(warning)}" for warning in cautions)] if cautions else []
    source = facts.provenance
    of = f"{facts.made_from.capitalize()} `{facts.name}` ({source['study_hash']})"
    lines += ["", f"{of}, {source['created'][:10]}: `{source['command']}`", ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text that cannot break out of a table cell or become markup."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
