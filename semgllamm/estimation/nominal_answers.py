"""Answers to nominal items as rows of tables: f(c | η) = exp(ν_c) / Σ_a exp(ν_a)  (Bock 1972).

An answer has a linear predictor, its utility, for each category a. With p_a the probabilities at a node and z_k the
derivative of the utility of category a(k) in parameter k,

    ∂log f/∂k = (1[a(k) = c] − p_a(k)) z_k,      −∂²log f/∂k∂l = (1[a(k) = a(l)] p_a(k) − p_a(k) p_a(l)) z_k z_l,

the latter whichever category was chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["NominalAnswers"]


@dataclass
class NominalAnswers:
    """The utilities of the answers to nominal items.

    Attributes
    ----------
    answers : (A,) int array
        Rows of the tables.
    first : (A + 1,) int array
        Where the utilities of each begin.
    chosen : (A,) int array
        Which of them is that of the category chosen.
    kind, factor, axis, number : (U, L) arrays
        Of each utility and column of the item, as those of `Bound`; kind 0 where the column is of another category.
    base : (U, 6) array
    moving, slope : arrays
        As those of `Bound`.
    """

    answers: np.ndarray
    first: np.ndarray
    chosen: np.ndarray
    kind: np.ndarray
    factor: np.ndarray
    axis: np.ndarray
    number: np.ndarray
    base: np.ndarray
    moving: np.ndarray
    slope: np.ndarray

    def _predictor(self, values: np.ndarray) -> np.ndarray:
        out = self.base.copy()
        row, column, number = self.moving
        np.add.at(out, (row, column), self.slope * values[number])
        return out

    @staticmethod
    def _nodes(axes, support) -> np.ndarray:
        """η of each cell of a table over a support, (3, cells)."""
        size = [int(n) if has else 1 for n, has in zip(axes.size, support)]
        grids = [axes.eta[a, :n] if support[a] else np.zeros(1) for a, n in enumerate(size)]
        return np.stack([x.ravel() for x in np.meshgrid(*grids, indexing="ij")])

    def _shares(self, k: int, predictor: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log p (categories, cells) of an answer, and z (columns, cells)."""
        own = slice(self.first[k], self.first[k + 1])
        nu = predictor[own, :1] + predictor[own, 1:4] @ eta
        top = nu.max(axis=0)
        log = nu - top - np.log(np.exp(nu - top).sum(axis=0))
        kind, factor, axis = self.kind[own], self.factor[own], self.axis[own]
        which = kind.argmax(axis=0)
        column = np.arange(kind.shape[1])
        z = factor[which, column][:, None] * np.where(
            (axis[which, column] >= 0)[:, None], eta[np.maximum(axis[which, column], 0)], 1.0
        )
        return log, np.where((kind.max(axis=0) > 0)[:, None], z, 0.0)

    def _category(self, k: int) -> np.ndarray:
        """Whose utility each column is in, (columns,)."""
        return self.kind[self.first[k] : self.first[k + 1]].argmax(axis=0)

    def _densities(self, axes, supports, answers, values: np.ndarray):
        """(k, the answer, log densities of its categories, what multiplies its utilities) of all answers."""
        predictor, nodes = self._predictor(values), {}
        for k, r in enumerate(self.answers):
            s = int(answers.support[r])
            if s not in nodes:
                nodes[s] = self._nodes(axes, supports.has[s])
            yield k, r, *self._shares(k, predictor, nodes[s])

    def tabulate(self, axes, supports, answers, values: np.ndarray, width: np.ndarray, tables) -> None:
        """Fill in log f and the columns of derivatives."""
        for k, r, log, z in self._densities(axes, supports, answers, values):
            n, L = log.shape[1], int(width[r])
            at, slot, of = answers.at[r], answers.slot[r], self._category(k)
            tables.log[at : at + n] = log[self.chosen[k]]
            x = ((of == self.chosen[k])[:, None] - np.exp(log[of])) * z
            tables.columns[slot : slot + n * L] = x[:L].T.ravel()

    def curvature(self, axes, supports, answers, values: np.ndarray, counts: np.ndarray, hessian: np.ndarray) -> None:
        """Add Σ counts × second derivatives of log f to `hessian` (q, q)."""
        for k, r, log, z in self._densities(axes, supports, answers, values):
            n, of = counts[answers.at[r] : answers.at[r] + log.shape[1]], self._category(k)
            number = self.number[self.first[k] : self.first[k + 1]].max(axis=0)
            free = number >= 0
            pz = np.exp(log[of]) * z
            bend = (pz * n) @ pz.T - (of[:, None] == of) * ((pz * n) @ z.T)
            at = number[free]
            np.add.at(hessian, (at[:, None], at[None, :]), bend[np.ix_(free, free)])
