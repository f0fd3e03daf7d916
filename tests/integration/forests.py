"""Random forests of units with random responses, for the engine and for the dense grid alike."""

from dataclasses import dataclass, replace

import numpy as np
from dense_grid import CLOGLOG, CODES, GAUSSIAN, LOGIT, POISSON, PROBIT, log_constant

from semgllamm.integration.program import build

# parents of the nodes; -1 starts a new tree
SHAPES = {
    "one node": [-1],
    "chain of two": [-1, 0],
    "two levels": [-1, 0, 0, 0],
    "three levels": [-1, 0, 1, 1, 0, 4],
    "two dimensions above one": [-1, 0, 1, 1],
    "one dimension above two": [-1, 0, 1, 0, 3],
    "several roots, out of order": [3, -1, 5, -1, 3, 1, 5],
}


@dataclass(frozen=True)
class Forest:
    """Nodes and cells as `build` takes them, f, τ and d of each cell, and weights for the dense grid."""

    parent: np.ndarray
    cell_node: np.ndarray
    code: np.ndarray
    y: np.ndarray
    trials: np.ndarray
    lin: np.ndarray
    D: np.ndarray
    signature: np.ndarray
    node_weight: np.ndarray
    cell_weight: np.ndarray

    @property
    def depth(self):
        def count(n):
            return 0 if self.parent[n] < 0 else 1 + count(self.parent[n])

        return np.array([count(n) for n in range(len(self.parent))])

    def program(self, kind=None):
        """The program of these units; the rule class of a node is its depth."""
        kind = np.zeros(len(self.parent)) if kind is None else kind
        constant = log_constant(self.code, self.y, self.trials)
        return build(self.parent, self.depth, kind, self.cell_node, self.code, self.y, self.trials, constant,
                     self.signature)

    def predictors(self, program):
        """lin and D of the program's cells."""
        return self.lin[program.cells], self.D[program.cells]

    def free(self):
        """Which of f, d and τ of each cell the likelihood depends on, as R has them."""
        on_path = np.arange(self.D.shape[1]) <= self.depth[self.cell_node][:, None]
        own = np.column_stack([self.code == GAUSSIAN, np.zeros(len(self.code), dtype=bool)])
        own[self.code > POISSON] = np.isfinite(self.lin[self.code > POISSON, 1:])
        return np.column_stack([np.ones(len(self.code), dtype=bool), on_path, own])

    def distinct(self, rng):
        """The same units, none of which the engine can take for identical."""
        return replace(self, signature=rng.integers(0, 2**63, self.signature.shape).astype(np.uint64))


def response(code, rng):
    """y, trials, τ1, τ2 that suit the family."""
    if code == GAUSSIAN:
        return rng.normal(), 1.0, rng.normal(-0.3, 0.3), 0.0
    if code in (LOGIT, PROBIT, CLOGLOG):
        n = rng.integers(1, 4)
        return rng.integers(0, n + 1), n, 0.0, 0.0
    if code == POISSON:
        return rng.poisson(1.5), 1.0, 0.0, 0.0
    category = rng.integers(0, 3)
    edges = [-np.inf, rng.normal(-0.8, 0.2), rng.normal(0.7, 0.2), np.inf]
    return category, 1.0, edges[category], edges[category + 1]


def forest(parent, seed=1, cells=3, codes=CODES, loading=0.7):
    """`cells` cells, of all `codes` in turn, on every node of the trees."""
    rng = np.random.default_rng(seed)
    parent = np.array(parent)
    cell_node = np.repeat(np.arange(len(parent)), cells)
    code = np.resize(np.array(codes), len(cell_node))
    y, trials, tau1, tau2 = np.array([response(c, rng) for c in code], dtype=float).T
    out = Forest(
        parent=parent, cell_node=cell_node, code=code, y=y, trials=trials,
        lin=np.column_stack([rng.normal(0, 0.5, len(code)), tau1, tau2]), D=np.empty(0),
        signature=rng.integers(0, 2**63, (len(code), 2)).astype(np.uint64),
        node_weight=np.ones(len(parent)), cell_weight=np.ones(len(code)),
    )
    depth = out.depth
    D = loading * rng.normal(1, 0.4, (len(code), depth.max() + 1))
    return replace(out, D=np.where(np.arange(depth.max() + 1) <= depth[cell_node][:, None], D, 0.0))


def weighted(forest, seed=2):
    """The forest with random weights of its nodes and cells."""
    rng = np.random.default_rng(seed)
    return replace(forest, node_weight=rng.integers(1, 4, len(forest.parent)).astype(float),
                   cell_weight=rng.integers(1, 4, len(forest.code)).astype(float))


def written_out(forest):
    """The forest with as many copies of every node and cell as their weights say, in random order."""
    parent, origin, cells = [], [], []

    def copy(n, above):
        for _ in range(int(forest.node_weight[n])):
            here = len(parent)
            parent.append(above)
            origin.append(n)
            for i in np.flatnonzero(forest.cell_node == n):
                cells.extend([(here, i)] * int(forest.cell_weight[i]))
            for child in np.flatnonzero(forest.parent == n):
                copy(child, here)

    for root in np.flatnonzero(forest.parent < 0):
        copy(root, -1)
    rng = np.random.default_rng(3)
    to = rng.permutation(len(parent))
    shuffled = np.empty(len(parent), dtype=int)
    shuffled[to] = [to[p] if p >= 0 else -1 for p in parent]
    node, i = rng.permutation(np.array(cells)).T
    return Forest(
        parent=shuffled, cell_node=to[node], code=forest.code[i], y=forest.y[i], trials=forest.trials[i],
        lin=forest.lin[i], D=forest.D[i], signature=forest.signature[i], node_weight=np.ones(len(parent)),
        cell_weight=np.ones(len(i)),
    )
