"""Louis' information: the Hessian of the log-likelihood at fixed points, by one recursion over the tree.

With S = Σ_i w_i J_i' r_i(u) the score of the complete data, r_i = (s, s u_0, ..., s u_{P−1}, g1, g2), and J_i the
derivatives of the cell's (f, d_0, ..., d_{P−1}, τ1, τ2) in the parameters,

    −∂² log L = Σ_i w_i J_i' E[H_i] J_i − Var(S)        (Louis 1982),

          ⎡ ω (1,u)(1,u)'   −s_1 (1,u)   −s_2 (1,u) ⎤
    H_i = ⎢      ·            −h_11        −h_12    ⎥     everything given the responses.
          ⎣      ·              ·          −h_22    ⎦

Given its ancestors each node returns ES and VS of its subtree, by the law of total variance over its own points:

    t_k = Σ_{own cells} w_i J_i' r_i + Σ_{children} w_c ES_c,     VS = Var_k(t_k) + E_k[Σ_{children} w_c VS_c],

and the moments E[H_i] of its cells, which gain a coordinate on each step up: E[ω u_n ·] = E_k[u_k E[ω · | u_k]].
The second derivatives of the map from parameters to (f, d, τ) are the caller's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from semgllamm.integration.arrays import DEPTH, END, FIRST, LAST, RULE, TRIALS, WEIGHT, Y, examples
from semgllamm.integration.recursion import (
    G1,
    G2,
    H11,
    H12,
    H22,
    S1,
    S2,
    SECOND_DERIVATIVES,
    SLACK,
    S,
    W,
    leaf_cells,
    leaf_points,
    to_probabilities,
)
from semgllamm.responses import registry
from semgllamm.responses.jit import kernel

__all__ = ["louis_units"]


class Sums(NamedTuple):
    """What the recursion adds up, a layer for each depth; parameters are counted among those of the tree."""

    u: np.ndarray  # (P,) the path
    du: np.ndarray  # (P,) u − m
    H: np.ndarray  # (P, cells, ·) E[H_i]: lower triangle of ω (1,u)(1,u)', then s_1 (1,u), s_2 (1,u), h_11, h_12, h_22
    t: np.ndarray  # (P, p) t_k
    W: np.ndarray  # (P, p, p) Σ w_c VS_c at a point
    ES: np.ndarray  # (P, p)
    VS: np.ndarray  # (P, p, p) lower triangle
    at: np.ndarray  # (points, p) t_k of all points of a leaf
    own: np.ndarray  # (P, own cells, 9) derivatives of the cells of a node at one point
    leaf: np.ndarray  # (own cells, 9, points) the same at all points of a leaf
    points: np.ndarray  # (3, points) u, log integrand, factors under its logarithm
    place: np.ndarray  # (p,) number of a parameter among those of the tree, −1 if it is not
    number: np.ndarray  # (p,) the other way round


def layers(P: int, cells: int, own: int, points: int, p: int) -> Sums:
    """Room for trees of at most so many cells, so many cells of a node, points of a rule, and parameters."""
    width = (P + 1) * (P + 2) // 2 + 2 * (P + 1) + 3
    return Sums(
        np.zeros(P), np.zeros(P), np.zeros((P, cells, width)), np.zeros((P, p)), np.zeros((P, p, p)), np.zeros((P, p)),
        np.zeros((P, p, p)), np.zeros((points, p)), np.zeros((P, own, 9)),
        np.zeros((own, 9, points)), np.zeros((3, points)), np.full(p, -1), np.zeros(p, dtype=np.int64),
    )  # fmt: skip


@kernel
def row(a):
    """Where row a of a lower triangle starts when its rows lie end to end."""
    return a * (a + 1) // 2


@kernel
def add_moments(H, P, c, x, u, w, s1, s2, h11, h12, h22, own):
    """H += x H_i, as far as it concerns 1 and the coordinate c, whose value is u."""
    H[0] += x * w
    H[row(c)] += x * u * w
    H[row(c) + c] += x * u * u * w
    if own > 0:
        a = row(P + 1)
        H[a] -= x * s1
        H[a + c] -= x * u * s1
        H[a + P + 1] -= x * s2
        H[a + P + 1 + c] -= x * u * s2
        b = a + 2 * P + 2
        H[b] -= x * h11
        H[b + 1] -= x * h12
        H[b + 2] -= x * h22


@kernel
def lift_moments(H, below, P, c, deepest, x, u, own):
    """H += x E[H_i | u], which knows the coordinates beyond c, and now c too."""
    H[0] += x * below[0]
    H[row(c)] += x * u * below[0]
    H[row(c) + c] += x * u * u * below[0]
    for a in range(c + 1, deepest + 1):
        H[row(a)] += x * below[row(a)]
        H[row(a) + c] += x * u * below[row(a)]
        for b in range(c + 1, a + 1):
            H[row(a) + b] += x * below[row(a) + b]
    if own > 0:
        a = row(P + 1)
        for _ in range(2):
            H[a] += x * below[a]
            H[a + c] += x * u * below[a]
            for b in range(c + 1, deepest + 1):
                H[a + b] += x * below[a + b]
            a += P + 1
        for b in range(a, a + 3):
            H[b] += x * below[b]


@kernel
def moment(H, P, x, y):
    """Entry of E[H_i] for features x ≥ y."""
    if x <= P:
        return H[row(x) + y]
    if y <= P:
        return H[row(P + 1) + (x - P - 1) * (P + 1) + y]
    return H[row(P + 1) + 2 * (P + 1) + (x - P - 1) + (y - P - 1)]


@kernel
def leaf(n, r0, cells, trees, places, rules, jacobian, sums, q):
    """log F of a node without children; its ES, VS and moments go to the layer of its depth."""
    o = trees.node[n, DEPTH]
    first = trees.node[n, FIRST]
    last = trees.node[n, LAST]
    K = rules.count[trees.node[n, RULE]]
    P = cells.D.shape[1]
    leaf_points(n, trees, places, rules, sums.du, sums.points)
    leaf_cells(n, cells, trees, rules, sums.u, sums.points, sums.leaf, SECOND_DERIVATIVES)
    u, p = sums.points[0], sums.points[1]
    logF = to_probabilities(p, K)
    if not logF > -math.inf:
        return logF
    for k in range(K):
        for a in range(q):
            sums.at[k, a] = 0.0
    for i in range(first, last):
        terms = sums.leaf[i - first]
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
                    sums.at[k, a] += scale * terms[G1 + x - P - 1, k]
        H = sums.H[o, i - r0]
        for b in range(len(H)):
            H[b] = 0.0
        for k in range(K):
            add_moments(
                H, P, o + 1, p[k], u[k], terms[W, k], terms[S1, k], terms[S2, k], terms[H11, k], terms[H12, k],
                terms[H22, k], cells.own[cells.code[i]],
            )  # fmt: skip
    ES = sums.ES[o]
    VS = sums.VS[o]
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
    return logF


def _signature():
    cells, trees, places, rules, jacobian = examples()
    arguments = (0, 0, cells, trees, places, rules, jacobian, layers(0, 0, 0, 0, 0), 0)
    return numba.float64(*(numba.typeof(argument) for argument in arguments))


@kernel(signature=_signature())
def node(n, r0, cells, trees, places, rules, jacobian, sums, q):
    """log F of node n given the path of its ancestors; its ES, VS and moments go to the layer of its depth."""
    end = trees.node[n, END]
    if end == n + 1:
        return leaf(n, r0, cells, trees, places, rules, jacobian, sums, q)
    o = trees.node[n, DEPTH]
    first = trees.node[n, FIRST]
    last = trees.node[n, LAST]
    rule = trees.node[n, RULE]
    P = cells.D.shape[1]
    t = sums.t[o]
    inner = sums.W[o]
    ES = sums.ES[o]
    VS = sums.VS[o]
    for a in range(q):
        ES[a] = 0.0
        for b in range(a + 1):
            VS[a, b] = 0.0
    for i in range(first - r0, trees.node[end - 1, LAST] - r0):
        for b in range(sums.H.shape[2]):
            sums.H[o, i, b] = 0.0
    top = -math.inf
    mass = 0.0
    for k in range(rules.count[rule]):
        step = places.T[n] * rules.z[rule, k]
        for b in range(o):
            step += places.G[n, b] * sums.du[b]
        sums.du[o] = step
        u = places.m[n] + step
        sums.u[o] = u
        total = rules.logw[rule, k] + math.log(places.T[n]) - 0.5 * u * u
        for a in range(q):
            t[a] = 0.0
            for b in range(a + 1):
                inner[a, b] = 0.0
        for i in range(first, last):
            nu = cells.lin[i, 0]
            for b in range(o + 1):
                nu += cells.D[i, b] * sums.u[b]
            c = registry.terms(
                cells.code[i], cells.data[i, Y], cells.data[i, TRIALS], nu, cells.lin[i, 1], cells.lin[i, 2]
            )
            w = cells.data[i, WEIGHT]
            total += w * c[0]
            terms = sums.own[o, i - first]
            terms[S], terms[W], terms[G1], terms[G2], terms[S1], terms[S2] = c[1], c[2], c[4], c[5], c[6], c[7]
            terms[H11], terms[H12], terms[H22] = c[10], c[11], c[12]
            for e in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
                x = jacobian.feature[e]
                scale = w * jacobian.value[e]
                if x == 0:
                    t[sums.place[jacobian.par[e]]] += scale * c[1]
                elif x <= P:
                    t[sums.place[jacobian.par[e]]] += scale * c[1] * sums.u[x - 1]
                else:
                    t[sums.place[jacobian.par[e]]] += scale * terms[G1 + x - P - 1]
        child = n + 1
        while child < end:
            w = trees.weight[child]
            total += w * node(child, r0, cells, trees, places, rules, jacobian, sums, q)
            for a in range(q):
                t[a] += w * sums.ES[o + 1, a]
                for b in range(a + 1):
                    inner[a, b] += w * sums.VS[o + 1, a, b]
            child = trees.node[child, END]
        if not total > -math.inf:
            continue
        if not total < top + SLACK:
            shrink = math.exp(top - total)
            mass *= shrink
            top = total
            for a in range(q):
                ES[a] *= shrink
                for b in range(a + 1):
                    VS[a, b] *= shrink
            for i in range(first - r0, trees.node[end - 1, LAST] - r0):
                for b in range(sums.H.shape[2]):
                    sums.H[o, i, b] *= shrink
        w = math.exp(total - top)
        mass += w
        for a in range(q):
            x = w * t[a]
            ES[a] += x
            for b in range(a + 1):
                VS[a, b] += w * inner[a, b] + x * t[b]
        for i in range(first, last):
            terms = sums.own[o, i - first]
            add_moments(
                sums.H[o, i - r0], P, o + 1, w, u, terms[W], terms[S1], terms[S2], terms[H11], terms[H12], terms[H22],
                cells.own[cells.code[i]],
            )  # fmt: skip
        for j in range(n + 1, end):
            for i in range(trees.node[j, FIRST], trees.node[j, LAST]):
                lift_moments(
                    sums.H[o, i - r0], sums.H[o + 1, i - r0], P, o + 1, trees.node[j, DEPTH] + 1, w, u,
                    cells.own[cells.code[i]],
                )  # fmt: skip
    if not mass > 0.0:
        return -math.inf
    for a in range(q):
        ES[a] /= mass
        for b in range(a + 1):
            VS[a, b] = VS[a, b] / mass - ES[a] * ES[b]
    for i in range(first - r0, trees.node[end - 1, LAST] - r0):
        for b in range(sums.H.shape[2]):
            sums.H[o, i, b] /= mass
    return top + math.log(mass)


@kernel
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


@kernel
def add_complete_data(i, share, H, cells, jacobian, information):
    """information += share w_i J_i' E[H_i] J_i."""
    share *= cells.data[i, WEIGHT]
    P = cells.D.shape[1]
    for e in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
        for d in range(jacobian.ptr[i], e + 1):
            x = jacobian.feature[e]
            y = jacobian.feature[d]
            v = share * jacobian.value[e] * jacobian.value[d] * moment(H, P, max(x, y), min(x, y))
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
        logF = node(n0, r0, cells, trees, places, rules, jacobian, sums, q)
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
                add_complete_data(i, trees.share[n], sums.H[0, i - r0], cells, jacobian, information)
