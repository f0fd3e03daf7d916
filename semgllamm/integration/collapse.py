"""Identical units are integrated once, with a weight: log L = Σ_roots w log F, F_n = ∫ φ Π f^w Π F_c^w.

Two nodes are identical where their kind, their rule, their cells and the nodes below them are, whatever the order. Each
node therefore gets a hash that is a sum over its cells and children (leaves first); then, from the roots down, one
of the nodes with equal hashes under the same parent is kept, its weight their number.
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
        Number of identical nodes under the same kept parent; 0 for nodes that are dropped.
    cell_weight : (Nc,) float
        Number of identical cells of the same node; 0 for cells that are dropped.
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


def collapse(parent, depth, rule, kind, cell_node, signature) -> Collapsed:
    """Find the identical nodes and cells; the arguments are those of `program.build`."""
    cell_hash = mix(signature[:, 0] ^ mix(signature[:, 1]))
    node_hash = mix(mix(kind) + rule.astype(np.uint64))
    np.add.at(node_hash, cell_node, cell_hash)
    levels = [np.flatnonzero(depth == o) for o in range(depth.max(initial=-1) + 1)]
    for level in reversed(levels):
        node_hash[level] = mix(node_hash[level])
        if parent[level[0]] >= 0:
            np.add.at(node_hash, parent[level], node_hash[level])

    node = np.arange(len(parent))
    node_weight = np.zeros(len(parent))
    for level in levels:
        above = parent[level]
        key, lives = node_hash[level], np.ones(len(level), dtype=bool)
        if above[0] >= 0:
            key = key ^ mix(node[above])
            lives = node[above] == above
        first, count = _first_of_equals(key, np.flatnonzero(lives))
        node_weight[level[first]] = count
        if len(first) < len(level):
            first = first[np.argsort(key[first])]
            node[level] = level[first[np.searchsorted(key[first], key)]]

    first, count = _first_of_equals(cell_hash ^ mix(cell_node), np.flatnonzero(node[cell_node] == cell_node))
    cell_weight = np.zeros(len(cell_node))
    cell_weight[first] = count
    return Collapsed(node, node_weight, cell_weight)


def _first_of_equals(key, alive):
    """The first of each group of equal keys among those alive, and the size of the group."""
    words = np.sort(key[alive])
    if not (words[1:] == words[:-1]).any():  # sorting words is fast, and finds most often nothing to collapse
        return alive, np.ones(len(alive))
    _, first, count = np.unique(key[alive], return_index=True, return_counts=True)
    return alive[first], count
