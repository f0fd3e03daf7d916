"""The automatic rule: as many points as the target needs, and an error that is what it is said to be."""

from __future__ import annotations

import numpy as np
import pytest
from toy_likelihoods import Logit, RandomInterceptGaussian, RandomInterceptLogit, TwoLevels

from semgllamm.estimation.automatic import estimate, more_points
from semgllamm.estimation.optimise import maximise
from semgllamm.estimation.settings import Settings

SPARSE = RandomInterceptLogit.simulated(400, 3, [-0.5, 1.0], 2.5, seed=3)
LARGE = RandomInterceptLogit.simulated(30, 40, [-0.5, 1.0], 1.0, seed=4)
NONE = RandomInterceptLogit.simulated(100, 6, [-0.5, 1.0], 0.0, seed=3)

MODELS = {
    "sparse": (SPARSE, [0, 0, 1], (61,)),
    "large": (LARGE, [0, 0, 1], (41,)),
    "two levels": (TwoLevels(SPARSE, LARGE), [0, 0, 1, 0.5], (61, 41)),
    "a level without variance": (TwoLevels(SPARSE, NONE), [0, 0, 1, 0.5], (61, 41)),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    likelihood, start, many = MODELS[request.param]
    solution = estimate(likelihood, np.array(start, dtype=float))
    return likelihood, solution, maximise(likelihood, solution.optimum.free, many)


def test_target_is_met(fitted):
    _, solution, exact = fitted
    assert solution.optimum.convergence.converged
    assert solution.error.met
    se = np.sqrt(np.diag(np.linalg.pinv(solution.information)))
    assert (np.abs(exact.free - solution.optimum.free) < 1.5e-3 * se + 1e-8).all()
    assert abs(exact.loglik - solution.optimum.loglik) < 1.5e-3


def test_stated_error_covers_the_distance(fitted):
    _, solution, exact = fitted
    se = np.sqrt(np.diag(np.linalg.pinv(solution.information)))
    true = (exact.free - solution.optimum.free) / se
    assert np.allclose(solution.error.shift, true, atol=3e-5)
    assert solution.error.loglik == pytest.approx(exact.loglik - solution.optimum.loglik, abs=3e-5)


def test_few_evaluations_suffice(fitted):
    _, solution, _ = fitted
    evaluations = solution.optimum.convergence.evaluations
    assert evaluations.informations <= 12
    assert evaluations.scores <= 7


def test_sparse_levels_get_more_points_than_large_ones():
    solution = estimate(TwoLevels(SPARSE, LARGE), np.array([0, 0, 1, 0.5]))
    lower, upper = solution.optimum.points
    assert lower > upper


def test_stated_error_of_fixed_points():
    # too few points for the target: the error is told in size and sign, and the information is not Louis'
    solution = estimate(SPARSE, np.array([0.0, 0.0, 1.0]), points=(7,))
    exact = maximise(SPARSE, solution.optimum.free, (61,))
    se = np.sqrt(np.diag(np.linalg.inv(solution.information)))
    true = (exact.free - solution.optimum.free) / se
    assert not solution.error.met
    assert solution.error.estimates > 5e-3
    assert np.allclose(solution.error.shift, true, rtol=0.2, atol=1e-4)
    assert solution.error.loglik == pytest.approx(exact.loglik - solution.optimum.loglik, rel=0.1)
    assert np.allclose(solution.information, -SPARSE.hessian(solution.optimum.free, (7,)), rtol=1e-5, atol=1e-4)


def test_laplace_states_an_error_of_the_right_size():
    solution = estimate(SPARSE, np.array([0.0, 0.0, 1.0]), points=(1,))
    exact = maximise(SPARSE, solution.optimum.free, (61,))
    assert solution.error.loglik == pytest.approx(exact.loglik - solution.optimum.loglik, rel=0.2)


def test_a_limit_on_points_is_kept_and_the_error_told():
    solution = estimate(SPARSE, np.array([0.0, 0.0, 1.0]), settings=Settings(max_points=9))
    assert solution.optimum.convergence.converged
    assert solution.optimum.points == (9,)
    assert not solution.error.met


def test_gaussian_responses_need_one_point_and_leave_no_error():
    rng = np.random.default_rng(1)
    likelihood = RandomInterceptGaussian(rng.normal(size=(30, 1)) + rng.normal(size=(30, 4)), depth=1)
    solution = estimate(likelihood, np.array([0.0, 1.0, 0.0]))
    assert solution.optimum.points == (1,)
    assert solution.error.met and solution.error.estimates == 0 and solution.error.loglik == 0
    assert np.allclose(solution.information, -likelihood.hessian(solution.optimum.free, (1,)), rtol=1e-7)


def test_nothing_to_integrate_needs_no_points():
    rng = np.random.default_rng(1)
    likelihood = Logit(rng.normal(size=(50, 2)), (rng.random(50) < 0.5) * 1.0)
    solution = estimate(likelihood, np.zeros(2))
    assert solution.optimum.points == () and solution.error.met
    assert np.allclose(solution.information, -likelihood.hessian(solution.optimum.free, ()))


@pytest.mark.parametrize("start", [0.0, 0.1, 4.0])
@pytest.mark.parametrize("sigma", [0.0, 0.35])
def test_false_zeros_are_left_on_the_way(sigma, start):
    likelihood = RandomInterceptLogit.simulated(100, 6, [-0.5, 1.0], sigma, seed=3)
    solution = estimate(likelihood, np.array([0.0, 0.0, start]))
    exact = maximise(likelihood, np.array([0.0, 0.0, 1.0]), (41,))
    assert solution.optimum.loglik == pytest.approx(exact.loglik, abs=1e-3)
    assert solution.optimum.convergence.boundary == exact.convergence.boundary


def test_separation_ends_the_search_for_points():
    x = np.random.default_rng(5).normal(size=(40, 3))
    likelihood = RandomInterceptLogit(np.stack([np.ones_like(x), x], axis=2), (x > 0.1) * 1.0)
    with np.errstate(all="ignore"):
        solution = estimate(likelihood, np.array([0.0, 0.0, 1.0]))
    assert not solution.optimum.convergence.converged
    assert "x1" in solution.optimum.convergence.culprits
    assert solution.information is None and solution.error is None


def test_interruption_while_points_are_judged():
    class Interrupted(RandomInterceptLogit):
        def score(self, free, points):
            if points[0] > 7:
                raise KeyboardInterrupt
            return super().score(free, points)

    likelihood = Interrupted.simulated(50, 5, [-0.5, 1.0], 1.0, seed=2)
    solution = estimate(likelihood, np.array([0.0, 0.0, 1.0]))
    assert not solution.optimum.convergence.converged
    assert "interrupted" in solution.optimum.convergence.message
    assert solution.optimum.points == (7,) and np.isfinite(solution.optimum.loglik)


def test_half_as_many_points_again():
    assert [more_points(k) for k in (1, 3, 7, 11, 14)] == [2, 5, 11, 17, 21]
