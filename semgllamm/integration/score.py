"""The total derivative of log L: what the moving points add to the posterior means of the scores.

log L depends on f, d and τ of its cells directly (Fisher's identity, recursion.py) and through the mode m, G and T of
every node. With the adjoints N_n = (a, T̄, Ḡ) of the nodes, from the root down:

    H̄_n = −½ T³ T̄ − ½ T² − Ḡ'G + G'S̄G,   M̄_na = S̄ G − ½ Ḡ/H,   M̄_aa = S̄ = w_n M̄_parent;
    ω̄_i = w_i d'M̄d,   d̄_i += 2 w_i ω M̄d,   ν̄_i = ω' ω̄_i (and τ̄ likewise);

then v solves H v = a + Σ ν̄_i d_i with the same factors, and the mode's implicit derivative adds
f̄_i += ν̄_i − w_i ω d'v and d̄_i += ν̄_i m + w_i (s v − ω (d'v) m).
"""

from __future__ import annotations

from semgllamm.integration.recursion import DEPTH, FIRST, LAST, PARENT, TRIALS, WEIGHT, Y
from semgllamm.responses import registry
from semgllamm.responses.jit import kernel


@kernel
def weigh(n0, n1, cell, tree, share, B, R):
    """R of each cell: its posterior moments times all the weights above it (nothing moves)."""
    for n in range(n0, n1):
        for i in range(tree[n, FIRST], tree[n, LAST]):
            w = share[n] * cell[i, WEIGHT]
            for b in range(R.shape[1]):
                R[i, b] = w * B[i - tree[n0, FIRST], b]


@kernel
def follow_points(n0, n1, code, cell, lin, D, tree, weight, share, m, T, G, M, N, R, g, v, path, vpath):
    """Add to R (rows: f̄, d̄, τ̄) the derivative through modes and scales. M is overwritten by its adjoint."""
    tau = R.shape[1] - 2
    for n in range(n0, n1):
        o = tree[n, DEPTH]
        j = n - n0
        p = tree[n, PARENT]
        H = M[n, o, o]
        Hbar = share[n] * (-0.5 * T[n] ** 3 * N[j, 1] - 0.5 / H)
        for a in range(o):
            Gbar = share[n] * N[j, 2 + a]
            Hbar -= Gbar * G[n, a] / H
            SG = 0.0
            for b in range(o):
                SG += weight[n] * M[p, a, b] * G[n, b]
            Hbar += SG * G[n, a]
            M[n, o, a] = SG - 0.5 * Gbar / H
            M[n, a, o] = M[n, o, a]
            for b in range(o):
                M[n, a, b] = weight[n] * M[p, a, b]
        M[n, o, o] = Hbar
        v[n] = H  # kept for the solve below
    for n in range(n0, n1):
        for a in range(tree[n, DEPTH] + 1):
            g[n, a] = 0.0
    for n in range(n1 - 1, n0 - 1, -1):
        o = tree[n, DEPTH]
        k = n
        while k >= n0:
            path[tree[k, DEPTH]] = m[k]
            k = tree[k, PARENT]
        g[n, o] += share[n] * N[n - n0, 0]
        for i in range(tree[n, FIRST], tree[n, LAST]):
            nu = lin[i, 0]
            for b in range(o + 1):
                nu += D[i, b] * path[b]
            t = registry.terms(code[i], cell[i, Y], cell[i, TRIALS], nu, lin[i, 1], lin[i, 2])
            wbar = 0.0
            for a in range(o + 1):
                x = 0.0
                for b in range(o + 1):
                    x += M[n, a, b] * D[i, b]
                wbar += x * D[i, a]
                R[i, 1 + a] += 2.0 * cell[i, WEIGHT] * t[2] * x
            wbar *= cell[i, WEIGHT]
            nubar = t[3] * wbar
            R[i, 0] += nubar
            R[i, tau] += t[8] * wbar
            R[i, tau + 1] += t[9] * wbar
            for a in range(o + 1):
                R[i, 1 + a] += nubar * path[a]
                g[n, a] += nubar * D[i, a]
        if o > 0:
            for a in range(o):
                g[tree[n, PARENT], a] += g[n, a] + G[n, a] * g[n, o]
    for n in range(n0, n1):
        o = tree[n, DEPTH]
        x = g[n, o] / (share[n] * v[n])
        k = tree[n, PARENT]
        while k >= n0:
            x += G[n, tree[k, DEPTH]] * v[k]
            k = tree[k, PARENT]
        v[n] = x
        k = n
        while k >= n0:
            path[tree[k, DEPTH]] = m[k]
            vpath[tree[k, DEPTH]] = v[k]
            k = tree[k, PARENT]
        for i in range(tree[n, FIRST], tree[n, LAST]):
            nu = lin[i, 0]
            dv = 0.0
            for b in range(o + 1):
                nu += D[i, b] * path[b]
                dv += D[i, b] * vpath[b]
            t = registry.terms(code[i], cell[i, Y], cell[i, TRIALS], nu, lin[i, 1], lin[i, 2])
            w = share[n] * cell[i, WEIGHT]
            R[i, 0] -= w * t[2] * dv
            R[i, tau] += w * t[6] * dv
            R[i, tau + 1] += w * t[7] * dv
            for a in range(o + 1):
                R[i, 1 + a] += w * (t[1] * vpath[a] - t[2] * dv * path[a])
