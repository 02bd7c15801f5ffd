import numpy as np
import pytest

from scaling_fit import Settings, analyse
from scaling_fit.instrument.repeats import measure, trunk_noise


def repeated(row, trunk, seeds, tokens, rng, levels=("raw", "clean"), eval_set="heldout"):
    """Log losses with planted luck: every trunk its own, every branch its own on top."""
    made = []
    for level in levels:
        for seed in range(seeds):
            luck = rng.normal(0, trunk)
            for D in tokens:
                loss = np.exp(1.2 - 0.1 * np.log(D / 1e5) + luck + rng.normal(0, row))
                made.append(
                    {"level": level, "shape": "s", "seed": seed, "trunk": f"{level}/s/{seed}", "N": 1e5, "tokens": D,
                     "eval_set": eval_set, "loss": loss}
                )  # fmt: skip
    return made


def test_planted_noise_is_found():
    found = measure(repeated(0.004, 0.012, 2000, (1e5, 4e5, 2e6), np.random.default_rng(0)))
    assert found.trunk == pytest.approx(0.012, rel=0.05)
    assert found.row == pytest.approx(0.004, rel=0.05)
    assert (found.trunks, found.cells, found.trunk_df) == (4000, 6, 3998)


def test_one_d_per_trunk_gives_the_whole_noise():
    found = measure(repeated(0.004, 0.012, 2000, (1e5,), np.random.default_rng(1)))
    assert found.row == 0.0
    assert found.trunk == pytest.approx(np.hypot(0.004, 0.012), rel=0.05)


def test_one_seed_is_no_noise():
    with pytest.raises(ValueError, match="two seeds"):
        measure(repeated(0.004, 0.012, 1, (1e5, 4e5), np.random.default_rng(2)))


def test_an_unknown_set_is_named():
    with pytest.raises(ValueError, match="'wiki' is not in the noise table; it has heldout"):
        measure(repeated(0.004, 0.012, 2, (1e5,), np.random.default_rng(3)), "wiki")


def test_the_fit_takes_measured_noise_where_it_would_assume_it():
    """Three D and one seed a level leave nothing to measure trunks by; a noisier instrument must widen the intervals."""
    rng = np.random.default_rng(4)
    D = np.geomspace(1e5, 1e7, 8)
    runs = [
        {"level": level, "shape": "s", "seed": 0, "trunk": f"{level}/s/0", "N": 1e5, "tokens": float(d), "eval_set": "heldout",
         "loss": float(3 * shift * (d / 1e5) ** -0.2 * np.exp(rng.normal(0, 0.002)))}
        for level, shift in (("raw", 1.0), ("clean", 0.97))
        for d in D
    ]  # fmt: skip
    noisy = repeated(0.002, 0.03, 40, (1e5, 1e6), rng)
    assumed, told = (
        analyse(runs, Settings(replicates=200, test_replicates=0)),
        analyse(runs, Settings(replicates=200, test_replicates=0), noise=noisy),
    )
    sd = trunk_noise(noisy)["heldout"][0]
    assert assumed.fits["heldout"].noise.trunk == pytest.approx(0.003, rel=0.01)
    assert told.fits["heldout"].noise.trunk == pytest.approx(sd, rel=0.01)

    def width(found):
        interval = found.answer.verdicts["clean"].gap.mean
        return interval.high - interval.low

    assert width(told) > 3 * width(assumed)
    assert "is assumed" in assumed.answer.checks[0].answer
    assert "repeated apart" in told.answer.checks[0].answer
