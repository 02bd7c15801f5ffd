import numpy as np
import pytest

from scaling_fit.tasks.curve import fit_curve
from scaling_fit.tasks.signal import signal_of


def test_signal_is_the_gap_and_noise_its_standard_error(margins, runs):
    gaps, noise = [], []
    for seed in range(25):
        scores = margins(lambda loss: 1.2 * (5.2 - loss), 0.3, seed=seed)
        found = signal_of(fit_curve(scores), ["worth"], "raw")
        gaps.append(found.signal)
        noise.append(found.noise)
        assert found.ratio == pytest.approx(found.signal / found.noise)
        assert found.items == pytest.approx(0.05)
    planted = 0.3 - 1.2 * (runs.loss[runs.level == "worth"].mean() - runs.loss[runs.level == "raw"].mean())
    assert np.mean(gaps) == pytest.approx(planted, abs=0.02)
    assert np.mean(noise) == pytest.approx(np.std(gaps), rel=0.35)


def test_no_runs_in_common(margins):
    scores = margins(lambda loss: 1.2 * (5.2 - loss))
    apart = scores.where((scores.level == "raw") == (scores.D > 1e9))
    assert signal_of(fit_curve(apart), ["worth"], "raw") is None
