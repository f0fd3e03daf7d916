"""The posterior of the latent coordinates on each node's path, as the discrete distribution over its adapted points.

Of a path n_0, ..., n_o with the points k_0, ..., k_o

    p(k_0, ..., k_o | y) = Π_j p(k_j | k_0, ..., k_{j−1}, y),

and each factor is the share of the point k_j in the sum of node n_j, given the points of its ancestors. Posterior means
of any function of the predictor are sums with these weights (Rabe-Hesketh, Skrondal & Pickles 2005, section 4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from semgllamm.integration.arrays import DEPTH, END, PARENT, RULE, examples
from semgllamm.integration.products import engine, is_bent_copy
from semgllamm.responses.jit import inner, kernel

__all__ = ["Points", "PosteriorPoints", "room", "spread_units"]

BENDS = is_bent_copy(__name__)
_recursion = engine("recursion", BENDS)
exact_place, is_exact = _recursion.exact_place, _recursion.is_exact
density_of_cells = engine("posterior", BENDS).density_of_cells


class Points(NamedTuple):
    """Where the recursion is, and what it writes: combinations of points of a path run with the deepest fastest."""

    u: np.ndarray  # (P,) the path
    du: np.ndarray  # (P,) u − m
    start: np.ndarray  # (N,) the first place of each node
    logw: np.ndarray  # (places,) log of a point's share given those of the ancestors
    value: np.ndarray  # (places,) the coordinate


def _signature():
    cells, trees, places, rules, _ = examples()
    points = Points(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
    return numba.float64(*(numba.typeof(argument) for argument in (0, 0, cells, trees, places, rules, points)))


@inner(signature=_signature())
def node(n, at, cells, trees, places, rules, points):
    """log F of node n given the points of its ancestors, the at-th of their combinations."""
    o = trees.node[n, DEPTH]
    end = trees.node[n, END]
    rule = trees.node[n, RULE]
    count = rules.count[rule]
    first = points.start[n] + at * count
    top = -math.inf
    drift, T = 0.0, places.T[n]
    for b in range(o):
        drift += places.G[n, b] * points.du[b]
    if BENDS and is_exact(n, len(points.u), cells, trees, rules):
        centre, T = exact_place(n, len(points.u), cells, trees, points.u)
        drift = centre - places.m[n]
    for k in range(count):
        points.du[o] = drift + T * rules.z[rule, k]
        u = places.m[n] + points.du[o]
        points.u[o] = u
        total = rules.logw[rule, k] + math.log(T) - 0.5 * u * u
        total += density_of_cells(n, cells, trees, points.u)
        child = n + 1
        while child < end:
            total += trees.weight[child] * node(child, at * count + k, cells, trees, places, rules, points)
            child = trees.node[child, END]
        if not total > -math.inf:
            total = -math.inf
        points.logw[first + k] = total
        points.value[first + k] = u
        top = max(top, total)
    if not top > -math.inf:
        return -math.inf
    mass = 0.0
    for k in range(count):
        mass += math.exp(points.logw[first + k] - top)
    F = top + math.log(mass)
    for k in range(count):
        points.logw[first + k] -= F
    return F


@kernel
def spread_units(lo, hi, roots, cells, trees, places, rules, points, placed, F):
    """Fill the weights and coordinates of the trees of the roots lo..hi; F is NaN where a unit has none."""
    for r in range(lo, hi):
        F[r] = node(roots[r], 0, cells, trees, places, rules, points) if placed[r] else math.nan


def room(tree: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) number of combinations of points on the path to each node, and where its places begin."""
    size = counts[tree[:, RULE]].astype(np.int64)
    for o in range(1, int(tree[:, DEPTH].max(initial=0)) + 1):
        level = np.flatnonzero(tree[:, DEPTH] == o)
        size[level] *= size[tree[level, PARENT]]
    return size, np.cumsum(size) - size


class PosteriorPoints:
    """Weights and coordinates of all nodes, looked up by node.

    Parameters
    ----------
    tree : (N, 6) int array
        The program's table of nodes.
    size, start : (N,) int arrays
        Of `room`.
    logw, value : (places,) arrays
        As the recursion fills them.
    """

    def __init__(self, tree: np.ndarray, size: np.ndarray, start: np.ndarray, logw: np.ndarray, value: np.ndarray):
        self.tree, self.size, self.start, self.logw, self.value = tree, size, start, logw, value
        self._last: tuple[np.ndarray, tuple[np.ndarray, np.ndarray]] | None = None

    def path(self, node: int | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The joint posterior over the points of the paths to some nodes of one kind.

        Parameters
        ----------
        node : (n,) int array
            Nodes of one depth, with rules of the same numbers of points.

        Returns
        -------
        weight : (n, S) array
            Rows add up to 1; NaN where a unit has no posterior.
        u : (depth + 1, n, S) array
            The coordinates, root first.
        """
        node = np.asarray(node)
        if self._last is not None and np.array_equal(self._last[0], node):
            # items of one unit ask one after the other
            return self._last[1]
        depth, S = int(self.tree[node[0], DEPTH]), int(self.size[node[0]])
        u = np.empty((depth + 1, len(node), S))
        log = np.zeros((len(node), S))
        here = node
        for o in range(depth, -1, -1):
            size = self.size[here[0]]
            at = self.start[here][:, None] + np.repeat(np.arange(size), S // size)
            log += self.logw[at]
            u[o] = self.value[at]
            here = self.tree[here, PARENT]
        self._last = node, (np.exp(log), u)
        return self._last[1]
