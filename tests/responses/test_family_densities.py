"""log f and all its derivatives against densities of many digits, differences, and SciPy."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import mpmath as mp
import numpy as np
import pytest
from conftest import OWN, THRESHOLDS, Cell, cell, domain, own_of, within
from exact_densities import DENSITIES
from scipy import integrate, special, stats

from semgllamm.responses import registry

# orders of differentiation in (ν, τ1, τ2) and sign of: logf s w dw g1 g2 s1 s2 w1 w2 h11 h12 h22
TERMS = [
    ("logf", (0, 0, 0), 1), ("s", (1, 0, 0), 1), ("w", (2, 0, 0), -1), ("dw", (3, 0, 0), -1),
    ("g1", (0, 1, 0), 1), ("g2", (0, 0, 1), 1), ("s1", (1, 1, 0), 1), ("s2", (1, 0, 1), 1),
    ("w1", (2, 1, 0), -1), ("w2", (2, 0, 1), -1), ("h11", (0, 2, 0), 1), ("h12", (0, 1, 1), 1), ("h22", (0, 0, 2), 1),
]  # fmt: skip


def exact_terms(family, cell, nu):
    """All terms by differences of the exact log density; infinite thresholds are not varied."""
    with mp.workdps(50):
        own = [mp.mpf(cell.tau1), mp.mpf(cell.tau2)]
        varied = [k for k in range(min(family.own, 2)) if mp.isfinite(own[k])]

        def log_density(nu, *values):
            tau = [values[varied.index(k)] if k in varied else own[k] for k in range(2)]
            return mp.log(DENSITIES[family.name](family.link, cell.y, cell.n, nu, *tau))

        point = (mp.mpf(nu), *(own[k] for k in varied))
        exact = []
        for _, (in_nu, *in_own), sign in TERMS:
            if any(order and k not in varied for k, order in enumerate(in_own)):
                exact.append(0.0)
                continue
            orders = (in_nu, *(in_own[k] for k in varied))
            exact.append(float(sign * (mp.diff(log_density, point, orders) if any(orders) else log_density(*point))))
        return np.array(exact)


@pytest.mark.parametrize("nu", [-6.5, -1.2, 0.3, 2.5, 7.0])
def test_terms_agree_with_the_exact_density(family, cells, trials, nu):
    nu = within(family, nu)
    for response in {cells[0], cells[len(cells) // 2], *cells[-4:]}:
        exact = exact_terms(family, response, nu)
        terms = np.array(registry.terms(family.code, response.y, response.n, nu, response.tau1, response.tau2))
        terms[0] += family.log_constant(np.array([response.y]), np.array([response.n]))[0]
        np.testing.assert_allclose(terms, exact, rtol=2e-10, atol=2e-12, err_msg=f"{response}, {[t[0] for t in TERMS]}")


@pytest.mark.parametrize("nu", [-40.0, 40.0])
def test_tails_keep_their_digits(family, cells, nu):
    nu = within(family, nu)
    for response in {cells[0], *cells[-4:]}:
        exact = exact_terms(family, response, nu)
        terms = np.array(registry.terms(family.code, response.y, response.n, nu, response.tau1, response.tau2))
        terms[0] += family.log_constant(np.array([response.y]), np.array([response.n]))[0]
        # by log ν where ν is positive: there the k-th derivative is of the size of ν^−k
        size = np.array([abs(nu) ** in_nu for _, (in_nu, *_), _ in TERMS]) if domain(family) == "positive" else 1.0
        np.testing.assert_allclose(terms * size, exact * size, rtol=1e-9, atol=1e-15)


def test_terms_are_finite_in_both_tails_and_beyond(family, cells):
    for response in cells:
        for nu in (-1000.0, -400.0, -40.0, 40.0, 400.0, 1000.0):
            arguments = (family.code, response.y, response.n, nu, response.tau1, response.tau2)
            terms, value = np.array(registry.terms(*arguments)), registry.value(*arguments)
            if domain(family) == "all" or (domain(family), nu > 0) in (("positive", True), ("negative", False)):
                assert np.isfinite(terms).all(), (response, nu)
                assert np.isfinite(value).all(), (response, nu)
            else:
                assert terms[0] == value[0] == -math.inf, "a link without a mean here makes the response impossible"
                assert not terms[1:].any() and value[1] == 0.0


def test_value_is_the_beginning_of_terms(family, cells):
    for response in cells:
        for nu in map(partial(within, family), np.linspace(-9, 9, 37)):
            arguments = (family.code, response.y, response.n, nu, response.tau1, response.tau2)
            both = registry.terms(*arguments)[:2]
            np.testing.assert_allclose(registry.value(*arguments), both, rtol=1e-13, atol=1e-15)


def test_terms_are_derivatives_of_each_other(family, cells):
    """A law that needs no second writing of the density: fourth-order differences of the kernel itself."""
    h = 1e-3
    for response in cells:
        own = [response.tau1, response.tau2]
        for nu in map(partial(within, family), np.linspace(-4, 4, 9)):

            def terms(shift, k, nu=nu, own=own, response=response):
                at = [nu, *own]
                at[k] += shift
                return np.array(registry.terms(family.code, response.y, response.n, *at))

            def slope(k, terms=terms, own=own):
                if k and not math.isfinite(own[k - 1]):
                    return np.zeros(13)
                return (8 * (terms(h, k) - terms(-h, k)) - terms(2 * h, k) + terms(-2 * h, k)) / (12 * h)

            _, s, w, dw, g1, g2, s1, s2, w1, w2, h11, h12, h22 = terms(0.0, 0)
            in_nu, in_1, in_2 = slope(0), slope(1), slope(2)
            np.testing.assert_allclose([s, -w, dw, s1, s2], [in_nu[0], in_nu[1], in_nu[2], in_nu[4], in_nu[5]],
                                       rtol=1e-6, atol=1e-7)
            np.testing.assert_allclose([g1, s1, w1, h11], in_1[[0, 1, 2, 4]], rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose([g2, s2, w2, h12, h22], in_2[[0, 1, 2, 4, 5]], rtol=1e-4, atol=1e-6)


def test_a_family_says_for_each_link_whether_it_is_log_concave(family, cells):
    """Curvature nowhere negative; and somewhere negative where it is said to be."""
    answers = [*cells, *(cell(family, y, 1.0) for y in ({"beta": (0.01, 0.99)}.get(family.name, ())))]
    if family.predictors[:1] == ("dispersion",):
        answers += [replace(c, tau1=tau1) for c in answers for tau1 in (-8.0, 4.0)]
    curvatures = [
        registry.terms(family.code, c.y, c.n, within(family, x), c.tau1, c.tau2)[2]
        for c in answers for x in np.linspace(-40, 40, 161)
    ]  # fmt: skip
    assert (min(curvatures) >= 0.0) == family.log_concave


def log_density(family, y, nu, trials):
    response = cell(family, y, trials)
    constant = family.log_constant(np.array([y]), np.array([response.n]))[0]
    return registry.value(family.code, y, response.n, nu, response.tau1, response.tau2)[0] + constant


def density(family, y, nu, trials):
    return math.exp(log_density(family, y, nu, trials))


# the ends of a continuous answer, and how many whole numbers a sum over answers needs
CONTINUOUS = {
    "gaussian": (-math.inf, math.inf), "censored": (-math.inf, math.inf), "gamma": (0, math.inf),
    "inversegaussian": (0, math.inf), "beta": (0, 1), "exponential": (0, math.inf), "weibull": (0, math.inf),
}  # fmt: skip
ANSWERS = {
    "ordinal": len(THRESHOLDS), "adjacent": 2, "bernoulli": 1, "bernoulli3pl": 1, "bernoulli3plu": 1, "bernoulli4pl": 1,
    "binomial": 5, "binomial3pl": 5, "binomial3plu": 5, "binomial4pl": 5,
}  # fmt: skip


@pytest.mark.parametrize("nu", [-2.0, 0.4, 1.7])
def test_density_is_one_in_all_with_the_stated_mean(family, nu, trials):
    # a mean near an end gives much of a beta distribution to numbers that are rounded to it
    nu = within(family, nu) / (4 if family.name == "beta" else 1)
    if family.name in CONTINUOUS:
        ends = CONTINUOUS[family.name]
        middle = float(family.mean(np.array([nu]), own_of(family))[0])
        total, mean = 0.0, 0.0
        for lo, hi in ((ends[0], middle), (middle, ends[1])):
            total += integrate.quad(lambda y: density(family, y, nu, trials), lo, hi, epsabs=1e-13, limit=400)[0]
            mean += integrate.quad(lambda y: y * density(family, y, nu, trials), lo, hi, epsabs=1e-13, limit=400)[0]
    else:
        answers = np.arange(ANSWERS.get(family.name, 600) + 1.0)
        probabilities = np.array([density(family, y, nu, trials) for y in answers])
        total, mean = probabilities.sum(), probabilities @ answers / trials
    assert total == pytest.approx(1.0, abs=1e-12 if family.name not in CONTINUOUS else 1e-9)
    assert mean == pytest.approx(float(family.mean(np.array([nu]), own_of(family))[0]), rel=1e-9, abs=1e-9)


D, PI = math.exp(0.4), 1 / (1 + math.exp(0.3))  # what τ = 0.4 and logit −0.3 stand for
SCIPY = {
    "gaussian": lambda y, n, nu, mean: stats.norm.logpdf(y, mean, math.exp(0.2)),
    "bernoulli": lambda y, n, nu, mean: stats.bernoulli.logpmf(y, mean),
    "binomial": lambda y, n, nu, mean: stats.binom.logpmf(y, n, mean),
    "bernoulli3pl": lambda y, n, nu, mean: stats.bernoulli.logpmf(y, mean),
    "bernoulli3plu": lambda y, n, nu, mean: stats.bernoulli.logpmf(y, mean),
    "bernoulli4pl": lambda y, n, nu, mean: stats.bernoulli.logpmf(y, mean),
    "binomial3pl": lambda y, n, nu, mean: stats.binom.logpmf(y, n, mean),
    "binomial3plu": lambda y, n, nu, mean: stats.binom.logpmf(y, n, mean),
    "binomial4pl": lambda y, n, nu, mean: stats.binom.logpmf(y, n, mean),
    "poisson": lambda y, n, nu, mean: stats.poisson.logpmf(y, mean),
    "gamma": lambda y, n, nu, mean: stats.gamma.logpdf(y, 1 / D, scale=mean * D),
    "inversegaussian": lambda y, n, nu, mean: stats.invgauss.logpdf(y, mean * D, scale=1 / D),
    "nbinom1": lambda y, n, nu, mean: stats.nbinom.logpmf(y, mean / D, 1 / (1 + D)),
    "nbinom2": lambda y, n, nu, mean: stats.nbinom.logpmf(y, D, D / (D + mean)),
    "beta": lambda y, n, nu, mean: stats.beta.logpdf(y, mean * D, (1 - mean) * D),
    "exponential": lambda y, n, nu, mean: stats.expon.logpdf(y, scale=mean),
    "weibull": lambda y, n, nu, mean: stats.weibull_min.logpdf(y, D, scale=math.exp(nu)),
    "censored": lambda y, n, nu, mean: stats.norm.logpdf(y, nu, math.exp(0.2)),
}


def of_zeros(name, y, nu):
    """log f of the families with zeros of their own, by SciPy's counts."""
    mu = math.exp(nu)
    counts = {"poisson": stats.poisson(mu), "nbinom1": stats.nbinom(mu / D, 1 / (1 + D)),
              "nbinom2": stats.nbinom(D, D / (D + mu))}[name.removeprefix("zi").removeprefix("hurdle")]
    if name.startswith("zi"):
        return math.log(PI * (y == 0) + (1 - PI) * counts.pmf(y))
    return math.log(PI if y == 0 else (1 - PI) * counts.pmf(y) / counts.sf(0))


def test_density_agrees_with_scipy(family, cells):
    if family.name == "ordinal":
        latent = {"logit": stats.logistic, "probit": stats.norm, "cloglog": stats.gumbel_l,
                  "loglog": stats.gumbel_r}[family.link]
        for response in cells:
            expected = math.log(latent.cdf(response.tau2 - 0.7) - latent.cdf(response.tau1 - 0.7))
            logf, _ = registry.value(family.code, response.y, 1.0, 0.7, response.tau1, response.tau2)
            assert logf == pytest.approx(expected, rel=1e-12)
        return
    if family.name == "adjacent":
        for response in cells:
            logits = [0.0, 0.7 - response.tau1, 1.4 - response.tau1 - response.tau2]
            logf, _ = registry.value(family.code, response.y, response.n, 0.7, response.tau1, response.tau2)
            assert logf == pytest.approx(special.log_softmax(logits)[int(response.y)], rel=1e-12)
        return
    plain = [c for c in cells if {"event": c.n == 1, "interval": c.n == c.y}.get(family.beside, True)]
    for response in plain:
        for nu in map(partial(within, family), (-1.5, 0.2, 1.1)):
            if family.name not in SCIPY:
                expected = of_zeros(family.name, response.y, nu)
                assert log_density(family, response.y, nu, response.n) == pytest.approx(expected, rel=1e-11)
                continue
            mean = float(family.mean(np.array([nu]), own_of(family))[0])
            expected = SCIPY[family.name](response.y, response.n, nu, mean)
            assert log_density(family, response.y, nu, response.n) == pytest.approx(expected, rel=1e-11)


def test_thresholds_out_of_order_are_impossible():
    for family in registry.FAMILIES:
        if family.name == "ordinal":
            terms = registry.terms(family.code, 1.0, 1.0, 0.3, 0.5, 0.5)
            assert terms[0] == -math.inf and np.isfinite(terms[1:]).all()
            assert registry.value(family.code, 1.0, 1.0, 0.3, 0.5, 0.2) == (-math.inf, 0.0)


@pytest.mark.parametrize("width", [1e-12, 1e-3, 0.03, 0.05])
@pytest.mark.parametrize("link", registry.links_of("ordinal"))
def test_narrow_categories_keep_their_digits(link, width):
    family = registry.lookup("ordinal", link)
    for nu in (-15.0, -1.0, 0.2, 40.0):
        upper = 0.1 + width
        narrow = Cell(3.0, 1.0, 0.1, upper)
        terms = np.array(registry.terms(family.code, 3.0, 1.0, nu, 0.1, upper))
        value = registry.value(family.code, 3.0, 1.0, nu, 0.1, upper)
        np.testing.assert_allclose(terms, exact_terms(family, narrow, nu), rtol=2e-8, atol=1e-8)
        np.testing.assert_allclose(value, terms[:2], rtol=1e-12)


def test_categories_narrower_than_rounding_stay_finite():
    for link in registry.links_of("ordinal"):
        code = registry.lookup("ordinal", link).code
        for nu in (-40.0, -1.0, 3.0, 40.0):
            lower = 1.0
            assert np.isfinite(registry.terms(code, 3.0, 1.0, nu, lower, np.nextafter(lower, 2.0))).all()


@pytest.mark.parametrize("nu", [-1.1, 0.4])
def test_distribution_is_that_of_the_density(family, nu, trials):
    """Mean, variance and distribution function against sums or integrals of the kernel's density."""
    nu = within(family, nu) / (4 if family.name == "beta" else 1)
    own = own_of(family)
    own = own if own is None or np.ndim(own) == 0 else own[None]
    found = family.distribution(np.array([nu]), own, np.array([trials]))
    if family.name in CONTINUOUS:
        ends = CONTINUOUS[family.name]
        middle = float(found.mean()[0])
        moments = [
            sum(
                integrate.quad(lambda y, k=k: y**k * density(family, y, nu, trials), lo, hi, epsabs=1e-13, limit=400)[0]
                for lo, hi in ((ends[0], middle), (middle, ends[1]))
            )
            for k in (1, 2)
        ]  # fmt: skip
        below = integrate.quad(lambda y: density(family, y, nu, trials), ends[0], middle, epsabs=1e-13, limit=400)[0]
        assert found.cdf(np.array([middle]))[0] == pytest.approx(below, abs=1e-9)
    else:
        answers = np.arange(ANSWERS.get(family.name, 600) + 1.0)
        p = np.array([density(family, y, nu, trials) for y in answers])
        moments = [p @ answers, p @ answers**2]
        at_most = [float(np.squeeze(found.cdf(np.array([y])))) for y in (-1.0, *answers[:6])]
        np.testing.assert_allclose(at_most, [0.0, *np.cumsum(p)[:6]], atol=1e-12)
        alone = [float(np.squeeze(found.pmf(np.array([y])))) for y in answers[:6]]
        np.testing.assert_allclose(alone, p[:6], rtol=1e-10, atol=1e-14)
    assert float(np.squeeze(found.mean())) == pytest.approx(moments[0], rel=1e-8)
    assert float(np.squeeze(found.var())) == pytest.approx(moments[1] - moments[0] ** 2, rel=1e-7)


def test_probabilities_are_those_of_the_density(family):
    if family.probabilities is None:
        assert family.name not in ANSWERS
        return
    own = own_of(family)
    for nu in (-1.1, 0.4, 2.0):
        nu = within(family, nu)
        p = family.probabilities(np.array([nu]), own if own is None or np.ndim(own) == 0 else own[None])[0]
        assert p.sum() == pytest.approx(1.0, abs=1e-14)
        np.testing.assert_allclose(p, [density(family, float(k), nu, 1.0) for k in range(len(p))],
                                   rtol=1e-10, atol=1e-15)


def test_deviance_is_twice_what_the_density_falls_short_of_its_maximum(family, cells, trials):
    """The deviance over φ is 2[log f(y; y) − log f(y; ν)]; Anscombe's residual has its sign and vanishes with it."""
    if family.exponential is None:
        return
    phi = math.exp(OWN["dispersion"]) if family.predictors[:1] == ("dispersion",) else 1.0
    deviance_of = family.exponential.deviance
    for response in cells:
        if family.beside == "event" and response.n == 0:
            continue
        size = trials if family.beside == "trials" else 1.0
        for nu in (within(family, -0.8), within(family, 0.9)):
            mu = float(family.mean(np.array([nu]), own_of(family))[0])
            share = np.array([response.y / size])
            deviance = float(deviance_of(share, mu, size)[0])
            h = 1e-6
            # d/dν of the deviance is −2 φ s
            hi, lo = (family.mean(np.array([nu + s * h]), own_of(family))[0] for s in (1, -1))
            slope = float((deviance_of(share, hi, size) - deviance_of(share, lo, size))[0])
            s = registry.value(family.code, response.y, response.n, nu, response.tau1, response.tau2)[1]
            assert slope / (2 * h) == pytest.approx(-2 * phi * s, rel=1e-5, abs=1e-6)
            assert deviance >= 0
            residual = float(family.exponential.anscombe(share, mu, size)[0])
            assert np.sign(residual) == np.sign(share[0] - mu)
        at = float(deviance_of(share, share, size)[0])
        assert at == pytest.approx(0.0, abs=1e-12)
