"""Numbers written in any way that has one meaning come back; what may mean two is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling_fit.table.numerals import decimal_point, is_missing, number, numbers

POINTS = {".": ",", ",": "."}
SCALES = {"k": 1e3, "M": 1e6, "m": 1e6, "B": 1e9, "bn": 1e9, "T": 1e12, " million": 1e6, " billion": 1e9, "B tokens": 1e9}


@given(st.integers(-(10**15), 10**15), st.sampled_from([",", ".", " ", "'", "’", "_", "\u00a0", "\u202f"]))
def test_grouped_thousands(whole: int, sign: str) -> None:
    cell = f"{whole:,}".replace(",", sign)
    assert number(cell, "," if sign == "." else ".") == whole


@given(st.floats(0.001, 1e6), st.sampled_from([".", ","]), st.booleans())
def test_decimals_of_both_conventions(value: float, point: str, group: bool) -> None:
    text = f"{value:,.4f}" if group else f"{value:.4f}"
    cell = text.translate(str.maketrans({".": point, ",": POINTS[point]}))
    assert number(cell, point) == round(value, 4)


@given(st.decimals(1, 999, places=2), st.sampled_from(sorted(SCALES)))
def test_suffixes(value, suffix: str) -> None:
    assert number(f"{value}{suffix}") == pytest.approx(float(value) * SCALES[suffix], rel=1e-15)


@given(
    st.integers(1, 99),
    st.integers(-3, 24),
    st.sampled_from(["{m}e{p}", "{m}E{p}", "{m}*10^{p}", "{m} x 10**{p}", "{m}×10^{p}"]),
)
def test_powers(mantissa: int, power: int, form: str) -> None:
    assert number(form.format(m=mantissa / 10, p=power)) == pytest.approx(mantissa / 10 * 10.0**power, rel=1e-14)


@pytest.mark.parametrize(
    ("cell", "value"),
    [("10^7", 1e7), ("1.3×10⁹", 1.3e9), ("10⁻³", 1e-3), ("2^30", 2**30), ("2.3B", 2.3e9), ("3.2 nats", 3.2), (" 7 ", 7)],
)
def test_written_by_hand(cell: str, value: float) -> None:
    assert number(cell) == value


@pytest.mark.parametrize("cell", ["", "N/A", "nan", "-", "None", "#N/A", " null ", None, float("nan")])
def test_missing(cell) -> None:
    assert is_missing(cell)
    assert np.isnan(numbers({"N": [cell, "1.5B"]}, [2, 3])["N"][0])


@pytest.mark.parametrize("cell", ["many", "3%", "10 20", "1,23,4", "3.4.5", "1.3X", "~3", "12 apples", "=A1", "--5"])
def test_what_is_no_number_is_named(cell: str) -> None:
    with pytest.raises(ValueError, match="row 9, column 'loss'"):
        numbers({"N": ["1", "2"], "loss": ["1.5", cell]}, [8, 9])


def test_one_cell_settles_the_convention_of_a_table() -> None:
    found = numbers({"N": ["1.300", "2.600"], "loss": ["3,41", "3,2"]}, [2, 3])
    np.testing.assert_array_equal(found["N"], [1300, 2600])
    np.testing.assert_array_equal(found["loss"], [3.41, 3.2])
    np.testing.assert_array_equal(numbers({"N": ["1,300"], "loss": ["3.41"]}, [2])["N"], [1300])


def test_a_comma_that_may_be_either_is_refused_unless_semicolons_part_cells() -> None:
    with pytest.raises(ValueError, match=r"'3,412' may be 3\.412 or 3412"):
        numbers({"loss": ["3,412"]}, [2])
    assert numbers({"loss": ["3,412"]}, [2], semicolons=True)["loss"] == 3.412
    with pytest.raises(ValueError, match=r"'3\.41' has a decimal point and '3,41' a decimal comma"):
        decimal_point(["3.41", "3,41"])
