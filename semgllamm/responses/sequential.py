"""Ordered answers reached step by step (Tutz 1990; continuation ratios): whoever came to category k stops there or goes
on,

    P(y = k | y ≥ k) = F(κ_k − ν),      f(y) = F(κ_y − ν) Π_{k<y} [1 − F(κ_k − ν)]      (no first factor at the top).

Each step is a response of its own with two answers, so the cells of a row are those of the ordinal family with one
threshold, above (it stops) or below (it goes on). Under the complementary log-log link the model is the cumulative one
(Läärä & Matthews 1985), the grouped proportional-hazards model.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from semgllamm.responses import ordinal
from semgllamm.responses.categories import Categories
from semgllamm.responses.contract import Family
from semgllamm.responses.links import inverse

__all__ = ["FAMILIES", "probabilities"]


# 1 − F(x) is that of the other link at −x
REVERSED = {"cloglog": "loglog", "loglog": "cloglog"}


def probabilities(nu, thresholds, link):
    """P(y = k | ν) for k = 0, ..., K − 1 along the last axis; `thresholds` holds K − 1 along its last axis."""
    x = np.asarray(thresholds) - np.asarray(nu, dtype=float)[..., None]
    stops, goes_on = inverse(link, x), inverse(REVERSED.get(link, link), -x)
    edge = np.ones((*stops.shape[:-1], 1))
    comes = np.concatenate([edge, np.cumprod(goes_on, axis=-1)], axis=-1)
    return comes * np.concatenate([stops, edge], axis=-1)


def mean(nu, own, link):
    """The expected category code."""
    p = probabilities(nu, own, link)
    return p @ np.arange(p.shape[-1])


def distribution(nu, own, n, link):
    return Categories(probabilities(nu, own, link))


def simulate(nu, own, n, rng, link):
    at_most = np.cumsum(probabilities(nu, own, link)[..., :-1], axis=-1)
    return (rng.random(np.shape(nu))[..., None] > at_most).sum(axis=-1).astype(float)


FAMILIES = tuple(
    Family(
        name="sequential", link=link, default_link="logit", own=2, thresholds="steps",
        value=value, terms=terms,
        check=partial(ordinal.check, family="sequential"), log_constant=ordinal.log_constant,
        mean=partial(mean, link=link), simulate=partial(simulate, link=link),
        probabilities=partial(probabilities, link=link), distribution=partial(distribution, link=link),
    )
    for link, (value, terms) in ordinal.KERNELS.items()
)
