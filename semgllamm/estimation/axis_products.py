"""Σ_i w_i E_i[xx'] of the columns of items of one axis.

Let D_r(q) be the columns of answer r at node q, zero but for those of its item. Where all units answered an item, one
of its answers is its reference: x_i(q) = b(q) + Σ_r o_ir Δ_r(q), b the sum of the references' columns, o_ir = 1 for the
other answers that unit i gave, and Δ_r = D_r less its reference. Over q the Δ of all answers span few functions φ_k
where families are canonical (1 and η for logits: ∂log f/∂ν = y − E(y|ν)), so that with Δ_r(q) = Σ_k φ_k(q) G_kr

    Σ_i w_i E_i[xx'] = Σ_q N(q) bb' + Σ_q (b Σ_r n_r(q) Δ_r' + its transpose) + Σ_kl G_k' O' diag(w_i E_i[φ_k φ_l]) O G_l,

N(q) and n_r(q) the expected counts at a node. Otherwise the columns of all units at all nodes of their windows are
stacked, times the root of w_i P_i(q), and the product of the stack with itself is taken.
"""

from __future__ import annotations

import numpy as np

from semgllamm.integration import grid

__all__ = ["items_of_axis"]

SPAN = 4  # functions of q up to which their products are fewer and cheaper than nodes
FLAT = 1e-11  # singular value, relative to the largest, of a function that is none
STACK = 4_000_000  # numbers in a stack


def items_of_axis(at, sums, units, lo: int, hi: int, a: int, bound, first: int, n_own: int) -> np.ndarray:
    """The block (n_own, n_own) of one axis, over the units lo..hi of one group.

    Parameters
    ----------
    at, sums : Setting and Sums
    units : Units
    lo, hi : int
    a : int
        The axis.
    bound : Bound
    first, n_own : int
        The items' columns of the axis.
    """
    if hi == lo or n_own == 0:
        return np.zeros((n_own, n_own))
    by_reference = _by_reference(at, sums, units, lo, hi, a, bound, n_own)
    return _stacked(at, sums, units, lo, hi, a, n_own) if by_reference is None else by_reference


def _by_reference(at, sums, units, lo, hi, a, bound, n_own):
    """None where an answer is missing, or the Δ span too many functions."""
    items = [j for j in range(units.code.shape[1]) if _axis_of(units.code[lo:hi, j], bound) == a]
    code = units.code[lo:hi][:, items]
    if (code < 0).any():
        return None
    Q = int(at.axes.size[a])
    weight = units.weight[lo:hi]
    answers, base, rest = at.answers, np.zeros((Q, n_own)), []
    for j in range(len(items)):
        seen = np.flatnonzero(np.bincount(code[:, j]))
        reference = int(code[0, j])
        L = int((bound.kind[reference] >= 0).sum())
        columns = slice(int(bound.column[reference]), int(bound.column[reference]) + L)
        D = {int(r): at.tables.columns[answers.slot[r] : answers.slot[r] + Q * L].reshape(Q, L) for r in seen}
        base[:, columns] += D[reference]
        rest += [(j, r, columns, D[r] - D[reference]) for r in D if r != reference]
    p = sums.kept[lo:hi, a, :Q] * weight[:, None]
    out = (base * p.sum(axis=0)[:, None]).T @ base
    if not rest:
        return out
    spread = np.concatenate([delta for *_, delta in rest], axis=1)
    U, size, Vt = np.linalg.svd(spread, full_matrices=False)
    span = int((size > FLAT * size[0]).sum())
    if span > SPAN:
        return None
    phi, G = U[:, :span] * size[:span], Vt[:span]
    O = np.empty((hi - lo, len(rest)))
    for k, (j, r, *_) in enumerate(rest):
        np.equal(code[:, j], r, out=O[:, k], casting="unsafe")
    maps = np.zeros((span, len(rest), n_own))
    at_column = 0
    for k, (_, _, columns, delta) in enumerate(rest):
        L = delta.shape[1]
        maps[:, k, columns] = G[:, at_column : at_column + L]
        at_column += L
    n = O.T @ p
    half = np.zeros((n_own, n_own))
    for k in range(span):
        half += base.T @ (phi[:, k, None] * n.T) @ maps[k]
    out += half + half.T
    for k in range(span):
        for l in range(k + 1):
            v = p @ (phi[:, k] * phi[:, l])
            block = maps[k].T @ ((O * v[:, None]).T @ O) @ maps[l]
            out += block if k == l else block + block.T
    return out


def _axis_of(code: np.ndarray, bound) -> int:
    """The support of an item in which somebody answered, −1 if nobody did."""
    seen = code[code >= 0]
    return int(bound.support[seen[0]]) if len(seen) else -1


def _stacked(at, sums, units, lo, hi, a, n_own):
    room = max(STACK // n_own, sums.kept.shape[2])
    stack = np.empty((room, n_own))
    out, i = np.zeros((n_own, n_own)), lo
    while i < hi:
        used, i = grid.stack_units(
            i, hi, a, at.supports, at.answers, at.tables, units, sums.kept, sums.window, stack
        )  # fmt: skip
        out += stack[:used].T @ stack[:used]
    return out
