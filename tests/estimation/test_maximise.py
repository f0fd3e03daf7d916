"""The optimiser finds maxima, leaves false zeros, stays at true ones, and says so when there is no maximum."""

from __future__ import annotations

import numpy as np
import pytest
from toy_likelihoods import (
    BendingRidge,
    Covariance,
    EvenInSigma,
    Logit,
    Quadratic,
    RandomInterceptGaussian,
    RandomInterceptLogit,
)

from semgllamm.errors import EstimationError
from semgllamm.estimation.optimise import maximise
from semgllamm.estimation.settings import Settings


def assert_maximum(likelihood, optimum):
    """Converged, and differences of the log-likelihood of fourth order vanish in units of 1/SE."""
    assert optimum.convergence.converged, optimum.convergence.message
    assert optimum.convergence.negative == 0
    se = np.sqrt(1 / np.abs(np.diag(optimum.information)))
    for i, unit in enumerate(np.eye(likelihood.n_free)):
        h = 0.01 * se[i]
        values = [likelihood.value(optimum.free + k * h * unit, optimum.points) for k in (-2, -1, 1, 2)]
        slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
        assert abs(slope) * se[i] < 1e-4
    assert optimum.convergence.gradient < 1e-6


def test_a_quadratic_in_any_units_takes_one_step_where_steps_are_not_limited():
    J = np.diag([1e6, 1.0, 1e-6])
    J[0, 1] = J[1, 0] = 300
    likelihood = Quadratic([1, 2, 3], J)
    optimum = maximise(likelihood, np.zeros(3), ())
    assert np.allclose(optimum.free, [1, 2, 3], rtol=1e-10)
    assert optimum.convergence.evaluations.informations == 2
    far = maximise(Quadratic([1, 250, 1e4], J), np.zeros(3), ())
    assert np.allclose(far.free, [1, 250, 1e4], rtol=1e-9)


@pytest.mark.parametrize("start", [0.0, 1e-4, 0.1, 4.0])
@pytest.mark.parametrize("points", [(1,), (5,), (15,)])
@pytest.mark.parametrize("sigma", [0.0, 0.35, 1.5])
def test_random_intercept_has_one_maximum_from_all_starts(sigma, points, start):
    likelihood = RandomInterceptLogit.simulated(100, 6, [-0.5, 1.0], sigma, seed=3)
    optimum = maximise(likelihood, np.array([0.0, 0.0, start]), points)
    assert_maximum(likelihood, optimum)
    profile = [
        maximise(likelihood, np.array([0.0, 0.0, s]), points).loglik for s in (0.2, 2.5)
    ]  # fmt: skip
    assert np.allclose(profile, optimum.loglik, atol=1e-9)
    zero = optimum.free[2] == 0
    assert zero == (sigma == 0.0)
    assert optimum.convergence.boundary == (("sigma",) if zero else ())
    assert optimum.free[2] >= 0


def test_fit_without_cluster_variance_is_the_fit_without_clusters():
    likelihood = RandomInterceptLogit.simulated(100, 6, [-0.5, 1.0], 0.0, seed=3)
    optimum = maximise(likelihood, np.array([0.0, 0.0, 1.0]), (15,))
    plain = Logit(likelihood.X.reshape(-1, 2), likelihood.y.ravel())
    alone = maximise(plain, np.zeros(2), ())
    assert np.allclose(optimum.free[:2], alone.free, atol=1e-7)
    assert optimum.loglik == pytest.approx(alone.loglik, abs=1e-9)


@pytest.mark.parametrize("start", [0.0, 0.1, 4.0])
@pytest.mark.parametrize("sigma", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("depth", [1, 3, 9])
def test_gaussian_responses_with_one_point_reach_the_closed_form(depth, sigma, start):
    rng = np.random.default_rng(int(10 * sigma))
    y = 5 + sigma * rng.normal(size=(40, 1)) + rng.normal(size=(40, 5))
    likelihood = RandomInterceptGaussian(y, depth)
    optimum = maximise(likelihood, np.array([5.0, start, 0.0]), (1,))
    free, loglik = likelihood.solution()
    assert optimum.convergence.converged
    assert np.allclose(optimum.free, free, atol=1e-6)
    assert optimum.loglik == pytest.approx(loglik, abs=1e-10)
    assert optimum.by_louis == (depth < 9)
    assert np.allclose(optimum.information, -likelihood.hessian(optimum.free, (1,)), atol=1e-4, rtol=1e-6)


def test_bfgs_needs_about_thirty_evaluations():
    rng = np.random.default_rng(1)
    y = 5 + rng.normal(size=(40, 1)) + rng.normal(size=(40, 5))
    optimum = maximise(RandomInterceptGaussian(y, depth=9), np.array([y.mean(), 1.0, np.log(y.var())]), (1,))
    assert optimum.convergence.evaluations.total < 40


@pytest.mark.parametrize("start", [(0, 0), (0, 4), (3, 0.1), (4, 4)])
def test_false_zeros_are_left_and_true_ones_stay(start):
    likelihood = EvenInSigma(2.0, -1.0)
    optimum = maximise(likelihood, np.array([0.0, *start]), ())
    assert np.allclose(optimum.free, [1, np.sqrt(2), 0], atol=1e-6)
    assert optimum.loglik == pytest.approx(-1, abs=1e-12)
    assert optimum.convergence.boundary == ("sigma1",)


def test_a_saddle_point_is_no_maximum():
    # every start on the ridge σ0 = 0 goes to the saddle at 0: the sign of the eigenvalue is the only way out
    likelihood = EvenInSigma(2.0)
    optimum = maximise(likelihood, np.array([0.0, 1e-7]), ())
    assert optimum.convergence.saddles >= 1
    assert optimum.free[1] == pytest.approx(np.sqrt(2), abs=1e-6)


@pytest.mark.parametrize("c", [0.0, 1e-12, 1e-4, -1e-4])
def test_a_variance_at_the_edge_of_zero_is_no_separation(c):
    optimum = maximise(EvenInSigma(c), np.array([0.0, 3.0]), ())
    assert optimum.convergence.converged
    assert optimum.free[1] ** 2 == pytest.approx(max(c, 0), abs=1e-5)


COVARIANCES = [
    ([[0.7, 0.2], [0.2, 1.5]], ("C22",)),
    ([[1.5, 0.5], [0.5, 1.2]], ("C22",)),
    ([[2.0, 0.3], [0.3, 1.5]], ()),
    ([[0.5, 0.1], [0.1, 0.6]], ("C11", "C21", "C22")),
    ([[0.8, 0.0], [0.0, 1.6]], ("C11", "C21")),
]


@pytest.mark.parametrize("start", [(1, 0, 1), (0, 0, 0), (0.1, 0.1, 4)])
@pytest.mark.parametrize(("S", "boundary"), COVARIANCES)
def test_a_covariance_matrix_may_lose_rank(S, boundary, start):
    likelihood = Covariance(S, n=200)
    optimum = maximise(likelihood, np.array(start, dtype=float), ())
    values, vectors = np.linalg.eigh(np.array(S) - np.eye(2))
    Psi = (vectors * np.maximum(values, 0)) @ vectors.T
    C = np.array([[optimum.free[0], 0], [optimum.free[1], optimum.free[2]]])
    assert optimum.convergence.converged, optimum.convergence.message
    assert np.allclose(C @ C.T, Psi, atol=1e-6)
    assert optimum.convergence.boundary == boundary
    assert (np.diag(C) >= 0).all()


@pytest.mark.parametrize("louis", [True, False])
def test_perfect_separation_is_named(louis):
    rng = np.random.default_rng(5)
    x = rng.normal(size=80)
    group = (rng.random(80) < 0.25).astype(float)
    y = np.where(group > 0, 1.0, rng.random(80) < 0.5)
    likelihood = Logit(np.column_stack([np.ones(80), x, group]), y)
    likelihood.has_louis = louis
    convergence = maximise(likelihood, np.zeros(3), ()).convergence
    assert not convergence.converged
    assert convergence.culprits == ("x2",)
    assert "x2" in convergence.message and "separation" in convergence.message


@pytest.mark.parametrize(("c", "k"), [(6.0, 0.02), (8.0, 0.05)])
def test_a_ridge_on_which_standard_errors_grow_has_a_top(c, k):
    # from (1, 1) the variance of b, 1 + 4a⁴/k, grows c⁴-fold on the way
    optimum = maximise(BendingRidge(c, k), np.array([1.0, 1.0]), ())
    assert optimum.convergence.converged, optimum.convergence.message
    assert np.allclose(optimum.free, [c, c**2], rtol=1e-5)


def test_separation_in_a_continuous_variable():
    rng = np.random.default_rng(5)
    x = rng.normal(size=80)
    convergence = maximise(Logit(np.column_stack([np.ones(80), x]), (x > 0.1) * 1.0), np.zeros(2), ()).convergence
    assert not convergence.converged
    assert "x1" in convergence.culprits


@pytest.mark.parametrize("louis", [True, False])
def test_singular_information_does_not_keep_a_fit_from_its_maximum(louis):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(100, 2))
    y = (rng.random(100) < 0.5) * 1.0
    likelihood = Logit(np.column_stack([X, X.sum(axis=1)]), y)
    likelihood.has_louis = louis
    optimum = maximise(likelihood, np.zeros(3), ())
    alone = maximise(Logit(X, y), np.zeros(2), ())
    assert optimum.convergence.converged
    assert optimum.loglik == pytest.approx(alone.loglik, abs=1e-10)


def test_interruption_returns_the_best_point():
    class Interrupted(RandomInterceptLogit):
        def louis(self, free, points):
            if self.calls > 3:
                raise KeyboardInterrupt
            return super().louis(free, points)

    likelihood = Interrupted.simulated(50, 5, [-0.5, 1.0], 1.0, seed=2)
    start = np.array([0.0, 0.0, 1.0])
    optimum = maximise(likelihood, start, (7,))
    assert not optimum.convergence.converged
    assert "interrupted" in optimum.convergence.message
    assert np.isfinite(optimum.loglik) and optimum.loglik > likelihood.value(start, (7,))


def test_interruption_before_the_first_evaluation_returns_the_start():
    class Interrupted(Quadratic):
        def louis(self, free, points):
            raise KeyboardInterrupt

    optimum = maximise(Interrupted([1.0], [[1.0]]), np.array([3.0]), ())
    assert not optimum.convergence.converged
    assert optimum.free == [3.0] and np.isnan(optimum.loglik)


def test_impossible_steps_are_halved():
    class Bounded(Quadratic):
        def loglik(self, free, points):
            return super().loglik(free, points) if free[0].real < 1.001 else -np.inf + 0j

        def score(self, free, points):
            loglik = self.value(free, points)
            return loglik, -self.J @ (free - self.centre) if np.isfinite(loglik) else np.full(1, np.nan)

        def hessian(self, free, points):
            return -0.5 * self.J  # a matrix that asks for steps of twice the length

    optimum = maximise(Bounded([1.0], [[2.0]]), np.array([-3.0]), ())
    assert optimum.convergence.converged
    assert optimum.free[0] == pytest.approx(1, abs=1e-6)


def test_impossible_start_is_an_error():
    class Impossible(Quadratic):
        def loglik(self, free, points):
            return -np.inf + 0j

    with pytest.raises(EstimationError, match="start values"):
        maximise(Impossible([1.0], [[1.0]]), np.array([3.0]), ())


def test_too_few_iterations_do_not_converge():
    likelihood = RandomInterceptLogit.simulated(50, 5, [-0.5, 1.0], 1.0, seed=2)
    convergence = maximise(likelihood, np.array([0.0, 0.0, 1.0]), (7,), Settings(iterations=2)).convergence
    assert not convergence.converged
    assert "2 iterations" in convergence.message


def test_progress_and_history_tell_the_same_story():
    told = []
    likelihood = RandomInterceptLogit.simulated(50, 5, [-0.5, 1.0], 1.0, seed=2)
    optimum = maximise(likelihood, np.array([0.0, 0.0, 1.0]), (15,), progress=lambda *line: told.append(line))
    history = optimum.convergence.history
    assert [(step.iteration, step.loglik, step.gradient) for step in history] == [line[:3] for line in told]
    assert [line[3] for line in told] == sorted(line[3] for line in told)
    assert {step.points for step in history} == {(7,), (15,)}
    assert history[-1].decrement <= Settings().tolerance


def test_last_evaluation_starts_cold():
    class Remembers(RandomInterceptLogit):
        warm = True

        def cold(self):
            self.warm = False

        def louis(self, free, points):
            self.last = self.warm
            self.warm = True
            return super().louis(free, points)

    likelihood = Remembers.simulated(50, 5, [-0.5, 1.0], 1.0, seed=2)
    optimum = maximise(likelihood, np.array([0.0, 0.0, 1.0]), (15,))
    assert optimum.convergence.converged
    assert likelihood.last is False
