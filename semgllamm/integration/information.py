"""Louis' information: the Hessian of the log-likelihood at fixed points, by one recursion over the tree.

With S = Σ_i w_i J_i' r_i(u) the score of the complete data, r_i = (s, s u_0, ..., s u_{P−1}, g1, g2, ...), and J_i
the derivatives of the cell's (f, d_0, ..., d_{P−1}, τ1, τ2, ...) in the parameters,

    −∂² log L = Σ_i w_i J_i' E[H_i] J_i − Var(S)        (Louis 1982),

          ⎡ ω (1,u)(1,u)'   −s_1 (1,u)   −s_2 (1,u) ⎤
    H_i = ⎢      ·            −h_11        −h_12    ⎥     everything given the responses.
          ⎣      ·              ·          −h_22    ⎦

Given its ancestors each node returns ES and VS of its subtree, by the law of total variance over its own points:

    t_k = Σ_{own cells} w_i J_i' r_i + Σ_{children} w_c ES_c,     VS = Var_k(t_k) + E_k[Σ_{children} w_c VS_c],

and the moments E[H_i] of its cells, which gain a coordinate on each step up: E[ω u_n ·] = E_k[u_k E[ω · | u_k]].

Of cells that products of latent variables bend, whose r_i and H_i have the u_a u_b too, J_i'H_i J_i is taken from VS
instead: on a leaf by powers of its coordinate, at inner nodes at each point.
The second derivatives of the map from parameters to (f, d, τ) are the caller's. The information of a choice
(choices.py), and what joins the cells of a composite link (composites.py), is taken from VS at each point instead: VS
then stands for Var(S) − E[complete-data information] of the answers of several cells below.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numba
import numpy as np

from semgllamm.integration.arrays import (
    ANY_TERMS,
    BENT,
    COUNT,
    DEPTH,
    END,
    FIRST,
    LAST,
    RULE,
    SUM_INFORMATION,
    SUM_TERMS,
    TRIALS,
    WEIGHT,
    G,
    S,
    Y,
    examples,
)
from semgllamm.integration.choices import INFORMATION, LOG_SUM, choice_information, log_sum
from semgllamm.integration.composites import composite_information, composite_terms
from semgllamm.integration.products import bend, engine, is_bent_copy
from semgllamm.responses import dispatch
from semgllamm.responses.adjacent import call_terms_of_any
from semgllamm.responses.contract import MANY
from semgllamm.responses.jit import inner, kernel
from semgllamm.responses.registry import COMPOSITE, MULTINOMIAL

__all__ = ["louis_units"]

BENDS = is_bent_copy(__name__)
ONE = np.int64(1)  # as a number of points: a literal would be a type of its own
_recursion = engine("recursion", BENDS)
SECOND_DERIVATIVES, SLACK = _recursion.SECOND_DERIVATIVES, _recursion.SLACK
count_own, to_probabilities = _recursion.count_own, _recursion.to_probabilities
call_leaf_cells, leaf_points = _recursion.call_leaf_cells, _recursion.leaf_points
# kernels that others call by their addresses, as in recursion.py
NODE, LEAF, LEAF_CELLS, OWN_CELLS = range(4)


class Sums(NamedTuple):
    """What the recursion adds up, a layer for each depth; parameters are counted among those of the tree."""

    u: np.ndarray  # (P,) the path
    du: np.ndarray  # (P,) u − m
    H: np.ndarray  # (P, cells, ·) E[H_i]: lower triangle of ω (1,u)(1,u)', then s_1 (1,u), ..., h_11, h_21, ...
    t: np.ndarray  # (P, p) t_k
    W: np.ndarray  # (P, p, p) Σ w_c VS_c at a point
    ES: np.ndarray  # (P, p)
    VS: np.ndarray  # (P, p, p) lower triangle
    at: np.ndarray  # (points, p) t_k of all points of a leaf
    own: np.ndarray  # (P, own cells, ·) derivatives of the cells of a node at one point
    leaf: np.ndarray  # (own cells, ·, points) the same at all points of a leaf
    points: np.ndarray  # (4, points) u, log integrand, factors under its logarithm, L of a choice
    place: np.ndarray  # (p,) number of a parameter among those of the tree, −1 if it is not
    number: np.ndarray  # (p,) the other way round
    mean: np.ndarray  # (2, p) room for an answer of several cells
    powers: np.ndarray  # (6, p) slopes of a bent cell by powers of a coordinate, then the same times moments of ω
    listed: np.ndarray  # (3, p) their parameters, those of a leaf's cells, and the place of each in a list, −1 if none
    kernels: np.ndarray  # (4,) their addresses


def layers(P: int, cells: int, own: int, points: int, p: int, T: int = 2) -> Sums:
    """Room for trees of at most so many cells, cells of a node, points of a rule, parameters, and own parameters."""
    return _layers(P, cells, own, points, p, T, addresses())


def _layers(P, cells, own, points, p, T, kernels):
    width = (P + 1) * (P + 2) // 2 + T * (P + 1) + T * (T + 1) // 2
    kept = 2 + 2 * T + T * (T + 1) // 2
    return Sums(
        np.zeros(P), np.zeros(P), np.zeros((P, cells, width)), np.zeros((P, p)), np.zeros((P, p, p)), np.zeros((P, p)),
        np.zeros((P, p, p)), np.zeros((points, p)), np.zeros((P, own, kept)),
        np.zeros((own, kept, points)), np.zeros((4, points)), np.full(p, -1), np.zeros(p, dtype=np.int64),
        np.zeros((2, p)), np.zeros((6, p)), np.full((3, p), -1), kernels,
    )  # fmt: skip


def _types() -> tuple[tuple, ...]:
    """The types of the arguments of `node`, `leaf` and `own_cells`."""
    i, (cells, trees, places, rules, jacobian) = numba.int64, map(numba.typeof, examples())
    sums = numba.typeof(_layers(0, 0, 0, 0, 0, 0, np.zeros(0, dtype=np.int64)))
    whole = (i, i, cells, trees, places, rules, jacobian, sums, i)
    return whole, whole, (i, cells, trees, jacobian, sums, i)


call_node, call_leaf, call_own_cells = (dispatch.caller(*arguments) for arguments in _types())


@cache
def addresses() -> np.ndarray:
    """Where `node`, `leaf`, recursion's `leaf_cells`, and `own_cells` are, (4,) int64; they are compiled first."""
    functions = node, leaf, own_cells
    found = [dispatch.native_address(function, types) for function, types in zip(functions, _types())]
    found.insert(LEAF_CELLS, _recursion.addresses()[_recursion.LEAF_CELLS])
    return np.array(found, dtype=np.int64)


@inner
def row(a):
    """Where row a of a lower triangle starts when its rows lie end to end."""
    return a * (a + 1) // 2


@inner
def _behind(cells, P):
    """Feature of τ1: those of D, which may be wider than P, are before it."""
    return cells.D.shape[1] + 1 if BENDS else P + 1


@inner
def power_means(p, x, u, K):
    """Means of x, x u and x u² over points with probabilities p."""
    e0, e1, e2 = 0.0, 0.0, 0.0
    for k in range(K):
        e = p[k] * x[k]
        e0 += e
        e *= u[k]
        e1 += e
        e2 += e * u[k]
    return e0, e1, e2


@inner
def leaf_moments(H, P, T, c, p, u, K, terms, own):
    """H = E[H_i] over the points of a leaf, as far as it concerns 1 and the leaf's coordinate c."""
    for b in range(len(H)):
        H[b] = 0.0
    H[0], H[row(c)], H[row(c) + c] = power_means(p, terms[1 + T], u, K)
    a = row(P + 1)
    for x in range(own):
        e0, e1, _ = power_means(p, terms[2 + T + x], u, K)
        H[a + x * (P + 1)] = -e0
        H[a + x * (P + 1) + c] = -e1
    a += T * (P + 1)
    for b in range(row(own)):
        e0, _, _ = power_means(p, terms[2 + 2 * T + b], u, K)
        H[a + b] = -e0


@inner
def add_moments(H, P, T, c, x, u, terms, own):
    """H += x H_i at one point, as far as it concerns 1 and the coordinate c, whose value is u."""
    w = x * terms[1 + T]
    H[0] += w
    H[row(c)] += u * w
    H[row(c) + c] += u * u * w
    a = row(P + 1)
    for y in range(own):
        H[a + y * (P + 1)] -= x * terms[2 + T + y]
        H[a + y * (P + 1) + c] -= x * u * terms[2 + T + y]
    a += T * (P + 1)
    for b in range(row(own)):
        H[a + b] -= x * terms[2 + 2 * T + b]


@inner
def lift_moments(H, below, P, T, c, deepest, x, u, own):
    """H += x E[H_i | u], which knows the coordinates beyond c, and now c too."""
    H[0] += x * below[0]
    H[row(c)] += x * u * below[0]
    H[row(c) + c] += x * u * u * below[0]
    for a in range(c + 1, deepest + 1):
        H[row(a)] += x * below[row(a)]
        H[row(a) + c] += x * u * below[row(a)]
        for b in range(c + 1, a + 1):
            H[row(a) + b] += x * below[row(a) + b]
    a = row(P + 1)
    for _ in range(own):
        H[a] += x * below[a]
        H[a + c] += x * u * below[a]
        for b in range(c + 1, deepest + 1):
            H[a + b] += x * below[a + b]
        a += P + 1
    a = row(P + 1) + T * (P + 1)
    for b in range(a, a + row(own)):
        H[b] += x * below[b]


@inner
def moment(H, P, T, x, y):
    """Entry of E[H_i] for features x ≥ y."""
    if x <= P:
        return H[row(x) + y]
    if y <= P:
        return H[row(P + 1) + (x - P - 1) * (P + 1) + y]
    return H[row(P + 1) + T * (P + 1) + row(x - P - 1) + (y - P - 1)]


@inner
def bent_slopes(i, o, P, jacobian, sums):
    """∂ν_i/∂ϑ of a bent cell, J_i'(1, u, uu), as a polynomial of degree 2 in u_o given the other coordinates.

    Fills the first rows of `powers` with the coefficients of 1, u_o and u_o², and the first of `listed` with the
    parameters; returns how many there are. With o = P the path is known to its end, and all is in the first row.
    """
    powers, listed = sums.powers, sums.listed
    m = 0
    for e in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
        x = jacobian.feature[e]
        if x > P + row(P):
            continue
        a = sums.place[jacobian.par[e]]
        k = listed[2, a]
        if k < 0:
            k = m
            m += 1
            listed[2, a] = k
            listed[0, k] = a
            powers[0, k], powers[1, k], powers[2, k] = 0.0, 0.0, 0.0
        value = jacobian.value[e]
        degree = 0
        if 0 < x <= P:
            if x - 1 == o:
                degree = 1
            else:
                value *= sums.u[x - 1]
        elif x > P:
            x -= P + 1
            c = 0
            while row(c + 1) <= x:
                c += 1
            if c == o:
                degree = 1
            else:
                value *= sums.u[c]
            if x - row(c) == o:
                degree += 1
            else:
                value *= sums.u[x - row(c)]
        powers[degree, k] += value
    for k in range(m):
        listed[2, listed[0, k]] = -1
    return m


@inner
def own_features(P):
    """Feature of τ1 where products bend some cells."""
    return P + row(P) + 1


@inner
def add_bent_score(i, w, P, terms, jacobian, sums, t, m):
    """t += w J_i'r_i of a bent cell at a point, whose slopes are in the first row of `powers`."""
    x = w * terms[S]
    for k in range(m):
        t[sums.listed[0, k]] += x * sums.powers[0, k]
    for e in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
        x = jacobian.feature[e] - own_features(P)
        if x >= 0:
            t[sums.place[jacobian.par[e]]] += w * jacobian.value[e] * terms[G + x]


@inner
def add_bent_scores(i, w, P, K, u, terms, jacobian, sums, m):
    """The same at all points of a leaf, where the slopes are polynomials in its coordinate u."""
    powers, at = sums.powers, sums.at
    for k in range(K):
        x = w * terms[S, k]
        for a in range(m):
            at[k, sums.listed[0, a]] += x * (powers[0, a] + u[k] * (powers[1, a] + u[k] * powers[2, a]))
    for e in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
        x = jacobian.feature[e] - own_features(P)
        if x >= 0:
            a = sums.place[jacobian.par[e]]
            for k in range(K):
                at[k, a] += w * jacobian.value[e] * terms[G + x, k]


@inner
def take_bent_information(i, w, P, T, K, p, u, terms, jacobian, sums, V, m):
    """V −= w J_i' E[H_i] J_i of a bent cell, by its lower triangle, over K points u with probabilities p.

    With g_a the slopes by powers of u, E[ω ∂ν ∂ν'] = Σ_a g_a h_a', h_a = Σ_b E[ω u^(a+b)] g_b.
    """
    powers, listed = sums.powers, sums.listed
    top = 0
    for k in range(m):
        if powers[2, k] != 0.0:
            top = 2
        elif powers[1, k] != 0.0:
            top = max(top, 1)
    for a in range(top + 1):
        for k in range(m):
            powers[3 + a, k] = 0.0
        for b in range(top + 1):
            e = 0.0
            for k in range(K):
                e += p[k] * terms[1 + T, k] * u[k] ** (a + b)
            for k in range(m):
                powers[3 + a, k] += w * e * powers[b, k]
    for k in range(m):
        for j in range(k + 1):
            x = 0.0
            for a in range(top + 1):
                x += powers[a, k] * powers[3 + a, j]
            V[max(listed[0, k], listed[0, j]), min(listed[0, k], listed[0, j])] -= x
    for e in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
        x = jacobian.feature[e] - own_features(P)
        if x < 0:
            continue
        a = sums.place[jacobian.par[e]]
        scale = w * jacobian.value[e]
        e0, e1, e2 = power_means(p, terms[2 + T + x], u, K)
        for k in range(m):
            b = listed[0, k]
            mean = e0 * powers[0, k] + e1 * powers[1, k] + e2 * powers[2, k]
            V[max(a, b), min(a, b)] += scale * mean * (2.0 if a == b else 1.0)
        for d in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
            y = jacobian.feature[d] - own_features(P)
            b = sums.place[jacobian.par[d]]
            if y >= 0 and b <= a:
                e0, _, _ = power_means(p, terms[2 + 2 * T + row(max(x, y)) + min(x, y)], u, K)
                V[a, b] += scale * jacobian.value[d] * e0


@inner
def parameters_of_leaf(first, last, jacobian, sums, q):
    """Fill the second row of `listed` with the parameters of these cells in ascending order; returns their number."""
    listed = sums.listed
    for e in range(jacobian.ptr[first], jacobian.ptr[last]):
        listed[2, sums.place[jacobian.par[e]]] = 0
    m = 0
    for a in range(q):
        if listed[2, a] >= 0:
            listed[2, a] = -1
            listed[1, m] = a
            m += 1
    return m


@inner
def spread_of_leaf(o, p, K, sums, few, q):
    """ES and VS of a leaf from t_k at its points, all but `few` of whose parameters are 0."""
    ES, VS, at, listed = sums.ES[o], sums.VS[o], sums.at, sums.listed[1]
    for a in range(q):
        ES[a] = 0.0
        for b in range(a + 1):
            VS[a, b] = 0.0
    for i in range(few):
        mean = 0.0
        for k in range(K):
            mean += p[k] * at[k, listed[i]]
        ES[listed[i]] = mean
        for k in range(K):
            at[k, listed[i]] -= mean
        for j in range(i + 1):
            x = 0.0
            for k in range(K):
                x += p[k] * at[k, listed[i]] * at[k, listed[j]]
            VS[listed[i], listed[j]] = x


@inner
def leaf(n, r0, cells, trees, places, rules, jacobian, sums, q):
    """log F of a node without children; its ES, VS and moments go to the layer of its depth."""
    o = trees.node[n, DEPTH]
    first = trees.node[n, FIRST]
    last = trees.node[n, LAST]
    K = rules.count[trees.node[n, RULE]]
    P = len(sums.u)
    T = cells.lin.shape[1] - 1
    leaf_points(n, cells, trees, places, rules, sums.u, sums.du, sums.points)
    arguments = (n, cells, trees, rules, sums.u, sums.points, sums.leaf, SECOND_DERIVATIVES)
    call_leaf_cells(sums.kernels[LEAF_CELLS], arguments)
    u, p = sums.points[0], sums.points[1]
    logF = to_probabilities(p, K)
    if not logF > -math.inf:
        return logF
    for k in range(K):
        for a in range(q):
            sums.at[k, a] = 0.0
    for i in range(first, last):
        terms = sums.leaf[i - first]
        if BENDS and cells.data[i, BENT] != 0.0:
            m = bent_slopes(i, o, P, jacobian, sums)
            add_bent_scores(i, cells.data[i, WEIGHT], P, K, u, terms, jacobian, sums, m)
            continue
        for e in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
            x = jacobian.feature[e]
            a = sums.place[jacobian.par[e]]
            scale = cells.data[i, WEIGHT] * jacobian.value[e]
            if x == o + 1:
                for k in range(K):
                    sums.at[k, a] += scale * terms[S, k] * u[k]
            elif x <= P:
                if x > 0:
                    scale *= sums.u[x - 1]
                for k in range(K):
                    sums.at[k, a] += scale * terms[S, k]
            else:
                for k in range(K):
                    sums.at[k, a] += scale * terms[G + x - _behind(cells, P), k]
        leaf_moments(sums.H[o, i - r0], P, T, o + 1, p, u, K, terms, count_own(cells.own[cells.code[i]], T))
    ES = sums.ES[o]
    VS = sums.VS[o]
    if BENDS:
        # products keep most parameters of a unit away from its leaf
        few = parameters_of_leaf(first, last, jacobian, sums, q)
        spread_of_leaf(o, p, K, sums, few, q)
    else:
        for a in range(q):
            ES[a] = 0.0
            for b in range(a + 1):
                VS[a, b] = 0.0
        for k in range(K):
            for a in range(q):
                ES[a] += p[k] * sums.at[k, a]
        for k in range(K):
            for a in range(q):
                sums.at[k, a] -= ES[a]
            for a in range(q):
                x = p[k] * sums.at[k, a]
                for b in range(a + 1):
                    VS[a, b] += x * sums.at[k, b]
    for i in range(first, last if BENDS else first):
        if BENDS and cells.data[i, BENT] != 0.0:
            m = bent_slopes(i, o, P, jacobian, sums)
            terms = sums.leaf[i - first]
            take_bent_information(i, cells.data[i, WEIGHT], P, T, K, p, u, terms, jacobian, sums, VS, m)
    for i in range(first, last if cells.choice[INFORMATION] != 0 else first):
        if cells.code[i] == MULTINOMIAL and cells.data[i, TRIALS] > 0.0:
            for k in range(K):
                sums.u[o] = u[k]
                s = sums.leaf[i - first :, S, k]
                w = p[k] * cells.data[i, WEIGHT]
                arguments = (i, w, s, sums.u, cells, jacobian, sums.place, sums.mean[0], q, VS)
                choice_information(cells.choice[INFORMATION], arguments)
    for i in range(first, last if cells.choice[SUM_INFORMATION] != 0 else first):
        if cells.code[i] >= COMPOSITE and cells.data[i, COUNT] > 0.0:
            for k in range(K):
                sums.u[o] = u[k]
                w, x = p[k] * cells.data[i, WEIGHT], sums.mean
                arguments = (i, o, w, sums.u, cells, jacobian, sums.place, x[0], x[1], q, VS)
                composite_information(cells.choice[SUM_INFORMATION], arguments)
    return logF


@inner
def scale_sums(n, r0, trees, sums, x, q):
    """Multiply what the points of a node have added up by x; 0 clears it, whatever was there."""
    o = trees.node[n, DEPTH]
    for a in range(q):
        sums.ES[o, a] = x * sums.ES[o, a] if x > 0.0 else 0.0
        for b in range(a + 1):
            sums.VS[o, a, b] = x * sums.VS[o, a, b] if x > 0.0 else 0.0
    for i in range(trees.node[n, FIRST] - r0, trees.node[trees.node[n, END] - 1, LAST] - r0):
        for b in range(sums.H.shape[2]):
            sums.H[o, i, b] = x * sums.H[o, i, b] if x > 0.0 else 0.0


@inner
def own_cells(n, cells, trees, jacobian, sums, q):
    """log density of the cells of an inner node at one point; their derivatives are kept, their score added to t."""
    o = trees.node[n, DEPTH]
    first = trees.node[n, FIRST]
    P = len(sums.u)
    T = cells.lin.shape[1] - 1
    t = sums.t[o]
    total = 0.0
    L = 0.0
    for i in range(first, trees.node[n, LAST]):
        nu = cells.lin[i, 0]
        for b in range(o + 1):
            nu += cells.D[i, b] * sums.u[b]
        bent = BENDS and cells.data[i, BENT] != 0.0
        if BENDS and bent:
            nu += bend(i, o, P, cells.D, sums.u)
        w = cells.data[i, WEIGHT]
        terms = sums.own[o, i - first]
        if T > 2 and cells.own[cells.code[i]] == MANY:
            at = sums.own[o, i - first, ::1]
            arguments = (cells.data[i, Y], cells.data[i, TRIALS], nu, cells.lin[i], at, at, at, 2)
            logf, _, _ = call_terms_of_any(cells.choice[ANY_TERMS], arguments)
            total += w * logf
        elif cells.code[i] >= COMPOSITE:
            if cells.data[i, COUNT] > 0.0:
                arguments = (i, o, cells, sums.u, sums.own[o, i - first :, ::1], True)
                total += w * composite_terms(cells.choice[SUM_TERMS], arguments)
        else:
            choice = cells.code[i] == MULTINOMIAL
            if choice and cells.data[i, TRIALS] > 0.0:
                L = log_sum(cells.choice[LOG_SUM], (i, o, cells, sums.u))
            c = dispatch.terms(
                cells.terms[cells.code[i]], cells.data[i, Y], cells.data[i, TRIALS], nu,
                L if choice else cells.lin[i, 1], cells.lin[i, 2]
            )
            total += w * c[0]
            terms[S], terms[G], terms[G + 1] = c[1], c[4], c[5]
            terms[1 + T], terms[2 + T], terms[3 + T] = c[2], c[6], c[7]
            b = 2 + 2 * T
            terms[b], terms[b + 1], terms[b + 2] = c[10], c[11], c[12]
        if BENDS and bent:
            m = bent_slopes(i, P, P, jacobian, sums)
            add_bent_score(i, w, P, terms, jacobian, sums, t, m)
            sums.points[2, 0], sums.points[0, 0] = 1.0, 0.0
            at_one = sums.own[o, i - first : i - first + 1].T
            arguments = (sums.points[2], sums.points[0], at_one)
            take_bent_information(i, w, P, T, ONE, *arguments, jacobian, sums, sums.W[o], m)
            continue
        for e in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
            x = jacobian.feature[e]
            r = terms[S] if x <= P else terms[G + x - _behind(cells, P)]
            if 0 < x <= P:
                r *= sums.u[x - 1]
            t[sums.place[jacobian.par[e]]] += w * jacobian.value[e] * r
    for i in range(first, trees.node[n, LAST] if cells.choice[INFORMATION] != 0 else first):
        if cells.code[i] == MULTINOMIAL:
            sums.own[o, i - first, 1 + T] = 0.0  # as in `leaf_cells`
        if cells.code[i] == MULTINOMIAL and cells.data[i, TRIALS] > 0.0:
            s = sums.own[o, i - first :, S]
            w = cells.data[i, WEIGHT]
            arguments = (i, w, s, sums.u, cells, jacobian, sums.place, sums.mean[0], q, sums.W[o])
            choice_information(cells.choice[INFORMATION], arguments)
    for i in range(first, trees.node[n, LAST] if cells.choice[SUM_INFORMATION] != 0 else first):
        if cells.code[i] >= COMPOSITE and cells.data[i, COUNT] > 0.0:
            w, x = cells.data[i, WEIGHT], sums.mean
            arguments = (i, o, w, sums.u, cells, jacobian, sums.place, x[0], x[1], q, sums.W[o])
            composite_information(cells.choice[SUM_INFORMATION], arguments)
    return total


@inner
def add_point(n, r0, w, cells, trees, sums, q):
    """Add a point of an inner node, times w, to the sums of its subtree, whose moments gain its coordinate."""
    o = trees.node[n, DEPTH]
    first = trees.node[n, FIRST]
    P = len(sums.u)
    T = cells.lin.shape[1] - 1
    u = sums.u[o]
    for a in range(q):
        x = w * sums.t[o, a]
        sums.ES[o, a] += x
        for b in range(a + 1):
            sums.VS[o, a, b] += w * sums.W[o, a, b] + x * sums.t[o, b]
    for i in range(first, trees.node[n, LAST]):
        own = count_own(cells.own[cells.code[i]], T)
        add_moments(sums.H[o, i - r0], P, T, o + 1, w, u, sums.own[o, i - first], own)
    for j in range(n + 1, trees.node[n, END]):
        deepest = trees.node[j, DEPTH] + 1
        for i in range(trees.node[j, FIRST], trees.node[j, LAST]):
            own = count_own(cells.own[cells.code[i]], T)
            lift_moments(sums.H[o, i - r0], sums.H[o + 1, i - r0], P, T, o + 1, deepest, w, u, own)


@inner(signature=numba.float64(*_types()[NODE]))
def node(n, r0, cells, trees, places, rules, jacobian, sums, q):
    """log F of node n given the path of its ancestors; its ES, VS and moments go to the layer of its depth."""
    end = trees.node[n, END]
    if end == n + 1:
        return call_leaf(sums.kernels[LEAF], (n, r0, cells, trees, places, rules, jacobian, sums, q))
    o = trees.node[n, DEPTH]
    rule = trees.node[n, RULE]
    scale_sums(n, r0, trees, sums, 0.0, q)
    drift = 0.0
    for b in range(o):
        drift += places.G[n, b] * sums.du[b]
    scale = math.log(places.T[n])
    top = -math.inf
    mass = 0.0
    for k in range(rules.count[rule]):
        sums.du[o] = drift + places.T[n] * rules.z[rule, k]
        sums.u[o] = places.m[n] + sums.du[o]
        for a in range(q):
            sums.t[o, a] = 0.0
            for b in range(a + 1):
                sums.W[o, a, b] = 0.0
        log = rules.logw[rule, k] + scale - 0.5 * sums.u[o] ** 2
        log += call_own_cells(sums.kernels[OWN_CELLS], (n, cells, trees, jacobian, sums, q))
        child = n + 1
        while child < end:
            w = trees.weight[child]
            log += w * node(child, r0, cells, trees, places, rules, jacobian, sums, q)
            for a in range(q):
                sums.t[o, a] += w * sums.ES[o + 1, a]
                for b in range(a + 1):
                    sums.W[o, a, b] += w * sums.VS[o + 1, a, b]
            child = trees.node[child, END]
        if not log > -math.inf:
            continue
        if not log < top + SLACK:
            shrink = math.exp(top - log)
            mass *= shrink
            scale_sums(n, r0, trees, sums, shrink, q)
            top = log
        w = math.exp(log - top)
        mass += w
        add_point(n, r0, w, cells, trees, sums, q)
    if not mass > 0.0:
        return -math.inf
    scale_sums(n, r0, trees, sums, 1.0 / mass, q)
    for a in range(q):
        for b in range(a + 1):
            sums.VS[o, a, b] -= sums.ES[o, a] * sums.ES[o, b]
    return top + math.log(mass)


@inner
def count_parameters(first, last, jacobian, sums):
    """Number the parameters on which the cells of a tree depend."""
    q = 0
    for e in range(jacobian.ptr[first], jacobian.ptr[last]):
        a = jacobian.par[e]
        if sums.place[a] < 0:
            sums.place[a] = q
            sums.number[q] = a
            q += 1
    return q


@inner
def add_complete_data(i, P, share, H, cells, jacobian, information):
    """information += share w_i J_i' E[H_i] J_i."""
    share *= cells.data[i, WEIGHT]
    T = cells.lin.shape[1] - 1
    for e in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
        for d in range(jacobian.ptr[i], e + 1):
            x = jacobian.feature[e]
            y = jacobian.feature[d]
            if BENDS:
                x -= cells.D.shape[1] - P if x > P else 0
                y -= cells.D.shape[1] - P if y > P else 0
            v = share * jacobian.value[e] * jacobian.value[d] * moment(H, P, T, max(x, y), min(x, y))
            information[jacobian.par[e], jacobian.par[d]] += v
            if d < e:
                information[jacobian.par[d], jacobian.par[e]] += v


@kernel
def louis_units(lo, hi, roots, cells, trees, places, rules, jacobian, sums, placed, F, score, information):
    """Add the scores and the information of the units lo..hi; F is −∞ where a unit has none."""
    for r in range(lo, hi):
        n0 = roots[r]
        n1 = trees.node[n0, END]
        r0 = trees.node[n0, FIRST]
        F[r] = -math.inf
        if not placed[r]:
            continue
        q = count_parameters(r0, trees.node[n1 - 1, LAST], jacobian, sums)
        logF = call_node(sums.kernels[NODE], (n0, r0, cells, trees, places, rules, jacobian, sums, q))
        for a in range(q):
            sums.place[sums.number[a]] = -1
        if not abs(logF) < math.inf:
            continue
        F[r] = logF
        w = trees.weight[n0]
        for a in range(q):
            i = sums.number[a]
            score[i] += w * sums.ES[0, a]
            for b in range(a + 1):
                j = sums.number[b]
                v = w * sums.VS[0, a, b]
                information[i, j] -= v
                if b < a:
                    information[j, i] -= v
        for n in range(n0, n1):
            for i in range(trees.node[n, FIRST], trees.node[n, LAST]):
                if not BENDS or cells.data[i, BENT] == 0.0:
                    H = sums.H[0, i - r0]
                    add_complete_data(i, len(sums.u), trees.share[n], H, cells, jacobian, information)
