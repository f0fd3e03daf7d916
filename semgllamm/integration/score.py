"""The total derivative of log L: what the moving points add to the posterior means of the scores.

log L depends on f, d and τ of its cells directly (Fisher's identity, recursion.py) and through the mode m, G and T of
every node. With the adjoints N_n = (a, T̄, Ḡ) of the nodes, from the root down:

    H̄_n = −½ T³ T̄ − ½ T² − Ḡ'G/H + G'S̄G,   M̄_na = S̄ G − ½ Ḡ/H,   M̄_aa = S̄ = w_n M̄_parent;
    ω̄_i = w_i d'M̄d,   d̄_i += 2 w_i ω M̄d,   ν̄_i = ω' ω̄_i (and τ̄ likewise);

then v solves H v = a + Σ ν̄_i d_i with the same factors, and the mode's implicit derivative adds
f̄_i += ν̄_i − w_i ω d'v and d̄_i += ν̄_i m + w_i (s v − ω (d'v) m).

Where products of latent variables bend ν (products.py), j = ∂ν/∂u stands for d in all of this: its own adjoint is
j̄_i = 2 w_i ω M̄j, of which d and q have what they are in j, and Q_i j̄_i, with Q_i = ∂²ν_i, joins a + Σ ν̄_i j_i. The mode
is that of the joint density, so H v = ... is solved with the factors of its Hessian, M_n less Σ w_i s_i Q_i.
"""

from __future__ import annotations

import math

from semgllamm.integration.arrays import (
    ANY_TERMS,
    BENT,
    COUNT,
    DEPTH,
    END,
    FIRST,
    LAST,
    PARENT,
    SUM_FOLLOW,
    SUM_MODE,
    TRIALS,
    WEIGHT,
    Y,
)
from semgllamm.integration.choices import FOLLOW, MEAN, follow_choice, follow_mean
from semgllamm.integration.composites import follow_composite, follow_composite_mode
from semgllamm.integration.products import bend, engine, is_bent_copy, pair, slopes
from semgllamm.responses import dispatch
from semgllamm.responses.adjacent import call_terms_of_any
from semgllamm.responses.contract import MANY
from semgllamm.responses.jit import inner, kernel
from semgllamm.responses.registry import BINOMIAL_LOGIT, COMPOSITE, MULTINOMIAL

__all__ = ["follow_units"]

BENDS = is_bent_copy(__name__)
bernoulli_logit = engine("recursion", BENDS).bernoulli_logit

# columns of what is kept of a cell at the mode: s and the first derivatives in τ, then those of s and of ω, and ω
S = 0


@inner
def adjoint_fronts(n0, n1, trees, places, N, v):
    """Overwrite M of each node by its adjoint, and leave H in v."""
    M, G = places.M, places.G
    for n in range(n0, n1):
        o = trees.node[n, DEPTH]
        p = trees.node[n, PARENT]
        share = trees.share[n]
        H = M[n, o, o]
        Hbar = share * (-0.5 * places.T[n] ** 3 * N[n, 1] - 0.5 / H)
        for a in range(o):
            Gbar = share * N[n, 2 + a]
            SG = 0.0
            for b in range(o):
                M[n, a, b] = trees.weight[n] * M[p, a, b]
                SG += M[n, a, b] * G[n, b]
            Hbar += G[n, a] * (SG - Gbar / H)
            M[n, o, a] = SG - 0.5 * Gbar / H
            M[n, a, o] = M[n, o, a]
        M[n, o, o] = Hbar
        v[n] = H


@inner
def follow_curvature(n0, n1, cells, trees, places, N, R, path, centre, at_mode):
    """Add what reaches R through the curvatures ω, and gather a + Σ ν̄_i d_i, eliminated, in g."""
    M, m, g = places.M, places.m, places.g
    T = cells.lin.shape[1] - 1
    tau = R.shape[1] - T
    W = 1 + 3 * T
    P = places.G.shape[1]
    r0 = trees.node[n0, FIRST]
    for n in range(n0, n1):
        for a in range(trees.node[n, DEPTH] + 1):
            g[n, a] = 0.0
    for n in range(n1 - 1, n0 - 1, -1):
        o = trees.node[n, DEPTH]
        k = n
        while k >= n0:
            path[trees.node[k, DEPTH]] = m[k]
            k = trees.node[k, PARENT]
        g[n, o] += trees.share[n] * N[n, 0]
        for i in range(trees.node[n, FIRST], trees.node[n, LAST]):
            nu = cells.lin[i, 0]
            for b in range(o + 1):
                nu += cells.D[i, b] * path[b]
            bent = BENDS and cells.data[i, BENT] != 0.0
            if BENDS and bent:
                nu += bend(i, o, P, cells.D, path)
            w = cells.data[i, WEIGHT]
            kept = at_mode[i - r0]
            slopes, bends = kept[1 + T : 1 + 2 * T], kept[1 + 2 * T : W]
            if cells.code[i] == BINOMIAL_LOGIT and cells.data[i, TRIALS] == 1.0:
                _, _, kept[S], kept[W], dw = bernoulli_logit(cells.data[i, Y], nu)
                slopes[:], bends[:] = 0.0, 0.0
            elif cells.code[i] == MULTINOMIAL:
                if cells.data[i, TRIALS] > 0.0:
                    arguments = (i, n, r0, o, cells, path, M, g, R, at_mode, centre)
                    follow_choice(cells.choice[FOLLOW], arguments)
                continue
            elif cells.code[i] >= COMPOSITE:
                if cells.data[i, COUNT] > 0.0:
                    arguments = (i, n, r0, o, cells, path, M, g, R, at_mode, centre)
                    follow_composite(cells.choice[SUM_FOLLOW], arguments)
                continue
            elif T > 2 and cells.own[cells.code[i]] == MANY:
                arguments = (
                    cells.data[i, Y], cells.data[i, TRIALS], nu, cells.lin[i],
                    kept[: 1 + T : 1], slopes[::1], bends[::1], 1,
                )  # fmt: skip
                _, kept[W], dw = call_terms_of_any(cells.choice[ANY_TERMS], arguments)
            else:
                t = dispatch.terms(
                    cells.terms[cells.code[i]], cells.data[i, Y], cells.data[i, TRIALS], nu,
                    cells.lin[i, 1], cells.lin[i, 2]
                )
                slopes[:], bends[:] = 0.0, 0.0
                kept[S], kept[W], slopes[0], slopes[1] = t[1], t[2], t[6], t[7]
                dw, bends[0], bends[1] = t[3], t[8], t[9]
            if BENDS and bent:
                follow_bent(i, n, o, P, w, dw, kept[W], cells, path, M, g, R, centre, bends)
                continue
            wbar = 0.0
            for a in range(o + 1):
                x = 0.0
                for b in range(o + 1):
                    x += M[n, a, b] * cells.D[i, b]
                wbar += w * x * cells.D[i, a]
                R[i, 1 + a] += 2.0 * w * kept[W] * x
            nubar = dw * wbar
            R[i, 0] += nubar
            for a in range(T):
                R[i, tau + a] += bends[a] * wbar
            for a in range(o + 1):
                R[i, 1 + a] += nubar * path[a]
                g[n, a] += nubar * cells.D[i, a]
        for a in range(0 if BENDS else o):
            g[trees.node[n, PARENT], a] += g[n, a] + places.G[n, a] * g[n, o]


@inner
def follow_bent(i, n, o, P, w, dw, curvature, cells, path, M, g, R, j, bends):
    """The same for a bent cell."""
    slopes(i, o, P, cells.D, path, j)
    wbar = 0.0
    for a in range(o + 1):
        x = 0.0
        for b in range(o + 1):
            x += M[n, a, b] * j[b]
        wbar += w * x * j[a]
        jbar = 2.0 * w * curvature * x
        R[i, 1 + a] += jbar
        for b in range(o + 1):
            q = pair(P, max(a, b), min(a, b))
            twice = 2.0 if a == b else 1.0
            R[i, 1 + q] += twice * jbar * path[b]
            g[n, b] += twice * jbar * cells.D[i, q]
    nubar = dw * wbar
    R[i, 0] += nubar
    for a in range(len(bends)):
        R[i, R.shape[1] - len(bends) + a] += bends[a] * wbar
    for a in range(o + 1):
        R[i, 1 + a] += nubar * path[a]
        g[n, a] += nubar * j[a]
        for b in range(a + 1):
            R[i, 1 + pair(P, a, b)] += nubar * path[a] * path[b]


@inner
def factor_joint(n0, n1, cells, trees, places, v, path, j, at_mode):
    """Replace M, G and H (in v) by those of the joint Hessian at the mode, and eliminate g."""
    M, G, g = places.M, places.G, places.g
    P = G.shape[1]
    W = at_mode.shape[1] - 1
    r0 = trees.node[n0, FIRST]
    for n in range(n0, n1):
        for a in range(trees.node[n, DEPTH] + 1):
            for b in range(a + 1):
                M[n, a, b] = 0.0
    for n in range(n1 - 1, n0 - 1, -1):
        o = trees.node[n, DEPTH]
        k = n
        while k >= n0:
            path[trees.node[k, DEPTH]] = places.m[k]
            k = trees.node[k, PARENT]
        M[n, o, o] += 1.0
        for i in range(trees.node[n, FIRST], trees.node[n, LAST]):
            w = cells.data[i, WEIGHT]
            kept = at_mode[i - r0]
            bent = BENDS and cells.data[i, BENT] != 0.0
            for a in range(o + 1):
                j[a] = cells.D[i, a]
            if BENDS and bent:
                slopes(i, o, P, cells.D, path, j)
            for a in range(o + 1):
                for b in range(a + 1):
                    M[n, a, b] += w * kept[W] * j[a] * j[b]
                    if BENDS and bent:
                        M[n, a, b] -= w * kept[S] * cells.D[i, pair(P, a, b)] * (2.0 if a == b else 1.0)
        H = M[n, o, o]
        if not H > 0.0:
            H = 1.0
        v[n] = H
        p = trees.node[n, PARENT]
        w = trees.weight[n]
        for a in range(o):
            G[n, a] = -M[n, o, a] / H
            g[p, a] += g[n, a] + G[n, a] * g[n, o]
            for b in range(a + 1):
                M[p, a, b] += w * (M[n, a, b] + G[n, a] * M[n, o, b])


@inner
def follow_mode(n0, n1, cells, trees, places, R, v, path, vpath, j, at_mode):
    """Solve for v (which holds H) and add what reaches R through the mode."""
    P = places.G.shape[1]
    T = cells.lin.shape[1] - 1
    tau = R.shape[1] - T
    W = 1 + 3 * T
    r0 = trees.node[n0, FIRST]
    for n in range(n0, n1):
        o = trees.node[n, DEPTH]
        x = places.g[n, o] / (trees.share[n] * v[n])
        k = trees.node[n, PARENT]
        while k >= n0:
            a = trees.node[k, DEPTH]
            path[a] = places.m[k]
            vpath[a] = v[k]
            x += places.G[n, a] * v[k]
            k = trees.node[k, PARENT]
        v[n] = x
        path[o] = places.m[n]
        vpath[o] = x
        for i in range(trees.node[n, FIRST], trees.node[n, LAST]):
            dv = 0.0
            for b in range(o + 1):
                dv += cells.D[i, b] * vpath[b]
            w = trees.share[n] * cells.data[i, WEIGHT]
            kept = at_mode[i - r0]
            if BENDS and cells.data[i, BENT] != 0.0:
                dv = 0.0
                slopes(i, o, P, cells.D, path, j)
                for b in range(o + 1):
                    dv += j[b] * vpath[b]
                for a in range(o + 1):
                    for b in range(a + 1):
                        x = path[a] * path[b]
                        along = vpath[a] * path[b] + path[a] * vpath[b]
                        R[i, 1 + pair(P, a, b)] += w * (kept[S] * along - kept[W] * dv * x)
            R[i, 0] -= w * kept[W] * dv
            for a in range(T):
                R[i, tau + a] += w * kept[1 + T + a] * dv
            for a in range(o + 1):
                R[i, 1 + a] += w * (kept[S] * vpath[a] - kept[W] * dv * path[a])
        for i in range(trees.node[n, FIRST], trees.node[n, LAST] if cells.choice[MEAN] != 0 else 0):
            if cells.code[i] == MULTINOMIAL and cells.data[i, TRIALS] > 0.0:
                follow_mean(cells.choice[MEAN], (i, r0, o, trees.share[n], cells, path, vpath, R, at_mode))
        for i in range(trees.node[n, FIRST], trees.node[n, LAST] if cells.choice[SUM_MODE] != 0 else 0):
            if cells.code[i] >= COMPOSITE and cells.data[i, COUNT] > 0.0:
                arguments = (i, r0, o, trees.share[n], cells, path, vpath, R, at_mode)
                follow_composite_mode(cells.choice[SUM_MODE], arguments)


@kernel
def follow_units(lo, hi, roots, cells, trees, places, path, vpath, centre, at_mode, N, F, R):
    """Add to R (rows: f̄, d̄, τ̄) of the units lo..hi the derivative through modes and scales; M is used up."""
    for r in range(lo, hi):
        if F[r] > -math.inf:
            n0 = roots[r]
            n1 = trees.node[n0, END]
            adjoint_fronts(n0, n1, trees, places, N, places.step)
            follow_curvature(n0, n1, cells, trees, places, N, R, path, centre, at_mode)
            if BENDS:
                factor_joint(n0, n1, cells, trees, places, places.step, path, centre, at_mode)
            follow_mode(n0, n1, cells, trees, places, R, places.step, path, vpath, centre, at_mode)
