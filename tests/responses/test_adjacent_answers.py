"""Adjacent categories with any number of thresholds, in the layout in which the engine keeps derivatives."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from conftest import THRESHOLDS

from semgllamm.responses import registry
from semgllamm.responses.adjacent import curvature_of_any, terms_of_any, value_of_any

FAMILY = registry.lookup("adjacent")
M = len(THRESHOLDS)
ROOM = M + 2  # other responses have more thresholds


def row_of(thresholds, room=ROOM):
    return np.concatenate([[0.0], thresholds, np.zeros(room - len(thresholds))])


def exact(y, nu, kappa):
    logs = [j * nu - mp.fsum(kappa[:j]) for j in range(len(kappa) + 1)]
    return logs[y] - mp.log(mp.fsum(mp.exp(x) for x in logs))


def derivative(y, nu, orders):
    """Of order orders[0] in ν and orders[k] in κ_k, by differences of many digits."""
    with mp.workdps(60):
        point = (mp.mpf(nu), *map(mp.mpf, THRESHOLDS))
        if not any(orders):
            return float(exact(y, *point[:1], point[1:]))
        return float(mp.diff(lambda x, *kappa: exact(y, x, kappa), point, tuple(orders)))


def order(nu=0, *thresholds):
    return [nu] + [thresholds.count(k) for k in range(M)]


@pytest.mark.parametrize("nu", [-6.5, 0.3, 2.5, 30.0])
@pytest.mark.parametrize("y", [0, 2, M])
def test_all_derivatives(y, nu):
    T, lin = ROOM, row_of(THRESHOLDS)
    first = np.full(2 + 2 * T + T * (T + 1) // 2, np.nan)
    logf, w, dw = terms_of_any(float(y), float(M), nu, lin, first, first, first, 2)
    close = {"rel": 1e-9, "abs": 1e-13}
    assert logf == pytest.approx(derivative(y, nu, order()), **close)
    assert first[0] == pytest.approx(derivative(y, nu, order(1)), **close)
    assert w == first[1 + T] == pytest.approx(-derivative(y, nu, order(2)), **close)
    assert dw == pytest.approx(-derivative(y, nu, order(3)), **close)
    for a in range(M):
        assert first[1 + a] == pytest.approx(derivative(y, nu, order(0, a)), **close)
        assert first[2 + T + a] == pytest.approx(derivative(y, nu, order(1, a)), **close)
        for b in range(a + 1):
            at = 2 + 2 * T + a * (a + 1) // 2 + b
            assert first[at] == pytest.approx(derivative(y, nu, order(0, a, b)), **close)
    nothing = [*range(1 + M, 1 + T), *range(2 + T + M, 2 + 2 * T), *range(2 + 2 * T + M * (M + 1) // 2, len(first))]
    assert not first[nothing].any(), "thresholds that the response does not have"

    short, slopes, bends = np.full(1 + T, np.nan), np.full(T, np.nan), np.full(T, np.nan)
    terms_of_any(float(y), float(M), nu, lin, short, slopes, bends, 1)
    np.testing.assert_array_equal(short, first[: 1 + T])
    np.testing.assert_array_equal(slopes, first[2 + T : 2 + 2 * T])
    for a in range(M):
        assert bends[a] == pytest.approx(-derivative(y, nu, order(2, a)), **close)
    np.testing.assert_allclose(value_of_any(float(y), float(M), nu, lin), [logf, first[0]], rtol=1e-14)
    np.testing.assert_allclose(curvature_of_any(float(y), float(M), nu, lin), [logf, first[0], w, dw], rtol=1e-14)


@pytest.mark.parametrize("nu", [-1000.0, -40.0, 40.0, 1000.0])
def test_tails_are_finite(nu):
    first = np.zeros(2 + 2 * ROOM + ROOM * (ROOM + 1) // 2)
    for y in range(M + 1):
        assert np.isfinite(terms_of_any(float(y), float(M), nu, row_of(THRESHOLDS), first, first, first, 2)).all()
        assert np.isfinite(first).all()


@pytest.mark.parametrize("m", [1, 2])
def test_few_thresholds_have_the_kernels_of_the_contract(m):
    kappa = THRESHOLDS[:m]
    tau = [*kappa, 0.0][:2]
    for y in range(m + 1):
        for nu in (-3.0, 0.4, 5.0):
            first, slopes, bends = np.zeros(3), np.zeros(2), np.zeros(2)
            logf, w, dw = terms_of_any(float(y), float(m), nu, row_of(kappa, 2), first, slopes, bends, 1)
            found = registry.terms(FAMILY.code, float(y), float(m), nu, *tau)
            np.testing.assert_allclose(found[:10], [logf, first[0], w, dw, *first[1:], *slopes, *bends],
                                       rtol=1e-11, atol=1e-14)


def test_draws_have_the_stated_probabilities():
    n = 40_000
    draws = FAMILY.simulate(np.full(n, 0.4), THRESHOLDS, np.ones(n), np.random.default_rng(5))
    p = np.array([float(mp.exp(exact(y, 0.4, list(THRESHOLDS)))) for y in range(M + 1)])
    shares = np.bincount(draws.astype(int), minlength=M + 1) / n
    assert np.all(np.abs(shares - p) < 4 * np.sqrt(p * (1 - p) / n))
    assert FAMILY.mean(np.array([0.4]), THRESHOLDS)[0] == pytest.approx(p @ np.arange(M + 1))
