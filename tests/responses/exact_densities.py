"""The densities once more, with any number of digits, written from their definitions."""

from __future__ import annotations

import mpmath as mp

# F(x) and 1 − F(x), each without cancellation
SHARES = {
    "logit": lambda x: (1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))),
    "probit": lambda x: (mp.erfc(-x / mp.sqrt(2)) / 2, mp.erfc(x / mp.sqrt(2)) / 2),
    "cloglog": lambda x: (-mp.expm1(-mp.exp(x)), mp.exp(-mp.exp(x))),
    "loglog": lambda x: (mp.exp(-mp.exp(-x)), -mp.expm1(-mp.exp(-x))),
    "log": lambda x: (mp.exp(x), -mp.expm1(x)),
    "identity": lambda x: (x, 1 - x),
}
MEANS = {
    "log": mp.exp,
    "identity": lambda x: x,
    "reciprocal": lambda x: 1 / x,
    "inverse_square": lambda x: 1 / mp.sqrt(x),
    "sqrt": lambda x: x**2,
}


def gaussian(link, y, n, nu, tau1, tau2):
    return mp.exp(-((y - MEANS[link](nu)) ** 2) / (2 * mp.exp(tau1))) / mp.sqrt(2 * mp.pi * mp.exp(tau1))


def binomial(link, y, n, nu, tau1, tau2):
    p, q = SHARES[link](nu)
    return mp.binomial(n, y) * p**y * q ** (n - y)


def poisson(link, y, n, nu, tau1, tau2):
    mu = MEANS[link](nu)
    return mu**y * mp.exp(-mu) / mp.factorial(y)


def ordinal(link, y, n, nu, tau1, tau2):
    below, above = SHARES[link](tau1 - nu) if tau1 > -mp.inf else (0, 1)
    up_to, beyond = SHARES[link](tau2 - nu) if tau2 < mp.inf else (1, 0)
    return up_to - below if below < above else above - beyond


def adjacent(link, y, n, nu, tau1, tau2):
    weights = [1, mp.exp(nu - tau1), mp.exp(2 * nu - tau1 - tau2)][: int(n) + 1]
    return weights[int(y)] / sum(weights)


def asymptotes(has_lower, has_upper, trials=False):
    def density(link, y, n, nu, tau1, tau2):
        c, above_c = SHARES["logit"](tau1) if has_lower else (0, 1)
        d, above_d = SHARES["logit"](tau2 if has_lower else tau1) if has_upper else (1, 0)
        p, q = SHARES[link](nu)
        yes, no = c * q + d * p, above_c * q + above_d * p
        if trials:
            return mp.binomial(n, y) * yes**y * no ** (n - y)
        return yes if y else no

    return density


def gamma(link, y, n, nu, tau1, tau2):
    shape = mp.exp(-tau1)
    scale = MEANS[link](nu) / shape
    return mp.mpf(y) ** (shape - 1) * mp.exp(-y / scale) / (mp.gamma(shape) * scale**shape)


def inversegaussian(link, y, n, nu, tau1, tau2):
    y, mu, rate = mp.mpf(y), MEANS[link](nu), mp.exp(-tau1)
    return mp.sqrt(rate / (2 * mp.pi * y**3)) * mp.exp(-rate * (y - mu) ** 2 / (2 * mu**2 * y))


def negative_binomial(y, mu, size):
    p = size / (size + mu)
    rising = mp.rf(size, y)
    return rising / mp.factorial(y) * p**size * (mu / (size + mu)) ** y


def nbinom1(link, y, n, nu, tau1, tau2):
    mu = MEANS[link](nu)
    return negative_binomial(y, mu, mu / mp.exp(tau1))


def nbinom2(link, y, n, nu, tau1, tau2):
    return negative_binomial(y, MEANS[link](nu), mp.exp(tau1))


def beta(link, y, n, nu, tau1, tau2):
    mu, rest = SHARES[link](nu)
    a, b = mu * mp.exp(tau1), rest * mp.exp(tau1)
    log_y, log_z = mp.log(y), mp.log(1 - mp.mpf(y))
    constant = mp.gamma(mp.exp(tau1)) / (mp.gamma(a) * mp.gamma(b))
    return constant * mp.exp((a - 1) * log_y + (b - 1) * log_z)


def exponential(link, y, n, nu, tau1, tau2):
    rate = 1 / MEANS[link](nu)
    return rate**n * mp.exp(-rate * y)


def weibull(link, y, n, nu, tau1, tau2):
    shape, scale, y = mp.exp(tau1), mp.exp(nu), mp.mpf(y)
    return (shape / scale * (y / scale) ** (shape - 1)) ** n * mp.exp(-((y / scale) ** shape))


def censored(link, y, n, nu, tau1, tau2):
    if n == y:
        return gaussian("identity", y, 1, nu, tau1, tau2)
    sd = mp.exp(tau1 / 2)
    return ordinal("probit", 0, 1, nu / sd, mp.mpf(min(y, n)) / sd, mp.mpf(max(y, n)) / sd)


def zero_inflated(counts):
    def density(link, y, n, nu, tau1, tau2):
        logit = tau1 if counts is poisson else tau2
        pi, rest = SHARES["logit"](logit)
        return (pi if y == 0 else 0) + rest * counts(link, y, n, nu, tau1, tau2)

    return density


def hurdle(counts):
    def density(link, y, n, nu, tau1, tau2):
        logit = tau1 if counts is poisson else tau2
        pi, rest = SHARES["logit"](logit)
        if y == 0:
            return pi
        return rest * counts(link, y, n, nu, tau1, tau2) / (1 - counts(link, 0, n, nu, tau1, tau2))

    return density


DENSITIES = {
    "gaussian": gaussian,
    "bernoulli": binomial,
    "binomial": binomial,
    "adjacent": adjacent,
    "bernoulli3pl": asymptotes(True, False),
    "bernoulli3plu": asymptotes(False, True),
    "bernoulli4pl": asymptotes(True, True),
    "binomial3pl": asymptotes(True, False, trials=True),
    "binomial3plu": asymptotes(False, True, trials=True),
    "binomial4pl": asymptotes(True, True, trials=True),
    "poisson": poisson,
    "ordinal": ordinal,
    "gamma": gamma,
    "inversegaussian": inversegaussian,
    "nbinom1": nbinom1,
    "nbinom2": nbinom2,
    "beta": beta,
    "exponential": exponential,
    "weibull": weibull,
    "censored": censored,
    "zipoisson": zero_inflated(poisson),
    "zinbinom1": zero_inflated(nbinom1),
    "zinbinom2": zero_inflated(nbinom2),
    "hurdlepoisson": hurdle(poisson),
    "hurdlenbinom1": hurdle(nbinom1),
    "hurdlenbinom2": hurdle(nbinom2),
}
