"""The likelihood of complete rows of one level, of all groups at once.

The formulas are those of `gaussian`, of one pattern a group. The groups have the same nodes, so that their matrices are
stacks, and each product or inverse is taken of all groups together: with a dozen variables it is the number of such
calls that takes the time. A cell that is free in one group is treated as free in all, and its derivatives are not used
where it is fixed or absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from semgllamm.integration.gaussian import COVARIANCE, LOG_2PI, PATH, REGRESSION, Graph, Moments

__all__ = ["CompleteEvaluation", "CompleteRows", "complete_rows"]

SHALLOW = 4  # paths in a chain, up to which products take less time than an inverse
ROOM = 1 << 22  # numbers in a product of forms of all groups, beyond which they are taken one after the other


def complete_rows(graphs: Sequence[Graph], moments: Sequence[Moments]) -> CompleteRows | None:
    """The groups as stacks; None if rows are incomplete, in clusters, or the groups too large to be held together."""
    first = graphs[0]
    size = first.v, first.p, first.m, first.q
    if any((g.v, g.p, g.m, g.q) != size or g.n_levels > 1 for g in graphs):
        return None
    if any(len(m.n) > 1 or not m.complete or m.has_means != moments[0].has_means for m in moments):
        return None
    most = max(len(g.free) + g.n_moving for g in graphs)
    return CompleteRows(graphs, moments) if len(graphs) * most**2 <= ROOM else None


class CompleteRows:
    """What the groups have in common, and where their parameters are.

    Parameters
    ----------
    graphs : sequence of Graph
        Of the same nodes, with as many covariates each.
    moments : sequence of Moments
        Of one pattern, complete.
    """

    def __init__(self, graphs: Sequence[Graph], moments: Sequence[Moments]):
        self.v, self.p, self.m, self.q = graphs[0].v, graphs[0].p, graphs[0].m, graphs[0].q
        self.groups = len(graphs)
        self._lay_out(graphs)
        self._look_up()
        self.n = np.array([m.n[0] for m in moments])
        self.yy, self.yx, self.xx = (np.concatenate([getattr(m, k) for m in moments]) for k in ("yy", "yx", "xx"))
        self.turn = np.stack([m.turn for m in moments])
        self.shift_y = np.stack([m.shift_y for m in moments])
        self.has_means = moments[0].has_means
        self.constant_loglik = sum(m.constant for m in moments) - 0.5 * self.p * LOG_2PI * self.n.sum()

    def _lay_out(self, graphs: Sequence[Graph]) -> None:
        """The cells of all groups, and their places in vectors that hold B, S and Γ one after the other."""
        v, m, width = self.v, self.m, max(self.v, self.m)
        codes = [(g.cells.kind * v + g.cells.row) * width + g.cells.column for g in graphs]
        code, at = np.unique(np.concatenate(codes), return_inverse=True)
        number = np.full((self.groups, len(code)), -1)
        value = np.zeros((self.groups, len(code)))
        ends = np.cumsum([0, *map(len, codes)])
        for k, graph in enumerate(graphs):
            own = at[ends[k] : ends[k + 1]]
            number[k, own], value[k, own] = graph.cells.number, graph.cells.value
        kind, row, column = code // width // v, code // width % v, code % width
        first = np.array([0, v * v, 2 * v * v])[kind]
        place = first + row * np.where(kind == REGRESSION, m, v) + column
        across = np.where(kind == COVARIANCE, first + column * v + row, place)  # S holds both triangles
        self.constant = np.zeros((self.groups, 2 * v * v + v * m))
        self.constant[:, place] = self.constant[:, across] = np.where(number < 0, value, 0.0)
        group, cell = np.nonzero(number >= 0)
        self.source = np.tile(number[group, cell], 2)
        self.place = np.concatenate([place[cell], across[cell]]) + np.tile(group, 2) * self.constant.shape[1]
        free = (number >= 0).any(axis=0)
        self.number, kind = number[:, free], kind[free]
        self.row, self.column = row[free], column[free]
        self.n_path, self.n_moving = int((kind == PATH).sum()), int((kind != REGRESSION).sum())
        held = np.flatnonzero(self.constant[:, : v * v].any(axis=0))
        self.depth = _longest(v, np.append(self.row[: self.n_path], held // v),
                              np.append(self.column[: self.n_path], held % v))  # fmt: skip
        self.kappa = np.where((kind == COVARIANCE) & (self.row == self.column), 0.5, 1.0)[: self.n_moving]

    def _look_up(self) -> None:
        """Where the products of forms are in matrices X'MX, and second derivatives in others."""
        v, paths, covariances = self.v, slice(0, self.n_path), slice(self.n_path, self.n_moving)
        r, c = self.row[paths], self.column[paths]
        self.causes, cause = np.unique(c, return_inverse=True)
        self.width = v + len(self.causes)
        a, b = self.row, np.concatenate([v + cause.ravel(), self.column[covariances]])
        ends = np.concatenate([a, b])
        self.forms = ends[:, None] * self.width + ends
        self.ab = a[: self.n_moving] * self.width + b
        self.a, self.b = a, b
        self.along = a * len(a) + np.arange(len(a))
        self.pairs = np.outer(self.kappa, self.kappa)
        self.c_c, self.c_r = c[:, None] * v + c, c * v + r[:, None]
        self.r_r = r[:, None] * self.width + r
        self.r_cause = r * self.width + v + cause.ravel()[:, None]
        left, right = self.row[covariances], self.column[covariances]
        self.r_left, self.r_right = r[:, None] * self.width + left, r[:, None] * self.width + right
        self.c_left, self.c_right = c[:, None] * v + left, c[:, None] * v + right
        row, column = self.row[self.n_moving :], self.column[self.n_moving :]
        self.c_row, self.r_column = c[:, None] * v + row, r[:, None] * self.m + column
        self.kept = self.number >= 0
        self.to_score = self.number[self.kept]
        self.kept_pairs = self.kept[:, :, None] & self.kept[:, None, :]
        self.all_kept = bool(self.kept.all())
        self.to_information = (self.number[:, :, None] * self.q + self.number[:, None, :])[self.kept_pairs]

    def at(self, parameters: np.ndarray) -> CompleteEvaluation:
        """The likelihood at one parameter vector.

        Raises
        ------
        LinAlgError
            If I − B is singular or Σ not positive definite.
        """
        return CompleteEvaluation(self, parameters)


def _longest(v: int, row: np.ndarray, column: np.ndarray) -> int | None:
    """The number of paths that the longest chain of them has; None where some node is among its own causes."""
    causes = np.zeros((v, v), dtype=bool)
    causes[row, column] = True
    reached, length = causes, 0
    while reached.any():
        length += 1
        if length > v:
            return None
        reached = causes @ reached
    return length


def _take(stack: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Elements of each matrix of a stack, by their places in a row of all its elements."""
    return stack.reshape(len(stack), -1).take(where, axis=1)


class CompleteEvaluation:
    """log L at one parameter vector, and from it the score and the information.

    Attributes
    ----------
    loglik : float
    """

    def __init__(self, rows: CompleteRows, parameters: np.ndarray):
        self.rows = rows
        v, p, groups = rows.v, rows.p, rows.groups
        values = rows.constant.copy()
        values.reshape(-1)[rows.place] = parameters[rows.source]
        B, S = values[:, : 2 * v * v].reshape(groups, 2, v, v).swapaxes(0, 1)
        self.E = self._effects(B)
        self.P = self.E @ S @ self.E.swapaxes(1, 2)
        half = np.linalg.cholesky(self.P[:, :p, :p])
        inverse = np.linalg.inv(half)
        self.W = inverse.swapaxes(1, 2) @ inverse
        self.A, T = rows.yx, rows.yy
        self.nu = np.zeros((groups, v, 0))
        if rows.m:
            self.nu = self.E @ values[:, 2 * v * v :].reshape(groups, v, rows.m) @ rows.turn
            Pi = self.nu[:, :p].copy()
            if rows.has_means:
                Pi[:, :, -1] -= rows.shift_y
            self.A = rows.yx - Pi @ rows.xx
            T = rows.yy - self.A @ Pi.swapaxes(1, 2) - Pi @ rows.yx.swapaxes(1, 2)
        self.WT = self.W @ T
        log_det = 2 * np.log(half.diagonal(axis1=1, axis2=2)).sum(axis=1)
        self.loglik = float(rows.constant_loglik - 0.5 * rows.n @ (log_det + self.WT.trace(axis1=1, axis2=2)))

    def _effects(self, B: np.ndarray) -> np.ndarray:
        """(I − B)⁻¹ = I + B + B² + …, which ends where the chains of paths do."""
        one, depth = np.eye(self.rows.v), self.rows.depth
        if depth is None or depth > SHALLOW:
            return np.linalg.inv(one - B)
        E = one + B
        for _ in range(depth - 1):
            E = one + B @ E
        return E

    @cached_property
    def derivatives(self) -> tuple[np.ndarray, np.ndarray]:
        """∂ log L in the parameters, (q,), and −∂² log L, (q, q)."""
        n = self.rows.n[:, None, None]
        self._multiply()
        out = self._expected + n * self._observed_less_expected()
        self._subtract_bending(out, n)
        return self._score(), self._in_parameters(out)

    @cached_property
    def expected(self) -> np.ndarray:
        """The expectation of −∂² log L, (q, q)."""
        assert self.derivatives
        return self._in_parameters(self._expected)

    def _multiply(self) -> None:
        """The products of the forms: a'Wa, a'Wb, b'Wb and the same of U = WTW, and X'(WA)h."""
        rows, p = self.rows, self.rows.p
        F, c, n = len(rows.a), rows.n_moving, rows.n[:, None, None]
        X = np.concatenate([self.E[:, :p], self.P[:, :p, rows.causes]], axis=2)
        Xt = X.swapaxes(1, 2)
        XW = Xt @ self.W
        XWX, XUX = XW @ X, XW @ (self.WT.swapaxes(1, 2) @ X)
        self.pull = n * (XWX - XUX)
        self.by_W, self.by_U = _take(XWX, rows.forms), _take(XUX, rows.forms)
        aWa, aWb, bWb = self.by_W[:, :c, :c], self.by_W[:, :c, F:], self.by_W[:, F:, F:]
        self.straight = rows.pairs * (aWb * aWb.swapaxes(1, 2) + bWb * aWa)
        self._expected = np.zeros((rows.groups, F, F))
        self._expected[:, :c, :c] = n * self.straight
        self.XA = XW @ self.A
        if rows.m:
            self.h = np.zeros((rows.groups, rows.m, F))
            self.h[:, :, : rows.n_path] = self.nu[:, rows.column[: rows.n_path]].swapaxes(1, 2)
            self.h[:, :, c:] = rows.turn[:, rows.column[c:]].swapaxes(1, 2)
            self.XG = self.XA @ self.h
            self._expected += n * self.by_W[:, :F, :F] * (self.h.swapaxes(1, 2) @ rows.xx @ self.h)

    def _observed_less_expected(self) -> np.ndarray:
        """What T in place of Σ, and residuals that are not uncorrelated with x, add to the products."""
        rows = self.rows
        F, c = len(rows.a), rows.n_moving
        aWa, aWb, bWb = self.by_W[:, :c, :c], self.by_W[:, :c, F:], self.by_W[:, F:, F:]
        aUa, aUb, bUb = self.by_U[:, :c, :c], self.by_U[:, :c, F:], self.by_U[:, F:, F:]
        turned = rows.pairs * (aUb * aWb.swapaxes(1, 2) + 0.5 * (bUb * aWa + aUa * bWb))
        out = np.zeros((rows.groups, F, F))
        out[:, :c, :c] = turned + turned.swapaxes(1, 2) - 2 * self.straight
        if rows.m:
            # Σ moves with i, Π with j
            cross = self.by_W[:, :c, :F] * self.XG[:, rows.b] + self.by_W[:, F:, :F] * self.XG[:, rows.a[:c]]
            cross *= rows.kappa[:, None]
            out[:, :c] += cross
            out[:, :, :c] += cross.swapaxes(1, 2)
        return out

    def _subtract_bending(self, out: np.ndarray, n: np.ndarray) -> None:
        """Subtract Σ ∂ℓ/∂Σ ∂²Σ + ∂ℓ/∂Π ∂²Π."""
        rows, v = self.rows, self.rows.v
        k, c = rows.n_path, rows.n_moving
        if k == 0:
            return
        slope = -self.pull
        if rows.m:
            slope[:, :v, v:] += n * self.XA[:, :v] @ self.nu[:, rows.causes].swapaxes(1, 2)
        once = _take(self.E, rows.c_r) * _take(slope, rows.r_cause)
        out[:, :k, :k] -= once + once.swapaxes(1, 2) - _take(self.P, rows.c_c) * _take(self.pull, rows.r_r)
        if c > k:
            mixed = _take(self.pull, rows.r_left) * _take(self.E, rows.c_right)
            mixed += _take(self.pull, rows.r_right) * _take(self.E, rows.c_left)
            mixed *= rows.kappa[k:]
            out[:, :k, k:c] += mixed
            out[:, k:c, :k] += mixed.swapaxes(1, 2)
        if len(rows.a) > c:
            to_x = n * self.XA[:, :v] @ rows.turn.swapaxes(1, 2)
            mixed = _take(self.E, rows.c_row) * _take(to_x, rows.r_column)
            out[:, :k, c:] -= mixed
            out[:, c:, :k] -= mixed.swapaxes(1, 2)

    def _score(self) -> np.ndarray:
        rows = self.rows
        slope = np.zeros(rows.kept.shape)
        slope[:, : rows.n_moving] = -rows.kappa * _take(self.pull, rows.ab)
        if rows.m:
            slope += rows.n[:, None] * _take(self.XG, rows.along)
        return np.bincount(rows.to_score, slope[rows.kept], minlength=rows.q)

    def _in_parameters(self, out: np.ndarray) -> np.ndarray:
        rows = self.rows
        flat = out.ravel() if rows.all_kept else out[rows.kept_pairs]
        return np.bincount(rows.to_information, flat, minlength=rows.q**2).reshape(rows.q, rows.q)
