"""What the data cannot tell is found before the fit."""

from __future__ import annotations

import numpy as np
from toy_likelihoods import RandomInterceptLogit, Rescaled

from semgllamm.estimation.identification import identification

START = np.array([0.0, 0.0, 1.0])


def test_an_identified_model_has_no_null_direction():
    found = identification(RandomInterceptLogit.simulated(60, 5, [-0.5, 1.0], 1.0, seed=1), START)
    assert found.checked
    assert found.directions == ()
    assert found.singular_values.min() > 0.01


def test_doubled_covariates_are_named():
    likelihood = RandomInterceptLogit.simulated(60, 5, [-0.5, 1.0], 1.0, seed=1)
    X = np.concatenate([likelihood.X, 3 * likelihood.X[:, :, 1:]], axis=2)
    found = identification(RandomInterceptLogit(X, likelihood.y), np.array([0.0, 0.0, 0.0, 1.0]))
    assert len(found.directions) == 1
    assert set(found.directions[0].names) == {"x1", "x2"}


def test_the_scale_of_a_latent_variable_is_named():
    likelihood = Rescaled(RandomInterceptLogit.simulated(60, 5, [-0.5, 1.0], 1.0, seed=1))
    found = identification(likelihood, np.array([0.0, 0.0, 1.0, 1.0]))
    assert len(found.directions) == 1
    assert set(found.directions[0].names) == {"lambda", "psi"}


def test_a_parameter_without_data_is_named_alone():
    likelihood = RandomInterceptLogit.simulated(60, 5, [-0.5, 1.0], 1.0, seed=1)
    X = np.concatenate([likelihood.X, np.zeros((60, 5, 1))], axis=2)
    found = identification(RandomInterceptLogit(X, likelihood.y), np.array([0.0, 0.0, 0.0, 1.0]))
    assert [d.names for d in found.directions] == [("x2",)]


class Suspect(RandomInterceptLogit):
    """Two scores that differ by `gap` times noise, where `gap` depends on the points."""

    def unit_scores(self, free, points):
        s = super().unit_scores(free, points)
        noise = np.random.default_rng(0).normal(size=len(s))
        s[:, 1] = s[:, 0] + self.gap(points[0]) * np.linalg.norm(s[:, 0]) * noise / np.linalg.norm(noise)
        return s


def test_a_small_singular_value_that_more_points_do_not_shrink_is_weak_identification():
    likelihood = Suspect.simulated(60, 5, [-0.5, 1.0], 1.0, seed=1)
    likelihood.gap = lambda points: 3e-5
    assert identification(likelihood, START).directions == ()
    likelihood.gap = lambda points: 3e-5 if points == 15 else 1e-6
    assert [set(d.names) for d in identification(likelihood, START).directions] == [{"x0", "x1"}]


def test_fewer_units_than_parameters_leave_it_open():
    found = identification(RandomInterceptLogit.simulated(2, 50, [-0.5, 1.0], 1.0, seed=1), START)
    assert not found.checked and found.directions == ()


def test_impossible_points_are_drawn_again_and_given_up():
    class Impossible(RandomInterceptLogit):
        def value(self, free, points):
            return -np.inf if abs(free[0]) > self.room else super().value(free, points)

    likelihood = Impossible.simulated(60, 5, [-0.5, 1.0], 1.0, seed=1)
    likelihood.room = 0.01
    assert identification(likelihood, START).checked
    likelihood.room = -1
    assert not identification(likelihood, START).checked
