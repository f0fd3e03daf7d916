"""Information and covariance of the estimates, and what is withheld."""

from __future__ import annotations

import numpy as np
import pytest
from toy_likelihoods import RandomInterceptGaussian, RandomInterceptLogit

from semgllamm.estimation.information import Curvature, covariance, differences, louis_points, observed

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def logit():
    return RandomInterceptLogit.simulated(80, 6, [-0.5, 1.0], 1.0, seed=8)


FREE = np.array([-0.4, 0.9, 1.1])


def test_differences_give_the_hessian(logit):
    J = differences(lambda free: logit.score(free, (3,))[1], FREE)
    assert np.allclose(J, -logit.hessian(FREE, (3,)), rtol=1e-6, atol=1e-5)
    assert (J == J.T).all()


def test_louis_is_the_information_where_the_points_suffice_and_differences_where_not(logit):
    exact = -logit.hessian(FREE, (61,))
    assert np.allclose(observed(logit, FREE, (41,), met=True), exact, rtol=1e-5, atol=1e-4)
    assert np.allclose(observed(logit, FREE, (1,), met=False), -logit.hessian(FREE, (1,)), rtol=1e-6, atol=1e-5)
    # at one point Louis' matrix is the complete data's, far from the observed
    assert not np.allclose(logit.louis(FREE, (1,))[2], -logit.hessian(FREE, (1,)), rtol=0.1)


def test_gaussian_responses_need_three_points_for_louis():
    rng = np.random.default_rng(1)
    likelihood = RandomInterceptGaussian(rng.normal(size=(30, 1)) + rng.normal(size=(30, 4)), depth=1)
    free = np.array([0.1, 0.9, 0.1])
    assert louis_points(likelihood, (1, 5)) == (3, 5)
    assert np.allclose(observed(likelihood, free, (1,), met=True), -likelihood.hessian(free, (1,)), rtol=1e-8)


def test_covariance_is_the_inverse_in_any_units():
    rng = np.random.default_rng(3)
    A = rng.normal(size=(6, 3))
    scale = np.array([1e-4, 1.0, 1e5])
    J = A.T @ A * np.outer(scale, scale)
    vcov, problems = covariance(J, NAMES)
    assert problems == ()
    assert np.allclose(vcov * np.outer(scale, scale), np.linalg.inv(A.T @ A), rtol=1e-9)


def test_singular_information_is_withheld_and_named():
    A = np.random.default_rng(3).normal(size=(6, 3))
    A[:, 2] = 2 * A[:, 0]
    vcov, problems = covariance(A.T @ A, NAMES)
    assert np.isnan(vcov).all()
    assert len(problems) == 1
    assert set(problems[0].names) == {"a", "c"}
    assert "not identified separately" in str(problems[0])


def test_indefinite_information_is_withheld_and_named():
    vcov, problems = covariance(np.diag([2.0, -1.0, 3.0]), NAMES)
    assert np.isnan(vcov).all()
    assert problems[0].names == ("b",)
    assert "no maximum in b" in str(problems[0])


def test_information_that_is_not_finite_is_named():
    J = np.diag([2.0, 1.0, 3.0])
    J[1, 1] = np.nan
    vcov, problems = covariance(J, NAMES)
    assert np.isnan(vcov).all()
    assert problems[0].names == ("b",)


def test_boundary_parameters_have_no_standard_error_and_the_others_keep_theirs():
    J = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1e-12]])
    vcov, problems = covariance(J, NAMES, boundary=("c",))
    assert problems == ()
    assert np.allclose(vcov[:2, :2], np.linalg.inv(J[:2, :2]))
    assert np.isnan(vcov[2]).all() and np.isnan(vcov[:, 2]).all()


def test_a_boundary_in_a_cholesky_factor_leaves_the_rest_of_it():
    J = np.diag([3.0, 0.0, 5.0])
    vcov, problems = covariance(J, NAMES, boundary=("a", "b"), blocks=[np.array([[0, -1], [1, 2]])])
    assert problems == ()
    assert vcov[2, 2] == pytest.approx(0.2)


def test_all_on_the_boundary():
    vcov, problems = covariance(np.eye(3), NAMES, boundary=NAMES)
    assert np.isnan(vcov).all() and problems == ()


def test_steps_point_uphill_whatever_the_curvature():
    rng = np.random.default_rng(4)
    for _ in range(20):
        J = rng.normal(size=(4, 4))
        g = rng.normal(size=4)
        curvature = Curvature(J + J.T)
        assert g @ curvature.solve(g) > 0
        assert np.allclose(curvature.inverse() @ g, curvature.solve(g))
        assert np.allclose(np.diag(curvature.inverse()), curvature.variances)
