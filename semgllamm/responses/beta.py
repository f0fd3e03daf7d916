"""Beta responses, between 0 and 1: with μ = F(ν), φ = e^τ the precision (var y = μ(1 − μ)/(1 + φ)), a = μφ, b = φ − a,

    log f = log Γ(φ) − log Γ(a) − log Γ(b) + (a − 1) log y + (b − 1) log(1 − y)

(Ferrari & Cribari-Neto 2004). As log Γ(a) = log Γ(1 + a) − log a, and log a = τ + log F(ν) has exact derivatives in
both tails, nothing cancels where a or b is small:

    log f = log a + log b + log Γ(φ) + A + B − ...,   A = a log y − log Γ(1 + a),   B = b log(1 − y) − log Γ(1 + b).
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from semgllamm.responses.checks import as_numbers, refuse, require_finite
from semgllamm.responses.contract import Family
from semgllamm.responses.gamma_functions import polygamma
from semgllamm.responses.jit import kernel
from semgllamm.responses.links import SHARES, capped_exp, inverse, predictor_at, success_terms

__all__ = ["FAMILIES"]


@kernel
def share(log_y, a, h, v, dv):
    """A = a log y − log Γ(1 + a) and its terms in ν and τ, from those of log a: h, −v and −dv in ν, 1 in τ."""
    if a == 0.0:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    psi, psi1, psi2 = polygamma(1.0 + a)
    u = log_y - psi
    a1 = a * h
    a2 = a * (h * h - v)
    a3 = a * (h * h * h - 3.0 * h * v - dv)
    in_2 = u * a2 - psi1 * a1 * a1
    in_3 = u * a3 - 3.0 * psi1 * a1 * a2 - psi2 * a1 * a1 * a1
    in_12 = u * a1 - psi1 * a * a1
    in_112 = u * a2 - psi1 * (a * a2 + 2.0 * a1 * a1) - psi2 * a * a1 * a1
    return a * log_y - math.lgamma(1.0 + a), u * a1, -in_2, -in_3, u * a, in_12, -in_112, u * a - psi1 * a * a


@kernel
def value_from(y, phi, log_p, h, log_q, k):
    """From log μ and log(1 − μ) with their derivatives."""
    a, b = phi * math.exp(log_p), phi * math.exp(log_q)
    log_y, log_z = math.log(y), math.log1p(-y)
    psi_a, _, _ = polygamma(1.0 + a)
    psi_b, _, _ = polygamma(1.0 + b)
    logf = (log_p + log_q + 2.0 * math.log(phi) + math.lgamma(phi) + a * log_y - math.lgamma(1.0 + a) + b * log_z
            - math.lgamma(1.0 + b))
    return logf, h + k + (log_y - psi_a) * (a * h) + (log_z - psi_b) * (b * k)


@kernel
def terms_from(y, phi, link):
    """From log μ and log(1 − μ) with their terms."""
    log_p, h, v, dv, log_q, k, u, du = link
    a, b = phi * math.exp(log_p), phi * math.exp(log_q)
    A, sa, wa, dwa, ga, s1a, w1a, ha = share(math.log(y), a, h, v, dv)
    B, sb, wb, dwb, gb, s1b, w1b, hb = share(math.log1p(-y), b, k, u, du)
    psi, psi1, _ = polygamma(phi)
    logf = log_p + log_q + 2.0 * math.log(phi) + math.lgamma(phi) + A + B
    return (logf, h + k + sa + sb, v + u + wa + wb, dv + du + dwa + dwb, 2.0 + phi * psi + ga + gb, 0.0, s1a + s1b, 0.0,
            w1a + w1b, 0.0, phi * psi + phi * phi * psi1 + ha + hb, 0.0, 0.0)


def _linked(link):
    @kernel
    def value(y, n, nu, tau1, tau2):
        log_p, h, _, _, log_q, k, _, _ = success_terms(link, nu)
        return value_from(y, capped_exp(tau1), log_p, h, log_q, k)

    @kernel
    def terms(y, n, nu, tau1, tau2):
        return terms_from(y, capped_exp(tau1), success_terms(link, nu))

    return value, terms


KERNELS = {name: _linked(link) for name, link in SHARES.items()}


def check(values, trials, column):
    shares = as_numbers(values, column)
    require_finite(shares, column)
    refuse((shares <= 0) | (shares >= 1), shares, column, "is not between 0 and 1, as beta requires",
           "A share that can be 0 or 1 is no beta response.")


def log_constant(y, n):
    return -np.log(y) - np.log1p(-np.asarray(y))


def mean(nu, own, link):
    return inverse(link, nu)


def distribution(nu, own, n, link):
    from scipy import stats

    mu, precision = inverse(link, nu), np.exp(own)
    return stats.beta(mu * precision, (1 - mu) * precision)


def simulate(nu, own, n, rng, link):
    mu, precision = inverse(link, nu), np.exp(own)
    # draws that are rounded to an end are the number next to it
    return np.clip(rng.beta(mu * precision, (1 - mu) * precision), np.nextafter(0, 1), np.nextafter(1, 0))


def start(y, n, link):
    mu = float(np.mean(y))
    return predictor_at(link, mu), (math.log(max(mu * (1 - mu) / max(float(np.var(y)), 1e-8) - 1, 0.1)),)


FAMILIES = tuple(
    Family(
        name="beta", link=link, default_link="logit", own=1, predictors=("dispersion",), dispersion="precision",
        log_concave=False, value=value, terms=terms, check=check, log_constant=log_constant,
        mean=partial(mean, link=link), simulate=partial(simulate, link=link),
        distribution=partial(distribution, link=link), start=partial(start, link=link),
    )
    for link, (value, terms) in KERNELS.items()
)
