"""Documents as lines for fastText, so that it reads every word of them.

fastText ends a word at ASCII white space only and a document at the word `</s>`, and takes `__label__x` for a label. So a
text of no-break spaces is one word, one of Chinese a few, and what stands behind `</s>` is not read.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from curation.characters import SCRIPTS_WITHOUT_SPACES

Words = Literal["separated", "as written"]
"""How words are told. "separated", in training here: any white space is a space, and every character of a script that is
written without spaces is a word. "as written", as in DCLM: newlines are spaces, all else is left to the model."""

WHITE = r"[\x{1c}-\x{1f}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"  # unknown to fastText
UNSPACED = "".join("\\x{{{}}}-\\x{{{}}}".format(*span.split("-")) for span in SCRIPTS_WITHOUT_SPACES.split())


def pretokenized(texts: pa.LargeStringArray, words: Words) -> pa.LargeStringArray:
    """The documents, each as one line of words between spaces."""
    patterns = ((WHITE, " "), (f"[{UNSPACED}]", r" \0 "), ("__label__", "label")) if words == "separated" else ()
    for pattern, replacement in patterns:
        changes = pc.match_substring_regex(texts, pattern)
        texts = pc.replace_with_mask(texts, changes, pc.replace_substring_regex(texts.filter(changes), pattern, replacement))
    return pc.replace_substring(pc.replace_substring(texts, "\n", " "), "</s>", "</s >")
