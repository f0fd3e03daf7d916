"""What a fit holds: scores against a dense grid, the delta method, intervals, information criteria."""

import numpy as np
import pytest
from scipy.special import expit, gammaln

import semgllamm as sg

CBPP = "incidence ~ 1 + period + (1 | herd)  @family(binomial)\n@trials(incidence, size)"


@pytest.fixture(scope="module")
def herds():
    return sg.fit(CBPP, sg.load_dataset("cbpp"))


@pytest.fixture(scope="module")
def ability():
    model = "visual =~ x1 + b*x2 + x3\ntextual =~ x4 + x5 + x6\ntextual ~ a*visual\nab := a*b"
    return sg.fit(model, sg.load_dataset("holzinger"))


def test_posterior_moments_of_herds_equal_those_on_a_dense_grid(herds):
    data = sg.load_dataset("cbpp")
    beta, sd = herds.coef.to_numpy()[:4], np.sqrt(herds.coef["herd.intercept~~herd.intercept"])
    u = np.linspace(-8, 8, 4001)
    scores = herds.latent("eb")
    for herd, rows in data.groupby("herd", observed=True):
        period = rows["period"].astype(int).to_numpy()
        fixed = beta[0] + np.where(period > 1, beta[np.maximum(period - 1, 0)], 0.0)
        p = expit(fixed[:, None] + sd * u)
        y, n = rows["incidence"].to_numpy()[:, None], rows["size"].to_numpy()[:, None]
        choose = gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
        log = (choose + y * np.log(p) + (n - y) * np.log1p(-p)).sum(axis=0)
        weight = np.exp(log - u**2 / 2 - log.max())
        weight /= weight.sum()
        mean = sd * weight @ u
        spread = np.sqrt(weight @ (sd * u - mean) ** 2)
        assert scores.loc[herd, "herd.intercept"] == pytest.approx(mean, abs=2e-4)
        assert scores.loc[herd, "herd.intercept.se"] == pytest.approx(spread, abs=2e-4)


def test_factor_scores_of_a_gaussian_model_are_the_regression_scores():
    data = sg.load_dataset("holzinger")
    fit = sg.fit("f =~ x1 + x2 + x3", data)
    lam = np.array([1.0, fit.coef["f=~x2"], fit.coef["f=~x3"]])
    theta = np.diag([fit.coef[f"x{k}~~x{k}"] for k in (1, 2, 3)])
    psi = fit.coef["f~~f"]
    weights = psi * lam @ np.linalg.inv(psi * np.outer(lam, lam) + theta)
    y = data[["x1", "x2", "x3"]].to_numpy()
    scores = fit.latent()
    assert scores["f"].to_numpy() == pytest.approx((y - y.mean(axis=0)) @ weights, abs=1e-6)
    assert scores["f.se"].to_numpy() == pytest.approx(np.sqrt(psi - psi * weights @ lam), abs=1e-6)


def test_a_defined_product_has_its_delta_method_standard_error(ability):
    table = ability.parameters.set_index("lhs")
    a, b, V = ability.coef["a"], ability.coef["b"], ability.vcov()
    variance = b**2 * V.loc["a", "a"] + a**2 * V.loc["b", "b"] + 2 * a * b * V.loc["a", "b"]
    assert table.loc["ab", "est"] == pytest.approx(a * b)
    assert table.loc["ab", "se"] == pytest.approx(np.sqrt(variance))
    assert table.loc["ab", "rhs"] == "a*b"


def test_wald_intervals_and_information_criteria(ability):
    interval = ability.confint(level=0.9)
    se = np.sqrt(np.diag(ability.vcov()))
    assert (interval["upper"] - interval["lower"]).to_numpy() == pytest.approx(2 * 1.6448536269514722 * se)
    assert ability.aic == pytest.approx(-2 * ability.loglik + 2 * ability.npar)
    assert ability.bic == pytest.approx(-2 * ability.loglik + np.log(301) * ability.npar)
    assert ability.npar == len(ability.coef) == 19


def test_intraclass_correlation_and_its_standard_error(herds):
    psi = herds.coef["herd.intercept~~herd.intercept"]
    se = np.sqrt(herds.vcov().iloc[-1, -1])
    row = herds.icc().iloc[0]
    residual = np.pi**2 / 3
    assert row["icc"] == pytest.approx(psi / (psi + residual))
    assert row["se"] == pytest.approx(se * residual / (psi + residual) ** 2, rel=1e-6)


def test_units_are_counted_by_level(herds):
    assert herds.n_units == {"row": 56, "herd": 15}
    assert herds.nobs == 56


def test_equal_parameters_share_one_row_of_the_covariance_matrix():
    fit = sg.fit("f =~ x1 + x2 + x3\nx1 ~~ v*x1\nx2 ~~ v*x2\nx3 ~~ w*x3\nw == 2*v", sg.load_dataset("holzinger"))
    V = fit.vcov()
    assert fit.npar == len(fit.coef) - 1
    assert fit.coef["w"] == pytest.approx(2 * fit.coef["v"])
    assert V.loc["w", "w"] == pytest.approx(4 * V.loc["v", "v"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda fit: fit.latent(level="farm"), "no latent variable varies at level 'farm'"),
        (lambda fit: fit.vcov("hessian"), "vcov kind 'hessian' is unknown"),
        (lambda fit: fit.confint(level=95), "lies between 0 and 1"),
    ],
)
def test_what_is_not_there_is_refused_by_name(herds, call, words):
    with pytest.raises(sg.ModelError, match=words):
        call(herds)
