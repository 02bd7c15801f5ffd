import pyarrow as pa
import pytest

from curation.document import SCHEMA, Batch
from curation.signals.pii import is_card, is_iban, pii


def counts(*texts: str) -> list[dict[str, int]]:
    rows = pii(Batch(pa.table({"text": pa.array(texts, SCHEMA.field("text").type)}))).to_pylist()
    return [{name: count for name, count in row.items() if count} for row in rows]


GOLDEN = {
    "empty": ("", {}),
    "mail": ("Write to a.b+c@mail.example.com, or <X_1@y.org>.", {"emails": 2}),
    "mail behind other letters": ("\u00e9\u00e9 \u4f60a@b.co\u4f60", {"emails": 1}),
    "mail at the end of a sentence": ("It is me@example.org.", {"emails": 1}),
    "no mail": ("a @ b.com, @handle, a@b, user@, x@y.z1, @x.com", {}),
    "an address after a long word": ("x" * 300 + " a@b.com", {"emails": 1}),
    "two mails close together": ("a@b.com;c@d.com", {"emails": 2}),
    "IPv4": ("from 8.8.8.8:53 and 93.184.216.34.", {"ipv4": 2}),
    "private and impossible IPv4": ("192.168.0.1 10.0.0.1 127.0.0.1 999.1.1.1 1.2.3.4.5 1.2.3", {}),
    "IPv6": ("[2001:4860:4860::8888] 2606:2800:220:1:248:1893:25c8:1946", {"ipv6": 2}),
    "no IPv6": ("at 12:30:45, std::vector, ::1, fe80::1, 2001:db8::1", {}),
    "telephone": ("+44 20 7946 0958, (212) 555-0187 or 1-212-555-0187; 212.555.0187", {"phones": 4}),
    "no telephone": ("2013-05-07 12:30, 1234567890, 100-200-300, 0.123-456-78901", {}),
    "IBAN": ("GB82 WEST 1234 5698 7654 32 and DE89370400440532013000.", {"ibans": 2}),
    "no IBAN": ("GB82 WEST 1234 5698 7654 33, XDE89370400440532013000", {}),
    "cards": ("4111 1111 1111 1111, 5500-0000-0000-0004 378282246310005", {"cards": 3}),
    "no card": ("4111 1111 1111 1112, 1111111111111117, 41111111111111111111111", {}),
    "right to left": ("\u05d3\u05d5\u05d0\u05dc: a@b.co.il \u05d8\u05dc: +972 3 123 4567", {"emails": 1, "phones": 1}),
    "emoji": ("\U0001f4e7a@b.com\U0001f4de", {"emails": 1}),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_golden(case):
    text, expected = GOLDEN[case]
    assert counts(text)[0] == expected


def test_a_document_is_measured_alone():
    texts = [text for text, _ in GOLDEN.values()]
    assert counts(*texts) == [expected for _, expected in GOLDEN.values()]


def test_a_line_of_ten_megabytes():
    assert counts("1" * 10_000_000) == [{}]
    assert counts("words and words " * 640_000 + "a@b.com") == [{"emails": 1}]


def test_checksums_see_one_changed_digit():
    card, iban = "4111111111111111", "GB82WEST12345698765432"
    assert is_card(card)
    assert is_iban(iban)
    for k in range(len(card)):
        assert not is_card(card[:k] + str((int(card[k]) + 1) % 10) + card[k + 1 :])
    for k in range(8, len(iban)):
        assert not is_iban(iban[:k] + str((int(iban[k]) + 1) % 10) + iban[k + 1 :])
