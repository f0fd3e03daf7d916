"""Random forests of units with random responses, for the engine and for the dense grid alike."""

from dataclasses import dataclass, replace

import numpy as np
from dense_grid import (
    CLOGLOG,
    GAUSSIAN,
    LOGIT,
    ORDINAL_LOGIT,
    POISSON,
    PROBIT,
    log_constant,
)

from semgllamm.integration.program import build

CODES = range(8)

# parents of the nodes; -1 starts a new tree
SHAPES = {
    "one": [-1],
    "chain of 2": [-1, 0],
    "two levels": [-1, 0, 0, 0],
    "three levels": [-1, 0, 1, 1, 0, 4],
    "dims 2-1": [-1, 0, 1, 1],
    "dims 1-2": [-1, 0, 1, 0, 3],
    "forest": [-1, -1, 1, 1, -1, 4, 5],
}


@dataclass(frozen=True)
class Forest:
    parent: np.ndarray
    rule: np.ndarray
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
        return np.array([self._depth(n) for n in range(len(self.parent))])

    def _depth(self, n):
        return 0 if self.parent[n] < 0 else 1 + self._depth(self.parent[n])

    def program(self):
        return build(self.parent, self.rule, np.zeros(len(self.parent)), self.cell_node, self.code, self.y, self.trials,
                     log_constant(self.code, self.y, self.trials), self.signature)

    def predictors(self, program):
        """lin and D of the program's cells."""
        return self.lin[program.cells], self.D[program.cells]


def responses(code, rng):
    """y, trials, τ1, τ2 that suit the family."""
    if code == GAUSSIAN:
        return rng.normal(), 1.0, rng.normal(-0.3, 0.3), 0.0
    if code in (LOGIT, PROBIT, CLOGLOG):
        n = rng.integers(1, 4)
        return rng.integers(0, n + 1), n, 0.0, 0.0
    if code == POISSON:
        return rng.poisson(1.5), 1.0, 0.0, 0.0
    category = rng.integers(0, 3)
    edges = np.array([-np.inf, rng.normal(-0.8, 0.2), rng.normal(0.7, 0.2), np.inf])
    return category, 1.0, edges[category], edges[category + 1]


def forest(parent, seed=1, cells=3, codes=CODES, loading=0.7):
    """Cells of all `codes` in turn on every node of the trees; a node's rule class is its depth."""
    rng = np.random.default_rng(seed)
    parent = np.array(parent)
    cell_node = np.repeat(np.arange(len(parent)), cells)
    code = np.resize(np.array(codes), len(cell_node))
    y, trials, tau1, tau2 = np.array([responses(c, rng) for c in code], dtype=float).T
    f = rng.normal(0, 0.5, len(code))
    out = Forest(
        parent=parent, rule=np.zeros(len(parent), dtype=int), cell_node=cell_node, code=code, y=y, trials=trials,
        lin=np.column_stack([f, tau1, tau2]), D=np.empty(0),
        signature=rng.integers(0, 2**63, (len(code), 2)).astype(np.uint64),
        node_weight=np.ones(len(parent)), cell_weight=np.ones(len(code)),
    )
    depth = out.depth
    D = loading * rng.normal(1, 0.4, (len(code), depth.max() + 1))
    D[np.arange(depth.max() + 1) > depth[cell_node][:, None]] = 0.0
    return replace(out, rule=depth, D=D)


def ordinal_cells(forest):
    return forest.code >= ORDINAL_LOGIT
