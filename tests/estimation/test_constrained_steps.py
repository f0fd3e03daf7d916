"""The quadratic programme of a step, against a solver of another kind and against its conditions."""

import numpy as np
import pytest
from scipy.optimize import minimize

from semgllamm.estimation.quadratic import Tangent, constrained_step


def programme(seed, p=6, equations=1, inequalities=5):
    """g, W, r, A and which are equations; zero satisfies the inequalities, so that there is a solution."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(p, p))
    equality = np.arange(equations + inequalities) < equations
    r = np.where(equality, 0.0, rng.exponential(size=equality.size) * 0.3)
    return 3 * rng.normal(size=p), root @ root.T + 0.1 * np.eye(p), r, rng.normal(size=(equality.size, p)), equality


@pytest.mark.parametrize("seed", range(12))
def test_step_solves_the_programme(seed):
    g, W, r, A, equality = programme(seed, equations=seed % 3)
    scale = np.sqrt(np.diag(W))
    found = constrained_step(g, W, scale, r, A, equality)
    d, multipliers = found.step, found.multipliers
    assert g - W @ d + A.T @ multipliers == pytest.approx(0, abs=1e-9)
    assert (r + A @ d)[equality] == pytest.approx(0, abs=1e-10)
    assert ((r + A @ d)[~equality] >= -1e-10).all() and (multipliers[~equality] >= 0).all()
    assert multipliers[~equality] * (r + A @ d)[~equality] == pytest.approx(0, abs=1e-9)
    limits = [
        {"type": "eq" if e else "ineq", "fun": lambda x, j=j: r[j] + A[j] @ x, "jac": lambda x, j=j: A[j]}
        for j, e in enumerate(equality)
    ]
    other = minimize(lambda x: 0.5 * x @ W @ x - g @ x, np.zeros(len(g)), jac=lambda x: W @ x - g, method="SLSQP",
                     constraints=limits, options={"ftol": 1e-11, "maxiter": 500})  # fmt: skip
    assert d == pytest.approx(other.x, abs=1e-4)


def test_without_constraints_it_is_newtons():
    g, W, _, A, _ = programme(1)
    found = constrained_step(g, W, np.sqrt(np.diag(W)), np.zeros(0), A[:0], np.zeros(0, dtype=bool))
    assert found.step == pytest.approx(np.linalg.solve(W, g))
    assert found.decrement == pytest.approx(g @ np.linalg.solve(W, g))


def test_dependent_equations_are_no_obstacle():
    g, W, r, A, equality = programme(2, equations=2)
    once = constrained_step(g, W, np.ones(6), r, A, equality)
    A3, r3 = np.vstack([A[:2], A[0] - 2 * A[1], A[2:]]), np.concatenate([r[:2], [0.0], r[2:]])
    thrice = constrained_step(g, W, np.ones(6), r3, A3, np.concatenate([[True], equality]))
    assert thrice.step == pytest.approx(once.step, abs=1e-9)


@pytest.mark.parametrize("r, equality", [([-1.0, -1.0], [False, False]), ([-1.0, -1.0], [True, True])])
def test_contradictory_constraints_have_no_step(r, equality):
    A = np.array([[1.0, 0.5, 0.0], [-1.0, -0.5, 0.0]])
    assert constrained_step(np.ones(3), np.eye(3), np.ones(3), np.array(r), A, np.array(equality)) is None


def test_a_curvature_of_the_wrong_sign_still_leads_uphill():
    W = np.diag([2.0, -3.0, 1.0])
    g = np.array([1.0, 1.0, 1.0])
    found = constrained_step(g, W, np.ones(3), np.zeros(1), np.array([[1.0, 0.0, -1.0]]), np.array([True]))
    assert g @ found.step > 0
    assert found.step[0] == pytest.approx(found.step[2])


def test_covariance_along_constraints_is_that_of_the_bordered_matrix():
    """Aitchison & Silvey (1958): the upper left block of the inverse of [[I, A'], [A, 0]]."""
    _, W, _, A, _ = programme(4)
    A = A[:3]
    bordered = np.block([[W, A.T], [A, np.zeros((3, 3))]])
    along = Tangent.of(W, A, np.sqrt(np.diag(W)))
    assert along.inverse == pytest.approx(np.linalg.inv(bordered)[:6, :6], abs=1e-10)
    assert along.variances == pytest.approx(np.diag(along.inverse))
    assert A @ along.inverse == pytest.approx(0, abs=1e-12)
