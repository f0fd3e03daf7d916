"""The kernels that threads run: log F of the trees of a range of roots, one after the other, and their scores."""

from __future__ import annotations

import numpy as np

from semgllamm.integration.adaptive import find_mode
from semgllamm.integration.recursion import END, FIRST, LAST, node
from semgllamm.integration.score import follow_points, weigh
from semgllamm.responses.jit import kernel

__all__ = ["evaluate_units"]


@kernel
def largest(lo, hi, roots, tree):
    """The numbers of nodes and of cells of the largest tree of a range, and of cells of a node."""
    nodes, cells, own = 1, 1, 1
    for r in range(lo, hi):
        n0 = roots[r]
        n1 = tree[n0, END]
        nodes = max(nodes, n1 - n0)
        cells = max(cells, tree[n1 - 1, LAST] - tree[n0, FIRST])
        for n in range(n0, n1):
            own = max(own, tree[n, LAST] - tree[n, FIRST])
    return nodes, cells, own


@kernel
def evaluate_units(
    lo, hi, roots, code, cell, own, tree, weight, share, lin, D, count, Z, LW, moments, move, m, T, G, M, g, step, F, R
):
    """log F of the roots lo..hi, and the rows of R of their cells; `move` re-places the points.

    A tree without a joint mode, or whose integrand is not finite, has log F = −∞.
    """
    nodes, cells, own_cells = largest(lo, hi, roots, tree)
    P = D.shape[1]
    up = np.zeros(P)
    dl = np.zeros(P)
    A = np.zeros((P, 4, P))
    S = np.zeros((8, max(P, Z.shape[1]), max(own_cells, Z.shape[1])))
    B = np.zeros((P, cells if moments > 0 else 1, P + 3))
    N = np.zeros((P, nodes if moments > 0 else 1, P + 2))
    for r in range(lo, hi):
        n0 = roots[r]
        n1 = tree[n0, END]
        r0 = tree[n0, FIRST]
        F[r] = -np.inf
        if move and not find_mode(n0, n1, code, cell, lin, D, tree, weight, m, T, G, M, g, step, up):
            for n in range(n0, n1):
                m[n] = 0.0
            continue
        if moments > 0:
            B[:, : tree[n1 - 1, LAST] - r0] = 0.0
        logF = node(
            n0, code, cell, lin, D, own, tree, weight, m, T, G, count, Z, LW, up, dl, B, N, A, S, moments, r0, n0
        )
        if not abs(logF) < np.inf:
            continue
        F[r] = logF
        if moments > 0:
            weigh(n0, n1, cell, tree, share, B[0], R)
            if moments > 1 and move:
                follow_points(
                    n0, n1, code, cell, lin, D, tree, weight, share, m, T, G, M, N[0], R, g, step, up, dl
                )
