"""The densities once more, with any number of digits, written from their definitions."""

from __future__ import annotations

import mpmath as mp

# F(x) and 1 − F(x), each without cancellation
SHARES = {
    "logit": lambda x: (1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))),
    "probit": lambda x: (mp.erfc(-x / mp.sqrt(2)) / 2, mp.erfc(x / mp.sqrt(2)) / 2),
    "cloglog": lambda x: (-mp.expm1(-mp.exp(x)), mp.exp(-mp.exp(x))),
}


def gaussian(link, y, n, nu, tau1, tau2):
    return mp.exp(-((y - nu) ** 2) / (2 * mp.exp(tau1))) / mp.sqrt(2 * mp.pi * mp.exp(tau1))


def binomial(link, y, n, nu, tau1, tau2):
    p, q = SHARES[link](nu)
    return mp.binomial(n, y) * p**y * q ** (n - y)


def poisson(link, y, n, nu, tau1, tau2):
    return mp.exp(nu) ** y * mp.exp(-mp.exp(nu)) / mp.factorial(y)


def ordinal(link, y, n, nu, tau1, tau2):
    below, above = SHARES[link](tau1 - nu) if tau1 > -mp.inf else (0, 1)
    up_to, beyond = SHARES[link](tau2 - nu) if tau2 < mp.inf else (1, 0)
    return up_to - below if below < above else above - beyond


DENSITIES = {
    "gaussian": gaussian,
    "bernoulli": binomial,
    "binomial": binomial,
    "poisson": poisson,
    "ordinal": ordinal,
}
