"""The report as a short Markdown text, for a pull request or a chat."""

from pipelines.report import law_tables, trust, verdict
from pipelines.report.facts import Facts
from pipelines.report.wording import count, eval_words


def render(facts: Facts) -> str:
    """Verdict, one row per level, the doubts, and how to make it again."""
    head, lead = verdict.headline(facts)
    lines = [f"## {_plain(facts.title)}", "", f"**{head}** {lead}", ""]
    for eval_set in law_tables.eval_sets(facts)[:1]:
        lines += [
            f"On {eval_words(eval_set)}, against {facts.baseline}:",
            "",
            "| level | what moved | loss difference | worth of a token | unique tokens |",
            "|---|---|---|---|---|",
        ]
        unique = {level["name"]: level["unique_tokens"] for level in facts.levels}
        for a in verdict.answers(facts, eval_set):
            low, value, high = a.percent
            worth = f"{a.big} {_plain(a.small)}".strip()
            lines.append(
                f"| {a.level} | {a.direction}, {a.word} | {value:+.1f}% [{low:+.1f}, {high:+.1f}] | {worth} | "
                f"{count(unique[a.level])} |"
            )
        lines += ["", *(f"- {_plain(a.full)}" for a in verdict.answers(facts, eval_set))]
        told = trust.warnings(facts, eval_set)
        lines += ["", *(f"> {_plain(warning)}" for warning in told)] if told else []
    made = facts.provenance
    lines += ["", f"Study `{facts.name}` ({made['study_hash']}), {made['created'][:10]}: `{made['command']}`", ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text that cannot break out of a table cell or become markup."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
