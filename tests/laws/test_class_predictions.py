"""Predictions of models with classes are averages that can be enumerated: over classes, and over what varies inside."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

import semgllamm as sg
from semgllamm.errors import ModelError

ITEMS = ["u1", "u2", "u3", "u4"]


@cache
def answers_in_classes():
    """(fit, data) of binary items with a covariate of membership."""
    rng = np.random.default_rng(1)
    kind, x = rng.integers(0, 2, 250), rng.normal(size=250)
    data = pd.DataFrame(1 * (rng.random((250, 4)) < np.where(kind == 0, 0.8, 0.25)[:, None]), columns=ITEMS)
    data = data.assign(x=x)
    text = "@latent(c, classes(2))\nc =~ u1 + u2 + u3 + u4  @family(bernoulli(logit))\nc ~ x"
    return sg.fit(text, data, n_starts=2), data


def enumerated(fit, data):
    """P(item = 1 | c), π and the posterior probabilities of the classes, from the coefficients."""
    b = fit.coef
    yes = expit(np.array([[b[f"{u}~1.c{k}"] for u in ITEMS] for k in (1, 2)]))
    first = expit(b["c[1]~1"] + b["c[1]~x"] * data["x"].to_numpy())
    prior = np.column_stack([first, 1 - first])
    u = data[ITEMS].to_numpy()
    joint = prior * np.prod(np.where(u[:, None, :] == 1, yes, 1 - yes), axis=2)
    return yes, prior, joint / joint.sum(axis=1, keepdims=True)


def test_answers_are_averaged_over_posterior_and_prior_probabilities():
    fit, data = answers_in_classes()
    yes, prior, posterior = enumerated(fit, data)
    np.testing.assert_allclose(fit.predict(kind="mean"), posterior @ yes, atol=1e-12)
    np.testing.assert_allclose(fit.predict(kind="marginal"), prior @ yes, atol=1e-12)
    np.testing.assert_allclose(fit.predict(data[["x"]], kind="mean"), prior @ yes, atol=1e-12)
    np.testing.assert_allclose(fit.predict(kind="mean", classes=2), np.tile(yes[1], (250, 1)), atol=1e-12)
    logits = np.log(yes / (1 - yes))
    np.testing.assert_allclose(fit.predict(), posterior @ logits, atol=1e-12)
    shares = fit.predict(kind="probabilities", responses="u2")
    np.testing.assert_allclose(shares["u2[1]"], (posterior @ yes)[:, 1], atol=1e-12)
    np.testing.assert_allclose(shares["u2[0]"] + shares["u2[1]"], 1.0, atol=1e-12)


def test_standard_errors_have_the_variance_between_classes():
    fit, data = answers_in_classes()
    yes, _, posterior = enumerated(fit, data)
    given = fit.predict(kind="mean", se=True, responses="u1")
    plugged_in = fit.predict(kind="mean", latent="eb-plugin", se=True, responses="u1")
    between = posterior @ yes[:, :1] ** 2 - (posterior @ yes[:, :1]) ** 2
    np.testing.assert_allclose(given["u1.se"] ** 2 - plugged_in["u1.se"] ** 2, between[:, 0], atol=1e-9)
    # in a class an item's error is that of its profile
    profile = fit.class_profiles().query("response == 'u1' and category == '1'").set_index("class")
    chosen = fit.predict(kind="mean", classes={"c": 1}, se=True, responses="u1")
    np.testing.assert_allclose(chosen["u1.se"], profile.loc["1", "se"], rtol=1e-4)


def test_pearson_residuals_in_the_population_are_those_of_the_marginal_shares():
    fit, data = answers_in_classes()
    yes, prior, _ = enumerated(fit, data)
    p, u = prior @ yes, data[ITEMS].to_numpy()
    found = fit.residuals("pearson", latent="marginal")
    np.testing.assert_allclose(found, (u - p) / np.sqrt(p * (1 - p)), atol=1e-10)
    _, _, posterior = enumerated(fit, data)
    each = (u[:, None, :] - yes) / np.sqrt(yes * (1 - yes))
    np.testing.assert_allclose(fit.residuals("pearson"), (posterior[:, :, None] * each).sum(axis=1), atol=1e-10)


def test_what_predicts_membership_moves_means_in_the_population():
    fit, data = answers_in_classes()
    yes, prior, _ = enumerated(fit, data)
    slope = fit.coef["c[1]~x"] * (prior[:, 0] * prior[:, 1]).mean() * (yes[0] - yes[1])
    np.testing.assert_allclose(fit.marginal_effects("x")["est"], slope, rtol=1e-6)


def test_alternatives_of_a_choice_are_predicted_in_a_class():
    rng = np.random.default_rng(2)
    kind = rng.integers(0, 2, 300)
    choice = np.array([rng.choice(3, p=[[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]][k]) for k in kind])
    data = pd.DataFrame({"a": np.array(list("pqr"))[choice], "y": 2.0 * kind + rng.normal(size=300) / 2})
    fit = sg.fit("@latent(c, classes(2))\nc =~ a + y\n@family(a, multinomial)", data, n_starts=2)
    profile = fit.class_profiles().query("response == 'a'").pivot(index="category", columns="class", values="estimate")
    p = fit.class_probabilities().to_numpy()
    found = fit.predict(kind="probabilities", responses="a").to_numpy()
    np.testing.assert_allclose(found, p @ profile.to_numpy().T, atol=1e-10)


@cache
def factor_in_classes():
    """(fit, data) of a factor whose mean and variance differ between classes, as the location of one item does."""
    rng = np.random.default_rng(1)
    kind = rng.integers(0, 2, 200)
    f = 0.8 * rng.normal(size=200) + 1.5 * kind
    y = f[:, None] + 0.6 * rng.normal(size=(200, 3)) + np.outer(kind, [0.0, 2.0, 0.0])
    data = pd.DataFrame(y, columns=["y1", "y2", "y3"])
    text = "@latent(c, classes(2))\nf =~ y1 + y2 + y3\nc =~ y2\nf ~ c\n@class(c, 1)\nf ~~ start(0.5)*f"
    return sg.fit(text, data, n_starts=2), data


def test_a_factor_has_its_posterior_in_each_class():
    """E[ν | y, c] by the regression on the items in the class, weighed by densities of the multivariate normal."""
    fit, data = factor_in_classes()
    b, y = fit.coef, data.to_numpy()
    loading = np.array([1.0, b["f=~y2"], b["f=~y3"]])
    theta = np.diag([b[f"{name}~~{name}"] for name in data])
    share = expit(b["c[1]~1"])
    means, densities = [], []
    for k, pi in ((1, share), (2, 1 - share)):
        nu = np.array([b["y1~1"], b[f"y2~1.c{k}"], b["y3~1"]])
        alpha, psi = (b["f~1.c1"], b["f~~f.c1"]) if k == 1 else (0.0, b["f~~f"])
        sigma = psi * np.outer(loading, loading) + theta
        mu = nu + loading * alpha
        f = alpha + (y - mu) @ np.linalg.solve(sigma, psi * loading)
        means.append(nu + f[:, None] * loading)
        densities.append(pi * stats.multivariate_normal(mu, sigma).pdf(y))
    posterior = np.array(densities) / np.sum(densities, axis=0)
    np.testing.assert_allclose(fit.predict(), np.einsum("kn,knj->nj", posterior, means), atol=1e-9)
    for k in (1, 2):
        np.testing.assert_allclose(fit.predict(kind="mean", classes=k), means[k - 1], atol=1e-9)
    # with a value of the factor classes have the probabilities of the logits
    zero = [share * b["y2~1.c1"] + (1 - share) * b["y2~1.c2"] + b["f=~y2"] * 0.5]
    np.testing.assert_allclose(fit.predict(latent={"f": 0.5}, responses="y2")["y2"], np.repeat(zero, 200), atol=1e-9)
    np.testing.assert_allclose(fit.predict(latent={"f": 0.5}, responses="y2", classes=2)["y2"],
                               b["y2~1.c2"] + b["f=~y2"] * 0.5, atol=1e-9)  # fmt: skip


@cache
def schools_and_pupils():
    """(fit, data) of pupils' classes that depend on classes of their schools."""
    rng = np.random.default_rng(4)
    schools, size = 40, 8
    school = np.repeat(np.arange(schools), size)
    good = np.repeat(rng.random(schools) < 0.5, size)
    able = rng.random(len(school)) < np.where(good, 0.8, 0.25)
    u = 1 * (rng.random((len(school), 4)) < np.where(able, 0.85, 0.2)[:, None])
    data = pd.DataFrame(u, columns=ITEMS).assign(school=school)
    text = """
    @latent(c, classes(2))
    c =~ u1 + u2 + u3 + u4  @family(bernoulli(logit))
    c ~ d
    @level(school)
    @latent(d, classes(2))
    """
    return sg.fit(text, data, n_starts=2), data


def test_classes_of_pupils_in_classes_of_schools():
    fit, data = schools_and_pupils()
    b = fit.coef
    yes = expit(np.array([[b[f"{u}~1.c{k}"] for u in ITEMS] for k in (1, 2)]))
    of_school = expit(b["d[1]~1.l2"])
    weight = np.array([of_school, 1 - of_school])
    able = expit(np.array([b["c[1]~1"] + b["c[1]~d[1]"], b["c[1]~1"]]))
    pi = np.stack([able, 1 - able], axis=1)  # school's class, pupil's class
    u = data[ITEMS].to_numpy()
    f = np.prod(np.where(u[:, None, :] == 1, yes, 1 - yes), axis=2)
    given = f[:, None, :] * pi
    log = pd.DataFrame(np.log(given.sum(axis=2))).groupby(data["school"].to_numpy()).sum().to_numpy()
    school = weight * np.exp(log)
    school = (school / school.sum(axis=1, keepdims=True))[data["school"].to_numpy()]
    pupil = (school[:, :, None] * given / given.sum(axis=2, keepdims=True)).sum(axis=1)
    np.testing.assert_allclose(fit.predict(kind="mean"), pupil @ yes, atol=1e-10)
    # a new pupil of a school of the fit, and one of a new school
    new = pd.DataFrame({"school": [0, 17, 999]})
    expected = np.vstack([school[[0, 17 * 8]] @ pi @ yes, weight @ pi @ yes])
    np.testing.assert_allclose(fit.predict(new, kind="mean"), expected, atol=1e-10)
    in_class = fit.predict(new, kind="mean", classes={"d": 2})
    np.testing.assert_allclose(in_class, np.tile(pi[1] @ yes, (3, 1)), atol=1e-10)
    with pytest.raises(ModelError, match="have no standard errors yet"):
        fit.predict(kind="mean", over="school", se=True)


def test_what_is_no_class_is_refused():
    fit, _ = answers_in_classes()
    for classes, message in ((3, "is no class of 'c'"), ({"d": 1}, "no categorical latent variable 'd'"),
                             (True, "is no class")):  # fmt: skip
        with pytest.raises(ModelError, match=message):
            fit.predict(classes=classes)
    with pytest.raises(ModelError, match="nothing to compare"):
        factor_in_classes()[0].residuals("latent")
