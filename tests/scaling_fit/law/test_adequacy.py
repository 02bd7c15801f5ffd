"""Parameters that no run tells apart, and that a hundred thousand runs cost no square of their number."""

import tracemalloc

import numpy as np

from scaling_fit.law.adequacy import not_identifiable


def test_a_flat_direction_names_its_parameters_in_many_runs_and_in_few() -> None:
    rng = np.random.default_rng(0)
    J_NP = rng.standard_normal((50_000, 4))
    J_NP[:, 3] = 2.0 * J_NP[:, 1]
    tracemalloc.start()
    flat_P = not_identifiable(J_NP)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert flat_P.tolist() == [False, True, False, True]
    assert peak < 4 * J_NP.nbytes
    assert not_identifiable(np.eye(4)[:2]).tolist() == [False, False, True, True]  # fewer runs than parameters
