"""What the kernels pass among themselves, and the columns of their tables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Cells", "Jacobian", "Places", "Rules", "Trees", "examples"]

# columns of the table of nodes
DEPTH, PARENT, FIRST, LAST, END, RULE = range(6)
# columns of the table of responses; products of latent variables have one more, 1 where they bend ν; composite links
# have three: at the first cell of a case the number of its cells, 0 at the others, then the cell's weight in the mean,
# and its link (no model has both)
Y, TRIALS, WEIGHT, BENT = range(4)
COUNT, TIMES, LINK = range(3, 6)
# addresses of the kernels of choices (choices.py), of composite links (composites.py), and of answers that have all
# thresholds in their density (responses/adjacent.py)
LOG_SUM, FRONT, FOLLOW, MEAN, INFORMATION = range(5)
SUM_VALUE, SUM_TERMS, SUM_FRONT, SUM_FOLLOW, SUM_MODE, SUM_INFORMATION = range(5, 11)
ANY_VALUE, ANY_CURVATURE, ANY_TERMS = range(11, 14)
# what is kept of a cell with T own parameters at a point: s and the T first derivatives in τ; then ω, the T of s in τ,
# and the lower triangle of the second ones in τ
S, G = 0, 1


class Cells(NamedTuple):
    """The responses and what they depend on: ν_i = f_i + Σ_a d_ia u_a for the coordinates u_a on the path.

    Where some responses depend on products of latent variables, D has as many more columns as there are pairs of
    coordinates, and ν_i gains Σ_{b≤a} q_iab u_a u_b, for the cells that are marked as bent (products.py).
    """

    code: np.ndarray  # (Nc,) family
    own: np.ndarray  # (codes,) number of own parameters of each family
    value: np.ndarray  # (codes,) address of its kernel `value`
    terms: np.ndarray  # (codes,) address of its kernel `terms`
    choice: np.ndarray  # (14,) addresses of the kernels of answers that few models have, 0 where there are none
    data: np.ndarray  # (Nc, 3, 4 or 6) y, trials, weight, and what products and composite links have beside
    lin: np.ndarray  # (Nc, 1 + T) f, τ1, ..., τT, T at least 2
    D: np.ndarray  # (Nc, P), or (Nc, P + P(P + 1)/2)


class Trees(NamedTuple):
    """The nodes in preorder, their weights under their parent, and the product of these from the root on."""

    node: np.ndarray  # (N, 6) depth, parent, first own cell, end of own cells, end of the subtree, rule
    weight: np.ndarray  # (N,)
    share: np.ndarray  # (N,)


class Places(NamedTuple):
    """Where the points are, u_n = m_n + G_n (u_anc − m_anc) + T_n z, and the fronts that put them there."""

    m: np.ndarray  # (N,)
    T: np.ndarray  # (N,)
    G: np.ndarray  # (N, P)
    M: np.ndarray  # (N, P, P)
    g: np.ndarray  # (N, P)
    step: np.ndarray  # (N,)


class Rules(NamedTuple):
    """The quadrature rules of the classes of nodes, padded."""

    count: np.ndarray  # (C,)
    z: np.ndarray  # (C, K)
    logw: np.ndarray  # (C, K)


class Jacobian(NamedTuple):
    """Derivatives of each cell's (f, columns of D, τ1, ..., τT), features 0, 1, ..., in the parameters."""

    ptr: np.ndarray  # (Nc + 1,)
    par: np.ndarray  # (nnz,)
    feature: np.ndarray  # (nnz,)
    value: np.ndarray  # (nnz,)


def examples() -> tuple:
    """Empty arrays of each kind: kernels that call themselves take their types from these."""
    f1, f2, f3 = (np.zeros((0,) * k) for k in (1, 2, 3))
    i1, i2 = (np.zeros((0,) * k, dtype=np.int64) for k in (1, 2))
    return (
        Cells(i1, i1, i1, i1, i1, f2, f2, f2), Trees(i2, f1, f1), Places(f1, f1, f2, f3, f2, f1), Rules(i1, f2, f2),
        Jacobian(i1, i1, i1, f1),
    )  # fmt: skip
