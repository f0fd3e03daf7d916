"""The likelihood of a unit by recursion over its integration tree, and the moments that its score needs.

Each node n of the tree integrates one standard normal latent coordinate u_n given its ancestors,

    F_n(anc) = ∫ φ(u_n) Π_{own cells} f(y_i | ν_i)^{w_i} Π_{children} F_c(anc, u_n)^{w_c} du_n,
    ν_i = f_i + Σ_{a on the path} d_ia u_a,        log L = Σ_roots w log F,

with nodes at u_n = m_n + G_n (u_anc − m_anc) + T_n z and all sums in logs. Several latent variables of one unit are
a chain of such nodes, which places the points exactly as a product rule turned by the Cholesky factor of the
joint curvature does, and lets a response stop at the deepest variable that it depends on.

The posterior means over the points are accumulated on the way up:
    B_i  = E[s_i], E[s_i u_a] for a on the path, E[∂log f/∂τ_1], E[∂log f/∂τ_2], ...     (Fisher's identity)
           and E[s_i u_a u_b] before the latter where there are products of latent variables (products.py)
    N_n  = a = E[∂ log g/∂u_n],  T̄ = E[δ z],  Ḡ = E[δ (u_anc − m_anc)]
with g the integrand and δ = ∂ log g/∂u_n along the moves of the descendants' nodes; N feeds the total derivative
(score.py).

A leaf of the last rule, in a program with products, has Gaussian cells whose ν is linear in its coordinate given its
ancestors. Its points are placed there anew for each path, exactly where its integrand is: three give all the moments
that are asked for without error, and they leave nothing to the total derivative.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numba
import numpy as np

from semgllamm.integration.arrays import (
    ANY_TERMS,
    ANY_VALUE,
    BENT,
    COUNT,
    DEPTH,
    END,
    FIRST,
    LAST,
    RULE,
    SUM_TERMS,
    SUM_VALUE,
    TRIALS,
    WEIGHT,
    G,
    S,
    Y,
    examples,
)
from semgllamm.integration.choices import LOG_SUM, log_sum
from semgllamm.integration.composites import composite_terms, composite_value
from semgllamm.integration.products import along_leaf, bend, is_bent_copy, pair, slopes
from semgllamm.responses import dispatch
from semgllamm.responses.adjacent import call_terms_of_any, call_value_of_any
from semgllamm.responses.contract import MANY
from semgllamm.responses.jit import inner, kernel
from semgllamm.responses.registry import BINOMIAL_LOGIT, COMPOSITE, MULTINOMIAL

__all__ = ["bernoulli_logit", "integrate_units", "layers"]

FACTORS = 500  # factors 1 + e ≤ 2 multiplied before a logarithm is taken
SLACK = 50.0  # by how much the log of a point may exceed that of the one its node's sums are scaled by

BENDS = is_bent_copy(__name__)

# what the points of a node are asked for (NumPy's numbers: a kernel is compiled for each of Python's that it is given)
VALUE, FIXED_POINTS, MOVING_POINTS, SECOND_DERIVATIVES = np.arange(4)
# rows of Sums.A, for a on the path: ∂ log F/∂u_a with the points of the node fixed, and moving; and at one point
# (then room for the slopes of a bent cell)
FIXED, MOVING, FIXED_HERE, MOVING_HERE, SLOPES = range(5)
# kernels that others call by their addresses, or each would be optimised once more with all that call it
NODE, LEAF, LEAF_CELLS, OWN_CELLS = range(4)


class Sums(NamedTuple):
    """What the recursion adds up, a layer for each depth, and what a leaf keeps of its points."""

    u: np.ndarray  # (P,) the path
    du: np.ndarray  # (P,) u − m
    B: np.ndarray  # (P, cells, width of D + 1 + T)
    N: np.ndarray  # (P, nodes, P + 2)
    A: np.ndarray  # (P, 5, P)
    own: np.ndarray  # (P, own cells, 1 + T) s, g1, ..., gT of the cells of a node at one point
    leaf: np.ndarray  # (own cells, 1 + T, points) the same at all points of a leaf
    points: np.ndarray  # (4, points) u, log integrand, factors under its logarithm, L of a choice
    kernels: np.ndarray  # (4,) their addresses


def layers(P: int, nodes: int, cells: int, own: int, points: int, T: int = 2, W: int = 0) -> Sums:
    """Room for trees of at most so many nodes and cells, cells of a node, points of a rule, and own parameters.

    W is the number of columns of D, where it is not P.
    """
    return _layers(P, nodes, cells, own, points, T, W, addresses())


def _layers(P, nodes, cells, own, points, T, W, kernels):
    return Sums(
        np.zeros(P), np.zeros(P), np.zeros((P, cells, max(P, W) + 1 + T)), np.zeros((P, nodes, P + 2)),
        np.zeros((P, 5, P)), np.zeros((P, own, 1 + T)), np.zeros((own, 1 + T, points)), np.zeros((4, points)), kernels,
    )  # fmt: skip


def _types() -> tuple[tuple, ...]:
    """The types of the arguments of `node`, `leaf`, `leaf_cells` and `own_cells`."""
    i, (cells, trees, places, rules, _) = numba.int64, map(numba.typeof, examples())
    sums = numba.typeof(_layers(0, 0, 0, 0, 0, 0, 0, np.zeros(0, dtype=np.int64)))
    f1, f2, f3 = (numba.typeof(np.zeros((0,) * k)) for k in (1, 2, 3))
    whole = (i, i, i, cells, trees, places, rules, sums, i)
    return whole, whole, (i, cells, trees, rules, f1, f2, f3, i), (i, cells, trees, sums)


call_node, call_leaf, call_leaf_cells, call_own_cells = (dispatch.caller(*arguments) for arguments in _types())


@cache
def addresses() -> np.ndarray:
    """Where `node`, `leaf`, `leaf_cells` and `own_cells` are, (4,) int64; they are compiled first."""
    functions = node, leaf, leaf_cells, own_cells
    found = [dispatch.native_address(function, types) for function, types in zip(functions, _types())]
    return np.array(found, dtype=np.int64)


@inner
def count_own(own, T):
    """How many own parameters a cell may have, of T that the array has room for."""
    return T if own == MANY else own


@inner
def bernoulli_logit(y, nu):
    """Of one trial: x and e with −log f = max(x, 0) + log(1 + e), then s, ω and ∂ω/∂ν, for one exponential."""
    sign = 1.0 - 2.0 * y
    x = sign * nu
    e = math.exp(-abs(x))
    r = 1.0 / (1.0 + e)
    other = r if x > 0.0 else e * r  # probability of the other answer
    w = e * r * r
    return max(x, 0.0), e, -sign * other, w, sign * w * (1.0 - 2.0 * other)


@inner
def is_exact(n, P, cells, trees, rules):
    """Whether a leaf is placed anew for each path."""
    return cells.D.shape[1] > P and trees.node[n, RULE] == len(rules.count) - 1


@inner
def exact_place(n, P, cells, trees, up):
    """Centre and scale of a leaf's integrand given the path, where its logarithm is a parabola."""
    o = trees.node[n, DEPTH]
    gradient, H = 0.0, 1.0
    for i in range(trees.node[n, FIRST], trees.node[n, LAST]):
        nu = cells.lin[i, 0]
        for b in range(o):
            nu += cells.D[i, b] * up[b]
        d = cells.D[i, o]
        if BENDS and cells.data[i, BENT] != 0.0:
            more, slope, _ = along_leaf(i, o, P, cells.D, up)
            nu += more
            d += slope
        t = dispatch.terms(
            cells.terms[cells.code[i]], cells.data[i, Y], cells.data[i, TRIALS], nu, cells.lin[i, 1], cells.lin[i, 2]
        )
        w = cells.data[i, WEIGHT]
        gradient += w * t[1] * d
        H += w * t[2] * d * d
    return gradient / H, 1.0 / math.sqrt(H)


@inner
def leaf_points(n, cells, trees, places, rules, up, du, points):
    """Points of a leaf, and the log integrand there without its cells; returns their centre and scale."""
    rule = trees.node[n, RULE]
    T = places.T[n]
    centre = places.m[n]
    for b in range(trees.node[n, DEPTH]):
        centre += places.G[n, b] * du[b]
    if BENDS and is_exact(n, len(du), cells, trees, rules):
        centre, T = exact_place(n, len(du), cells, trees, up)
    scale = math.log(T)
    for k in range(rules.count[rule]):
        u = centre + T * rules.z[rule, k]
        points[0, k] = u
        points[1, k] = rules.logw[rule, k] + scale - 0.5 * u * u
        points[2, k] = 1.0
    return centre, T


@inner
def along(nu, d, c, u):
    """ν at a point of a leaf."""
    return nu + (d + c * u) * u if BENDS else nu + d * u


@inner
def leaf_cells(n, cells, trees, rules, up, points, kept, moments):
    """Add the cells of a leaf to the log integrand at its points, and keep their derivatives."""
    o = trees.node[n, DEPTH]
    first = trees.node[n, FIRST]
    K = rules.count[trees.node[n, RULE]]
    u, log, factor = points[0], points[1], points[2]
    factors = 0
    T = cells.lin.shape[1] - 1
    after = 1 + T
    for i in range(first, trees.node[n, LAST]):
        nu = cells.lin[i, 0]
        for b in range(o):
            nu += cells.D[i, b] * up[b]
        d = cells.D[i, o]
        c = 0.0
        if BENDS and cells.data[i, BENT] != 0.0:
            more, slope, c = along_leaf(i, o, len(up), cells.D, up)
            nu += more
            d += slope
        w = cells.data[i, WEIGHT]
        y = cells.data[i, Y]
        terms = kept[i - first]
        if cells.code[i] == BINOMIAL_LOGIT and cells.data[i, TRIALS] == 1.0:
            for k in range(K):
                x, e, terms[S, k], curvature, _ = bernoulli_logit(y, along(nu, d, c, u[k]))
                if w == 1.0:
                    log[k] -= x
                    factor[k] *= 1.0 + e
                else:
                    log[k] -= w * (x + math.log1p(e))
                if moments == SECOND_DERIVATIVES:
                    terms[after, k] = curvature
            factors += 1
            if factors == FACTORS:
                factors = 0
                for k in range(K):
                    log[k] -= math.log(factor[k])
                    factor[k] = 1.0
        elif T > 2 and cells.own[cells.code[i]] == MANY:
            for k in range(K):
                if moments == VALUE:
                    point = (y, cells.data[i, TRIALS], along(nu, d, c, u[k]), cells.lin[i])
                    v, _ = call_value_of_any(cells.choice[ANY_VALUE], point)
                else:
                    wanted = 2 if moments == SECOND_DERIVATIVES else 0
                    at = terms[:, k]
                    arguments = (y, cells.data[i, TRIALS], along(nu, d, c, u[k]), cells.lin[i], at, at, at, wanted)
                    v, _, _ = call_terms_of_any(cells.choice[ANY_TERMS], arguments)
                log[k] += w * v
        elif cells.code[i] == MULTINOMIAL:
            if cells.data[i, TRIALS] > 0.0:
                for k in range(K):
                    up[o] = u[k]
                    points[3, k] = log_sum(cells.choice[LOG_SUM], (i, o, cells, up))
            for k in range(K):
                v, terms[S, k] = dispatch.value(
                    cells.value[cells.code[i]], y, cells.data[i, TRIALS], along(nu, d, c, u[k]), points[3, k], 0.0
                )
                log[k] += w * v
                if moments == SECOND_DERIVATIVES:
                    terms[after, k] = 0.0  # the information of a choice is that of its cells together
        elif cells.code[i] >= COMPOSITE:
            if cells.data[i, COUNT] > 0.0:
                for k in range(K):
                    up[o] = u[k]
                    if moments == VALUE:
                        log[k] += w * composite_value(cells.choice[SUM_VALUE], (i, o, cells, up))
                        continue
                    arguments = (i, o, cells, up, kept[i - first :, :, k], moments == SECOND_DERIVATIVES)
                    log[k] += w * composite_terms(cells.choice[SUM_TERMS], arguments)
        elif moments == SECOND_DERIVATIVES or (moments > VALUE and cells.own[cells.code[i]] > 0):
            for k in range(K):
                t = dispatch.terms(
                    cells.terms[cells.code[i]], y, cells.data[i, TRIALS], along(nu, d, c, u[k]),
                    cells.lin[i, 1], cells.lin[i, 2]
                )
                log[k] += w * t[0]
                terms[S, k], terms[G, k], terms[G + 1, k] = t[1], t[4], t[5]
                if moments == SECOND_DERIVATIVES:
                    terms[after, k], terms[after + 1, k], terms[after + 2, k] = t[2], t[6], t[7]
                    b = after + 1 + T
                    terms[b, k], terms[b + 1, k], terms[b + 2, k] = t[10], t[11], t[12]
        else:
            for k in range(K):
                v, terms[S, k] = dispatch.value(
                    cells.value[cells.code[i]], y, cells.data[i, TRIALS], along(nu, d, c, u[k]),
                    cells.lin[i, 1], cells.lin[i, 2]
                )
                log[k] += w * v
    for k in range(K):
        log[k] -= math.log(factor[k])
    return 0.0


@inner
def to_probabilities(log, K):
    """Turn logs into probabilities that sum to one; returns the log of their sum, −∞ if there is none."""
    top = -math.inf
    for k in range(K):
        top = max(top, log[k])
    if not top > -math.inf:
        return -math.inf
    mass = 0.0
    for k in range(K):
        log[k] = math.exp(log[k] - top)
        mass += log[k]
    for k in range(K):
        log[k] /= mass
    return top + math.log(mass)


@inner
def leaf(n, r0, n0, cells, trees, places, rules, sums, moments):
    """log F of a node without children; with `moments` also its rows of B, N and A at its own depth."""
    o = trees.node[n, DEPTH]
    first = trees.node[n, FIRST]
    rule = trees.node[n, RULE]
    K = rules.count[rule]
    P = len(sums.u)
    room = cells.lin.shape[1] - 1
    z = rules.z[rule]
    u, p = sums.points[0], sums.points[1]
    centre, T = leaf_points(n, cells, trees, places, rules, sums.u, sums.du, sums.points)
    call_leaf_cells(sums.kernels[LEAF_CELLS], (n, cells, trees, rules, sums.u, sums.points, sums.leaf, moments))
    logF = to_probabilities(p, K)
    if moments == VALUE or not logF > -math.inf:
        return logF
    A = sums.A[o]
    for b in range(o + 1):
        A[FIXED, b] = 0.0
    pull = 0.0
    for i in range(first, trees.node[n, LAST]):
        s = sums.leaf[i - first, S]
        e0 = 0.0
        ez = 0.0
        for k in range(K):
            x = p[k] * s[k]
            e0 += x
            ez += x * z[k]
        B = sums.B[o, i - r0]
        B[0] = e0
        B[1 + o] = centre * e0 + T * ez
        for a in range(count_own(cells.own[cells.code[i]], room)):
            g = 0.0
            for k in range(K):
                g += p[k] * sums.leaf[i - first, G + a, k]
            B[len(B) - room + a] = g
        w = cells.data[i, WEIGHT]
        for b in range(o + 1):
            A[FIXED, b] += w * e0 * cells.D[i, b]
        pull += w * ez * cells.D[i, o]
        if BENDS and cells.data[i, BENT] != 0.0:
            ezz = 0.0
            for k in range(K):
                ezz += p[k] * s[k] * z[k] * z[k]
            e1 = B[1 + o]
            last = pair(P, o, o)
            B[1 + last] = centre * centre * e0 + 2.0 * centre * T * ez + T * T * ezz
            # the slopes are linear in u_o: their mean times s is that at u_o = 0, and the rest
            sums.u[o] = 0.0
            slopes(i, o, P, cells.D, sums.u, sums.A[o, SLOPES])
            for b in range(o):
                A[FIXED, b] += w * (e0 * (sums.A[o, SLOPES, b] - cells.D[i, b]) + e1 * cells.D[i, pair(P, o, b)])
            A[FIXED, o] += w * (e0 * (sums.A[o, SLOPES, o] - cells.D[i, o]) + 2.0 * e1 * cells.D[i, last])
            pull += w * (ez * (sums.A[o, SLOPES, o] - cells.D[i, o]) + 2.0 * (centre * ez + T * ezz) * cells.D[i, last])
    if BENDS and moments == MOVING_POINTS and is_exact(n, P, cells, trees, rules):
        N = sums.N[o, n - n0]
        for b in range(o):
            N[2 + b] = 0.0
            A[MOVING, b] = A[FIXED, b]
        N[0], N[1] = 0.0, -1.0 / places.T[n]
    elif moments == MOVING_POINTS:
        mean = 0.0
        spread = 0.0
        for k in range(K):
            mean += p[k] * u[k]
            spread += p[k] * u[k] * z[k]
        A[FIXED, o] -= mean
        N = sums.N[o, n - n0]
        N[0] = A[FIXED, o]
        N[1] = pull - spread
        for b in range(o):
            N[2 + b] = A[FIXED, o] * sums.du[b]
            A[MOVING, b] = A[FIXED, b] + places.G[n, b] * A[FIXED, o]
    return logF


@inner
def scale_sums(n, r0, n0, trees, sums, x, moments):
    """Multiply what the points of a node have added up by x; 0 clears it, whatever was there."""
    o = trees.node[n, DEPTH]
    end = trees.node[n, END]
    for i in range(trees.node[n, FIRST] - r0, trees.node[end - 1, LAST] - r0):
        for b in range(sums.B.shape[2]):
            sums.B[o, i, b] = x * sums.B[o, i, b] if x > 0.0 else 0.0
    if moments == MOVING_POINTS:
        for j in range(n - n0, end - n0):
            for b in range(sums.N.shape[2]):
                sums.N[o, j, b] = x * sums.N[o, j, b] if x > 0.0 else 0.0
        for b in range(o + 1):
            sums.A[o, FIXED, b] = x * sums.A[o, FIXED, b] if x > 0.0 else 0.0
            sums.A[o, MOVING, b] = x * sums.A[o, MOVING, b] if x > 0.0 else 0.0


@inner
def own_cells(n, cells, trees, sums):
    """log density of the cells of an inner node at one point; their scores are kept, and their pull on the path."""
    o = trees.node[n, DEPTH]
    first = trees.node[n, FIRST]
    A = sums.A[o, FIXED_HERE]
    for b in range(o):
        A[b] = 0.0
    A[o] = -sums.u[o]
    total = 0.0
    L = 0.0
    for i in range(first, trees.node[n, LAST]):
        nu = cells.lin[i, 0]
        for b in range(o + 1):
            nu += cells.D[i, b] * sums.u[b]
        bent = BENDS and cells.data[i, BENT] != 0.0
        if BENDS and bent:
            nu += bend(i, o, len(sums.u), cells.D, sums.u)
        w = cells.data[i, WEIGHT]
        kept = sums.own[o, i - first]
        if len(kept) > 3 and cells.own[cells.code[i]] == MANY:
            at = sums.own[o, i - first, ::1]
            arguments = (cells.data[i, Y], cells.data[i, TRIALS], nu, cells.lin[i], at, at, at, 0)
            logf, _, _ = call_terms_of_any(cells.choice[ANY_TERMS], arguments)
            total += w * logf
        elif cells.code[i] >= COMPOSITE:
            if cells.data[i, COUNT] > 0.0:
                arguments = (i, o, cells, sums.u, sums.own[o, i - first :, ::1], False)
                total += w * composite_terms(cells.choice[SUM_TERMS], arguments)
        else:
            choice = cells.code[i] == MULTINOMIAL
            if choice and cells.data[i, TRIALS] > 0.0:
                L = log_sum(cells.choice[LOG_SUM], (i, o, cells, sums.u))
            t = dispatch.terms(
                cells.terms[cells.code[i]], cells.data[i, Y], cells.data[i, TRIALS], nu,
                L if choice else cells.lin[i, 1], cells.lin[i, 2]
            )
            total += w * t[0]
            kept[S], kept[G], kept[G + 1] = t[1], t[4], t[5]
            for a in range(3, len(kept)):
                kept[a] = 0.0
        if BENDS and bent:
            slopes(i, o, len(sums.u), cells.D, sums.u, sums.A[o, SLOPES])
            for b in range(o + 1):
                A[b] += w * kept[S] * sums.A[o, SLOPES, b]
        else:
            for b in range(o + 1):
                A[b] += w * kept[S] * cells.D[i, b]
    return total


@inner
def add_point(n, r0, n0, w, z, trees, sums, moments):
    """Add a point of an inner node, times w, to the sums of its subtree, which gain its coordinate."""
    o = trees.node[n, DEPTH]
    first = trees.node[n, FIRST]
    last = trees.node[n, LAST]
    end = trees.node[n, END]
    P = len(sums.u)
    W = sums.B.shape[2] - sums.own.shape[2]
    u = sums.u[o]
    for i in range(first, last):
        kept = sums.own[o, i - first]
        B = sums.B[o, i - r0]
        B[0] += w * kept[S]
        B[1 + o] += w * kept[S] * u
        for a in range(1, len(kept)):
            B[W + a] += w * kept[a]
        if BENDS and W > P:
            B[1 + pair(P, o, o)] += w * kept[S] * u * u
    for i in range(last - r0, trees.node[end - 1, LAST] - r0):
        B = sums.B[o, i]
        below = sums.B[o + 1, i]
        B[0] += w * below[0]
        B[1 + o] += w * below[0] * u
        for b in range(o + 2, len(B)):
            B[b] += w * below[b]
        if BENDS and W > P:
            B[1 + pair(P, o, o)] += w * below[0] * u * u
            for a in range(o + 1, P):
                B[1 + pair(P, a, o)] += w * below[1 + a] * u
    if moments == MOVING_POINTS:
        A = sums.A[o]
        for j in range(n + 1 - n0, end - n0):
            for b in range(P + 2):
                sums.N[o, j, b] += w * sums.N[o + 1, j, b]
        sums.N[o, n - n0, 0] += w * A[FIXED_HERE, o]
        sums.N[o, n - n0, 1] += w * A[MOVING_HERE, o] * z
        for b in range(o + 1):
            A[FIXED, b] += w * A[FIXED_HERE, b]
            A[MOVING, b] += w * A[MOVING_HERE, b]


@inner(signature=numba.float64(*_types()[NODE]))
def node(n, r0, n0, cells, trees, places, rules, sums, moments):
    """log F of node n given the path of its ancestors, in a tree that starts at node n0 and cell r0."""
    end = trees.node[n, END]
    if end == n + 1:
        return call_leaf(sums.kernels[LEAF], (n, r0, n0, cells, trees, places, rules, sums, moments))
    o = trees.node[n, DEPTH]
    rule = trees.node[n, RULE]
    A = sums.A[o]
    if moments > VALUE:
        scale_sums(n, r0, n0, trees, sums, 0.0, moments)
    drift = 0.0
    for b in range(o):
        drift += places.G[n, b] * sums.du[b]
    scale = math.log(places.T[n])
    top = -math.inf
    mass = 0.0
    for k in range(rules.count[rule]):
        z = rules.z[rule, k]
        sums.du[o] = drift + places.T[n] * z
        sums.u[o] = places.m[n] + sums.du[o]
        log = rules.logw[rule, k] + scale - 0.5 * sums.u[o] ** 2
        log += call_own_cells(sums.kernels[OWN_CELLS], (n, cells, trees, sums))
        for b in range(o + 1):
            A[MOVING_HERE, b] = A[FIXED_HERE, b]
        child = n + 1
        while child < end:
            w = trees.weight[child]
            log += w * node(child, r0, n0, cells, trees, places, rules, sums, moments)
            if moments == MOVING_POINTS:
                for b in range(o + 1):
                    A[FIXED_HERE, b] += w * sums.A[o + 1, FIXED, b]
                    A[MOVING_HERE, b] += w * sums.A[o + 1, MOVING, b]
            child = trees.node[child, END]
        if not log > -math.inf:
            continue
        if not log < top + SLACK:
            shrink = math.exp(top - log)
            mass *= shrink
            if moments > VALUE:
                scale_sums(n, r0, n0, trees, sums, shrink, moments)
            top = log
        w = math.exp(log - top)
        mass += w
        if moments > VALUE:
            add_point(n, r0, n0, w, z, trees, sums, moments)
    if not mass > 0.0:
        return -math.inf
    if moments > VALUE:
        scale_sums(n, r0, n0, trees, sums, 1.0 / mass, moments)
    if moments == MOVING_POINTS:
        for b in range(o):
            sums.N[o, n - n0, 2 + b] = A[MOVING, o] * sums.du[b]
            A[MOVING, b] += places.G[n, b] * A[MOVING, o]
    return top + math.log(mass)


@kernel
def integrate_units(lo, hi, roots, cells, trees, places, rules, sums, moments, placed, F, R, N):
    """log F of the units lo..hi and, with `moments`, R of their cells (times the weights above) and N of their nodes.

    F is −∞ where a unit's points could not be placed, or its integrand is not finite.
    """
    P = places.G.shape[1]
    width = cells.D.shape[1] + cells.lin.shape[1]
    for r in range(lo, hi):
        n0 = roots[r]
        end = trees.node[n0, END]
        r0 = trees.node[n0, FIRST]
        last = trees.node[end - 1, LAST]
        F[r] = -np.inf
        if not placed[r]:
            continue
        if moments > VALUE:
            # the entries of cells that do not reach the deepest level are never written
            for o in range(P):
                for i in range(last - r0):
                    for b in range(width):
                        sums.B[o, i, b] = 0.0
        logF = call_node(sums.kernels[NODE], (n0, r0, n0, cells, trees, places, rules, sums, moments))
        if not abs(logF) < np.inf:
            continue
        F[r] = logF
        if moments > VALUE:
            for n in range(n0, end):
                for i in range(trees.node[n, FIRST], trees.node[n, LAST]):
                    w = trees.share[n] * cells.data[i, WEIGHT]
                    for b in range(width):
                        R[i, b] = w * sums.B[0, i - r0, b]
                if moments == MOVING_POINTS:
                    for b in range(P + 2):
                        N[n, b] = sums.N[0, n - n0, b]
