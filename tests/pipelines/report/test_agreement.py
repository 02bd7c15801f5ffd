"""Every sentence of page, report.json, report.md and terminal of one study is read, and no two disagree.

The study is the planted one with the level of the lowest loss marked as a control and the next as another mixture, so that a
text which forgets who may be recommended is caught.
"""

import html
import io
import json
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from pipelines.outcomes import outcome
from pipelines.report import markdown, page
from pipelines.report.facts import Facts
from scaling_fit import Result

ADVICE = re.compile(r"\b(?:Train on|Lean to|Stay with|Use|Avoid|Prefer|Go with|Recommended:?) ([\w-]{1,40})")
PRAISE = re.compile(r"\b([\w-]{1,40}) (?:has the lowest loss|is the best|wins|should be used)")
TREND = re.compile(r"its loss is ([-+][\d.e-]+) [^;]{,80}; by the fitted curves the gap (\w+) from there, to ([-+][\d.e-]+) %")
OVER = re.compile(
    r"(?:[Yy]es|[Nn]o|[Nn]ot shown|[Cc]annot be told): as ([^,]+?) goe?s? from [^,]+, the exponent changes by "
    r"([-+][\d.]+) \[([-+][\d.]+), ([-+][\d.]+)\][^.]*\."
    r"(?: For the line through the levels a change of more than ([\d.]+) is ruled out)?"
)
SAVED = re.compile(r"(Reaches|Needs) [^.%]{0,60}?(\d+) % \[(\d+), (\d+)\] of the tokens")
AHEAD = re.compile(r"Past [\d.e+]+ FLOPs \[[^]]*\][^.]{0,60} ([\w-]{1,40}) is ahead")
WINNER = re.compile(r"\b([\w-]{1,40}) is expected to win")


def texts(body: object) -> Iterator[str]:
    if isinstance(body, dict):
        for value in body.values():
            yield from texts(value)
    elif isinstance(body, list):
        for value in body:
            yield from texts(value)
    elif isinstance(body, str) and " " in body:
        yield body


@pytest.fixture(scope="module")
def media(marked: Facts) -> dict[str, str]:
    """All that a reader can read, by where it stands."""
    made = page.make(marked)
    body = json.loads(page.data(marked, made))
    assert Result.from_dict(body["fit"]) == marked.fit
    console = Console(file=io.StringIO(), record=True, width=400)
    outcome.show_verdict(console, marked.fit)
    markup = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", page.render(marked))
    return {
        "page": html.unescape(re.sub(r"<[^>]*>", "\n", markup)),
        "report.json": "\n".join(texts(body)),
        "report.md": markdown.render(marked),
        "terminal": console.export_text(),
        "answer.json": "\n".join(texts(json.loads(json.dumps(outcome.answer(marked.fit))))),
    }


def over_quality(text: str, result: Result) -> list[str]:
    """Answers about the exponent over quality that their own interval, or the fit, does not bear out."""
    told = {words.answer for one in result.fits.values() if one.quality for words in one.quality.words.values()}
    wrong = [] if any(answer in " ".join(text.split()) for answer in told) else ["no answer over quality"]
    for match in OVER.finditer(" ".join(text.split())):
        said, (_, value, low, high, bound) = match.group(), match.groups()
        if not any(said.rstrip(".") in answer for answer in told):
            wrong.append(f"not in the fit: {said}")
        if not float(low) <= float(value) <= float(high):
            wrong.append(f"outside its interval: {said}")
        if said.lower().startswith("yes") == (float(low) <= 0 <= float(high)):
            wrong.append(f"against its interval: {said}")
        if bound and abs(float(bound) - max(abs(float(low)), abs(float(high)))) > 0.0051:
            wrong.append(f"rules out another change: {said}")
    return wrong


def known_leads(line: str, saving: str) -> bool:
    """Whether the share of tokens that a level needs stands before that what moved cannot be told."""
    share = re.search(r"\d+ % \[", saving)
    return share is not None and 0 <= line.find(share.group()) < line.find("cannot be told")


def disagreements(media: dict[str, str], result: Result) -> list[str]:
    """Claims of any text that the verdicts, the curves or the plans do not bear out."""
    wrong, answers = [], [one.answer for one in result.sets.values()]
    chosen = {answer.recommended or result.baseline for answer in answers}
    for place, text in media.items():
        said = {*ADVICE.findall(text), *PRAISE.findall(text)}
        wrong += [f"{place} advises {level}, the choice is {chosen}" for level in said - chosen]
        for last, trend, beyond in TREND.findall(text):
            if last != beyond and (abs(float(beyond)) > abs(float(last))) != (trend == "grows"):
                wrong.append(f"{place}: the gap {trend} from {last} to {beyond}")
        plans = [one.fit.budget for one in result.sets.values() if one.fit]
        ahead = {crossing.after and (level if crossing.after == "level" else result.baseline)
                 for budget in plans for level, crossing in budget.plan.crossings.items()}  # fmt: skip
        wrong += [f"{place}: {level} is ahead by no plan" for level in set(AHEAD.findall(text)) - ahead]
        winners = {level for budget in plans for level in budget.plan.winner}
        wrong += [f"{place}: {level} wins no budget" for level in set(WINNER.findall(text)) - winners]
        wrong += [f"{place}: {claim}" for claim in over_quality(text, result)]
        wrong += [
            f"{place}: {kind} {share} %" for kind, share, *_ in SAVED.findall(text) if (int(share) < 100) != (kind == "Reaches")
        ]
        if result.answer.choice not in " ".join(text.split()):
            wrong.append(f"{place} does not have the choice")
        for level, verdict in result.answer.verdicts.items():
            words = result.answer.words[level]
            other = {"better": "higher loss", "worse": "lower loss"}.get(verdict.direction)
            for line in text.splitlines():
                row = re.match(rf"[|\s-]*(?:\*\*)?{level}\b[^A-Za-z]", line)
                if row and other and other in line:
                    wrong.append(f"{place}: {line.strip()[:80]} against {verdict.direction}")
                if row and words.saving and "cannot be told" in line and not known_leads(line, words.saving):
                    wrong.append(f"{place}: {line.strip()[:80]} before what is known")
                of_table = place == "terminal" or (place == "report.md" and line.startswith("|"))
                if row and of_table and "%" in line and "[" in line and words.badge not in line:
                    wrong.append(f"{place}: {line.strip()[:80]} without {words.badge}")
    return wrong


def test_no_two_texts_disagree(media: dict[str, str], marked: Facts) -> None:
    assert disagreements(media, marked.fit) == []


def test_a_control_or_another_mixture_is_recommended_nowhere(media: dict[str, str], marked: Facts) -> None:
    answer = marked.fit.answer
    assert answer.recommended == "deduplicated"
    losses = {level: one.gap.mean.value for level, one in answer.verdicts.items()}
    assert min(losses, key=lambda level: losses[level]) == "top", "the control has the lowest loss"
    assert {level for text in media.values() for level in ADVICE.findall(text)} == {"deduplicated"}
    for plan in (one.fit.budget.plan for one in marked.fit.sets.values() if one.fit):
        assert {"top", "filtered"}.isdisjoint(plan.winner)


@pytest.mark.parametrize(
    "sentence",
    [
        "top has the lowest loss on all held-out text.",
        "Use top at budgets like those tested.",
        "Stay with raw: no level has a lower loss.",
        "its loss is -5 [-6, -4] % against raw; by the fitted curves the gap grows from there, to -2 % at 10 times.",
        "filtered is expected to win throughout.",
        "deduplicated has a higher loss.",
        "Yes: as kept goes from 1 (raw) to 0.667 (top), the exponent changes by +0.011 [-0.082, +0.059] (p = 0.010).",
        "Needs 54 % [51, 58] of the tokens to reach raw's loss at 8M tokens.",
        "deduplicated: what moved cannot be told; needs 89 % [83, 95] of the tokens.",
    ],
)
def test_the_reader_notices(media: dict[str, str], marked: Facts, sentence: str) -> None:
    assert disagreements({**media, "report.json": f"{media['report.json']}\n{sentence}"}, marked.fit) != []
