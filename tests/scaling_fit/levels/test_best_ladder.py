"""The best ladder: what brute force finds, within budget and unique tokens, and as sharp as refits of simulated tables say."""

from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.levels.best_ladder import FINENESS, MOST_SEEDS, Candidate, Luck, best, cheapest, ladder, ladders, spacings
from scaling_fit.levels.design import Grid, assess

LAW = {"E": 2.5, "A": 112.0, "alpha": 0.35, "B": 26.5, "beta": 0.18}
LUCK = Luck(row=0.004, trunk=0.002)
FIRSTS, CAPS = [81_920, 327_680], [1e6, 4e6]


def shape(name: str, N: float) -> Candidate:
    return Candidate(name, N, lambda tokens: N * sum(tokens))


SHAPES = [shape("small", 160e3), shape("large", 640e3)]


@pytest.fixture(scope="module")
def found():
    return ladders(SHAPES, FIRSTS, CAPS, LUCK, LAW)


def test_token_counts_keep_to_the_caps_and_begin_at_the_firsts():
    made = list(spacings(FIRSTS, CAPS))
    assert {tokens[0] for tokens in made} == set(FIRSTS)
    assert {1e6, 4e6} <= {round(tokens[-1], -5) for tokens in made}
    for tokens in made:
        assert tokens[-1] <= 4e6
        assert all(d % (tokens[0] // FINENESS) == 0 for d in tokens)
        assert np.diff(np.log(tokens)) == pytest.approx(np.log(tokens[-1] / tokens[0]) / (len(tokens) - 1), rel=0.05)


@pytest.mark.parametrize(("budget", "levels", "most"), [(3e13, 3, 4e6), (3e13, 6, 4e6), (3e13, 3, 1e6)])
def test_nothing_else_within_the_budget_sees_more(found, budget, levels, most):
    chosen = best(found, budget, levels, most)
    assert chosen is not None
    assert chosen.cost <= budget
    assert chosen.ladder.tokens[-1] <= most
    for one in found:
        for seeds in range(2, MOST_SEEDS + 1):
            if one.price * seeds * levels <= budget and one.tokens[-1] <= most:
                assert one.power(seeds).detectable() >= chosen.detectable * (1 - 1e-12)


def test_a_longer_pool_fewer_levels_and_more_time_each_sharpen_the_answer(found):
    usual = best(found, 3e13, 6, 1e6)
    for other in (best(found, 3e13, 6, 4e6), best(found, 3e13, 2, 1e6), best(found, 3e14, 6, 1e6)):
        assert other.detectable < usual.detectable


def test_many_seeds_are_a_grid_of_many_seeds():
    """What `power` scales from one seed is what the design of that many seeds says."""
    one = ladder(SHAPES, (65_536, 200_000, 600_000, 2_000_000, 4_000_000), LUCK, LAW)
    whole = assess(Grid((160e3, 640e3), one.tokens, 5, LUCK.row, LUCK.trunk), LAW)
    scaled = one.power(5)
    assert (scaled.se, scaled.se_shared_floor, scaled.df, scaled.runs) == pytest.approx(
        (whole.se, whole.se_shared_floor, whole.df, whole.runs)
    )


def test_the_cheapest_ladder_for_a_shift_sees_it_and_costs_no_more(found):
    wanted = best(found, 3e13, 3, 4e6).detectable
    chosen = cheapest(found, wanted, 3, 4e6)
    assert chosen.detectable <= wanted
    assert chosen.cost <= 3e13
    assert cheapest(found, 1e-9, 3) is None


def test_no_ladder_for_no_money(found):
    assert best(found, 1.0, 3) is None


def test_what_neighbouring_branches_share_makes_more_of_them_worth_less():
    """With correlated errors along a trunk twelve D tell hardly more than six."""
    few, many = (tuple(int(d) for d in np.geomspace(65_536, 4e6, n)) for n in (6, 12))
    gain = [ladder(SHAPES[:1], few, luck, LAW).one_seed.se / ladder(SHAPES[:1], many, luck, LAW).one_seed.se for luck in
            (LUCK, replace(LUCK, reach=1.0))]  # fmt: skip
    assert gain[0] > 1.2
    assert gain[1] < 1.1


def test_short_runs_are_further_trunks_up_to_the_middle_and_priced_as_such():
    tokens = (65_536, 200_000, 600_000, 2_000_000, 4_000_000)
    plain, more = (ladder(SHAPES[:1], tokens, LUCK, LAW, short) for short in (0, 3))
    assert more.early == tokens[:3]
    assert more.price == plain.price + 3 * SHAPES[0].price(tokens[:3])
    extra = tuple((160e3, float(D), trunk) for trunk in (1, 2, 3) for D in tokens[:3])
    assert more.one_seed == assess(Grid((160e3,), tokens, 1, LUCK.row, LUCK.trunk, extra=extra), LAW)
    assert more.power(4).detectable() < 0.8 * plain.power(4).detectable()
    assert more.power(4).detectable() < plain.power(4 * int(more.price / plain.price + 1)).detectable() * 1.2
