"""What composite links take of each link: the mean, its complement and three derivatives, against 300 digits."""

import math

import mpmath
import numpy as np
import pytest

from semgllamm.errors import ModelError
from semgllamm.responses import registry
from semgllamm.responses.composite import LINKS, inverse_terms, terms_of_shares

INVERSES = {
    "identity": lambda x: x,
    "log": mpmath.exp,
    "logit": lambda x: 1 / (1 + mpmath.exp(-x)),
    "probit": mpmath.ncdf,
    "cloglog": lambda x: -mpmath.expm1(-mpmath.exp(x)),
    "loglog": lambda x: mpmath.exp(-mpmath.exp(-x)),
    "reciprocal": lambda x: 1 / x,
    "inverse_square": lambda x: 1 / mpmath.sqrt(x),
}
POINTS = (-30.0, -7.0, -1.3, -0.2, 0.4, 2.1, 4.0, 30.0)


def test_every_link_is_here():
    assert INVERSES.keys() == LINKS.keys()


@pytest.mark.parametrize("link", LINKS)
def test_mean_complement_and_derivatives(link):
    positive = link in ("reciprocal", "inverse_square")
    with mpmath.workdps(300):  # 1 − h is a difference
        for nu in (x for x in POINTS if x > 0 or not positive):
            found = inverse_terms(LINKS[link], nu)
            h = INVERSES[link]
            mean = h(mpmath.mpf(nu))
            exact = [mean, 1 - mean, *(mpmath.diff(h, nu, k, h=mpmath.mpf(10) ** -40) for k in (1, 2, 3))]
            for value, expected in zip(found, exact):
                expected = float(expected)
                # below the least normal number nothing is left of a tail
                assert value == pytest.approx(expected, rel=2e-10, abs=1e-280)


@pytest.mark.parametrize("link", ["reciprocal", "inverse_square"])
def test_there_is_no_mean_below_zero(link):
    assert all(math.isnan(x) for x in inverse_terms(LINKS[link], -0.5))


@pytest.mark.parametrize("link", LINKS)
def test_far_out_all_is_finite(link):
    for nu in (-800.0, 800.0):
        if nu > 0 or link not in ("reciprocal", "inverse_square"):
            assert np.isfinite(inverse_terms(LINKS[link], nu)).all()


def test_shares_are_those_of_the_identity_link():
    plain = registry.lookup("binomial", "identity").terms
    for mu in (0.01, 0.3, 0.97):
        assert terms_of_shares(3.0, 5.0, mu, 1.0 - mu, 0.0) == pytest.approx(plain(3.0, 5.0, mu, 0.0, 0.0), rel=1e-10)
    assert terms_of_shares(3.0, 5.0, 1.2, -0.2, 0.0)[0] == -math.inf


def test_families_without_such_a_mean_are_refused():
    for family in registry.FAMILIES:
        if family.name in ("ordinal", "beta", "weibull", "zipoisson", "multinomial", "censored", "bernoulli3pl"):
            with pytest.raises(ModelError, match=family.name):
                registry.composite_of(family)
        elif family.name in ("poisson", "gamma", "binomial", "gaussian"):
            found = registry.composite_of(family)
            assert (found.name, found.link, found.is_composite) == (family.name, family.link, True)
