"""The page of levels compared, and the files beside it."""

import json
import re
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from pipelines.report import (
    by_document,
    corpus_charts,
    cost_charts,
    course_charts,
    explorer,
    judged,
    law_charts,
    law_tables,
    markdown,
    mixture,
    paired_charts,
    palette,
    plan_charts,
    quality_charts,
    quality_tables,
    rule_charts,
    saving_charts,
    shell,
    shift_charts,
    task_charts,
    task_tables,
    trust,
    trust_charts,
    verdict,
    wording,
)
from pipelines.report.chart import Chart
from pipelines.report.facts import Facts
from pipelines.report.figures import write_figures
from pipelines.report.frames import JsonObject
from pipelines.report.payload import columns
from scaling_fit import Fault
from scaling_fit.encoding import encode
from scaling_fit.levels.answer import Answer
from scaling_fit.levels.summary import RESOLUTION, resolution_rows

SAMPLE_CHARACTERS = 700
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""Characters a reader cannot see, or that reorder what is around them (Unicode bidirectional controls)."""


@dataclass(frozen=True)
class Made:
    """Everything that is drawn: the charts by section, and the tables and the explorer's data they need."""

    sections: dict[str, list[Chart]]
    explorer: JsonObject | None

    @property
    def charts(self) -> list[Chart]:
        return [chart for section in self.sections.values() for chart in section]


def make(facts: Facts) -> Made:
    """Draw the charts that the facts have numbers for."""
    sections: dict[str, list[Chart]] = {}
    fit, levels = facts.fit, [level["name"] for level in facts.levels]
    fitted, compared = bool(fit.fits), len(fit.levels) > 1
    sections["quality"] = quality_charts.over_quality(fit, levels)
    if fitted:
        sections["curves"] = [law_charts.curves(fit, levels), law_charts.residuals(fit, levels)]
        sections["exponents"] = shift_charts.exponents(fit, levels)
    if fitted and compared:
        sections["exponents"].append(shift_charts.shifts(fit, levels))
        sections["multipliers"] = [
            *saving_charts.saved(fit, levels),
            law_charts.multipliers(fit, levels),
            paired_charts.seed_differences(facts),
            *paired_charts.document_differences(facts),
        ]
        sections["planner"] = [plan_charts.planner(fit, levels), *quality_charts.pool(fit)]
    sections["tasks"] = task_charts.tasks(fit, levels)
    if facts.courses is not None:
        sections["courses"] = course_charts.courses(facts)
    sections["curation"] = _curation(facts)
    sections["trust"] = [
        *(trust_charts.noise_budget(facts) if fitted else []),
        *(shift_charts.extrapolation(fit, levels) if fitted else []),
        *trust_charts.luck(facts),
        *trust_charts.learning_rates(facts),
    ]
    sections["provenance"] = cost_charts.seconds(facts)
    return Made(sections, explorer.data(facts) if fitted else None)


def _curation(facts: Facts) -> list[Chart]:
    """The curation charts that the facts have numbers for, in the order of the page."""
    makers = (
        (facts.funnel, rule_charts.funnel),
        (facts.overlap, rule_charts.overlap),
        (facts.domains, corpus_charts.domains),
        (facts.lengths, corpus_charts.lengths),
        (facts.clusters, corpus_charts.clusters),
        (facts.near, corpus_charts.near),
        (facts.classifiers, corpus_charts.classifiers),
    )
    return [chart for rows, maker in makers if rows for chart in maker(facts)]


def render(facts: Facts, samples: bool = True) -> str:
    """The whole page as one string. `samples=False` leaves all corpus text out."""
    facts = facts if samples else facts.without_samples()
    return _render(facts, make(facts))


def _render(facts: Facts, made: Made) -> str:
    colours = {level["name"]: palette.level_colour(i) for i, level in enumerate(facts.levels)}
    said = words(facts) | {
        "facts": facts,
        "sections": made.sections,
        "colours": colours,
        "legend": list(colours.items()),
        "eval_sets": law_tables.eval_sets(facts.fit),
        "samples": _samples(facts),
        "explorer_levels": facts.fit.levels,
        "explorer_shapes": facts.fit.shapes,
    }
    curated = facts.made_from == "study"
    parts, contents = _parts(made, curated), _contents(made, curated)
    return shell.html(facts.title, parts, contents, made.charts, said, made.explorer, _no_choice(facts))


def _no_choice(facts: Facts) -> list[int]:
    """Places of the controls and other mixtures, which charts show paler; of none that has a colour in common with a choice."""
    choices = {facts.baseline, *facts.fit.settings.contenders(facts.fit.levels)}
    kept = {place % palette.NUM_LEVEL_COLOURS for place, level in enumerate(facts.levels) if level["name"] in choices}
    places = (place for place, level in enumerate(facts.levels) if level["name"] not in choices)
    return [place for place in places if place % palette.NUM_LEVEL_COLOURS not in kept]


def words(facts: Facts) -> JsonObject:
    """What the page says beside its charts: the verdict, tests and checks per evaluation set, and the cost."""
    sets, fits, answer = law_tables.eval_sets(facts.fit), facts.fit.fits, facts.fit.answer
    order = [level["name"] for level in facts.levels]
    answers = {name: facts.fit.sets[name].answer for name in sets}
    headlines = [(name, one.choice, one.moved, one.not_shown) for name, one in answers.items()]
    return {
        "headlines": headlines or [("", answer.choice, answer.moved, answer.not_shown)],
        "settings": facts.fit.settings,
        "cost": _cost(facts),
        "known": {name: _known(facts.fit.sets[name].answer) for name in sets},
        "courses": list(facts.courses.sentences) if facts.courses else [],
        "mixture": [(name, mixture.said(facts, name)) for name in sets],
        "settles": settles(facts),
        "documents": [(name, by_document.said(facts, name)) for name in sets],
        "judge": {"rows": judged.rows(facts), "sizes": judged.size_of(facts), "said": judged.said(facts)},
        "plans": [(name, facts.fit.sets[name].answer.planned) for name in sets],
        "resolution": {"headings": RESOLUTION, "rows": resolution_rows(facts.fit)},
        "quality": [(name, quality_tables.told(facts.fit, name)) for name in sets if fits[name].quality and facts.fit.axes],
        "tasks": {
            "said": [(name, task.words) for name, task in (facts.fit.tasks.tasks if facts.fit.tasks else {}).items()],
            "headings": task_tables.SIGNAL,
            "rows": task_tables.signal_rows(facts.fit),
        },
        "faults": _faults(facts),
        "law": fits[sets[0]].law if sets else None,
        "mixed": any((row["reason"] or "").startswith("mixture:") for row in facts.funnel),
        "not_tested": trust.not_tested(facts),
        "warnings": [(name, trust.warnings(facts, name)) for name in sets],
        "answers": [(name, verdict.rows(facts.fit, name, order)) for name in sets],
        "tests": [(name, verdict.tests(facts, name)) for name in sets],
        "checks": [(name, trust.checks(facts, name)) for name in sets],
        "crossings": [(name, verdict.crossings(facts, name)) for name in sets],
        "sensitivity": [(name, verdict.sensitivity(facts, name)) for name in sets],
        "parameters": [
            (name, [(level, one.parameters, one.identifiability.flags) for level, one in fits[name].levels.items()])
            for name in sets
        ],
    }


def _known(answer: Answer) -> str:
    """What the recommended level saves; it stands before what these runs do not show."""
    saving = answer.words[answer.recommended].saving if answer.recommended else ""
    return f"{answer.recommended} {saving[0].lower()}{saving[1:]} " if saving else ""


def settles(facts: Facts) -> str:
    """Which runs would settle what is open; with the time they take where this study measured the speed of their shapes."""
    settling = facts.fit.answer.settling
    if settling is None:
        return ""
    speed = {one["shape"]: one["tokens_per_second"] for one in facts.training}
    if not settling.shapes or not speed.keys() >= settling.tokens_of.keys():
        return settling.said
    seconds = sum(tokens / speed[shape] for shape, tokens in settling.tokens_of.items())
    return f"{settling.said} At this study's speed that takes {wording.duration(seconds)} on one worker."


def _faults(facts: Facts) -> list[tuple[Fault, int]]:
    """Remarks on the table of runs, one of each kind with how often it was made."""
    kinds: dict[str, Fault] = {}
    times = Counter(fault.name for fault in facts.fit.faults)
    for fault in facts.fit.faults:
        kinds.setdefault(fault.name, fault)
    return [(fault, times[name]) for name, fault in kinds.items()]


def write(facts: Facts, folder: Path, samples: bool = True) -> Path:
    """Write index.html, report.json, report.md and figures/ into `folder`; returns the path of the page."""
    facts = facts if samples else facts.without_samples()
    made = make(facts)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    page.write_text(_render(facts, made), "utf-8")
    (folder / "report.json").write_text(data(facts, made), "utf-8")
    (folder / "report.md").write_text(markdown.render(facts), "utf-8")
    if failed := write_figures(made.charts, next(iter(facts.fit.fits), None), folder / "figures"):
        warnings.warn(f"figures {', '.join(failed)} could not be drawn as files; the page shows them", stacklevel=2)
    return page


def data(facts: Facts, made: Made) -> str:
    """report.json: the facts, the words and tables of the page, and the explorer's data."""
    tables = {name: columns(rows) for name, rows in shell.tables(made.charts).items()}
    body = facts.to_dict() | {"words": words(facts), "tables": tables, "explorer": made.explorer}
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {_json(value)}" for key, value in body.items()) + "\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=encode)


def _parts(made: Made, curated: bool) -> list[str]:
    law = ["law.html.j2"] if "curves" in made.sections else []
    dials = ["explorer.html.j2"] if made.explorer else []
    quality = ["quality.html.j2"] if made.sections["quality"] else []
    first = ["verdict.html.j2", *quality, "levels.html.j2"]
    tasks = ["tasks.html.j2"] if made.sections["tasks"] else []
    curation = ["curation.html.j2"] if curated else []
    courses = ["courses.html.j2"] if "courses" in made.sections else []
    return [*first, *law, *tasks, *courses, *dials, *curation, "trust.html.j2", "provenance.html.j2"]


def _contents(made: Made, curated: bool) -> list[tuple[str, str]]:
    law = [("curves", "Curves"), ("exponents", "What moved"), ("multipliers", "In practice"), ("planner", "Planner")]
    there = [(f"{section}-section", title) for section, title in law if section in made.sections]
    dials = [("explorer", "Explorer")] if made.explorer else []
    return [
        ("verdict", "Verdict"),
        *([("quality-section", "Quality")] if made.sections["quality"] else []),
        ("levels", "Level by level"),
        *there,
        *([("tasks-section", "Tasks")] if made.sections["tasks"] else []),
        *([("courses-section", "Levels in time")] if "courses" in made.sections else []),
        *dials,
        *([("curation", "Curation")] if curated else []),
        ("trust", "How far to trust this"),
        ("provenance", "Cost and provenance" if curated else "Provenance"),
    ]


def _samples(facts: Facts) -> list[tuple[str, list[tuple[str, list[JsonObject]]]]]:
    """Samples by level and rule, what was kept first."""
    grouped: dict[str, dict[str, list[JsonObject]]] = defaultdict(lambda: defaultdict(list))
    for sample in facts.samples:
        grouped[sample["level"]][sample["rule"]].append({**sample, "shown": cut(sample["text"]), "value": cut(sample["value"])})
    return [(level, sorted(rules.items(), key=lambda item: not item[1][0]["kept"])) for level, rules in grouped.items()]


def cut(text: str) -> str:
    """The start of a document with unseen characters made visible; says how much was left out."""
    start = UNSEEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text[:SAMPLE_CHARACTERS])
    return start if len(text) <= SAMPLE_CHARACTERS else f"{start} [... {len(text) - SAMPLE_CHARACTERS:,} more characters]"


def _cost(facts: Facts) -> dict[str, float]:
    return {
        "runs": len({(o["level"], o["seed"], o["trunk"], o["shape"], o["tokens"]) for o in facts.observations}),
        "tokens": sum(one["tokens"] for one in facts.training),
        "flops": sum(one["flops"] for one in facts.training),
        "seconds": sum(s["seconds"] for s in facts.steps),
        "bytes": sum(s["bytes"] for s in facts.steps),
    }
