"""Σ_i w_i E_i[xx'] of the columns of items of one axis: those of all units at all nodes of their windows are stacked,
times the root of w_i P_i(q), and the product of the stack with itself is taken."""

from __future__ import annotations

import numpy as np

from semgllamm.integration import grid

__all__ = ["squares_of_axis"]

STACK = 200_000  # numbers in a stack


def squares_of_axis(at, sums, units, lo: int, hi: int, a: int, n_own: int) -> np.ndarray:
    """The block (n_own, n_own) of the items' columns of axis a, over the units lo..hi of one group.

    Parameters
    ----------
    at, sums : Setting and Sums
    units : Units
    lo, hi, a, n_own : int
    """
    out, i = np.zeros((n_own, n_own)), lo
    if n_own == 0:
        return out
    stack = np.empty((max(min(STACK // n_own, (hi - lo) * sums.kept.shape[2]), sums.kept.shape[2]), n_own))
    while i < hi:
        used, i = grid.stack_units(
            i, hi, a, at.supports, at.answers, at.tables, units, sums.kept, sums.window, stack
        )  # fmt: skip
        out += stack[:used].T @ stack[:used]
    return out
