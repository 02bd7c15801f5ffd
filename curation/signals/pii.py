"""Personal data in text, counted by kind: mail addresses, public IP addresses, telephone, IBAN and card numbers.

A compiled scan finds the few spans that could be any of these; exact patterns and checksums are then applied to the spans
alone. They find forms, not people: a count is a reason to look, and zero is no promise.

Shapes: N bytes, D documents, C candidates.
"""

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import numpy as np
import pyarrow as pa

from curation.compiled import inner, kernel
from curation.document import Batch

KINDS = ("emails", "ipv4", "ipv6", "phones", "ibans", "cards")
MAIL, NUMBER, COLONS, IBAN = 0, 1, 2, 3  # kinds of candidates
OPENINGS = np.isin(np.arange(256), [*b"0123456789+(@:ABCDEFGHIJKLMNOPQRSTUVWXYZ"])  # bytes at which a candidate is noticed
BYTES_PER_CANDIDATE = 128  # room to begin with: a page of numbers has more, and is scanned twice
CONTEXT = 80  # bytes that are read on either side of an @, and at most of an IBAN
EMAIL_PATTERN = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9._%+'-]*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
IPV4_PATTERN = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)")
IPV6_PATTERN = re.compile(r"[0-9A-Fa-f:]*:[0-9A-Fa-f:]*")
PHONE_PATTERN = re.compile(
    r"(?<![\d.+])(?:\+[1-9]\d{0,2}[ .()/-]{0,2}(?:\d[ .()/-]{0,2}){6,11}\d"  # international: + and 8 to 15 digits (E.164)
    r"|(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4})(?!\d)"  # North America: (555) 555-0100
)
CARD_PATTERN = re.compile(r"(?<![\d.-])(?:\d[ -]?){12,18}\d(?![\d.-])")
IBAN_PATTERN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")


def pii(batch: Batch) -> pa.Table:
    """Columns, int32 counts per document.

    emails; ipv4 and ipv6 (globally routable ones only); phones (international with a +, or North American with separators);
    ibans (ISO 13616, checksum mod 97); cards (13 to 19 digits, issuer digit 3 to 6, Luhn).
    """
    utf8_N, text_bounds = batch.words.utf8_N, batch.words.text_bounds
    count_DV = np.zeros((len(text_bounds) - 1, len(KINDS)), np.int32)
    candidate_C = np.empty((len(utf8_N) // BYTES_PER_CANDIDATE, 5), np.int64)
    if (n := _candidates(utf8_N, text_bounds, OPENINGS, candidate_C)) > len(candidate_C):
        candidate_C = np.empty((n, 5), np.int64)
        _candidates(utf8_N, text_bounds, OPENINGS, candidate_C)
    for document, kind, begin, at, end in candidate_C[:n].tolist():
        before, after = (utf8_N[part].tobytes().decode("utf-8", "replace") for part in (slice(begin, at), slice(at, end)))
        for name in _names(kind, before + after, len(before)):
            count_DV[document, KINDS.index(name)] += 1
    return pa.table({name: count_DV[:, v] for v, name in enumerate(KINDS)})


def _names(kind: int, span: str, at: int) -> Iterator[str]:
    """Which kinds of personal data stand in a candidate (around character `at`), each as often as it does."""
    if kind == MAIL:
        yield from ("emails" for match in EMAIL_PATTERN.finditer(span) if match.start() < at < match.end())
    elif kind == COLONS:
        yield from ("ipv6" for match in IPV6_PATTERN.finditer(span) if _is_public_ipv6(match[0]))
    elif kind == IBAN:
        match = IBAN_PATTERN.match(span)
        if match and is_iban(match[0].replace(" ", "")):
            yield "ibans"
    else:
        yield from ("ipv4" for match in IPV4_PATTERN.finditer(span) if _is_public_ipv4(match[0]))
        cards = [match for match in CARD_PATTERN.finditer(span) if is_card(re.sub(r"\D", "", match[0]))]
        yield from ("cards" for _ in cards)
        for match in PHONE_PATTERN.finditer(span):
            if not any(card.start() < match.end() and match.start() < card.end() for card in cards):
                yield "phones"


def is_card(digits: str) -> bool:
    """Whether digits can be a payment card's: 13 to 19 of them, first 3 to 6, Luhn's checksum (ISO/IEC 7812)."""
    doubled = [int(d) * (1 + k % 2) for k, d in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and digits[0] in "3456" and sum(d - 9 * (d > 9) for d in doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether letters and digits are an account number whose checksum holds (ISO 13616): 15 to 34, mod 97 = 1."""
    return 15 <= len(text) <= 34 and int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def _is_public_ipv4(text: str) -> bool:
    try:
        return IPv4Address(text).is_global
    except AddressValueError:
        return False


def _is_public_ipv6(text: str) -> bool:
    try:
        return IPv6Address(text).is_global
    except AddressValueError:
        return False


@inner
def is_word(byte):
    return 48 <= byte <= 57 or 97 <= byte | 0x20 <= 122


@inner
def in_number(byte):
    """Digits and what may stand between them: space ( ) + - . /"""
    return 48 <= byte <= 57 or byte == 0x20 or byte == 0x28 or byte == 0x29 or byte == 0x2B or 0x2D <= byte <= 0x2F


@kernel
def _candidates(utf8_N, text_bounds, openings, candidate_C):
    """Spans (document, kind, begin, where noticed, end) that could be personal data, as far as there is room: how many."""
    n = 0
    for d in range(len(text_bounds) - 1):
        first, stop = text_bounds[d], text_bounds[d + 1]
        i = first
        colons_end = first
        while i < stop:
            byte = utf8_N[i]
            if not openings[byte]:
                i += 1
                continue
            kind = -1
            begin, end, after = i, i + 1, i + 1
            if 48 <= byte <= 57 or byte == 0x2B or byte == 0x28:
                digits = dots = 0
                while end < stop and in_number(utf8_N[end]):
                    end += 1
                for k in range(i, end):
                    digits += 48 <= utf8_N[k] <= 57
                    dots += utf8_N[k] == 0x2E
                if digits >= 8 or (dots >= 3 and digits >= 4):
                    kind = NUMBER
                after = end
                begin = i - 1 if i > first and is_word(utf8_N[i - 1]) else i  # so that patterns see what is before
            if byte == 0x40 and i > first and is_word(utf8_N[i - 1]) and i + 1 < stop and is_word(utf8_N[i + 1]):
                kind, begin, end = MAIL, max(first, i - CONTEXT), min(stop, i + CONTEXT)
            elif byte == 0x3A and i >= colons_end:
                while begin > first and is_hex(utf8_N[begin - 1]):
                    begin -= 1
                colons = 1
                while end < stop and (is_hex(utf8_N[end]) or utf8_N[end] == 0x3A):
                    colons += utf8_N[end] == 0x3A
                    end += 1
                colons_end = end
                bounded = (begin == first or not is_word(utf8_N[begin - 1])) and (end == stop or not is_word(utf8_N[end]))
                if colons >= 2 and end - begin >= 6 and bounded:
                    kind = COLONS
            elif (
                65 <= byte <= 90 and i + 15 <= stop and (i == first or not is_word(utf8_N[i - 1]))
                and 65 <= utf8_N[i + 1] <= 90 and 48 <= utf8_N[i + 2] <= 57 and 48 <= utf8_N[i + 3] <= 57
            ):  # fmt: skip
                kind, end = IBAN, min(stop, i + CONTEXT)
            if kind >= 0:
                if n < len(candidate_C):
                    candidate_C[n, 0], candidate_C[n, 1] = d, kind
                    candidate_C[n, 2], candidate_C[n, 3], candidate_C[n, 4] = begin, i, end
                n += 1
            i = after
    return n


@inner
def is_hex(byte):
    return 48 <= byte <= 57 or 97 <= byte | 0x20 <= 102
