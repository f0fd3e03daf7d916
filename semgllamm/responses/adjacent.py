"""Ordered answers by adjacent categories, logit link: the partial credit models (Masters 1982; Muraki 1992, with
loadings in ν),

    log P(y = k)/P(y = k − 1) = ν − κ_k,      f(y) = exp(yν − κ_1 − ... − κ_y) / Σ_j exp(jν − κ_1 − ... − κ_j).

A response has as many own parameters as thresholds, m, and they are all in its density. In cumulants of the category
j, with 1_a whether j ≥ a,

    s = y − E j,   w = var j,   ∂w/∂ν = κ₃(j, j, j);      g_a = P(j ≥ a) − [y ≥ a],   ∂s/∂κ_a = cov(j, 1_a),
    ∂w/∂κ_a = −κ₃(j, j, 1_a),   ∂g_a/∂κ_b = −cov(1_a, 1_b).

The functions `…_of_any` take any number of thresholds after f in a row of the engine's array, and the engine reaches
them by their addresses, as it does the kernels of the contract, which have up to two, with n = m.
"""

from __future__ import annotations

import math
from functools import cache, partial

import numba
import numpy as np

from semgllamm.responses import dispatch, ordinal
from semgllamm.responses.categories import Categories
from semgllamm.responses.contract import MANY, Family
from semgllamm.responses.jit import kernel

__all__ = ["FAMILIES", "addresses", "call_curvature_of_any", "call_terms_of_any", "call_value_of_any",
           "curvature_of_any", "probabilities", "terms_of_any", "value_of_any"]  # fmt: skip


@kernel
def cumulants(y, n, nu, lin):
    """log f, s, the variance of the category, its third cumulant, and what `terms_of_any` continues from.

    Moments are taken about the likeliest category, so that they keep their digits where all others are unlikely.
    """
    m = int(n)
    top, at, log, mode = 0.0, 0.0, 0.0, 0
    for j in range(1, m + 1):
        log += nu - lin[j]
        if log > top:
            top, mode = log, j
        if j == y:
            at = log
    total, e1, e2, e3 = 0.0, 0.0, 0.0, 0.0
    log = 0.0
    for j in range(m + 1):
        if j > 0:
            log += nu - lin[j]
        p = math.exp(log - top)
        d = float(j - mode)
        total += p
        e1 += p * d
        e2 += p * d * d
        e3 += p * d * d * d
    e1 /= total
    e2 /= total
    e3 /= total
    third = e3 - 3.0 * e1 * e2 + 2.0 * e1 * e1 * e1
    return at - top - math.log(total), y - mode - e1, e2 - e1 * e1, third, log, top, total, mode + e1


@kernel
def value_of_any(y, n, nu, lin):
    """log f and s; `lin` holds f and the thresholds."""
    logf, s, _, _, _, _, _, _ = cumulants(y, n, nu, lin)
    return logf, s


@kernel
def curvature_of_any(y, n, nu, lin):
    """log f, s, w and ∂w/∂ν."""
    logf, s, w, dw, _, _, _, _ = cumulants(y, n, nu, lin)
    return logf, s, w, dw


@kernel
def terms_of_any(y, n, nu, lin, first, second, bend, wanted):
    """log f, w and ∂w/∂ν; s and the g_a go to `first`.

    With `wanted` 1, the ∂s/∂κ_a go to `second` and the ∂w/∂κ_a to `bend`; with 2, w, the ∂s/∂κ_a and the lower triangle
    of the ∂g_a/∂κ_b go to `first` behind the g_a, as the engine keeps them. Entries of thresholds that the response
    does not have are 0.
    """
    logf, s, w, dw, log, top, total, mean = cumulants(y, n, nu, lin)
    T = len(lin) - 1
    first[0] = s
    if wanted == 2:
        first[1 + T] = w
    above, slope, turn = 0.0, 0.0, 0.0
    for a in range(T, 0, -1):
        if a > n:
            first[a] = 0.0
            if wanted == 1:
                second[a - 1], bend[a - 1] = 0.0, 0.0
            if wanted == 2:
                first[1 + T + a] = 0.0
            continue
        p = math.exp(log - top) / total
        log -= nu - lin[a]
        above += p
        slope += (a - mean) * p
        turn += ((a - mean) * (a - mean) - w) * p
        first[a] = above
        if wanted == 1:
            second[a - 1], bend[a - 1] = slope, -turn
        if wanted == 2:
            first[1 + T + a] = slope
    if wanted == 2:
        k = 2 + 2 * T
        for a in range(1, T + 1):
            for b in range(1, a + 1):
                first[k] = first[a] * first[b] - first[a]  # a is the higher threshold
                k += 1
    for a in range(1, T + 1):
        if a <= y:
            first[a] -= 1.0
    return logf, w, dw


def _types() -> tuple[tuple[tuple, object], ...]:
    """The types of the arguments of `value_of_any`, `curvature_of_any` and `terms_of_any`, and of what they return."""
    row, slices = numba.typeof(np.zeros(0)), numba.typeof(np.zeros(4)[::2])
    f = numba.float64
    point = (f, f, f, row)
    numbers = tuple(numba.types.UniTuple(f, count) for count in (2, 4, 3))
    return tuple(zip((point, point, (*point, slices, slices, slices, numba.int64)), numbers))


# called with an address and the arguments of the kernel, a tuple; what is written to are slices with a step
call_value_of_any, call_curvature_of_any, call_terms_of_any = (
    dispatch.caller(*arguments, returns=numbers) for arguments, numbers in _types()
)


@cache
def addresses() -> np.ndarray:
    """Where `value_of_any`, `curvature_of_any` and `terms_of_any` are, (3,) int64; they are compiled first."""
    kernels = value_of_any, curvature_of_any, terms_of_any
    found = [dispatch.native_address(function, types) for function, (types, _) in zip(kernels, _types())]
    return np.array(found, dtype=np.int64)


@kernel
def value_logit(y, n, nu, tau1, tau2):
    """Of one or two thresholds."""
    one, two = nu - tau1, 2.0 * nu - tau1 - tau2
    if n < 2.0:
        two = -math.inf
    top = max(0.0, one, two)
    zero, one_, two_ = math.exp(-top), math.exp(one - top), math.exp(two - top)
    total = zero + one_ + two_
    at = 0.0 if y < 1.0 else (one if y < 2.0 else two)
    s = (y * zero + (y - 1.0) * one_ + (y - 2.0) * two_) / total
    return at - top - math.log(total), s


@kernel
def terms_logit(y, n, nu, tau1, tau2):
    """Of one or two thresholds."""
    logf, s = value_logit(y, n, nu, tau1, tau2)
    one, two = nu - tau1, 2.0 * nu - tau1 - tau2
    if n < 2.0:
        two = -math.inf
    top = max(0.0, one, two)
    zero, middle, high = math.exp(-top), math.exp(one - top), math.exp(two - top)
    total = zero + middle + high
    zero, middle, high = zero / total, middle / total, high / total
    # pairs of categories: differences of 1, 1 and 2
    w = zero * middle + middle * high + 4.0 * zero * high
    mean = middle + 2.0 * high
    dw = -mean**3 * zero + (1.0 - mean) ** 3 * middle + (zero + zero + middle) ** 3 * high
    some = middle + high
    up1 = zero * (middle + 2.0 * high)  # cov(j, 1_1)
    up2 = high * (2.0 * zero + middle)
    bend1 = -(zero * (w - mean * mean))
    bend2 = -(high * ((2.0 * zero + middle) ** 2 - w))
    g1 = -zero if y >= 1.0 else some
    g2 = -(zero + middle) if y >= 2.0 else high
    if n < 2.0:
        return logf, s, w, dw, g1, 0.0, up1, 0.0, bend1, 0.0, -zero * some, 0.0, 0.0
    return logf, s, w, dw, g1, g2, up1, up2, bend1, bend2, -zero * some, -zero * high, -high * (zero + middle)


def probabilities(nu, thresholds):
    """P(y = k | ν) for k = 0, ..., K − 1 along the last axis; `thresholds` holds K − 1 along its last axis."""
    from scipy.special import softmax

    steps = np.asarray(nu, dtype=float)[..., None] - np.asarray(thresholds)
    logs = np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)
    return softmax(logs, axis=-1)


def mean(nu, own):
    """The expected category code."""
    p = probabilities(nu, own)
    return p @ np.arange(p.shape[-1])


def distribution(nu, own, n):
    return Categories(probabilities(nu, own))


def simulate(nu, own, n, rng):
    at_most = np.cumsum(probabilities(nu, own)[..., :-1], axis=-1)
    return (rng.random(np.shape(nu))[..., None] > at_most).sum(axis=-1).astype(float)


FAMILIES = (
    Family(
        name="adjacent", link="logit", default_link="logit", own=MANY, thresholds="all",
        value=value_logit, terms=terms_logit,
        check=partial(ordinal.check, family="adjacent"), log_constant=ordinal.log_constant, mean=mean,
        simulate=simulate, probabilities=probabilities, distribution=distribution,
    ),
)
