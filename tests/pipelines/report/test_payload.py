import base64
import gzip
import json
import math
import re

from hypothesis import given
from hypothesis import strategies as st

from pipelines.report.payload import columns, inert_json, packed, policy, vega

CELLS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)


def rows_of(table: dict) -> list[dict]:
    """What static/page.js does with a table."""
    read = {name: [c["of"][k] for k in c["at"]] if isinstance(c, dict) else c for name, c in table.items()}
    return [dict(zip(read, row, strict=True)) for row in zip(*read.values(), strict=True)]


@given(st.lists(st.fixed_dictionaries({"level": st.text(max_size=5), "loss": CELLS}), max_size=20))
def test_a_table_by_column_is_the_table_to_six_digits(rows: list[dict]):
    back = rows_of(columns(rows))
    assert len(back) == len(rows)
    for row, other in zip(rows, back, strict=True):
        assert other["level"] == row["level"]
        if isinstance(row["loss"], float):
            assert math.isclose(other["loss"], row["loss"], rel_tol=5e-6, abs_tol=1e-300)
        else:
            assert other["loss"] == row["loss"]


@given(st.text() | st.lists(st.text()))
def test_json_in_the_page_reads_back_and_cannot_end_its_element(value: object):
    text = inert_json(value)
    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029]", text)


def test_the_policy_names_each_script_and_fetches_nothing():
    one = policy(["alert(1)"])
    assert one.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline'" not in one.split("style-src")[0]
    assert "http" not in one
    assert policy(["alert(2)"]) != one


def test_the_runtime_is_one_script_that_cannot_end_early():
    assert "</script" not in vega()
    assert "vegaEmbed" in vega()


def test_what_is_packed_comes_back_and_is_the_same_text_every_time():
    value = {"a": {"of": ["</script>", "é"], "at": [0, 1]}, "b": [1, 2.5, None]}
    text = packed(value)
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", text)
    assert json.loads(gzip.decompress(base64.b64decode(text))) == value
    assert packed(value) == text
