"""Free discrete distributions: derivatives, the centre, and Lindsay's directional derivative."""

import numpy as np
import pandas as pd
import pytest
from mixtures import walk_mixture
from scipy.special import expit
from walk import differences
from zoo import pupils

import semgllamm as sg

BINARY = "@family(bernoulli(logit))"
MODELS = {
    "a factor": f"f =~ b1 + b2 + b3 {BINARY}\n@latent(f, npml(3))\nf ~ w",
    "two factors": f"f =~ b1 + b2 + b3 {BINARY}\ng =~ b4 + b5 + b6 {BINARY}\n@latent(f + g, npml(3))",
    "a random intercept": "c1 ~ w + (1 | class) @family(poisson)\n@latent(class.intercept, npml(2))",
    "a normal factor inside": f"f =~ b1 + b2 + b3 {BINARY}\nf ~ (1 | class)\n@latent(class.intercept, npml(2))",
}
RASCH = f"f =~ 1*u1 + 1*u2 + 1*u3 + 1*u4 + 1*u5 + 1*u6 {BINARY}\n@latent(f, npml{{}})"


@pytest.mark.parametrize("name", MODELS)
def test_score_and_information_are_derivatives(name):
    walk = walk_mixture(MODELS[name], pupils(12))
    likelihood, points = walk.likelihood, walk.points(15)
    at = walk.somewhere(1)
    score = likelihood.score(at, points)[1]
    np.testing.assert_allclose(score, differences(lambda x: likelihood.value(x, points), at), atol=2e-6, rtol=1e-6)
    np.testing.assert_allclose(likelihood.unit_scores(at, points).sum(axis=0), score, atol=1e-10)
    information = likelihood.louis(at, points)[2]
    columns = [
        (likelihood.score(at + h, points)[1] - likelihood.score(at - h, points)[1]) / 2e-4
        for h in 1e-4 * np.eye(len(at))
    ]
    np.testing.assert_allclose(information, -np.array(columns), atol=1e-5 if not likelihood.levels else 2e-3, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_mean_of_the_mass_points_is_zero(name):
    walk = walk_mixture(MODELS[name], pupils(12))
    likelihood = walk.likelihood
    cells = dict(zip(likelihood.model.names, likelihood.working.cells(likelihood.working.inner(walk.somewhere(2)))))
    variable = likelihood.model.classes[0]
    high = {n.partition("~1")[0]: v for n, v in cells.items() if n.startswith(f"{variable.name}[")}
    odds = np.array([*(np.exp(high[f"{variable.name}[{k}]"]) for k in variable.classes[:-1]), 1.0])
    for latent in variable.masses_of:
        points = [v for n, v in cells.items() if n.startswith(f"{latent}~1.")]
        assert odds @ points == pytest.approx(0.0, abs=1e-10)
    assert likelihood.n_free == likelihood.model.n_parameters - len(variable.masses_of)


def rasch_data(n=500, seed=2, low=-1.5, high=1.2):
    rng = np.random.default_rng(seed)
    theta = np.where(rng.random(n) < 0.3, low, high)
    return pd.DataFrame({f"u{k}": 1.0 * (rng.random(n) < expit(theta)) for k in range(1, 7)})


def test_masses_are_added_until_none_helps():
    data = rasch_data()
    free = sg.fit(RASCH.format(""), data)
    derivative = free.directional_derivative()["derivative"]
    assert derivative.max() < 1e-2
    masses = [value for name, value in free.parameters.query("lhs == 'f' and op == '~1'")[["label", "est"]].to_numpy()]
    np.testing.assert_allclose(free.directional_derivative(masses)["derivative"], 0.0, atol=1e-4)
    two = sg.fit(RASCH.format("(2)"), data)
    assert two.directional_derivative()["derivative"].max() > 1e-2
    assert free.loglik >= two.loglik
    # no distribution is likelier, a normal one neither
    assert free.loglik >= sg.fit(RASCH.format("").partition("\n")[0], data).loglik
    assert "number of mass points" in str(free.summary())


def test_a_mass_point_at_infinity_is_told():
    fit = sg.fit(RASCH.format(""), rasch_data(seed=3), n_starts=4)
    assert fit.converged
    assert not fit.problems
    assert any("would go to infinity" in note for note in fit.notes)


def test_derivative_from_the_definition():
    data = rasch_data()
    fit = sg.fit(RASCH.format("(2)"), data)
    nu = fit.parameters.query("op == '~1' and lhs.str.startswith('u')", engine="python")["est"].to_numpy()
    y = data.to_numpy()

    def density(z):
        p = expit(nu + z)
        return np.prod(np.where(y == 1, p, 1 - p), axis=1)

    share, points = fit.class_sizes()["share"], fit.parameters.query("lhs == 'f' and op == '~1'")["est"]
    mixed = sum(p * density(z) for p, z in zip(share, points))
    assert fit.loglik == pytest.approx(np.log(mixed).sum(), abs=1e-8)
    z = np.linspace(-3, 3, 7)
    expected = [(density(at) / mixed).sum() - len(data) for at in z]
    np.testing.assert_allclose(fit.directional_derivative(z)["derivative"], expected, atol=1e-6)


def test_number_is_found_for_one_distribution_alone():
    text = f"f =~ b1 + b2 + b3 {BINARY}\n@latent(f, npml)\n@latent(c, classes(2))\nc =~ b4"
    with pytest.raises(sg.ModelError, match=r"without other classes"):
        sg.fit(text, pupils(12))
