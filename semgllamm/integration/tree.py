"""The integration tree of a model: in which order its latent variables are integrated out.

The latent variables of one unit of every level form a graph: an edge where the prior precision (I − B)'Ψ⁻¹(I − B)
can be non-zero (a variable with its causes, causes of one variable with each other, correlated disturbances with all of
these) or where one response depends on both. Eliminating the variables, lowest level first, fills the graph; the
parent of a variable is the first of its remaining neighbours to be eliminated (Liu 1990). A response then depends only
on the variables on one path to the root, and costs the product of the points along it. All orders within a level of
up to six variables are tried; above that the variable with the fewest neighbours goes first.

Every node holds one latent variable: variables of one unit that must be integrated jointly are a chain, on which
the adaptive points are those of a product rule turned by the Cholesky factor of the joint curvature.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations, product

__all__ = ["Tree", "eliminate", "plan"]

EXHAUSTIVE = 6
# points a level that costs are compared at: the lowest level needs more than the levels above it
TYPICAL_LOWEST, TYPICAL_ABOVE = 9, 5


@dataclass(frozen=True)
class Tree:
    """A forest over the latent variables.

    Attributes
    ----------
    order : tuple of int
        Variables, roots before their descendants (reverse of the order of elimination).
    parent : dict of int to int
        −1 at a root.
    cost : float
        Σ over responses of the product of the points on their paths, at the points used for planning.
    """

    order: tuple[int, ...]
    parent: dict[int, int]
    cost: float

    def path(self, variable: int) -> tuple[int, ...]:
        """From the root to the variable."""
        path = [variable]
        while self.parent[path[-1]] >= 0:
            path.append(self.parent[path[-1]])
        return tuple(reversed(path))


def eliminate(order: Sequence[int], edges: dict[int, set[int]]) -> dict[int, int]:
    """The elimination tree of a graph (parent of each variable) for an order of elimination."""
    neighbours = {v: set(edges[v]) for v in order}
    place = {v: k for k, v in enumerate(order)}
    parent = {}
    for v in order:
        later = {u for u in neighbours[v] if place[u] > place[v]}
        parent[v] = min(later, key=place.__getitem__) if later else -1
        for u in later:
            neighbours[u] |= later - {u}
    return parent


def plan(
    level: Sequence[int], cliques: Iterable[Iterable[int]], responses: Sequence[tuple[frozenset[int], float]]
) -> Tree:
    """Choose the order of elimination.

    Parameters
    ----------
    level : sequence of int
        Level of each variable, 0 the lowest.
    cliques : iterable of sets
        Variables that the prior joins.
    responses : sequence of (set, weight)
        The variables that each response depends on, and its relative number of cells.
    """
    n = len(level)
    edges: dict[int, set[int]] = {v: set() for v in range(n)}
    for clique in [*cliques, *(variables for variables, _ in responses)]:
        for v in clique:
            edges[v] |= set(clique) - {v}
    lowest = min(level, default=0)
    points = [TYPICAL_LOWEST if level[v] == lowest else TYPICAL_ABOVE for v in range(n)]
    candidates = [_orders([v for v in range(n) if level[v] == l], edges) for l in sorted(set(level))]
    best = None
    for parts in product(*candidates):
        order = [v for part in parts for v in part]
        parent = eliminate(order, edges)
        tree = Tree(tuple(reversed(order)), parent, 0.0)
        cost = 0.0
        for variables, weight in responses:
            if variables:
                deepest = min(variables, key=order.index)
                here = weight
                for v in tree.path(deepest):
                    here *= points[v]
                cost += here
        if best is None or cost < best.cost * (1 - 1e-12):
            best = Tree(tree.order, parent, cost)
    return best if best is not None else Tree((), {}, 0.0)


def _orders(variables: list[int], edges: dict[int, set[int]]):
    """Orders of elimination to try within one level; the first keeps causes nearest the root."""
    backwards = tuple(reversed(variables))
    if len(variables) <= EXHAUSTIVE:
        return [backwards, *(p for p in permutations(backwards) if p != backwards)]
    left, degree_order = set(variables), []
    neighbours = {v: set(edges[v]) for v in edges}
    while left:
        v = min((u for u in backwards if u in left), key=lambda u: len(neighbours[u]))
        for u in neighbours[v]:
            neighbours[u] |= neighbours[v] - {u}
            neighbours[u].discard(v)
        left.remove(v)
        degree_order.append(v)
    return [tuple(degree_order)]
