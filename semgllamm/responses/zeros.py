"""Counts with zeros of their own, log link; τ is the logit of their probability π.

Zero-inflated (Lambert 1992), f₀ the density of the counts:

    f(0) = π + (1 − π) f₀(0),      f(y) = (1 − π) f₀(y);

hurdle (Mullahy 1986), the counts being truncated at zero:

    f(0) = π,      f(y) = (1 − π) f₀(y) / (1 − f₀(0)).

1 − f₀(0) = 1 − exp(−e^η), with η = log μ (poisson), τ₁ + log log(1 + μ/k) (nbinom2), log r + log log(1 + φ) (nbinom1),
is the success probability of the complementary log-log link at η. The negative binomials have their dispersion as τ1
and the logit as τ2.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from semgllamm.responses.contract import Family
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import cloglog_success, logistic, softplus
from semgllamm.responses.nbinom import moments, size_of, terms_log_1, terms_log_2, value_log_1, value_log_2
from semgllamm.responses.poisson import check_counts, log_constant, terms_log, value_log

__all__ = ["FAMILIES", "to_first"]


@kernel
def inflated_value(y, value, logit):
    """From log f₀(y) and its derivative."""
    logf, s = value
    rest = softplus(logit)
    if y > 0.0:
        return logf - rest, s
    p, _ = logistic(logf - logit)
    return logit + softplus(logf - logit) - rest, p * s


@kernel
def inflated_terms(y, terms, logit):
    """From the terms of f₀, whose own parameter if any is τ1; the logit is τ2."""
    logf, s, w, dw, g, _, s1, _, w1, _, h, _, _ = terms
    rest = softplus(logit)
    pi, other = logistic(logit)
    if y > 0.0:
        return logf - rest, s, w, dw, g, -pi, s1, 0.0, w1, 0.0, h, 0.0, -pi * other
    # log(e^logit + f₀), p the probability that a zero is one of f₀
    p, q = logistic(logf - logit)
    v = p * q
    v1 = v * (q - p)
    return (logit + softplus(logf - logit) - rest, p * s, p * w - v * s * s, p * dw + 3.0 * v * s * w - v1 * s * s * s,
            p * g, q - pi, p * s1 + v * s * g, -v * s,
            p * w1 + v * (g * w - 2.0 * s * s1) - v1 * s * s * g, -v * w + v1 * s * s, p * h + v * g * g, -v * g,
            v - pi * other)


@kernel
def hurdle_value(y, value, eta, slope, logit):
    """From log f₀(y) and its derivative, η and its derivative."""
    if y == 0.0:
        return -softplus(-logit), 0.0
    logf, s = value
    log_some, c1, _, _ = cloglog_success(eta)
    return logf - log_some - softplus(logit), s - c1 * slope


@kernel
def hurdle_terms(y, terms, eta, e1, e2, e3, t1, t2, x11, x21, logit):
    """From the terms of f₀, η with its derivatives e in ν, t in τ1, x11 in both, and x21 in ν twice and τ1."""
    pi, other = logistic(logit)
    if y == 0.0:
        return -softplus(-logit), 0.0, 0.0, 0.0, 0.0, other, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -pi * other
    logf, s, w, dw, g, _, s1, _, w1, _, h, _, _ = terms
    log_some, c1, c2, c3 = cloglog_success(eta)  # c1 the first derivative, −c2 the second, −c3 the third
    return (logf - log_some - softplus(logit), s - c1 * e1, w - c2 * e1 * e1 + c1 * e2,
            dw - c3 * e1 * e1 * e1 - 3.0 * c2 * e1 * e2 + c1 * e3, g - c1 * t1, -pi, s1 + c2 * e1 * t1 - c1 * x11, 0.0,
            w1 - c3 * e1 * e1 * t1 - c2 * (2.0 * e1 * x11 + e2 * t1) + c1 * x21, 0.0, h + c2 * t1 * t1 - c1 * t2, 0.0,
            -pi * other)


@kernel
def to_first(terms):
    """The terms with τ2 as τ1, of a family that has one own parameter."""
    logf, s, w, dw, _, g2, _, s2, _, w2, _, _, h22 = terms
    return logf, s, w, dw, g2, 0.0, s2, 0.0, w2, 0.0, h22, 0.0, 0.0


@kernel
def log_softplus(x):
    """log log(1 + eˣ) and its derivatives in x."""
    soft = softplus(x)
    p, q = logistic(x)
    if x < -30.0:
        # soft = eˣ (1 − eˣ/2 + ...)
        e = math.exp(x)
        return x - 0.5 * e, 1.0 - 0.5 * e, -0.5 * e, -0.5 * e
    d1 = p / soft
    d2 = d1 * (q - d1)
    return math.log(soft), d1, d2, d2 * (q - d1) - d1 * (p * q + d2)


@kernel
def value_zip(y, n, nu, tau1, tau2):
    return inflated_value(y, value_log(y, n, nu, 0.0, 0.0), tau1)


@kernel
def terms_zip(y, n, nu, tau1, tau2):
    return to_first(inflated_terms(y, terms_log(y, n, nu, 0.0, 0.0), tau1))


@kernel
def value_zinb1(y, n, nu, tau1, tau2):
    return inflated_value(y, value_log_1(y, n, nu, tau1, 0.0), tau2)


@kernel
def terms_zinb1(y, n, nu, tau1, tau2):
    return inflated_terms(y, terms_log_1(y, n, nu, tau1, 0.0), tau2)


@kernel
def value_zinb2(y, n, nu, tau1, tau2):
    return inflated_value(y, value_log_2(y, n, nu, tau1, 0.0), tau2)


@kernel
def terms_zinb2(y, n, nu, tau1, tau2):
    return inflated_terms(y, terms_log_2(y, n, nu, tau1, 0.0), tau2)


@kernel
def value_hurdle_poisson(y, n, nu, tau1, tau2):
    return hurdle_value(y, value_log(y, n, nu, 0.0, 0.0), nu, 1.0, tau1)


@kernel
def terms_hurdle_poisson(y, n, nu, tau1, tau2):
    terms = terms_log(y, n, nu, 0.0, 0.0)
    return to_first(hurdle_terms(y, terms, nu, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, tau1))


@kernel
def value_hurdle_nb1(y, n, nu, tau1, tau2):
    return hurdle_value(y, value_log_1(y, n, nu, tau1, 0.0), nu - tau1 + log_softplus(tau1)[0], 1.0, tau2)


@kernel
def terms_hurdle_nb1(y, n, nu, tau1, tau2):
    log_c, c1, c2, _ = log_softplus(tau1)
    terms = terms_log_1(y, n, nu, tau1, 0.0)
    return hurdle_terms(y, terms, nu - tau1 + log_c, 1.0, 0.0, 0.0, c1 - 1.0, c2, 0.0, 0.0, tau2)


@kernel
def value_hurdle_nb2(y, n, nu, tau1, tau2):
    log_c, c1, _, _ = log_softplus(nu - tau1)
    return hurdle_value(y, value_log_2(y, n, nu, tau1, 0.0), tau1 + log_c, c1, tau2)


@kernel
def terms_hurdle_nb2(y, n, nu, tau1, tau2):
    log_c, c1, c2, c3 = log_softplus(nu - tau1)
    terms = terms_log_2(y, n, nu, tau1, 0.0)
    return hurdle_terms(y, terms, tau1 + log_c, c1, c2, c3, 1.0 - c1, c2, -c2, -c3, tau2)


KERNELS = {
    "zipoisson": (value_zip, terms_zip),
    "zinbinom1": (value_zinb1, terms_zinb1),
    "zinbinom2": (value_zinb2, terms_zinb2),
    "hurdlepoisson": (value_hurdle_poisson, terms_hurdle_poisson),
    "hurdlenbinom1": (value_hurdle_nb1, terms_hurdle_nb1),
    "hurdlenbinom2": (value_hurdle_nb2, terms_hurdle_nb2),
}


def check(values, trials, column, name):
    check_counts(values, column, name)


def _counts(name: str) -> str:
    """The family of the counts beside the zeros."""
    return name.removeprefix("zi").removeprefix("hurdle")


def _split(own, name: str):
    """(dispersion or None, logit)."""
    own = np.asarray(own, dtype=float)
    return (None, own) if _counts(name) == "poisson" else (own[..., 0], own[..., 1])


def _distribution(nu, dispersion, name: str):
    from scipy import stats

    mu = np.exp(nu)
    if dispersion is None:
        return stats.poisson(mu)
    k = size_of(_counts(name), mu, dispersion)
    return stats.nbinom(k, k / (k + mu))


def mean(nu, own, name):
    from scipy.special import expit

    dispersion, logit = _split(own, name)
    counts = _distribution(np.asarray(nu, dtype=float), dispersion, name)
    some = 1.0 if name.startswith("zi") else counts.sf(0)
    return expit(-logit) * counts.mean() / some


class WithZeros:
    """Counts of which a share π are zeros of their own; the others are not zero if the model is a `hurdle`."""

    def __init__(self, counts, pi, hurdle: bool):
        self.counts, self.pi = counts, pi
        self.none = counts.pmf(0) if hurdle else 0.0

    def mean(self):
        return (1 - self.pi) * self.counts.mean() / (1 - self.none)

    def var(self):
        square = (self.counts.var() + self.counts.mean() ** 2) / (1 - self.none)
        return (1 - self.pi) * square - self.mean() ** 2

    def cdf(self, y):
        some = (self.counts.cdf(y) - self.none) / (1 - self.none)
        return np.where(np.asarray(y) < 0, 0.0, self.pi + (1 - self.pi) * some)

    def pmf(self, y):
        zero = np.asarray(y) == 0
        counts = np.where(zero, self.counts.pmf(0) - self.none, self.counts.pmf(y)) / (1 - self.none)
        return np.where(zero, self.pi, 0.0) + (1 - self.pi) * counts


def distribution(nu, own, n, name):
    from scipy.special import expit

    dispersion, logit = _split(own, name)
    counts = _distribution(np.asarray(nu, dtype=float), dispersion, name)
    return WithZeros(counts, expit(logit), name.startswith("hurdle"))


def simulate(nu, own, n, rng, name):
    from scipy.special import expit

    dispersion, logit = _split(own, name)
    counts = _distribution(np.asarray(nu, dtype=float), dispersion, name)
    none = 0.0 if name.startswith("zi") else counts.cdf(0)
    drawn = counts.ppf(none + (1 - none) * rng.random(np.shape(nu)))
    return np.where(rng.random(np.shape(nu)) < expit(logit), 0.0, drawn)


def start(y, n, name):
    from scipy.special import logit

    zero = (float(np.sum(y == 0)) + 0.5) / (len(y) + 1.0)
    some = y[y > 0]
    average = max(float(np.mean(some)) if len(some) else 1.0, 1.1)
    inflation = float(logit(0.5 * zero if name.startswith("zi") else zero))
    if _counts(name) == "poisson":
        return math.log(average), (inflation,)
    return math.log(average), (moments(some, _counts(name))[1] if len(some) else 0.0, inflation)


def _family(name, value, terms) -> Family:
    base = _counts(name)
    own = ("inflation",) if base == "poisson" else ("dispersion", "inflation")
    called = {"poisson": "", "nbinom1": "overdispersion", "nbinom2": "size"}[base]
    return Family(
        name=name, link="log", default_link="log", own=len(own), predictors=own, dispersion=called,
        log_concave=name == "hurdlepoisson", value=value, terms=terms, check=partial(check, name=name),
        log_constant=log_constant, mean=partial(mean, name=name), simulate=partial(simulate, name=name),
        distribution=partial(distribution, name=name),
        start=partial(start, name=name),
    )


FAMILIES = tuple(_family(name, *kernels) for name, kernels in KERNELS.items())
