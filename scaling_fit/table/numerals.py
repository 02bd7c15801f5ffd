"""Cells to numbers where they have one meaning: 1.3B, 10,000,000, 10^7, 1.3x10⁹, 10 000, 3,41, N/A.

A comma or a dot before exactly three digits may group thousands or begin decimals. One table keeps one convention, so other
cells tell which; where none does, the cell is refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from scaling_fit.wording import row_numbers

Array = np.ndarray
MISSING = frozenset(("", "-", "--", "–", "—", "?", "n/a", "#n/a", "na", "nan", "none", "null", "missing"))
SCALES = {  # powers of ten
    "": 0, "k": 3, "thousand": 3, "m": 6, "mn": 6, "mio": 6, "million": 6, "b": 9, "bn": 9, "g": 9, "billion": 9,
    "t": 12, "tn": 12, "trillion": 12,
}  # fmt: skip
NUMBER = re.compile(r"([+-]?[\d.,]*\d[\d.,]*)(?:e([+-]?\d+)|(?:[*x×·](\d+))?(?:\^|\*\*)([+-]?\d+))?([a-z]*)")
COUNTED = re.compile(r"(param(eter)?|token|flop|nat)s?$")
GROUPED = re.compile(r"(?<=\d)[\s'’_](?=\d{3}(?!\d))")
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻−", "0123456789+--")
POINTED = {
    point: re.compile(
        rf"[+-]?(?:(?:[1-9]\d{{0,2}}(?:{re.escape(comma)}\d{{3}})+|\d+)(?:{re.escape(point)}\d*)?|{re.escape(point)}\d+)"
    )
    for point, comma in ((".", ","), (",", "."))
}


def numbers(columns: Mapping[str, Sequence[object]], rows: Sequence[int], semicolons: bool = False) -> dict[str, Array]:
    """Columns of cells as floats, nan where a cell is missing.

    rows: the number of each row in its file, for messages. semicolons: cells are parted by semicolons, so that a lone comma
    is a decimal one. Errors: ValueError naming row, column and cell where a cell is no number, or may be two.
    """
    plain: dict[str, Array] = {}
    for name, cells in columns.items():
        try:
            plain[name] = np.array([None if is_missing(cell) else cell for cell in cells], dtype=float)
        except (TypeError, ValueError):
            continue
    if len(plain) == len(columns):
        return plain
    point = decimal_point((cell for cells in columns.values() for cell in cells), semicolons)
    for name, cells in columns.items():
        if name in plain and point == ".":
            continue
        plain[name] = np.array([number(cell, point) for cell in cells], dtype=float)
        wrong = {
            row: cell
            for value, cell, row in zip(plain[name].tolist(), cells, rows, strict=True)
            if value != value and not is_missing(cell)
        }
        if wrong:
            others = f" (and so rows {row_numbers([*wrong][1:])})" if len(wrong) > 1 else ""
            row, cell = next(iter(wrong.items()))
            raise ValueError(
                f"row {row}, column {name!r}: {cell!r} is not a number{others}; write one such as 1.3e9, 1.3B or N/A, "
                f"leave the rows out with --where or the column with --ignore"
            )
    return plain


def decimal_point(cells: Iterable[object], semicolons: bool = False) -> str:
    """ "." or ",": what begins decimals in all of `cells`. Errors: ValueError where they disagree, or may mean both."""
    sure: dict[str, str] = {}
    unsure = ""
    for cell in cells:
        digits = _mantissa(cell) if isinstance(cell, str) else None
        if digits is None or not ("." in digits or "," in digits):
            continue
        fits = [point for point, pattern in POINTED.items() if pattern.fullmatch(digits)]
        if len(fits) == 1:
            sure.setdefault(fits[0], str(cell))
        elif "," in digits:
            unsure = unsure or str(cell)
    if len(sure) == 2:
        raise ValueError(f"{sure['.']!r} has a decimal point and {sure[',']!r} a decimal comma: write all numbers in one way")
    if unsure and not sure and not semicolons:
        raise ValueError(f"{unsure!r} may be {unsure.replace(',', '.')} or {unsure.replace(',', '')}: write it without a comma")
    return next(iter(sure), "," if unsure else ".")


def number(cell: object, point: str = ".") -> float:
    """The number of one cell; nan where there is none."""
    match = NUMBER.fullmatch(_tidy(cell)) if isinstance(cell, str) else None
    if match is None:
        try:
            return float(cell)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return np.nan
    digits, exponent, base, power, unit = match.groups()
    scale = SCALES.get(unit, SCALES.get(COUNTED.sub("", unit)))
    if POINTED[point].fullmatch(digits) is None or scale is None:
        return np.nan
    decimal = digits.replace("," if point == "." else ".", "").replace(point, ".")
    if power is None or base == "10":
        return float(f"{decimal}e{int(exponent or power or 0) + scale}")
    return (float(decimal) ** int(power) if base is None else float(decimal) * float(base) ** int(power)) * 10.0**scale


def is_missing(cell: object) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and cell.strip().lower() in MISSING)


def is_numeric(cells: Sequence[object]) -> bool:
    """Whether at least half of what the first thousand cells hold is numbers."""
    filled = [cell for cell in cells[:1000] if not is_missing(cell)]
    return 2 * sum(not np.isnan([number(cell, "."), number(cell, ",")]).all() for cell in filled) >= max(len(filled), 1)


def _tidy(cell: str) -> str:
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+", lambda power: "^" + power.group(), cell.strip().lower()).translate(SUPERSCRIPTS)
    text = GROUPED.sub("", text)
    return text if re.search(r"\d\s+[\d.,]", text) else re.sub(r"\s+", "", text)


def _mantissa(cell: str) -> str | None:
    match = NUMBER.fullmatch(_tidy(cell))
    return match and match.group(1)
