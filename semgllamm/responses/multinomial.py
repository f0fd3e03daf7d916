"""Choices among alternatives, and rankings, each a choice among what is left: f = exp(ν_c) / Σ_a exp(ν_a)  (Luce 1959).

An answer has a linear predictor ν_a for each alternative a, and is a cell for each: y is 1 for the one chosen. The
kernels take one of these cells, with τ1 = L = log Σ_a exp(ν_a), which the engine computes: log f = Σ_a y_a (ν_a − L).
They give the derivatives as far as they lie with the cell, s = y − p and w = p; what joins the cells is the engine's
(integration/choices.py).
"""

from __future__ import annotations

import math

import numpy as np

from semgllamm.errors import DataError
from semgllamm.responses.checks import as_numbers, require_finite, require_whole
from semgllamm.responses.contract import NO_OWN, Family
from semgllamm.responses.jit import kernel

__all__ = ["FAMILIES", "LARGEST_NUMBER_OF_CATEGORIES", "shares"]

LARGEST_NUMBER_OF_CATEGORIES = 50


@kernel
def share(nu, tau1):
    """p; L is not below ν, but for rounding."""
    return math.exp(min(nu - tau1, 0.0))


@kernel
def value(y, n, nu, tau1, tau2):
    return y * (nu - tau1), y - share(nu, tau1)


@kernel
def terms(y, n, nu, tau1, tau2):
    p = share(nu, tau1)
    return (y * (nu - tau1), y - p, p, p) + NO_OWN  # noqa: RUF005


def check(values, trials, column):
    codes = as_numbers(values, column)
    require_finite(codes, column)
    require_whole(codes, column, "multinomial")
    number = len(np.unique(codes[~np.isnan(codes)]))
    if number > LARGEST_NUMBER_OF_CATEGORIES:
        raise DataError(
            f"column '{column}' has {number} categories, more than the {LARGEST_NUMBER_OF_CATEGORIES} that a nominal "
            "response may have in wide form",
            remedy="Write one row for each alternative, and @alternatives.",
        )


def log_constant(y, n):
    return np.zeros(np.shape(y))


def shares(nu):
    """P(a | ν) along the last axis, (..., alternatives)."""
    nu = np.asarray(nu, dtype=float)
    p = np.exp(nu - nu.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def mean(nu, own=None):
    """P(a | ν) along the last axis."""
    return shares(nu)


def simulate(nu, own, n, rng):
    """Who is chosen, 0 or 1 for each alternative along the last axis: the largest utility with Gumbel errors."""
    utility = np.asarray(nu, dtype=float) + rng.gumbel(size=np.shape(nu))
    return (utility == utility.max(axis=-1, keepdims=True)).astype(float)


def simulate_ranks(nu, own, n, rng):
    """Ranks 1, 2, ... of the alternatives along the last axis, by utilities with Gumbel errors."""
    utility = np.asarray(nu, dtype=float) + rng.gumbel(size=np.shape(nu))
    return 1.0 + np.argsort(np.argsort(-utility, axis=-1), axis=-1)


FAMILIES = tuple(
    Family(
        name=name, link="logit", default_link="logit", is_joint=True, value=value, terms=terms, check=check,
        log_constant=log_constant, mean=mean, simulate=draws, probabilities=mean,
    )
    for name, draws in (("multinomial", simulate), ("ranking", simulate_ranks))
)
