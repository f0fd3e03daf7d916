"""Choices: the cells of one answer among alternatives, which share one probability.

A choice is n consecutive cells of one node, an alternative each, of which one has y = 1:

    log f = Σ_a y_a (ν_a − L),    L = log Σ_a exp ν_a,    p_a = exp(ν_a − L),

    ∂ log f/∂ν_a = y_a − p_a,    −∂² log f/∂ν_a ∂ν_b = p_a δ_ab − p_a p_b       (Luce 1959; McFadden 1974).

Its first cell holds n where others have their number of trials, and the rest hold 0. Given L, an alternative is a cell
like any other, with s = y − p and ω = p: the kernels of the family are handed L in the place of τ1. What remains is the
part −pp' of the Hessian, which joins the cells. With d̄ = Σ_a p_a d_a and likewise x̄,

    the front loses      w d̄d̄',
    its adjoint M̄ gives  d̄_a += 2 w p_a M̄(d_a − d̄),   ν̄_a = p_a (ω̄_a − Σ_b p_b ω̄_b),   ω̄_a = w (d_a'M̄d_a − 2 d_a'M̄d̄),
    Louis' information   w Σ_a p_a (x_a − x̄)(x_a − x̄)',   x_a = J_a'(1, u), at each point.

The engine reaches these kernels by their addresses, as it does those of families: they are compiled for the first model
that has a choice.
"""

from __future__ import annotations

import math
from functools import cache

import numba
import numpy as np

from semgllamm.integration.arrays import FOLLOW, FRONT, INFORMATION, LOG_SUM, MEAN, TRIALS, WEIGHT, Y, examples
from semgllamm.responses import dispatch
from semgllamm.responses.jit import inner

__all__ = ["FOLLOW", "FRONT", "INFORMATION", "LOG_SUM", "MEAN", "addresses", "choice_front", "choice_information",
           "follow_choice", "follow_mean", "log_sum"]  # fmt: skip


@inner
def predictor(i, o, cells, path):
    """ν of a cell on a node of depth o."""
    nu = cells.lin[i, 0]
    for b in range(o + 1):
        nu += cells.D[i, b] * path[b]
    return nu


@inner
def _log_sum(first, o, cells, path):
    """L of the choice that starts at the cell `first`."""
    top = -math.inf
    mass = 0.0
    for i in range(first, first + int(cells.data[first, TRIALS])):
        nu = predictor(i, o, cells, path)
        if nu > top:
            mass = mass * math.exp(top - nu) + 1.0
            top = nu
        else:
            mass += math.exp(nu - top)
    return top + math.log(mass)


@inner
def _choice_front(first, n, o, cells, path, M, centre):
    """Take w d̄d̄' of a choice from the front of node n, and return its L."""
    L = _log_sum(first, o, cells, path)
    for a in range(o + 1):
        centre[a] = 0.0
    for i in range(first, first + int(cells.data[first, TRIALS])):
        p = math.exp(predictor(i, o, cells, path) - L)
        for a in range(o + 1):
            centre[a] += p * cells.D[i, a]
    for a in range(o + 1):
        for b in range(a + 1):
            M[n, a, b] -= cells.data[first, WEIGHT] * centre[a] * centre[b]
    return L


@inner
def _follow_choice(first, n, r0, o, cells, path, M, g, R, at_mode, centre):
    """Add to R and g what a choice of node n passes on of the adjoint M of its front; keep s and p of its cells.

    Of the columns of `at_mode` the first is s and the last ω; those between stay 0. `centre` is room for M̄d̄.
    """
    W = at_mode.shape[1] - 1
    L = _log_sum(first, o, cells, path)
    last = first + int(cells.data[first, TRIALS])
    w = cells.data[first, WEIGHT]
    for a in range(o + 1):
        centre[a] = 0.0
    for i in range(first, last):
        kept = at_mode[i - r0]
        p = math.exp(predictor(i, o, cells, path) - L)
        kept[:] = 0.0
        kept[0], kept[W] = cells.data[i, Y] - p, p
        for a in range(o + 1):
            for b in range(o + 1):
                centre[a] += p * M[n, a, b] * cells.D[i, b]
    mean = 0.0
    for i in range(first, last):
        p = at_mode[i - r0, W]
        wbar = 0.0
        for a in range(o + 1):
            x = 0.0
            for b in range(o + 1):
                x += M[n, a, b] * cells.D[i, b]
            wbar += w * (x - 2.0 * centre[a]) * cells.D[i, a]
            R[i, 1 + a] += 2.0 * w * p * (x - centre[a])
        at_mode[i - r0, 1] = wbar
        mean += p * wbar
    for i in range(first, last):
        kept = at_mode[i - r0]
        nubar = kept[W] * (kept[1] - mean)
        kept[1] = 0.0
        R[i, 0] += nubar
        for a in range(o + 1):
            R[i, 1 + a] += nubar * path[a]
            g[n, a] += nubar * cells.D[i, a]
    return mean


@inner
def _follow_mean(first, r0, o, share, cells, path, v, R, at_mode):
    """Add to R what a choice passes on through the mode beside its cells: w p_a Σ_b p_b d_b'v in f, times m in d."""
    W = at_mode.shape[1] - 1
    last = first + int(cells.data[first, TRIALS])
    mean = 0.0
    for i in range(first, last):
        for b in range(o + 1):
            mean += at_mode[i - r0, W] * cells.D[i, b] * v[b]
    for i in range(first, last):
        x = share * cells.data[i, WEIGHT] * at_mode[i - r0, W] * mean
        R[i, 0] += x
        for a in range(o + 1):
            R[i, 1 + a] += x * path[a]
    return mean


@inner
def score_at(i, e, P, jacobian, u):
    """What entry e of the Jacobian contributes to x of cell i at the path u."""
    x = jacobian.feature[e]
    return jacobian.value[e] if x == 0 or x > P else jacobian.value[e] * u[x - 1]


@inner
def _choice_information(first, w, s, u, cells, jacobian, place, mean, q, V):
    """V −= w Σ_a p_a (x_a − x̄)(x_a − x̄)' of a choice at the path u, by its lower triangle; `s` holds y_a − p_a."""
    P = cells.D.shape[1]
    for a in range(q):
        mean[a] = 0.0
    for i in range(first, first + int(cells.data[first, TRIALS])):
        p = cells.data[i, Y] - s[i - first]
        for e in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
            a = place[jacobian.par[e]]
            x = p * score_at(i, e, P, jacobian, u)
            mean[a] += x
            for d in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
                b = place[jacobian.par[d]]
                if b <= a:
                    V[a, b] -= w * x * score_at(i, d, P, jacobian, u)
    for a in range(q):
        if mean[a] != 0.0:
            for b in range(a + 1):
                V[a, b] += w * mean[a] * mean[b]
    return 0.0


# ---------------------------------------------------------------------------------------------- their addresses

def _types() -> tuple[tuple, ...]:
    """The types of the arguments of each kernel."""
    cells, _, _, _, jacobian = map(numba.typeof, examples())
    f1, f2, f3 = (numba.typeof(np.zeros((0,) * k)) for k in (1, 2, 3))
    i1, column = numba.typeof(np.zeros(0, dtype=np.int64)), numba.typeof(np.zeros((2, 2))[:, 0])
    i, f = numba.int64, numba.float64
    return (
        (i, i, cells, f1), (i, i, i, cells, f1, f3, f1), (i, i, i, i, cells, f1, f3, f2, f2, f2, f1),
        (i, i, i, f, cells, f1, f1, f2, f2), (i, f, column, f1, cells, jacobian, i1, f1, i, f2),
    )  # fmt: skip


# called with an address of cells.choice and the arguments of the kernel, a tuple
log_sum, choice_front, follow_choice, follow_mean, choice_information = (
    dispatch.caller(*arguments) for arguments in _types()
)


@cache
def addresses() -> np.ndarray:
    """Where the kernels are, (5,) int64; they are compiled first."""
    kernels = _log_sum, _choice_front, _follow_choice, _follow_mean, _choice_information
    found = [dispatch.native_address(function, types) for function, types in zip(kernels, _types())]
    return np.array(found, dtype=np.int64)
