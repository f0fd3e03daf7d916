"""f, d and τ of whole blocks of cells at once, where no covariate enters but through x'β.

Such a block has one λ, and its cells differ in x'β alone. With Λ the blocks' λ, one a row,

    f_b = Λ_b μ,      d_b = Λ_b M,      and back, from the adjoints r summed over the cells of each block,

    Λ̄ = r_f μ' + r_d M',      M̄ = Λ'r_d,      μ̄ = Λ'r_f.

A table holds f, d (along the path) and τ of each block in a row.
"""

from __future__ import annotations

import numpy as np

from semgllamm.model.transforms import LOG_VARIANCE

__all__ = ["INTERCEPT", "THRESHOLD", "VARIANCE", "Measurement", "OwnParameters"]


VARIANCE, THRESHOLD, INTERCEPT = range(3)


class Measurement:
    """The blocks of one group whose λ and μ are the same for all cells.

    Parameters
    ----------
    cells : sequence of (row, position of η, Cell)
        The cells of Λ, by the row of the table.
    rows : sequence of int
        Rows of the table.
    slots : sequence of sequence of int
        The coordinates on the path of each row.
    intercepts, paths : sequences of (position of η, Cell) and of (position, position, Cell)
        The group's α and B.
    n_eta, n_u, depth : int
    """

    def __init__(self, cells, rows, slots, intercepts, paths, n_eta: int, n_u: int, depth: int):
        self.rows = np.array(rows, dtype=np.int64)
        place = {row: k for k, row in enumerate(rows)}
        self.fixed = np.zeros((len(rows), n_eta))
        free = []
        for row, eta, cell in cells:
            if cell.is_free:
                free.append((place[row], eta, cell.number))
            else:
                self.fixed[place[row], eta] += cell.value
        self.row, self.eta, self.number = np.array(free, dtype=np.int64).reshape(-1, 3).T
        # coordinate n_u stands for none: a column of zeros
        self.n_u = n_u
        self.slots = np.full((len(rows), depth), n_u, dtype=np.int64)
        for k, path in enumerate(slots):
            self.slots[k, : len(path)] = path
        self.intercepts = [(eta, cell.number) for eta, cell in intercepts if cell.is_free]
        self.paths = [(effect, cause, cell.number) for effect, cause, cell in paths if cell.is_free]
        self.has_means = bool(intercepts)

    def loadings(self, inner: np.ndarray) -> np.ndarray:
        """Λ, one row a block."""
        Lam = self.fixed.copy()
        np.add.at(Lam, (self.row, self.eta), inner[self.number])
        return Lam

    def fill(self, inner: np.ndarray, structure, table: np.ndarray) -> None:
        """Add f and write d into the table."""
        Lam = self.loadings(inner)
        if self.has_means:
            table[self.rows, 0] += Lam @ (structure.A @ structure.alpha)
        d = np.zeros((len(self.rows), self.n_u + 1))
        d[:, :-1] = Lam @ structure.M
        table[self.rows, 1 : 1 + self.slots.shape[1]] = np.take_along_axis(d, self.slots, axis=1)

    def pull_back(self, inner: np.ndarray, structure, sums: np.ndarray, gradient: np.ndarray) -> None:
        """Add the derivatives in the parameters of Λ, B, α and Ψ; `sums` are the adjoints of the table."""
        Lam = self.loadings(inner)
        to_f = sums[self.rows, 0]
        to_d = np.zeros((len(self.rows), self.n_u + 1))
        np.put_along_axis(to_d, self.slots, sums[self.rows, 1 : 1 + self.slots.shape[1]], axis=1)
        to_d = to_d[:, :-1]
        to_Lam = to_d @ structure.M.T
        if self.has_means:
            mu = structure.A @ structure.alpha
            to_Lam += np.outer(to_f, mu)
            to_mean = (to_f @ Lam) @ structure.A
            for eta, number in self.intercepts:
                gradient[number] += to_mean[eta]
            for effect, cause, number in self.paths:
                gradient[number] += to_mean[effect] * mu[cause]
        np.add.at(gradient, self.number, to_Lam[self.row, self.eta])
        to_M = Lam.T @ to_d
        for number, change in structure.dM.items():
            gradient[number] += np.vdot(to_M, change)


class OwnParameters:
    """τ of each block as far as no covariate enters it: the logarithm of a residual variance, the thresholds below and
    above an answer, the intercept of a linear predictor.

    Parameters
    ----------
    cells : sequence of (row, number, Cell or None, kind)
        None is an outer threshold, or a residual variance or intercept that is not there; the kind is VARIANCE,
        THRESHOLD or INTERCEPT.
    kind : array
        The working parameters' kinds.
    shape : (rows, columns) of the table
    T : int
        How many own parameters there is room for.
    """

    def __init__(self, cells, kind: np.ndarray, shape: tuple[int, int], T: int = 2):
        self.constant = np.zeros(shape)
        self.possible = True
        free = []
        for row, which, cell, what in cells:
            column = shape[1] - T + which
            if cell is not None and cell.is_free:
                natural = what == VARIANCE and kind[cell.number] != LOG_VARIANCE
                free.append((row, column, cell.number, natural))
            elif what == INTERCEPT:
                self.constant[row, column] = 0.0 if cell is None else cell.value
            elif what == THRESHOLD:
                self.constant[row, column] = (-np.inf, np.inf)[which] if cell is None else cell.value
            elif cell is not None and cell.value > 0:
                self.constant[row, column] = np.log(cell.value)
            else:
                self.possible = False
        self.row, self.column, self.number, natural = np.array(free, dtype=np.int64).reshape(-1, 4).T
        self.natural = np.flatnonzero(natural)

    def table(self, inner: np.ndarray) -> np.ndarray:
        """A table with τ in its last columns, zero elsewhere.

        Raises
        ------
        LinAlgError
            If a residual variance is not positive.
        """
        out = self.constant.copy()
        values = inner[self.number]
        variances = values[self.natural]
        if not self.possible or np.any(variances <= 0):
            raise np.linalg.LinAlgError("residual variance not positive")
        values[self.natural] = np.log(variances)
        out[self.row, self.column] = values
        return out

    def pull_back(self, inner: np.ndarray, sums: np.ndarray, gradient: np.ndarray) -> None:
        """Add the derivatives in the parameters of Θ and κ."""
        slope = np.ones(len(self.number))
        slope[self.natural] = 1.0 / inner[self.number[self.natural]]
        np.add.at(gradient, self.number, slope * sums[self.row, self.column])
