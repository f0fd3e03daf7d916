"""The rules integrate polynomials against the normal density."""

import numpy as np
import pytest
from scipy.special import factorial2

from semgllamm.integration.gauss_hermite import rule, rules


@pytest.mark.parametrize("points", [1, 2, 5, 15, 31])
def test_moments_of_the_normal_distribution(points):
    z, logs = rule(points)
    weights = np.exp(logs - 0.5 * z * z)
    for k in range(min(points, 8)):
        assert weights @ z ** (2 * k) == pytest.approx(factorial2(2 * k - 1) if k else 1.0, rel=1e-12)
        assert weights @ z ** (2 * k + 1) == pytest.approx(0.0, abs=1e-6)


def test_rules_of_several_classes_are_padded_with_points_of_no_weight():
    counts, nodes, logs = rules((5, 1, 7))
    assert counts.tolist() == [5, 1, 7]
    assert nodes.shape == logs.shape == (3, 7)
    assert np.exp(logs[1]).tolist() == [1.0] + [0.0] * 6
