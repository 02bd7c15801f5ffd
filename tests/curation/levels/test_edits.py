"""Edits against the library whose definitions they follow, and what they leave alone."""

import json
import time

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.levels.edits import EDITS, edit, mask_pii

LINES = st.lists(
    st.sampled_from(
        [
            "This line is a whole sentence of words.",
            "  Is it, with a citation[12] and [citation needed] in it?  ",
            "Menu",
            "He said 'it is enough for today'",
            "and so it went on and on...",
            "Please enable javascript to see this page.",
            "We value your privacy: see our Privacy Policy here.",
            "w" * 1001 + " is a long word here.",
            "four words and a.",
            "One [1] two [2].",
            "",
            "tab\tand\x0bvertical tab, in one line.",
        ]
    ),
    max_size=8,
)


@given(LINES)
@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize(("name", "end_marks"), [("c4_lines_datatrove", True), ("c4_lines_fineweb", False)])
def test_c4_lines_are_those_of_datatrove(name, end_marks, lines):
    filters = pytest.importorskip("datatrove.pipeline.filters")
    from datatrove.data import Document

    c4 = filters.C4QualityFilter(filter_no_terminal_punct=end_marks, min_num_sentences=-1)
    document = Document(text="\n".join(lines), id="0")
    assert c4.filter(document) is True
    assert EDITS[name]("\n".join(lines))[0] == document.text


def test_c4_lines_of_the_released_c4_count_words_without_citations():
    text, counts = EDITS["c4_lines_tfds"]("Four words and [12] one.\nFive words stand in here.[3]\nIt ends in a quote'\n")
    assert text == "Five words stand in here."
    assert counts == {"citation marks": 2, "lines of few words": 1, "lines without an end mark": 1}


def test_pii_is_masked_and_nothing_else():
    text = "Write to a.b+c@mail.example.co.uk or x@y.org, not to @you. Hosts 8.8.8.8, 192.168.0.1, 1.2.3.4.5, v1.02.03.004."
    masked, counts = mask_pii(text)
    assert masked == (
        "Write to email@example.com or firstname.lastname@example.org, not to @you. "
        "Hosts 22.214.171.124, 192.168.0.1, 1.2.3.4.5, v1.02.03.004."
    )
    assert counts == {"e-mail addresses": 2, "IP addresses": 1}


def test_addresses_are_found_where_datatrove_finds_them():
    formatters = pytest.importorskip("datatrove.pipeline.formatters")
    text = "mail me: first.last@sub.domain.org, (admin@host.de) or root@8.8.4.4 at 151.101.1.140; keep 10.0.0.1 and a@b"
    text += "; by the post office: jo@[10.1.2.3], " + "_" * 70 + "me@host.org"
    theirs = formatters.PIIFormatter()
    assert mask_pii(text)[0] == theirs.format(text)


@pytest.mark.parametrize(
    "text",
    ["a-" * 500_000 + "@b.c", "a." * 500_000 + "@b.c", "a.a@" * 250_000, "1." * 500_000, "@a." * 300_000, "a-@a." * 200_000],
)
def test_hostile_text_takes_linear_time(text):
    begun = time.process_time()
    mask_pii(text)
    assert time.process_time() - begun < 10


def test_wrong_decoding_is_repaired_and_the_rest_stays():
    pytest.importorskip("ftfy")
    broken = "The Mona Lisa doesnâ€™t have eyebrows. “Quotes” and ﬁ stay."
    fixed, counts = EDITS["unicode"](broken)
    assert fixed == "The Mona Lisa doesn’t have eyebrows. “Quotes” and ﬁ stay."
    assert counts == {"texts repaired": 1}


def test_edits_are_applied_in_order_and_counted():
    texts = pa.chunked_array([["Menu\nMy address is me@home.org in the city."], ["Menu"]], pa.large_string())
    edited, counts = edit(texts, ["c4_lines_tfds", "pii"])
    assert edited.to_pylist() == ["My address is email@example.com in the city.", ""]
    assert counts == {"c4_lines_tfds: lines without an end mark": 2, "pii: e-mail addresses": 1}
    assert edit(texts, [])[0].to_pylist() == texts.to_pylist()


def test_an_unknown_edit_is_named():
    with pytest.raises(ValueError, match="edits: 'ftfy' is not one of c4_lines_tfds, "):
        edit(pa.array(["x"]), ["ftfy"])


@pytest.fixture(params=["sample", "web", "mail", "wiki"])
def texts(request) -> list[str]:
    """The sample of our own, and the first megabyte of three domains of the shared pool where that is."""
    if request.param == "sample":
        return request.getfixturevalue("sample")
    file = request.getfixturevalue("shared_data") / "text" / "pool" / f"{request.param}.jsonl.zst"
    with pa.CompressedInputStream(pa.OSFile(str(file)), "zstd") as stream:
        return [json.loads(line)["text"] for line in stream.read(1_000_000).split(b"\n")[:-1]]


def test_text_is_edited_as_datatrove_edits_it(texts, request):
    filters = pytest.importorskip("datatrove.pipeline.filters")
    formatters = pytest.importorskip("datatrove.pipeline.formatters")
    from datatrove.data import Document

    c4, compared, masked = filters.C4QualityFilter(min_num_sentences=-1), 0, 0
    for text in texts:
        document = Document(text=text, id="0")
        if c4.filter(document) is True:
            compared += 1
            assert EDITS["c4_lines_datatrove"](text)[0] == document.text
        # its replacements go round over all documents, ours start anew in each: a formatter of its own for each text
        edited, counts = mask_pii(text)
        masked += bool(counts)
        assert edited == formatters.PIIFormatter().format(text)
    assert compared > 50
    assert masked > 0 or "wiki" in request.node.name
