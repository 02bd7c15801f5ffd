from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.instrument.spread import Spread, luck, spreads
from scaling_fit.observations import observations


def table(shared: float, own: float, seeds: int):
    """Two levels whose losses share a seed's luck (sd `shared`) and add their own (sd `own`)."""
    rng = np.random.default_rng(0)
    luck = rng.normal(0, shared, seeds)
    rows = [
        {"level": level, "seed": seed, "N": 1e6, "tokens": 10, "loss": mean + luck[seed] + rng.normal(0, own), "loss_se": 0.01}
        for seed in range(seeds)
        for level, mean in (("a", 3.0), ("b", 2.9))
    ]
    return observations(rows)


def test_planted_spreads_are_found():
    (spread,) = spreads(table(0.03, 0.01, 4000))
    assert spread.unpaired == pytest.approx(np.hypot(0.03, 0.01), rel=0.03)
    assert spread.paired == pytest.approx(0.01, rel=0.03)
    assert (spread.unpaired_df, spread.paired_df) == (2 * 3999, 3999)
    assert spread.loss == pytest.approx(2.95, abs=0.01)
    assert spread.sampling == pytest.approx(0.01)


def test_one_seed_is_no_noise():
    with pytest.raises(ValueError, match="two seeds"):
        spreads(table(0.03, 0.01, 1))


def test_measured_luck_says_what_pairing_is_worth():
    found = [Spread("s", 10, "heldout", 4.0, 0.04, 12, 0.02, 9, 0.01), Spread("m", 10, "heldout", 4.0, 0.04, 12, 0.02, 9, 0.01)]
    check = luck(found, "heldout")
    assert check is not None
    assert (
        check.answer == "1.00% between seeds (24 degrees of freedom), 0.50% at the same seed (18); "
        "0.25% from the choice of evaluation documents"
    )
    assert check.meaning.endswith("worth 4.0 times as many seeds.")
    useless = luck([replace(spread, paired=spread.unpaired) for spread in found], "heldout")
    assert useless is not None
    assert "did not" in useless.meaning
    assert luck(found, "web") is None
