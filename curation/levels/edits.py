"""Edits: what a level changes in the text of the documents that it keeps, at the token-shard step, declared and counted.

An edit is a function of one text; `edit` applies several in the declared order to a column of texts and counts what each did.
An edited document is tokenised again; one of which nothing is left is dropped from the level (`ledger.EDITED_AWAY`).
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Sequence

import pyarrow as pa

Edit = Callable[[str], tuple[str, Counter[str]]]

CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
MAX_WORD_CHARS = 1000

# datatrove's patterns (formatters/pii.py, Apache 2.0), but with bounded repeats, and looked for from each @ on: a megabyte of
# letters and dashes must not take quadratic time
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
HOST = re.compile(rf"@(?:(?:{_LABEL}\.){{1,16}}{_LABEL}|\[(?:{_OCTET}\.){{3}}{_OCTET}\])")
LOCAL = re.compile(rf"\b{_ATEXT}+(?:\.{_ATEXT}+)*$")
LOCAL_CHARS = 256
IPV4 = re.compile(rf"(?<![\d.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\d]|\.\d)")
EMAIL_MASKS = ("email@example.com", "firstname.lastname@example.org")
# addresses of which datatrove found that nobody answers
IP_MASKS = ("22.214.171.124", "126.96.36.199", "188.8.131.52", "184.108.40.206", "220.127.116.11", "18.104.22.168")


def c4_lines(text: str, *, ends: tuple[str, ...], min_words: int, words_before_citations: bool) -> tuple[str, Counter[str]]:
    """C4's line cleaning (Raffel et al. 2020, 2.2): lines that are text stay, stripped and without citation marks.

    A line falls to the first of: a word over 1000 characters; no end mark (`ends`; an ellipsis is none; no `ends`, no test);
    fewer than `min_words` words (counted before citation marks go, or after); "javascript"; a policy phrase.
    """
    counts: Counter[str] = Counter()
    kept = []
    for raw in text.splitlines():
        words = raw.split()
        if any(len(word) > MAX_WORD_CHARS for word in words):
            counts["lines with a long word"] += 1
            continue
        line, citations = CITATION.subn("", raw.strip())
        counts["citation marks"] += citations
        lower = line.lower()
        n_words = len(words) if words_before_citations else len(line.split())
        if ends and (not line.endswith(ends) or line.endswith("...")):
            counts["lines without an end mark"] += 1
        elif n_words < min_words:
            counts["lines of few words"] += 1
        elif "javascript" in lower:
            counts["lines about javascript"] += 1
        elif any(phrase in lower for phrase in POLICY):
            counts["lines about policy"] += 1
        else:
            kept.append(line)
    return "\n".join(kept).strip(), counts


def mask_pii(text: str) -> tuple[str, Counter[str]]:
    """E-mail addresses and public IPv4 addresses replaced by addresses of nobody, as FineWeb did.

    The replacements are taken in turn, from the first in every document, so that a text's edit depends on nothing else.
    """
    counts: Counter[str] = Counter()
    parts, done = [], 0
    for host in HOST.finditer(text):
        local = LOCAL.search(text[max(done, host.start() - LOCAL_CHARS) : host.start()])
        if local is not None:
            mask = EMAIL_MASKS[counts["e-mail addresses"] % len(EMAIL_MASKS)]
            counts["e-mail addresses"] += 1
            parts += [text[done : host.start() - len(local.group())], mask]
            done = host.end()
    text = "".join([*parts, text[done:]])

    def ip(match: re.Match[str]) -> str:
        try:
            if not ipaddress.ip_address(match.group()).is_global:
                return match.group()
        except ValueError:  # leading zeros: a version number, or an address that nobody reads the same way
            return match.group()
        counts["IP addresses"] += 1
        return IP_MASKS[(counts["IP addresses"] - 1) % len(IP_MASKS)]

    return IPV4.sub(ip, text), counts


def fix_unicode(text: str) -> tuple[str, Counter[str]]:
    """Text decoded wrongly is put right by ftfy (the extra `text`), with datatrove's settings.

    Curled quotes, full-width characters, ligatures and line breaks stay as they are.
    """
    import ftfy

    fixed = ftfy.fix_text(
        text,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        normalization=None,
    )
    return fixed, Counter({"texts repaired": int(fixed != text)})


EDITS: dict[str, Edit] = {
    # 5 words, after citation marks went: the code that made the released C4
    "c4_lines_tfds": lambda text: c4_lines(text, ends=(".", "?", "!", '"'), min_words=5, words_before_citations=False),
    "c4_lines_datatrove": lambda text: c4_lines(text, ends=(".", "?", "!", '"', "'"), min_words=3, words_before_citations=True),
    # as FineWeb ran it, without the test for end marks
    "c4_lines_fineweb": lambda text: c4_lines(text, ends=(), min_words=3, words_before_citations=True),
    "pii": mask_pii,
    "unicode": fix_unicode,
}


def edit(texts: pa.Array | pa.ChunkedArray, names: Sequence[str]) -> tuple[pa.LargeStringArray, dict[str, int]]:
    """Apply the edits `names` of `EDITS`, in order: the texts after them, and counts by `<edit>: <what>`.

    Raises `ValueError` for an edit that is not known.
    """
    for name in names:
        if name not in EDITS:
            raise ValueError(f"edits: {name!r} is not one of {', '.join(EDITS)}")
    counts: Counter[str] = Counter()
    edited = []
    for text in texts.to_pylist():
        for name in names:
            text, done = EDITS[name](text)
            counts.update({f"{name}: {what}": n for what, n in done.items() if n})
        edited.append(text)
    return pa.array(edited, pa.large_string()), dict(sorted(counts.items()))
