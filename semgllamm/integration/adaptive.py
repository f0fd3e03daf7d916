"""Where the points go: joint mode and curvature of each unit, by a multifrontal Cholesky factorisation of its tree.

For the joint log density of the cells and coordinates of a tree, M_n is the front of its negative Hessian over
(ancestors, own coordinate),

    M_n = Σ_{own cells} w_i ω_i d_i d_i' + e_n e_n' + Σ_{children} w_c S_c,     S_n = M_aa − M_an M_na / H_n,
    H_n = (M_n)_nn,   G_n = −M_na / H_n,   T_n = H_n^{−1/2},   ω = −∂² log f/∂ν²,

leaves first. The same factors solve Newton's step for the joint mode m. The points of node n are then placed at
u_n = m_n + G_n (u_anc − m_anc) + T_n z: with one point everywhere this is exactly the joint Laplace approximation.

Where log f is not concave the Hessian need not be definite on the way to the mode. A step from such a place leaves
negative ω out, which makes it one uphill; at the mode itself the Hessian is definite, and is taken as it is.

Where products of latent variables bend ν, j_i = ∂ν_i/∂u stands for d_i, and the points are placed by the fronts above;
the steps take w_i s_i ∂²ν_i from them as long as they are definite without it.
"""

from __future__ import annotations

import math

import numpy as np

from semgllamm.integration.arrays import (
    ANY_CURVATURE,
    BENT,
    COUNT,
    DEPTH,
    END,
    FIRST,
    LAST,
    PARENT,
    SUM_FRONT,
    TRIALS,
    WEIGHT,
    Y,
)
from semgllamm.integration.choices import FRONT, choice_front
from semgllamm.integration.composites import composite_front
from semgllamm.integration.products import bend, engine, is_bent_copy, pair, slopes
from semgllamm.responses import dispatch
from semgllamm.responses.adjacent import call_curvature_of_any
from semgllamm.responses.contract import MANY
from semgllamm.responses.jit import inner, kernel
from semgllamm.responses.registry import BINOMIAL_LOGIT, COMPOSITE, MULTINOMIAL

__all__ = ["place_units"]

BENDS = is_bent_copy(__name__)
_recursion = engine("recursion", BENDS)
FACTORS, bernoulli_logit = _recursion.FACTORS, _recursion.bernoulli_logit

STEP_LIMIT = 2.0  # longest move of a coordinate (in prior standard deviations) in one step
CONVERGED = 1e-8
ITERATIONS = 200

# what the fronts are for: to place points, to step to the mode, to step uphill from anywhere (NumPy's numbers, as in
# recursion.py)
PLACE, STEP, UPHILL = np.arange(3)


@inner
def fronts(n0, n1, cells, trees, places, path, centre, purpose):
    """Fill G, T and the fronts M of a tree at m, and its gradient g eliminated.

    Negative ω are left out uphill; the curvature of bent predictors is only there to step to the mode. Returns the
    joint log density, and whether M is positive definite.
    """
    m, M, g = places.m, places.M, places.g
    P = places.G.shape[1]
    density = 0.0
    definite = True
    for n in range(n0, n1):
        for a in range(trees.node[n, DEPTH] + 1):
            g[n, a] = 0.0
            for b in range(a + 1):
                M[n, a, b] = 0.0
    for n in range(n1 - 1, n0 - 1, -1):
        o = trees.node[n, DEPTH]
        k = n
        while k >= n0:
            path[trees.node[k, DEPTH]] = m[k]
            k = trees.node[k, PARENT]
        M[n, o, o] += 1.0
        g[n, o] -= m[n]
        own = -0.5 * m[n] * m[n]
        factor = 1.0
        factors = 0
        L = 0.0
        for i in range(trees.node[n, FIRST], trees.node[n, LAST]):
            nu = cells.lin[i, 0]
            for b in range(o + 1):
                nu += cells.D[i, b] * path[b]
            bent = BENDS and cells.data[i, BENT] != 0.0
            if BENDS and bent:
                nu += bend(i, o, P, cells.D, path)
            w = cells.data[i, WEIGHT]
            if cells.code[i] == BINOMIAL_LOGIT and cells.data[i, TRIALS] == 1.0:
                x, e, s, curvature, _ = bernoulli_logit(cells.data[i, Y], nu)
                if w == 1.0:
                    own -= x
                    factor *= 1.0 + e
                    factors += 1
                    if factors == FACTORS:
                        own -= math.log(factor)
                        factor = 1.0
                        factors = 0
                else:
                    own -= w * (x + math.log1p(e))
            elif cells.code[i] >= COMPOSITE:
                if cells.data[i, COUNT] > 0.0:
                    arguments = (i, n, o, cells, path, M, g, centre, purpose == UPHILL)
                    own += w * composite_front(cells.choice[SUM_FRONT], arguments)
                continue
            else:
                if cells.lin.shape[1] > 3 and cells.own[cells.code[i]] == MANY:
                    point = (cells.data[i, Y], cells.data[i, TRIALS], nu, cells.lin[i])
                    logf, s, curvature, _ = call_curvature_of_any(cells.choice[ANY_CURVATURE], point)
                else:
                    choice = cells.code[i] == MULTINOMIAL
                    if choice and cells.data[i, TRIALS] > 0.0:
                        L = choice_front(cells.choice[FRONT], (i, n, o, cells, path, M, centre))
                    t = dispatch.terms(
                        cells.terms[cells.code[i]], cells.data[i, Y], cells.data[i, TRIALS], nu,
                        L if choice else cells.lin[i, 1], cells.lin[i, 2]
                    )
                    logf, s, curvature = t[0], t[1], t[2]
                own += w * logf
                if purpose == UPHILL and curvature < 0.0:
                    curvature = 0.0
            if BENDS and bent:
                slopes(i, o, P, cells.D, path, centre)
                for a in range(o + 1):
                    g[n, a] += w * s * centre[a]
                    for b in range(a + 1):
                        M[n, a, b] += w * curvature * centre[a] * centre[b]
                        if purpose == STEP:
                            M[n, a, b] -= w * s * cells.D[i, pair(P, a, b)] * (2.0 if a == b else 1.0)
                continue
            for a in range(o + 1):
                g[n, a] += w * s * cells.D[i, a]
                x = w * curvature * cells.D[i, a]
                for b in range(a + 1):
                    M[n, a, b] += x * cells.D[i, b]
        # a node's share of the whole is the product of the weights from the root to it
        density += trees.share[n] * (own - math.log(factor))
        for a in range(o + 1):
            for b in range(a):
                M[n, b, a] = M[n, a, b]
        H = M[n, o, o]
        if not H > 0.0:
            definite = False
            H = 1.0
        places.T[n] = 1.0 / math.sqrt(H)
        p = trees.node[n, PARENT]
        w = trees.weight[n]
        for a in range(o):
            places.G[n, a] = -M[n, o, a] / H
            g[p, a] += w * (g[n, a] + places.G[n, a] * g[n, o])
            # the lower triangle only: the parent mirrors it
            for b in range(a + 1):
                M[p, a, b] += w * (M[n, a, b] + places.G[n, a] * M[n, o, b])
    return density, definite


@inner
def find_mode(n0, n1, cells, trees, places, path, centre):
    """Newton's iterations for the joint mode of a tree, starting at m; returns whether they converged.

    One more step is taken after the step is below 1e-8, so that the mode carries no noise into finite differences.
    """
    m, step = places.m, places.step
    last = False
    moved = False
    before = -math.inf
    for _ in range(ITERATIONS):
        density, definite = fronts(n0, n1, cells, trees, places, path, centre, STEP if BENDS and not last else PLACE)
        if moved and not density >= before - 1e-9 * (1.0 + abs(before)):
            # overshot: halve the last step (the joint log density of log-concave responses has one mode)
            for n in range(n0, n1):
                step[n] *= 0.5
                m[n] -= step[n]
            continue
        before = density
        if last:
            return definite
        if not definite:
            fronts(n0, n1, cells, trees, places, path, centre, UPHILL)
        longest = 0.0
        for n in range(n0, n1):
            o = trees.node[n, DEPTH]
            s = places.g[n, o] / places.M[n, o, o]
            k = trees.node[n, PARENT]
            while k >= n0:
                s += places.G[n, trees.node[k, DEPTH]] * step[k]
                k = trees.node[k, PARENT]
            step[n] = s
            longest = max(longest, abs(s))
            if not abs(s) < math.inf:
                return False
        scale = 1.0 if longest < STEP_LIMIT else STEP_LIMIT / longest
        for n in range(n0, n1):
            step[n] *= scale
            m[n] += step[n]
        moved = longest > 1e-6
        last = longest < CONVERGED
    return False


@kernel
def place_units(lo, hi, roots, cells, trees, places, path, centre, placed):
    """Place the points of the units lo..hi, starting at the modes in m; a unit without a mode is not `placed`."""
    for r in range(lo, hi):
        n0 = roots[r]
        n1 = trees.node[n0, END]
        placed[r] = find_mode(n0, n1, cells, trees, places, path, centre)
        if not placed[r]:
            for n in range(n0, n1):
                places.m[n] = 0.0
