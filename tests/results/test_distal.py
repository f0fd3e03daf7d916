"""Outcomes of classes by three steps."""

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

BINARY = "@family(bernoulli(logit))"
MEANS, SHARES = np.array([0.0, 1.0]), np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])


def drawn(n, seed):
    rng = np.random.default_rng(seed)
    kind = 1 * (rng.random(n) < 0.4)
    data = pd.DataFrame({f"u{k}": 1.0 * (rng.random(n) < np.where(kind, 0.75, 0.25)) for k in range(1, 6)})
    data["z"] = MEANS[kind] + np.where(kind, 1.5, 1.0) * rng.normal(size=n)
    data["t"] = np.array(["a", "b", "c"])[(rng.random(n)[:, None] > SHARES[kind].cumsum(axis=1)).sum(axis=1)]
    return data.assign(zero=rng.normal(size=n), kind=kind)


@pytest.fixture(scope="module")
def fit():
    return sg.fit(f"@latent(c, classes(2))\nc =~ u1 + u2 + u3 + u4 + u5 {BINARY}", drawn(6000, 3), n_starts=2)


@pytest.mark.parametrize("method", ["bch", "ml"])
def test_means_of_classes_are_recovered(fit, method):
    # the larger class is the first
    found = fit.distal("z", method)
    z = (found.table["estimate"] - MEANS) / found.table["se"]
    assert np.abs(z).max() < 3
    assert (found.table["se"] < 0.06).all()
    assert found.df == 1
    assert found.pvalue < 1e-6
    assert fit.distal("zero", method).pvalue > 0.01


def test_assignment_taken_as_true_is_biased(fit):
    difference = -np.diff(fit.distal("z", "modal").table["estimate"])[0]
    error = np.sqrt((fit.distal("z", "modal").table["se"] ** 2).sum())
    assert (difference + 1) / error > 4


@pytest.mark.parametrize("method", ["bch", "ml"])
def test_proportions_of_classes_are_recovered(fit, method):
    found = fit.distal("t", method)
    np.testing.assert_allclose(found.table["estimate"].to_numpy().reshape(2, 3), SHARES, atol=0.06)
    np.testing.assert_allclose(found.table.groupby("class")["estimate"].sum(), 1.0)
    z = (found.table["estimate"].to_numpy() - SHARES.ravel()) / found.table["se"].to_numpy()
    assert np.abs(z).max() < 3
    assert found.df == 2
    assert "Wald test of no difference: chi2 =" in repr(found)


def test_weights_by_hand(fit):
    p = fit.class_probabilities().to_numpy()
    assigned = np.eye(2)[p.argmax(axis=1)]
    D = np.array([[(p[:, t] * assigned[:, s]).sum() / p[:, t].sum() for s in (0, 1)] for t in (0, 1)])
    w = assigned @ np.linalg.inv(D)
    z = fit.binding.frame["z"].to_numpy()
    found = fit.distal("z").table
    np.testing.assert_allclose(found["estimate"], (w * z[:, None]).sum(axis=0) / w.sum(axis=0))
    deviations = w * (z[:, None] - found["estimate"].to_numpy()) / w.sum(axis=0)
    np.testing.assert_allclose(found["se"], np.sqrt((deviations**2).sum(axis=0)))


def test_the_methods_have_the_spread_that_they_report():
    """Estimates over samples, with the classes' errors held: what the third step alone adds."""
    from semgllamm.results.distal import _by_likelihood, _weighted

    D = np.array([[0.85, 0.15], [0.2, 0.8]])
    rng = np.random.default_rng(1)
    found = {"bch": [], "ml": []}
    errors = {"bch": [], "ml": []}
    for _ in range(200):
        kind = 1 * (rng.random(800) < 0.4)
        assigned = np.eye(2)[1 * (rng.random(800) > D[kind, 0])]
        z = (MEANS[kind] + rng.normal(size=800))[:, None]
        for method, (means, V) in {
            "bch": _weighted(z, assigned @ np.linalg.inv(D)),
            "ml": _by_likelihood(z, assigned @ D.T, np.array([0.6, 0.4]), False),
        }.items():
            found[method].append(means[:, 0])
            errors[method].append([V[t, 0, t, 0] for t in (0, 1)])
    for method in found:
        spread = np.var(found[method], axis=0)
        np.testing.assert_allclose(np.mean(errors[method], axis=0) / spread, 1.0, atol=0.3)
        np.testing.assert_allclose(np.mean(found[method], axis=0), MEANS, atol=0.03)


def test_missing_outcomes_and_refusals(fit):
    frame = fit.binding.frame
    assert fit.distal("kind", categorical=True).n == len(frame)
    with pytest.raises(sg.ModelError, match="method 'lca' is unknown"):
        fit.distal("z", "lca")
    with pytest.raises(sg.DataError, match="there is no column 'y'"):
        fit.distal("y")
    with pytest.raises(sg.DataError, match="'t' is not numeric"):
        fit.distal("t", categorical=False)
    with pytest.raises(sg.ModelError, match="no categorical latent variable 'd'"):
        fit.distal("z", name="d")
