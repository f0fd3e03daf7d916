"""Two answers with asymptotes (Birnbaum 1968; Barton & Lord 1981): P(y = 1) = c + (d − c) F(ν), τ = logit c, logit d.

`bernoulli3pl` has the lower asymptote c alone, which guessing explains, `bernoulli3plu` the upper one d, slips, and
`bernoulli4pl` both; `binomial3pl` and so on count such answers in n trials. Either answer is a mixture: with a and b
its probabilities where F is 0 and where it is 1,

    log f = log [a (1 − F) + b F] = log (e^A + e^B),     r = e^B / (e^A + e^B) its share of the second part,
    v = r (1 − r),     δ = B' − A',     ∂r = v (B − A)',

so that all derivatives are means over the two parts, and products of v and differences; none cancels in the tails.
log f is not concave in ν.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from semgllamm.responses import bernoulli, binomial
from semgllamm.responses.contract import Family
from semgllamm.responses.exponential_families import BINOMIAL
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import SHARES, inverse, logistic, predictor_at, softplus, success_terms
from semgllamm.responses.zeros import to_first

__all__ = ["FAMILIES"]


@kernel
def mixed_value(y, shares, lower, upper):
    """From log F and log(1 − F) with their derivatives; the logits of c and d."""
    log_p, p1, _, _, log_q, q1, _, _ = shares
    sign = 1.0 if y > 0.0 else -1.0
    first = log_q - softplus(-sign * lower)
    second = log_p - softplus(-sign * upper)
    r, other = logistic(second - first)
    return max(first, second) + math.log1p(math.exp(-abs(second - first))), other * q1 + r * p1


@kernel
def mixed_terms(y, shares, lower, upper):
    log_p, p1, p2, p3, log_q, q1, q2, q3 = shares  # p2 and q2 are minus the second derivatives
    sign = 1.0 if y > 0.0 else -1.0
    a, rest_a = logistic(sign * lower)
    b, rest_b = logistic(sign * upper)
    first = log_q - softplus(-sign * lower)
    second = log_p - softplus(-sign * upper)
    r, other = logistic(second - first)
    v = r * other
    d, bend = 0.0, 0.0
    if v > 0.0:  # else the part without a share may be so steep that its powers overflow
        d, bend = p1 - q1, q2 - p2
    logf = max(first, second) + math.log1p(math.exp(-abs(second - first)))
    g, h = sign * rest_a, sign * rest_b
    turn = bend + (other - r) * d * d
    return (logf, other * q1 + r * p1, other * q2 + r * p2 - v * d * d,
            other * q3 + r * p3 - v * d * (3.0 * bend + (other - r) * d * d), other * g, r * h, -v * g * d, v * h * d,
            v * g * turn, -v * h * turn, -other * a * rest_a + v * g * g, -v * g * h, -r * b * rest_b + v * h * h)


@kernel
def mixed_terms_of_trials(y, n, shares, lower, upper):
    """y answers 1 and n − y answers 0."""
    a, b = mixed_terms(1.0, shares, lower, upper), mixed_terms(0.0, shares, lower, upper)
    z = n - y
    return (y * a[0] + z * b[0], y * a[1] + z * b[1], y * a[2] + z * b[2], y * a[3] + z * b[3], y * a[4] + z * b[4],
            y * a[5] + z * b[5], y * a[6] + z * b[6], y * a[7] + z * b[7], y * a[8] + z * b[8], y * a[9] + z * b[9],
            y * a[10] + z * b[10], y * a[11] + z * b[11], y * a[12] + z * b[12])


def _asymptotic(link, guessing, ceiling, trials):
    """The kernels under a link. An asymptote that is not there is 0 or 1: its logit is infinite."""

    @kernel
    def value(y, n, nu, tau1, tau2):
        lower = tau1 if guessing else -math.inf
        upper = (tau2 if guessing else tau1) if ceiling else math.inf
        shares = success_terms(link, nu)
        if trials:
            a, b = mixed_value(1.0, shares, lower, upper), mixed_value(0.0, shares, lower, upper)
            return y * a[0] + (n - y) * b[0], y * a[1] + (n - y) * b[1]
        return mixed_value(y, shares, lower, upper)

    @kernel
    def terms(y, n, nu, tau1, tau2):
        lower = tau1 if guessing else -math.inf
        upper = (tau2 if guessing else tau1) if ceiling else math.inf
        shares = success_terms(link, nu)
        found = mixed_terms_of_trials(y, n, shares, lower, upper) if trials else mixed_terms(y, shares, lower, upper)
        return found if guessing else to_first(found)

    return value, terms


KINDS = {"3pl": ("guessing",), "3plu": ("ceiling",), "4pl": ("guessing", "ceiling")}
ASYMPTOTES = {plain + ending: kinds for plain in ("bernoulli", "binomial") for ending, kinds in KINDS.items()}
KERNELS = {
    (name, link): _asymptotic(code, "guessing" in kinds, "ceiling" in kinds, name.startswith("binomial"))
    for name, kinds in ASYMPTOTES.items() for link, code in SHARES.items()
}  # fmt: skip


def mean(nu, own, name, link):
    from scipy.special import expit

    c, d = 0.0, 1.0
    logits = np.asarray(own, dtype=float)
    if len(ASYMPTOTES[name]) == 2:
        c, d = expit(logits[..., 0]), expit(logits[..., 1])
    elif ASYMPTOTES[name] == ("guessing",):
        c = expit(logits)
    else:
        d = expit(logits)
    return c + (d - c) * inverse(link, nu)


def probabilities(nu, own, name, link):
    p = mean(nu, own, name, link)
    return np.stack([1 - p, p], axis=-1)


def distribution(nu, own, n, name, link):
    from scipy import stats

    return stats.binom(n, mean(nu, own, name, link))


def simulate(nu, own, n, rng, name, link):
    return rng.binomial(np.asarray(n, dtype=int), mean(nu, own, name, link)).astype(float)


def start(y, n, name, link):
    p = (float(np.sum(y)) + 0.5) / (float(np.sum(n)) + 1.0)
    kinds = ASYMPTOTES[name]
    c = min(0.15, 0.5 * p) if "guessing" in kinds else 0.0
    d = max(0.95, 0.5 * (1.0 + p)) if "ceiling" in kinds else 1.0
    logits = {"guessing": c, "ceiling": d}
    return predictor_at(link, (p - c) / (d - c)), tuple(predictor_at("logit", logits[kind]) for kind in kinds)


def _plain(name):
    return binomial if name.startswith("binomial") else bernoulli


FAMILIES = tuple(
    Family(
        name=name, link=link, default_link="logit", own=len(ASYMPTOTES[name]), predictors=ASYMPTOTES[name],
        beside=_plain(name).FAMILIES[0].beside, log_concave=False, value=value, terms=terms, check=_plain(name).check,
        log_constant=_plain(name).log_constant, mean=partial(mean, name=name, link=link),
        simulate=partial(simulate, name=name, link=link),
        probabilities=partial(probabilities, name=name, link=link),
        distribution=partial(distribution, name=name, link=link), exponential=BINOMIAL,
        start=partial(start, name=name, link=link),
    )
    for (name, link), (value, terms) in KERNELS.items()
)
