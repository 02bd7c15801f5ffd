"""Budgets: the shares asked for, as large as the scarcest domain allows, and shortages told by name."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.levels.mixture import OTHER, Mixture, as_composed, budget

AVAILABLE = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 10**12), min_size=1)


@given(AVAILABLE, st.data())
def test_pinned_shares_are_exact_and_the_scarcest_domain_is_used_up(pinned, data):
    available = {name: data.draw(st.integers(1, tokens)) for name, tokens in pinned.items()}
    result = budget("x", Mixture(min_share=0), available, pinned)
    total = sum(pinned.values())
    length = min(Fraction(available[name] * total, pinned[name]) for name in pinned)
    for name, tokens in result.tokens.items():
        assert tokens <= available[name]
        assert 0 <= tokens - length * pinned[name] / total < 1
    assert result.tokens[result.scarce] == available[result.scarce]


@given(AVAILABLE)
def test_natural_takes_everything(available):
    assert budget("x", Mixture("natural", min_share=0), available, {}).tokens == available
    pooled = budget("x", Mixture("natural", min_share=0.01), available, {})
    assert pooled.total == sum(available.values())
    assert all(OTHER in (pooled.group[d], d) or available[d] >= 0.01 * pooled.total for d in available)


@given(AVAILABLE)
def test_pinned_to_itself_takes_everything(available):
    result = budget("x", Mixture(), available, available)
    assert result.total == sum(available.values())
    assert sum(result.shares.values()) == 1


def test_explicit_shares_in_any_unit_leave_out_who_is_not_named():
    result = budget("x", Mixture("explicit", shares={"web": 30, "code": 10}), {"web": 900, "code": 100, "news": 50}, {})
    assert result.tokens == {"web": 300, "code": 100}
    assert result.scarce == "code"


def test_temperature_evens_out():
    available = {"web": 900, "code": 100}
    assert budget("x", Mixture("temperature", temperature=1), available, {}).tokens == available
    evened = budget("x", Mixture("temperature", temperature=2), available, {})
    assert evened.tokens == {"web": 300, "code": 100}


def test_epochs():
    available = {"web": 900, "code": 100}
    half = Mixture("explicit", shares={"web": 0.5, "code": 0.5}, max_epochs={"code": 3})
    assert budget("x", half, available, {}).tokens == {"web": 300, "code": 300}


def test_small_domains_are_pinned_together():
    pinned = {"web": 9000, "code": 900, "rare": 60, "odd": 40}
    result = budget("x", Mixture(min_share=0.01), {"web": 4500, "code": 900, "odd": 100}, pinned)
    assert result.group == {"web": "web", "code": "code", "rare": OTHER, "odd": OTHER}
    assert result.tokens == {"code": 450, "web": 4500, OTHER: 50}
    # together below the limit: the next smallest joins them
    result = budget("x", Mixture(min_share=0.01), pinned, {**pinned, "rare": 5, "odd": 1})
    assert result.group["code"] == OTHER


def test_a_domain_that_the_pinned_level_lacks_gets_nothing():
    assert budget("x", Mixture(), {"web": 10, "new": 10}, {"web": 100}).tokens == {"web": 10}


@pytest.mark.parametrize(
    ("mixture", "available", "says"),
    [
        (
            Mixture(),
            {"web": 100},
            r"level 'best' cannot fill 50 tokens at its pinned mixture: short of code by 5 tokens \(share 0.1\)",
        ),
        (Mixture(), {"web": 9, "code": 2}, "short of code by 3 tokens .*, web by 36 tokens"),
        (Mixture("explicit", shares={"wbe": 1}), {"web": 100}, "short of wbe by 50 tokens"),
        (Mixture("explicit", shares={"web": -1}), {"web": 100}, "must not be negative"),
        (Mixture("explicit"), {"web": 100}, "explicit mixture has no tokens"),
        (Mixture("temperature", temperature=0), {"web": 100}, "temperature 0 must be above 0"),
        (Mixture("natural", max_epochs={"web": 0.5}), {"web": 100}, "max_epochs of web is 0.5"),
        (Mixture("natural"), {}, "natural mixture has no tokens in any domain"),
        (Mixture("natural", max_epochs={"wbe": 2}), {"web": 100}, "max_epochs names 'wbe', which is none of web"),
    ],
)
def test_shortages_and_mistakes_are_told_by_name(mixture, available, says):
    with pytest.raises(ValueError, match=says):
        budget("best", mixture, available, {"web": 900, "code": 100}, wanted=50)


def test_small_domains_of_a_control_are_composed_like_its_parent():
    """web is large in the pinned level; code and forum are pooled, and forum all but gone there."""
    strict, parent = {"web": 9_000, "code": 60, "forum": 35}, {"web": 20_000, "code": 1_000, "forum": 4_000}
    found = as_composed(strict, parent, strict, 0.01)
    assert found == pytest.approx({"web": 9_000, "code": 95 / 5, "forum": 95 * 4 / 5})
    assert as_composed(strict, parent, strict, 0.0) == pytest.approx(strict)


@given(AVAILABLE, AVAILABLE, st.floats(0, 0.5))
def test_a_control_has_as_many_tokens_in_all_however_they_are_composed(tokens, parent, min_share):
    parent = {name: max(n, parent.get(name, 0)) for name, n in tokens.items()}
    found = as_composed(tokens, parent, tokens, min_share)
    assert sum(found.values()) == pytest.approx(sum(tokens.values()))
    assert all(found[name] <= parent[name] * (1 + 1e-9) for name in found)
