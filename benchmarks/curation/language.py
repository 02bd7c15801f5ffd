"""How often py3langid names the language of a short text, by its letters, on the test suite's sentences in 17 languages.

python -m benchmarks.curation.language
"""

import pyarrow as pa

from curation.document import SCHEMA, Batch
from curation.signals.language import language
from tests.curation.sources.test_encoding import LANGUAGES

LATIN = ["fr", "de", "es", "pt", "pl", "cs", "hu", "tr"]
CODES = dict(zip(LANGUAGES, [*LATIN, "ru", "uk", "el", "he", "ar", "th", "ja", "zh", "ko"], strict=True))
LETTERS = (1, 4, 10, 20, 40, 80)  # lower ends of the classes


def pieces(text: str) -> list[str]:
    """Runs of 1, 2, 4, 8 words; of 1, 2, 4 ... characters where words are not spaced."""
    units, glue = (list(text), "") if " " not in text[:20] else (text.split(), " ")
    return [glue.join(units[i : i + n]) for n in (1, 2, 4, 8, 16) for i in range(0, len(units) - n + 1, max(n // 2, 1))]


def main() -> None:
    texts = [(code, piece) for name, code in CODES.items() for piece in pieces(LANGUAGES[name][1])]
    table = language(Batch(pa.table({"text": pa.array([text for _, text in texts], SCHEMA.field("text").type)})), min_letters=0)
    print("script   letters   texts  right  right with score >= 0.65")
    for is_latin in (True, False):
        for low, high in zip(LETTERS, (*LETTERS[1:], 1000), strict=True):
            rows = [
                k for k, (code, text) in enumerate(texts)
                if (code in LATIN) == is_latin and low <= sum(map(str.isalpha, text)) < high
            ]  # fmt: skip
            right = [table["language"][k].as_py() == texts[k][0] for k in rows]
            sure = [ok for k, ok in zip(rows, right, strict=True) if table["score"][k].as_py() >= 0.65]
            script, share, sure_share = "Latin" if is_latin else "other", sum(right) / len(rows), sum(sure) / max(len(sure), 1)
            print(f"{script} {low:6} to {high - 1:3} {len(rows):6} {share:6.2f} {sure_share:6.2f} of {len(sure)}")


if __name__ == "__main__":
    main()
