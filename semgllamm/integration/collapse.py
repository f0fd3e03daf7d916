"""Identical units are integrated once, with a weight: log L = Σ_roots w log F, F_n = ∫ φ Π f^w Π F_c^w.

Two nodes are identical where their kind, their rule, their cells and the nodes below them are, whatever the order. Each
node therefore gets a hash that is a sum over its cells and children (leaves first); then, from the roots down, one
of the nodes with equal hashes under the same parent is kept, its weight their number. Where the units have weights of
their own, these are added up in place of the number, and those below a node enter its hash: f^v f^w = f^(v + w), but
the integral of f^v is not that of f to a power.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Collapsed", "collapse", "depths"]


@dataclass(frozen=True, slots=True)
class Collapsed:
    """What is kept of the nodes and cells.

    Parameters
    ----------
    node : (N,) int64
        The kept node that stands for each node; a kept node stands for itself.
    node_weight : (N,) float
        Number of identical nodes under the same kept parent, or the sum of their weights; 0 for nodes that are dropped.
    cell_weight : (Nc,) float
        Number of identical cells of the same node, or the sum of their weights; 0 for cells that are dropped.
    """

    node: np.ndarray
    node_weight: np.ndarray
    cell_weight: np.ndarray


def depths(parent: np.ndarray) -> np.ndarray:
    """Number of ancestors of each node."""
    depth = np.zeros(len(parent), dtype=np.int64)
    ancestor = parent
    while (below := ancestor >= 0).any():
        depth += below
        ancestor = np.where(below, parent[ancestor], -1)
    return depth


def mix(x: np.ndarray) -> np.ndarray:
    """Scatter the bits of unsigned 64-bit words (the finaliser of splitmix64); overflow is meant."""
    x = np.array(x, dtype=np.uint64)
    x += np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def collapse(
    parent, depth, rule, kind, cell_node, signature, given_nodes: np.ndarray | None = None,
    given_cells: np.ndarray | None = None,
) -> Collapsed:  # fmt: skip
    """Find the identical nodes and cells; the arguments are those of `program.build`, the weights last."""
    cell_hash = mix(signature[:, 0] ^ mix(signature[:, 1]))
    node_hash = mix(mix(kind) + rule.astype(np.uint64))
    np.add.at(node_hash, cell_node, _with_weight(cell_hash, given_cells))
    levels = [np.flatnonzero(depth == o) for o in range(depth.max(initial=-1) + 1)]
    for level in reversed(levels):
        node_hash[level] = mix(node_hash[level])
        if parent[level[0]] >= 0:
            own = None if given_nodes is None else given_nodes[level]
            np.add.at(node_hash, parent[level], _with_weight(node_hash[level], own))

    node = np.arange(len(parent))
    node_weight = np.zeros(len(parent))
    for level in levels:
        above = parent[level]
        key, lives = node_hash[level], np.ones(len(level), dtype=bool)
        if above[0] >= 0:
            key = key ^ mix(node[above])
            lives = node[above] == above
        own = None if given_nodes is None else given_nodes[level]
        first, count = _first_of_equals(key, np.flatnonzero(lives), own)
        node_weight[level[first]] = count
        if len(first) < len(level):
            first = first[np.argsort(key[first])]
            node[level] = level[first[np.searchsorted(key[first], key)]]

    alive = np.flatnonzero(node[cell_node] == cell_node)
    first, count = _first_of_equals(cell_hash ^ mix(cell_node), alive, given_cells)
    cell_weight = np.zeros(len(cell_node))
    cell_weight[first] = count
    return Collapsed(node, node_weight, cell_weight)


def _with_weight(hashes: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """The hashes as they enter that of the node above: together with the weights, if there are some."""
    if weight is None:
        return hashes
    return mix(hashes ^ mix(np.ascontiguousarray(weight, dtype=np.float64).view(np.uint64)))


def _first_of_equals(key, alive, weight=None):
    """The first of each group of equal keys among those alive, and the size of the group or the sum of its weights."""
    words = np.sort(key[alive])
    if not (words[1:] == words[:-1]).any():  # sorting words is fast, and finds most often nothing to collapse
        return alive, np.ones(len(alive)) if weight is None else weight[alive]
    _, first, group, count = np.unique(key[alive], return_index=True, return_inverse=True, return_counts=True)
    return alive[first], count if weight is None else np.bincount(group.ravel(), weight[alive])
