"""Posterior means and covariances of the latent coordinates on the path to each node, over the last points.

The moments E[(1,u)(1,u)'] of a node's path start at the node itself with E[1, u_n, u_n²] given its ancestors, and gain
a coordinate on each step up: E[u_p ·] = E_k[u_pk E[· | u_pk]].
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from semgllamm.integration.arrays import (
    ANY_VALUE,
    BENT,
    COUNT,
    DEPTH,
    END,
    FIRST,
    LAST,
    RULE,
    SUM_VALUE,
    TRIALS,
    WEIGHT,
    Y,
    examples,
)
from semgllamm.integration.choices import LOG_SUM, log_sum
from semgllamm.integration.composites import composite_value
from semgllamm.integration.products import bend, engine, is_bent_copy
from semgllamm.responses import dispatch
from semgllamm.responses.adjacent import call_value_of_any
from semgllamm.responses.contract import MANY
from semgllamm.responses.jit import inner, kernel
from semgllamm.responses.registry import COMPOSITE, MULTINOMIAL

__all__ = ["posterior_units"]

BENDS = is_bent_copy(__name__)
_recursion = engine("recursion", BENDS)
exact_place, is_exact = _recursion.exact_place, _recursion.is_exact


class Moments(NamedTuple):
    """What the recursion adds up, a layer for each depth."""

    u: np.ndarray  # (P,) the path
    du: np.ndarray  # (P,) u − m
    E: np.ndarray  # (P, nodes, P + 1, P + 1) lower triangle of E[(1,u)(1,u)'] of each node's path


def layers(P: int, nodes: int) -> Moments:
    """Room for trees of at most so many nodes."""
    return Moments(np.zeros(P), np.zeros(P), np.zeros((P, nodes, P + 1, P + 1)))


@inner
def density_of_cells(n, cells, trees, u):
    """log f of the own cells of node n at the path u."""
    o = trees.node[n, DEPTH]
    total = 0.0
    L = 0.0
    for i in range(trees.node[n, FIRST], trees.node[n, LAST]):
        nu = cells.lin[i, 0]
        for b in range(o + 1):
            nu += cells.D[i, b] * u[b]
        if BENDS and cells.data[i, BENT] != 0.0:
            nu += bend(i, o, len(u), cells.D, u)
        if cells.lin.shape[1] > 3 and cells.own[cells.code[i]] == MANY:
            point = (cells.data[i, Y], cells.data[i, TRIALS], nu, cells.lin[i])
            value, _ = call_value_of_any(cells.choice[ANY_VALUE], point)
        elif cells.code[i] >= COMPOSITE:
            value = 0.0
            if cells.data[i, COUNT] > 0.0:
                value = composite_value(cells.choice[SUM_VALUE], (i, o, cells, u))
        else:
            choice = cells.code[i] == MULTINOMIAL
            if choice and cells.data[i, TRIALS] > 0.0:
                L = log_sum(cells.choice[LOG_SUM], (i, o, cells, u))
            value, _ = dispatch.value(
                cells.value[cells.code[i]], cells.data[i, Y], cells.data[i, TRIALS], nu,
                L if choice else cells.lin[i, 1], cells.lin[i, 2]
            )
        total += cells.data[i, WEIGHT] * value
    return total


def _signature():
    cells, trees, places, rules, _ = examples()
    arguments = (0, 0, cells, trees, places, rules, layers(0, 0))
    return numba.float64(*(numba.typeof(argument) for argument in arguments))


@inner(signature=_signature())
def node(n, n0, cells, trees, places, rules, moments):
    """log F of node n given the path of its ancestors; the moments of its subtree go to the layer of its depth."""
    o = trees.node[n, DEPTH]
    end = trees.node[n, END]
    rule = trees.node[n, RULE]
    c = o + 1
    E = moments.E[o]
    for j in range(n - n0, end - n0):
        for a in range(E.shape[1]):
            for b in range(a + 1):
                E[j, a, b] = 0.0
    top = -math.inf
    mass = 0.0
    drift, T = 0.0, places.T[n]
    for b in range(o):
        drift += places.G[n, b] * moments.du[b]
    if BENDS and is_exact(n, len(moments.u), cells, trees, rules):
        centre, T = exact_place(n, len(moments.u), cells, trees, moments.u)
        drift = centre - places.m[n]
    for k in range(rules.count[rule]):
        moments.du[o] = drift + T * rules.z[rule, k]
        u = places.m[n] + moments.du[o]
        moments.u[o] = u
        total = rules.logw[rule, k] + math.log(T) - 0.5 * u * u
        total += density_of_cells(n, cells, trees, moments.u)
        child = n + 1
        while child < end:
            total += trees.weight[child] * node(child, n0, cells, trees, places, rules, moments)
            child = trees.node[child, END]
        if not total > -math.inf:
            continue
        if total > top:
            shrink = math.exp(top - total)
            mass *= shrink
            top = total
            for j in range(n - n0, end - n0):
                for a in range(E.shape[1]):
                    for b in range(a + 1):
                        E[j, a, b] *= shrink
        w = math.exp(total - top)
        mass += w
        E[n - n0, 0, 0] += w
        E[n - n0, c, 0] += w * u
        E[n - n0, c, c] += w * u * u
        for j in range(n + 1, end):
            # what lies below knows 1 and the coordinates beyond c; c joins them
            below = moments.E[o + 1, j - n0]
            here = E[j - n0]
            here[0, 0] += w * below[0, 0]
            here[c, 0] += w * u * below[0, 0]
            here[c, c] += w * u * u * below[0, 0]
            for a in range(c + 1, trees.node[j, DEPTH] + 2):
                here[a, 0] += w * below[a, 0]
                here[a, c] += w * u * below[a, 0]
                for b in range(c + 1, a + 1):
                    here[a, b] += w * below[a, b]
    if not mass > 0.0:
        return -math.inf
    for j in range(n - n0, end - n0):
        for a in range(E.shape[1]):
            for b in range(a + 1):
                E[j, a, b] /= mass
    return top + math.log(mass)


@kernel
def posterior_units(lo, hi, roots, cells, trees, places, rules, moments, placed, mean, covariance):
    """Fill mean (N,) of each node's coordinate and covariance (N, P, P) of its path; NaN where a unit has none."""
    for r in range(lo, hi):
        n0 = roots[r]
        n1 = trees.node[n0, END]
        if not placed[r] or not abs(node(n0, n0, cells, trees, places, rules, moments)) < np.inf:
            for n in range(n0, n1):
                mean[n] = math.nan
                for a in range(covariance.shape[1]):
                    for b in range(covariance.shape[1]):
                        covariance[n, a, b] = math.nan
            continue
        for n in range(n0, n1):
            E = moments.E[0, n - n0]
            o = trees.node[n, DEPTH]
            mean[n] = E[o + 1, 0]
            for a in range(o + 1):
                for b in range(a + 1):
                    v = E[a + 1, b + 1] - E[a + 1, 0] * E[b + 1, 0]
                    covariance[n, a, b] = v
                    covariance[n, b, a] = v
