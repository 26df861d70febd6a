"""Sums over tokens: exponentials to the last place, and sums that lose nothing, however far apart the weights are."""

from __future__ import annotations

import numpy as np

from gcd.diffusion import kernels


def test_exponentials_are_right_to_the_last_place():
    x = np.concatenate([np.linspace(-707.9, 707.9, 200_001), np.linspace(-1, 1, 100_001), [0.0]])
    out = np.empty_like(x)
    kernels.exponentials(x - 3.0, -3.0, out)
    expected = np.exp(x - 3.0 + 3.0)
    assert np.abs(out - expected).max(initial=0, where=expected < 1) <= np.spacing(1.0)
    assert (np.abs(out / expected - 1) <= 2 * np.spacing(1.0)).all()
    edges = np.array([-np.inf, -1e300, -708.1, 0.0, 1e4])
    kernels.exponentials(edges, 0.0, out[:5])
    assert out[:4].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert out[4] < np.inf


def test_sums_of_atoms_lose_nothing():
    """Weights thousands apart, and -inf: against numpy's own sum in logarithms, atom by atom."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        weights = rng.choice([1.0, 30.0, 600.0], 1300) * rng.standard_normal(1300)
        weights[rng.random(1300) < 0.2] = -np.inf
        atom_of = rng.integers(0, 90, 1300).astype(np.int32)
        weights[atom_of < 3] = -np.inf
        weights[(atom_of > 2) & (atom_of < 6)] -= 5000
        out = np.empty(91)
        kernels.atom_sums(weights, weights.max(), atom_of, out)
        expected = [np.logaddexp.reduce(weights[atom_of == a], initial=-np.inf) for a in range(91)]
        np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-13, err_msg=f"seed {seed}")
        assert (out[:3] == -np.inf).all()
        assert (out[3:6] < -2000).all()
