"""An item of a task: a context, what may follow it, and which of it is right.

    {"context": "...", "choices": ["...", "..."], "answer": 0}     multiple choice: chance is one over the choices
    {"context": "...", "target": "..."}                            cloze: one choice, judged by its probability; chance is 0
    {"good": "...", "bad": "..."}                                  minimal pair: two whole texts; chance is 1/2

A context and a choice are joined by `between` where neither has white space there, as lm-eval joins them (`target_delimiter`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from curation.sources import fields

KINDS = {"choice": ("context", "choices", "answer"), "cloze": ("context", "target"), "pair": ("good", "bad")}
FIELDS = tuple(dict.fromkeys(name for names in KINDS.values() for name in names))


@dataclass(frozen=True)
class Item:
    """`choices[answer]` is right after `context`; `kind` is one of `KINDS`."""

    kind: str
    context: str
    choices: tuple[str, ...]
    answer: int = 0
    between: str = " "

    def joined(self, choice: str) -> tuple[str, str]:
        """(what is read, what is scored after it). White space at the end of the context is scored with the choice, as it is
        part of the choice's first token."""
        read = self.context.rstrip()
        white = self.context[len(read) :]
        glued = bool(read) and not white and not choice[:1].isspace()
        return read, white + (self.between if glued else "") + choice

    @property
    def text(self) -> str:
        """The item with its right answer."""
        return "".join(self.joined(self.choices[self.answer]))

    @property
    def chance(self) -> float:
        """The accuracy of one who knows nothing."""
        return 0.0 if self.kind == "cloze" else 1 / len(self.choices)


def parse(record: object, named: Mapping[str, str], between: str = " ") -> Item:
    """The item in a record; `named` gives paths of fields that have other names. Raises ValueError: why there is none."""
    if not isinstance(record, dict):
        raise ValueError(f"a JSON {type(record).__name__}, not an object")
    found = {name: fields.value(record, named.get(name, name)) for name in FIELDS}
    kinds = [kind for kind, names in KINDS.items() if all(found[name] is not None for name in names[1:])]
    if len(kinds) != 1:
        has = ", ".join(sorted(map(str, record))[:8]) or "nothing"
        raise ValueError(f"it has {has}; an item has context and choices and answer, or context and target, or good and bad")
    kind = kinds[0]
    if kind == "pair":
        choices, answer, context = [found["good"], found["bad"]], 0, ""
    else:
        choices = [found["target"]] if kind == "cloze" else found["choices"]
        context = found["context"] if found["context"] is not None else ""
        answer = _answer(found["answer"]) if kind == "choice" else 0
    if not isinstance(context, str):
        raise ValueError(f"context is {type(context).__name__}, not text")
    texts = tuple(choice for choice in choices if isinstance(choice, str)) if isinstance(choices, list) else ()
    if not isinstance(choices, list) or len(texts) < len(choices):
        raise ValueError("a choice is not text")
    if not all(text.strip() for text in texts):
        raise ValueError("a choice is empty")
    if kind != "cloze" and len({*texts}) < max(2, len(texts)):
        raise ValueError("two choices are alike" if len(texts) > 1 else "one choice; at least two are needed")
    if not 0 <= answer < len(texts):
        raise ValueError(f"answer is {answer}; choices are numbered 0 to {len(texts) - 1}")
    return Item(kind, context, texts, answer, between)


def _answer(told: object) -> int:
    """0, "0" and "A" are the first choice."""
    if isinstance(told, int) and not isinstance(told, bool):
        return told
    if isinstance(told, str) and told.isascii() and told.isdecimal():
        return int(told)
    if isinstance(told, str) and len(told) == 1 and "A" <= told <= "Z":
        return ord(told) - ord("A")
    raise ValueError(f"answer is {told!r}; give the number of the right choice, from 0, or its letter, from A")
