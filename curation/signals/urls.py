"""Rules over the addresses of pages: block lists of hosts and addresses, and words that an address may not have.

The rules are RefinedWeb's (Penedo et al. 2023, section G.1) as datatrove's URLFilter computes them; the lists are the study's
own files, one entry a line, # for comments. Assay ships none: the usual one, UT1 of Universite Toulouse Capitole, is CC BY-SA.
"""

from functools import lru_cache

import polars as pl
import pyarrow as pa

from curation.document import Batch
from curation.signals.phrases import lines_of

PARAMS = {"hosts": None, "urls": None, "hard_words": None, "soft_words": None, "substrings": None}
RULES = """
    url_rules.blocked_host == 0 and url_rules.blocked_url == 0 and url_rules.hard_words == 0 and url_rules.soft_words < 2
    and url_rules.substrings == 0
"""
PARTS = 8  # of a host name that are tried as a blocked domain: a.b.example.com, b.example.com, example.com, ...


def url_rules(
    batch: Batch,
    hosts: str | None = None,
    urls: str | None = None,
    hard_words: str | None = None,
    soft_words: str | None = None,
    substrings: str | None = None,
) -> pa.Table:
    """uint32 columns, all 0 where there is no address or no list:

    blocked_host (1 if the host or a domain above it is in `hosts`), blocked_url (1 if the address is in `urls`, as written),
    hard_words and soft_words (distinct words of the address, runs of ASCII letters and digits in any case, in the lists),
    substrings (1 if an entry stands anywhere in the address once all else than letters and digits is taken out).
    """
    url = pl.col("url")
    host = url.str.extract(r"^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/?#]*@)?([^/?#:]+)").str.to_lowercase().str.split(".")
    lower = url.str.to_lowercase()
    words = lower.str.extract_all("[a-z0-9]+").list.unique()
    patterns = _entries(substrings)
    blocked_host = pl.any_horizontal(
        *(_is_in(host.list.slice(k).list.join("."), hosts, as_words=False) for k in range(PARTS)),
    )
    columns = {
        "blocked_host": blocked_host,
        "blocked_url": _is_in(url, urls, as_words=False, lower=False),
        "hard_words": words.list.eval(_is_in(pl.element(), hard_words)).list.sum(),
        "soft_words": words.list.eval(_is_in(pl.element(), soft_words)).list.sum(),
        "substrings": lower.str.replace_all("[^a-z0-9]+", "").str.contains_any(patterns) if patterns else pl.lit(0),
    }
    table = pl.DataFrame({"url": pl.from_arrow(batch.documents["url"])}).select(
        values.cast(pl.UInt32).fill_null(0).alias(name) for name, values in columns.items()
    )
    return table.to_arrow()


def _is_in(values: pl.Expr, path: str | None, as_words: bool = True, lower: bool = True) -> pl.Expr:
    return values.is_in(pl.Series(_entries(path, as_words, lower), dtype=pl.String).implode())


@lru_cache(maxsize=16)
def _entries(path: str | None, as_words: bool = True, lower: bool = True) -> list[str]:
    """Distinct entries of a list, in order; as words, they are stripped of all but ASCII letters and digits."""
    if path is None:
        return []
    entries = pl.Series(list(lines_of(path)), dtype=pl.String)
    if lower:
        entries = entries.str.to_lowercase()
    if as_words:
        entries = entries.str.replace_all("[^a-z0-9]+", "")
    return entries.filter(entries != "").unique().sort().to_list()
