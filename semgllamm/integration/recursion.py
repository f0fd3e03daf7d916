"""The likelihood of a unit by recursion over its integration tree, and the moments that its score needs.

Each node n of the tree integrates one standard normal latent coordinate u_n given its ancestors,

    F_n(anc) = ∫ φ(u_n) Π_{own cells} f(y_i | ν_i)^{w_i} Π_{children} F_c(anc, u_n)^{w_c} du_n,
    ν_i = f_i + Σ_{a on the path} d_ia u_a,        log L = Σ_roots w log F,

with nodes at u_n = m_n + G_n (u_anc − m_anc) + T_n z and all sums in logs. Several latent variables of one unit are
a chain of such nodes, which places the points exactly as a product rule turned by the Cholesky factor of the
joint curvature does, and lets a response stop at the deepest variable that it depends on.

With `moments` set, the posterior means over the points are accumulated on the way up:
    B_i  = E[s_i], E[s_i u_a] for a on the path, E[∂log f/∂τ_1], E[∂log f/∂τ_2]          (Fisher's identity)
    N_n  = a = E[∂ log g/∂u_n],  T̄ = E[δ z],  Ḡ = E[δ (u_anc − m_anc)]
with δ = ∂ log g/∂u_n along the moves of the descendants' nodes; they feed the total derivative (score.py).
"""

from __future__ import annotations

import math

from numba import float64 as f8
from numba import int64 as i8

from semgllamm.responses import registry
from semgllamm.responses.jit import kernel

# columns of the integer table of nodes
DEPTH, PARENT, FIRST, LAST, END, RULE = range(6)
# columns of the table of cells
Y, TRIALS, WEIGHT = range(3)

LOGIT = 1  # the registry's code of the binomial logit, which has the leaf's fast path
FACTORS = 500  # factors 1 + exp(−|ν|) ≤ 2 multiplied before a logarithm is taken

i1, i2 = i8[::1], i8[:, ::1]
f1, f2, f3 = f8[::1], f8[:, ::1], f8[:, :, ::1]


@kernel
def leaf(n, code, cell, lin, D, own, tree, m, T, G, count, Z, LW, up, dl, B, N, A, S, moments, r0, n0):
    """log F of a node without children; with `moments` also its rows of B, N and A at its own depth."""
    o = tree[n, DEPTH]
    first = tree[n, FIRST]
    last = tree[n, LAST]
    rule = tree[n, RULE]
    K = count[rule]
    centre = m[n]
    for b in range(o):
        centre += G[n, b] * dl[b]
    # S[0]: scores, S[1], S[2]: derivatives in own parameters, S[3, 0]: log weights, S[3, 1]: predictors without u_n
    for i in range(first, last):
        nu = lin[i, 0]
        for b in range(o):
            nu += D[i, b] * up[b]
        S[4, 0, i - first] = nu
    top = -math.inf
    for k in range(K):
        u = centre + T[n] * Z[rule, k]
        total = LW[rule, k] + math.log(T[n]) - 0.5 * u * u
        product = 1.0
        factors = 0
        for i in range(first, last):
            j = i - first
            nu = S[4, 0, j] + D[i, o] * u
            w = cell[i, WEIGHT]
            if code[i] == LOGIT and cell[i, TRIALS] == 1.0:
                e = math.exp(-abs(nu))
                p = 1.0 / (1.0 + e)
                if nu < 0.0:
                    p = 1.0 - p if e > 0.5 else e / (1.0 + e)
                if cell[i, Y] > 0.5:
                    total += w * min(nu, 0.0)
                    S[0, k, j] = 1.0 - p if nu < 0.0 else e / (1.0 + e)
                else:
                    total -= w * max(nu, 0.0)
                    S[0, k, j] = -p
                if w == 1.0:
                    product *= 1.0 + e
                    factors += 1
                    if factors == FACTORS:
                        total -= math.log(product)
                        product = 1.0
                        factors = 0
                else:
                    total -= w * math.log1p(e)
            elif moments and own[code[i]] > 0:
                t = registry.terms(code[i], cell[i, Y], cell[i, TRIALS], nu, lin[i, 1], lin[i, 2])
                total += w * t[0]
                S[0, k, j] = t[1]
                S[1, k, j] = t[4]
                S[2, k, j] = t[5]
            else:
                v, s = registry.value(code[i], cell[i, Y], cell[i, TRIALS], nu, lin[i, 1], lin[i, 2])
                total += w * v
                S[0, k, j] = s
        if factors > 0:
            total -= math.log(product)
        S[3, 0, k] = total
        top = max(top, total)
    if not top > -math.inf:
        return -math.inf
    mass = 0.0
    for k in range(K):
        S[3, 0, k] = math.exp(S[3, 0, k] - top)
        mass += S[3, 0, k]
    if moments:
        mean = 0.0
        spread = 0.0
        for k in range(K):
            S[3, 0, k] /= mass
            u = centre + T[n] * Z[rule, k]
            mean += S[3, 0, k] * u
            spread += S[3, 0, k] * u * Z[rule, k]
        for b in range(o + 1):
            A[o, 0, b] = 0.0
        pull = 0.0
        for i in range(first, last):
            j = i - first
            e0 = 0.0
            ez = 0.0
            for k in range(K):
                x = S[3, 0, k] * S[0, k, j]
                e0 += x
                ez += x * Z[rule, k]
            row = i - r0
            B[o, row, 0] = e0
            B[o, row, 1 + o] = centre * e0 + T[n] * ez
            if own[code[i]] > 0:
                g1 = 0.0
                g2 = 0.0
                for k in range(K):
                    g1 += S[3, 0, k] * S[1, k, j]
                    g2 += S[3, 0, k] * S[2, k, j]
                B[o, row, B.shape[2] - 2] = g1
                B[o, row, B.shape[2] - 1] = g2
            w = cell[i, WEIGHT]
            for b in range(o + 1):
                A[o, 0, b] += w * e0 * D[i, b]
            pull += w * ez * D[i, o]
        A[o, 0, o] -= mean
        N[o, n - n0, 0] = A[o, 0, o]
        N[o, n - n0, 1] = pull - spread
        for b in range(o):
            N[o, n - n0, 2 + b] = A[o, 0, o] * dl[b]
            A[o, 1, b] = A[o, 0, b] + G[n, b] * A[o, 0, o]
    return top + math.log(mass)


SIGNATURE = f8(
    i8, i1, f2, f2, f2, i1, i2, f1, f1, f1, f2, i1, f2, f2, f1, f1, f3, f3, f3, f3, i8, i8, i8
)  # fmt: skip


@kernel(signature=SIGNATURE)
def node(n, code, cell, lin, D, own, tree, weight, m, T, G, count, Z, LW, up, dl, B, N, A, S, moments, r0, n0):
    """log F of node n given the path values `up` (and `dl` = up − mode) of its ancestors."""
    if tree[n, END] == n + 1:
        return leaf(n, code, cell, lin, D, own, tree, m, T, G, count, Z, LW, up, dl, B, N, A, S, moments, r0, n0)
    o = tree[n, DEPTH]
    first = tree[n, FIRST]
    last = tree[n, LAST]
    end = tree[n, END]
    final = tree[end - 1, LAST]
    rule = tree[n, RULE]
    width = B.shape[2]
    if moments:
        for i in range(first - r0, final - r0):
            for b in range(width):
                B[o, i, b] = 0.0
        for j in range(n - n0, end - n0):
            for b in range(N.shape[2]):
                N[o, j, b] = 0.0
        for b in range(o + 1):
            A[o, 0, b] = 0.0
            A[o, 1, b] = 0.0
    top = -math.inf
    mass = 0.0
    for k in range(count[rule]):
        step = T[n] * Z[rule, k]
        for b in range(o):
            step += G[n, b] * dl[b]
        dl[o] = step
        up[o] = m[n] + step
        total = LW[rule, k] + math.log(T[n]) - 0.5 * up[o] * up[o]
        if moments:
            for b in range(o + 1):
                A[o, 2, b] = 0.0
        for i in range(first, last):
            nu = lin[i, 0]
            for b in range(o + 1):
                nu += D[i, b] * up[b]
            t = registry.terms(code[i], cell[i, Y], cell[i, TRIALS], nu, lin[i, 1], lin[i, 2])
            total += cell[i, WEIGHT] * t[0]
            if moments:
                S[5, o, i - first] = t[1]
                S[6, o, i - first] = t[4]
                S[7, o, i - first] = t[5]
                for b in range(o + 1):
                    A[o, 2, b] += cell[i, WEIGHT] * t[1] * D[i, b]
        if moments:
            A[o, 2, o] -= up[o]
            for b in range(o + 1):
                A[o, 3, b] = A[o, 2, b]
        c = n + 1
        while c < end:
            total += weight[c] * node(
                c, code, cell, lin, D, own, tree, weight, m, T, G, count, Z, LW, up, dl, B, N, A, S, moments, r0, n0
            )
            if moments:
                for b in range(o + 1):
                    A[o, 2, b] += weight[c] * A[o + 1, 0, b]
                    A[o, 3, b] += weight[c] * A[o + 1, 1, b]
            c = tree[c, END]
        if not total > -math.inf:
            continue
        if total > top:
            shrink = math.exp(top - total)
            mass *= shrink
            top = total
            if moments:
                for i in range(first - r0, final - r0):
                    for b in range(width):
                        B[o, i, b] *= shrink
                for j in range(n - n0, end - n0):
                    for b in range(N.shape[2]):
                        N[o, j, b] *= shrink
                for b in range(o + 1):
                    A[o, 0, b] *= shrink
                    A[o, 1, b] *= shrink
        w = math.exp(total - top)
        mass += w
        if moments:
            for i in range(first, last):
                x = w * S[5, o, i - first]
                B[o, i - r0, 0] += x
                B[o, i - r0, 1 + o] += x * up[o]
                B[o, i - r0, width - 2] += w * S[6, o, i - first]
                B[o, i - r0, width - 1] += w * S[7, o, i - first]
            for i in range(last - r0, final - r0):
                x = w * B[o + 1, i, 0]
                B[o, i, 0] += x
                B[o, i, 1 + o] += x * up[o]
                for b in range(o + 2, width):
                    B[o, i, b] += w * B[o + 1, i, b]
            for j in range(n + 1 - n0, end - n0):
                for b in range(N.shape[2]):
                    N[o, j, b] += w * N[o + 1, j, b]
            N[o, n - n0, 0] += w * A[o, 2, o]
            N[o, n - n0, 1] += w * A[o, 3, o] * Z[rule, k]
            for b in range(o + 1):
                A[o, 0, b] += w * A[o, 2, b]
                A[o, 1, b] += w * A[o, 3, b]
    if mass == 0.0:
        return -math.inf
    if moments:
        for i in range(first - r0, final - r0):
            for b in range(width):
                B[o, i, b] /= mass
        for j in range(n - n0, end - n0):
            for b in range(N.shape[2]):
                N[o, j, b] /= mass
        for b in range(o + 1):
            A[o, 0, b] /= mass
            A[o, 1, b] /= mass
        for b in range(o):
            N[o, n - n0, 2 + b] = A[o, 1, o] * dl[b]
            A[o, 1, b] += G[n, b] * A[o, 1, o]
    return top + math.log(mass)
