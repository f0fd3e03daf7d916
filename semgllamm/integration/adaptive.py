"""Where the points go: joint mode and curvature of each unit, by a multifrontal Cholesky factorisation of its tree.

For the joint log density of the cells and coordinates of a tree, M_n is the front of its negative Hessian over
(ancestors, own coordinate),

    M_n = Σ_{own cells} w_i ω_i d_i d_i' + e_n e_n' + Σ_{children} w_c S_c,     S_n = M_aa − M_an M_na / H_n,
    H_n = (M_n)_nn,   G_n = −M_na / H_n,   T_n = H_n^{−1/2},   ω = −∂² log f/∂ν²,

leaves first. The same factors solve Newton's step for the joint mode m. The points of node n are then placed at
u_n = m_n + G_n (u_anc − m_anc) + T_n z: with one point everywhere this is exactly the joint Laplace approximation.
"""

from __future__ import annotations

import math

from semgllamm.integration.recursion import DEPTH, FIRST, LAST, PARENT, TRIALS, WEIGHT, Y
from semgllamm.responses import registry
from semgllamm.responses.jit import kernel

STEP_LIMIT = 2.0  # longest move of a coordinate (in prior standard deviations) in one step
CONVERGED = 1e-8
ITERATIONS = 200


@kernel
def fronts(n0, n1, code, cell, lin, D, tree, weight, m, T, G, M, g, path):
    """Fill G, T and the fronts M of a tree at m, and its gradient g eliminated; returns the joint log density."""
    density = 0.0
    for n in range(n0, n1):
        for a in range(tree[n, DEPTH] + 1):
            g[n, a] = 0.0
            for b in range(tree[n, DEPTH] + 1):
                M[n, a, b] = 0.0
    # cumulative weights turn each node's own log density into its share of the total
    for n in range(n1 - 1, n0 - 1, -1):
        o = tree[n, DEPTH]
        k = n
        share = 1.0
        while k >= n0:
            path[tree[k, DEPTH]] = m[k]
            if k > n0:
                share *= weight[k]
            k = tree[k, PARENT]
        M[n, o, o] += 1.0
        g[n, o] -= m[n]
        own = -0.5 * m[n] * m[n]
        for i in range(tree[n, FIRST], tree[n, LAST]):
            nu = lin[i, 0]
            for b in range(o + 1):
                nu += D[i, b] * path[b]
            t = registry.terms(code[i], cell[i, Y], cell[i, TRIALS], nu, lin[i, 1], lin[i, 2])
            w = cell[i, WEIGHT]
            own += w * t[0]
            for a in range(o + 1):
                g[n, a] += w * t[1] * D[i, a]
                x = w * t[2] * D[i, a]
                for b in range(a + 1):
                    M[n, a, b] += x * D[i, b]
        density += share * own
        for a in range(o + 1):
            for b in range(a):
                M[n, b, a] = M[n, a, b]
        H = M[n, o, o]
        T[n] = 1.0 / math.sqrt(H)
        for b in range(o):
            G[n, b] = -M[n, o, b] / H
        if o > 0:
            p = tree[n, PARENT]
            for a in range(o):
                g[p, a] += weight[n] * (g[n, a] + G[n, a] * g[n, o])
                # the lower triangle only: the parent mirrors it
                for b in range(a + 1):
                    M[p, a, b] += weight[n] * (M[n, a, b] + G[n, a] * M[n, o, b])
    return density


@kernel
def find_mode(n0, n1, code, cell, lin, D, tree, weight, m, T, G, M, g, step, path):
    """Newton's iterations for the joint mode of a tree, starting at m; returns whether they converged.

    One more step is taken after the step is below 1e-8, so that the mode carries no noise into finite differences.
    """
    last = False
    before = -math.inf
    moved = False
    for _ in range(ITERATIONS):
        density = fronts(n0, n1, code, cell, lin, D, tree, weight, m, T, G, M, g, path)
        if moved and not density >= before - 1e-9 * (1.0 + abs(before)):
            # overshot: halve the last step (the joint log density of log-concave responses has one mode)
            for n in range(n0, n1):
                step[n] *= 0.5
                m[n] -= step[n]
            continue
        before = density
        if last:
            return True
        longest = 0.0
        for n in range(n0, n1):
            s = g[n, tree[n, DEPTH]] / M[n, tree[n, DEPTH], tree[n, DEPTH]]
            k = tree[n, PARENT]
            while k >= n0:
                s += G[n, tree[k, DEPTH]] * step[k]
                k = tree[k, PARENT]
            step[n] = s
            longest = max(longest, abs(s))
        if not longest < math.inf:
            return False
        scale = 1.0 if longest < STEP_LIMIT else STEP_LIMIT / longest
        for n in range(n0, n1):
            step[n] *= scale
            m[n] += step[n]
        moved = longest > 1e-6
        last = longest < CONVERGED
    return False
