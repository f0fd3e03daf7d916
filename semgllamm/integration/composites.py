"""Composite links: the rows of one answer, whose mean is a weighted sum of their inverse links.

A case is n consecutive cells of one node, with μ = Σ_a c_a h(ν_a) (Thompson & Baker 1981) and the logarithm ℓ of the
answer's density a function of μ. With s = ∂ℓ/∂μ, W = −∂²ℓ/∂μ², W' = ∂W/∂μ, and by row e_a = c_a h'(ν_a), its derivative
e'_a, and that of e'_a, e''_a,

    ∂ log f/∂ν_a = s e_a,      −∂² log f/∂ν_a ∂ν_b = W e_a e_b + ω_a δ_ab,   ω_a = −s e'_a.

The first cell holds n, the answer's own parameters and its derivatives in them. The part W ee' joins the cells. With
ē = Σ_a e_a d_a, and x̄ = Σ_a e_a x_a where x_a = J_a'(1, u),

    the front gains      w (W ēē' + Σ_a ω_a d_a d_a'),
    its adjoint M̄ gives  d̄_a += 2 w (W e_a M̄ē + ω_a M̄d_a),
                         ν̄_a = w (W' e_a Q + 2 W e'_a p_a + W e_a Σ_b e'_b q_b − s e''_a q_a),
                         τ̄_k += w (W_k Q − s_k Σ_b e'_b q_b),     Q = ē'M̄ē, p_a = d_a'M̄ē, q_a = d_a'M̄d_a,
    Louis' information   w (W x̄x̄' − x̄z' − zx̄'),  z = Σ_k s_k J_τk, at each point, beside Σ_a ω_a x_a x_a' by cells.

The density is not log-concave in ν: on the way to a mode negative W and ω_a are left out. The engine reaches these
kernels by their addresses, as it does those of choices.
"""

from __future__ import annotations

import math
from functools import cache

import numba
import numpy as np

from semgllamm.integration.arrays import COUNT, LINK, TIMES, TRIALS, WEIGHT, G, S, Y, examples
from semgllamm.integration.choices import predictor, score_at
from semgllamm.responses import dispatch
from semgllamm.responses.composite import inverse_terms
from semgllamm.responses.jit import inner, kernel
from semgllamm.responses.registry import COMPOSITE

__all__ = [
    "addresses", "argument_types", "composite_front", "composite_information", "composite_terms", "composite_value",
    "follow_composite", "follow_composite_mode", "working_quantities",
]  # fmt: skip

EXACT_ONE = 1e-12  # weights that sum to 1 up to this are those of a mixture


@inner
def moments_of_mean(first, o, cells, path):
    """μ and 1 − μ of the case that starts at the cell `first`."""
    mu, rest, total = 0.0, 0.0, 0.0
    for i in range(first, first + int(cells.data[first, COUNT])):
        h, q, _, _, _ = inverse_terms(int(cells.data[i, LINK]), predictor(i, o, cells, path))
        c = cells.data[i, TIMES]
        mu += c * h
        rest += c * q
        total += c
    if abs(1.0 - total) > EXACT_ONE:
        rest += 1.0 - total
    return mu, rest


@inner
def terms_of_mean(first, o, cells, path):
    """The terms of the contract in the mean of a case."""
    mu, rest = moments_of_mean(first, o, cells, path)
    code = cells.code[first]
    tau1 = cells.lin[first, 1] if cells.own[code] > 0 else rest
    return dispatch.terms(
        cells.terms[code], cells.data[first, Y], cells.data[first, TRIALS], mu, tau1, cells.lin[first, 2]
    )


@inner
def _value(first, o, cells, path):
    """log f of the case that starts at the cell `first`."""
    mu, rest = moments_of_mean(first, o, cells, path)
    code = cells.code[first]
    tau1 = cells.lin[first, 1] if cells.own[code] > 0 else rest
    value, _ = dispatch.value(
        cells.value[code], cells.data[first, Y], cells.data[first, TRIALS], mu, tau1, cells.lin[first, 2]
    )
    return value


@inner
def _terms(first, o, cells, path, kept, second):
    """log f of a case; the rows of `kept` get what the recursions keep of its cells, with `second` also ω and h."""
    n = int(cells.data[first, COUNT])
    T = cells.lin.shape[1] - 1
    columns = 2 + 2 * T + T * (T + 1) // 2 if second else 1 + T
    t = terms_of_mean(first, o, cells, path)
    for a in range(n):
        for b in range(columns):
            kept[a, b] = 0.0
    if not t[0] > -math.inf:
        return t[0]
    for a in range(n):
        i = first + a
        _, _, e, e1, _ = inverse_terms(int(cells.data[i, LINK]), predictor(i, o, cells, path))
        kept[a, S] = t[1] * cells.data[i, TIMES] * e
        if second:
            kept[a, 1 + T] = -t[1] * cells.data[i, TIMES] * e1
    kept[0, G], kept[0, G + 1] = t[4], t[5]
    if second:
        b = 2 + 2 * T
        kept[0, b], kept[0, b + 1], kept[0, b + 2] = t[10], t[11], t[12]
    return t[0]


@inner
def _front(first, n, o, cells, path, M, g, centre, uphill):
    """Add a case to the front and the gradient of node n, and return its log f."""
    t = terms_of_mean(first, o, cells, path)
    if not t[0] > -math.inf:
        return t[0]
    w = cells.data[first, WEIGHT]
    W = max(t[2], 0.0) if uphill else t[2]
    for a in range(o + 1):
        centre[a] = 0.0
    for i in range(first, first + int(cells.data[first, COUNT])):
        _, _, e, e1, _ = inverse_terms(int(cells.data[i, LINK]), predictor(i, o, cells, path))
        e *= cells.data[i, TIMES]
        curvature = -t[1] * cells.data[i, TIMES] * e1
        if uphill and curvature < 0.0:
            curvature = 0.0
        for a in range(o + 1):
            centre[a] += e * cells.D[i, a]
            x = w * curvature * cells.D[i, a]
            for b in range(a + 1):
                M[n, a, b] += x * cells.D[i, b]
    for a in range(o + 1):
        g[n, a] += w * t[1] * centre[a]
        for b in range(a + 1):
            M[n, a, b] += w * W * centre[a] * centre[b]
    return t[0]


@inner
def _follow(first, n, r0, o, cells, path, M, g, R, at_mode, centre):
    """Add to R and g what a case of node n passes on of the adjoint M of its front, and keep what its mode needs.

    A row of `at_mode` keeps s e_a in its first column, ω_a in its last, and e_a in the second; that of the first cell
    also W in the third, and s_1 and s_2 in the columns before the last. `centre` is room for M̄ē.
    """
    T = cells.lin.shape[1] - 1
    tau, last = R.shape[1] - T, at_mode.shape[1] - 1
    P, Q = 1 + T, 2 + T  # where p_a and q_a stand meanwhile
    t = terms_of_mean(first, o, cells, path)
    w = cells.data[first, WEIGHT]
    end = first + int(cells.data[first, COUNT])
    for a in range(o + 1):
        centre[a] = 0.0
    for i in range(first, end):
        kept = at_mode[i - r0]
        kept[:] = 0.0
        _, _, e, e1, _ = inverse_terms(int(cells.data[i, LINK]), predictor(i, o, cells, path))
        kept[1] = cells.data[i, TIMES] * e
        kept[0], kept[last] = t[1] * kept[1], -t[1] * cells.data[i, TIMES] * e1
        for a in range(o + 1):
            for b in range(o + 1):
                centre[a] += kept[1] * M[n, a, b] * cells.D[i, b]
    whole, bent = 0.0, 0.0
    for i in range(first, end):
        kept = at_mode[i - r0]
        _, _, _, e1, _ = inverse_terms(int(cells.data[i, LINK]), predictor(i, o, cells, path))
        for a in range(o + 1):
            x = 0.0
            for b in range(o + 1):
                x += M[n, a, b] * cells.D[i, b]
            kept[P] += cells.D[i, a] * centre[a]
            kept[Q] += cells.D[i, a] * x
            R[i, 1 + a] += 2.0 * w * (t[2] * kept[1] * centre[a] + kept[last] * x)
        whole += kept[1] * kept[P]
        bent += cells.data[i, TIMES] * e1 * kept[Q]
    for i in range(first, end):
        kept = at_mode[i - r0]
        _, _, _, e1, e2 = inverse_terms(int(cells.data[i, LINK]), predictor(i, o, cells, path))
        c = cells.data[i, TIMES]
        nubar = kept[1] * (t[3] * whole + t[2] * bent) + 2.0 * t[2] * c * e1 * kept[P] - t[1] * c * e2 * kept[Q]
        nubar *= w
        kept[P], kept[Q] = 0.0, 0.0
        R[i, 0] += nubar
        for a in range(o + 1):
            R[i, 1 + a] += nubar * path[a]
            g[n, a] += nubar * cells.D[i, a]
    R[first, tau] += w * (t[8] * whole - t[6] * bent)
    R[first, tau + 1] += w * (t[9] * whole - t[7] * bent)
    kept = at_mode[first - r0]
    kept[2], kept[last - 2], kept[last - 1] = t[2], t[6], t[7]
    return 0.0


@inner
def _follow_mode(first, r0, o, share, cells, path, v, R, at_mode):
    """Add to R what a case passes on through the mode beside its cells: −w W e_a Σ_b e_b d_b'v in f, times m in d."""
    T = cells.lin.shape[1] - 1
    tau, last = R.shape[1] - T, at_mode.shape[1] - 1
    end = first + int(cells.data[first, COUNT])
    w = share * cells.data[first, WEIGHT]
    along = 0.0
    for i in range(first, end):
        for b in range(o + 1):
            along += at_mode[i - r0, 1] * cells.D[i, b] * v[b]
    of_case = at_mode[first - r0]
    for i in range(first, end):
        x = w * of_case[2] * at_mode[i - r0, 1] * along
        R[i, 0] -= x
        for a in range(o + 1):
            R[i, 1 + a] -= x * path[a]
    R[first, tau] += w * of_case[last - 2] * along
    R[first, tau + 1] += w * of_case[last - 1] * along
    return along


@inner
def _information(first, o, w, u, cells, jacobian, place, mean, own, q, V):
    """V −= w (W x̄x̄' − x̄z' − zx̄') of a case at the path u, by its lower triangle."""
    P = cells.D.shape[1]
    t = terms_of_mean(first, o, cells, u)
    for a in range(q):
        mean[a], own[a] = 0.0, 0.0
    if not t[0] > -math.inf:
        return 0.0
    for i in range(first, first + int(cells.data[first, COUNT])):
        _, _, e, _, _ = inverse_terms(int(cells.data[i, LINK]), predictor(i, o, cells, u))
        e *= cells.data[i, TIMES]
        for k in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
            a, x = place[jacobian.par[k]], jacobian.feature[k]
            if x <= P:
                mean[a] += e * score_at(i, k, P, jacobian, u)
            elif i == first:
                own[a] += jacobian.value[k] * (t[6] if x == P + 1 else t[7])
    for a in range(q):
        for b in range(a + 1):
            V[a, b] -= w * (t[2] * mean[a] * mean[b] - mean[a] * own[b] - own[a] * mean[b])
    return 0.0


@kernel
def working_quantities(cells, nowhere, out, joint):
    """Of composite cells at ν = f: log f (at the first), s e_a and max(ω_a, 0) in `out`, e_a √max(W, 0) in `joint`.

    `nowhere` is an empty path.
    """
    for first in range(len(cells.code)):
        if cells.code[first] < COMPOSITE or not cells.data[first, COUNT] > 0.0:
            continue
        t = terms_of_mean(first, -1, cells, nowhere)
        for i in range(first, first + int(cells.data[first, COUNT])):
            _, _, e, e1, _ = inverse_terms(int(cells.data[i, LINK]), cells.lin[i, 0])
            c = cells.data[i, TIMES]
            out[i, 0], out[i, 1], out[i, 2] = 0.0, t[1] * c * e, max(-t[1] * c * e1, 0.0)
            joint[i] = c * e * math.sqrt(max(t[2], 0.0))
        out[first, 0] = t[0]


# ---------------------------------------------------------------------------------------------- their addresses


def argument_types() -> tuple[tuple, ...]:
    """The types of the arguments of each kernel."""
    cells, _, _, _, jacobian = map(numba.typeof, examples())
    f1, f2, f3 = (numba.typeof(np.zeros((0,) * k)) for k in (1, 2, 3))
    i1, rows = numba.typeof(np.zeros(0, dtype=np.int64)), numba.typeof(np.zeros((2, 2, 2))[:, :, 0])
    i, f, b = numba.int64, numba.float64, numba.boolean
    return (
        (i, i, cells, f1), (i, i, cells, f1, rows, b), (i, i, i, cells, f1, f3, f2, f1, b),
        (i, i, i, i, cells, f1, f3, f2, f2, f2, f1), (i, i, i, f, cells, f1, f1, f2, f2),
        (i, i, f, f1, cells, jacobian, i1, f1, f1, i, f2),
    )  # fmt: skip


# called with an address of cells.choice and the arguments of the kernel, a tuple
composite_value, composite_terms, composite_front, follow_composite, follow_composite_mode, composite_information = (
    dispatch.caller(*arguments) for arguments in argument_types()
)


@cache
def addresses() -> np.ndarray:
    """Where the kernels are, (6,) int64; they are compiled first."""
    kernels = _value, _terms, _front, _follow, _follow_mode, _information
    found = [dispatch.native_address(function, types) for function, types in zip(kernels, argument_types())]
    return np.array(found, dtype=np.int64)
