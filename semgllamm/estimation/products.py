"""Products of latent variables: what they add to the predictors of a block of cells.

The linear part of the latent variables is η_l = μ + M u (predictor.py). A product of two of its members adds

    c η_a η_b = c (μ_a + M_a u)(μ_b + M_b u),

to a response, or to a latent variable k and thence, by the linear paths, κ = c (λ'A)_k times the same to a response:

    f += κ μ_a μ_b,    d += κ (μ_a M_b + μ_b M_a),    q_xy += κ (M_ax M_by + M_ay M_bx) / (1 + δ_xy)

(Kenny & Judd 1984; Klein & Moosbrugger 2000). Members of products are linear in u themselves, so that ν is quadratic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from semgllamm.model.matrices import Cell, Matrices, Model

__all__ = ["BlockProducts", "Term", "bent_part", "depends_on_products", "factors_behind", "terms_of"]


@dataclass(frozen=True, slots=True)
class Term:
    """A product that reaches a response: its cell, the places of its factors and of what it enters.

    −1 is the response itself.
    """

    cell: Cell
    first: int
    second: int
    enters: int


def _closure(groups: Iterable[Matrices], names: set[str]) -> set[str]:
    """The latent variables that these depend on, their products' factors among them."""
    found, todo = set(), set(names)
    while todo:
        name = todo.pop()
        found.add(name)
        for group in groups:
            todo |= {c.column for c in group.B if c.row == name} - found
            todo |= {factor for c in group.products if c.row == name for factor in (c.column, c.times)} - found
    return found


def factors_behind(model: Model, response: str) -> set[str]:
    """The factors of all products that a response depends on, in some group."""
    loads = {c.column for g in model.groups for c in g.Lambda if c.row == response}
    reached = {response, *_closure(model.groups, loads)}
    return {factor for g in model.groups for c in g.products if c.row in reached for factor in (c.column, c.times)}


def depends_on_products(model: Model, latent: str) -> bool:
    """Whether a latent variable is not linear in the disturbances."""
    reached = _closure(model.groups, {latent})
    return any(c.row in reached for g in model.groups for c in g.products)


def terms_of(group: Matrices, response: str, index: dict[str, int]) -> list[Term]:
    """The products that a response of a group depends on."""
    loads = {c.column for c in group.Lambda if c.row == response}
    reached = {response, *_closure((group,), loads)}
    return [
        Term(c, index[c.column], index[c.times], index.get(c.row, -1)) for c in group.products if c.row in reached
    ]


def bent_part(q: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Σ_{b≤a} q_ab u_a u_b.

    Parameters
    ----------
    q : (n, ·) or (n, ·, 1, …) array
        By the rows of the lower triangle; columns of longer paths may follow.
    u : (depth, n, …) array
        The coordinates of a path.
    """
    a, b = np.tril_indices(len(u))
    return sum(q[:, k] * u[a[k]] * u[b[k]] for k in range(len(a)))


def _outer(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of u_a u_b, a ≥ b, in (x'u)(y'u), by the rows of their lower triangle along the last axis."""
    a, b, share = _triangle(x.shape[-1])
    return share * (x[..., a] * y[..., b] + x[..., b] * y[..., a])


@cache
def _triangle(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns of a lower triangle, and ½ on its diagonal, 1 below."""
    a, b = np.tril_indices(size)
    return a, b, np.where(a == b, 0.5, 1.0)


def _column(x) -> np.ndarray:
    """A number or a covariate as (1 or n, 1)."""
    return np.reshape(x, (-1, 1))


class BlockProducts:
    """The terms of one block of cells.

    Parameters
    ----------
    terms : list of Term
    slots : list of int
        The coordinates on the block's path.
    depth : int
        Coordinates on the longest path, P.
    """

    def __init__(self, terms: list[Term], slots: list[int], depth: int):
        self.terms, self.slots, self.depth = terms, slots, depth

    def __bool__(self) -> bool:
        return bool(self.terms)

    def _rows(self, M: np.ndarray, term: Term) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of the path's coordinates in the two factors, (…, path)."""
        return M[..., term.first, :][..., self.slots], M[..., term.second, :][..., self.slots]

    def add(self, inner: np.ndarray, s, lam, mu, f: np.ndarray, D: np.ndarray) -> None:
        """Add what the products contribute to f (n,) and the columns of D, (n, ·)."""
        path = len(self.slots)
        for term in self.terms:
            kappa = term.cell.at(inner) * self._reach(term, s, lam)
            a, b = self._rows(s.M, term)
            at_a, at_b = mu[:, term.first], mu[:, term.second]
            f += kappa * at_a * at_b
            D[:, :path] += (kappa * at_a)[:, None] * b + (kappa * at_b)[:, None] * a
            D[:, self.depth : self.depth + path * (path + 1) // 2] += kappa[:, None] * _outer(a, b)

    @staticmethod
    def _reach(term: Term, s, lam: np.ndarray) -> np.ndarray:
        """κ / c, (1 or n,)."""
        return np.ones(1) if term.enters < 0 else (lam * s.A[..., :, term.enters]).sum(axis=1)

    def at_means(self, inner: np.ndarray, s, lam, eta: np.ndarray) -> np.ndarray:
        """What the products add to ν where the factors are those of η, (n,)."""
        return sum(
            term.cell.at(inner) * self._reach(term, s, lam) * eta[:, term.first] * eta[:, term.second]
            for term in self.terms
        )

    def entries(
        self, inner: np.ndarray, s, lam, mu, loads, alpha, gamma, paths
    ) -> Iterator[tuple[int, int, np.ndarray]]:
        """Derivatives of the block's features in the parameters: (number, feature, values (1 or n,)).

        `loads`, `alpha`, `gamma` and `paths` are the cells of Λ, Γ and B that concern the block, with their places and
        what they are multiplied by.
        """
        lam_A = (lam[:, None, :] @ s.A)[:, 0, :]
        moved_mu = [
            (cell.number, s.A[..., :, k] * _column(times)) for k, cell, times in (*alpha, *gamma) if cell.is_free
        ]
        moved_mu += [
            (cell.number, s.A[..., :, r] * _column(times) * mu[:, c, None])
            for r, c, cell, times in paths if cell.is_free
        ]  # fmt: skip
        for term in self.terms:
            c, a, b = term.cell.at(inner), *self._rows(s.M, term)
            at_a, at_b = mu[:, term.first], mu[:, term.second]
            reach = self._reach(term, s, lam)
            of_kappa = [(term.cell.number, reach)] if term.cell.is_free else []
            if term.enters >= 0:
                of_kappa += [
                    (cell.number, c * s.A[..., k, term.enters] * z) for k, cell, z in loads if cell.is_free
                ]
                of_kappa += [
                    (cell.number, c * lam_A[:, r] * z * s.A[..., k, term.enters])
                    for r, k, cell, z in paths if cell.is_free
                ]  # fmt: skip
            for number, change in of_kappa:
                change = np.atleast_1d(change)
                yield number, 0, change * at_a * at_b
                yield from self._of_path(number, change[:, None] * (at_a[:, None] * b + at_b[:, None] * a), 1)
                yield from self._of_path(number, change[:, None] * _outer(a, b), 1 + self.depth)
            kappa = c * reach
            for number, change in moved_mu:
                change = np.atleast_2d(change)
                to_a, to_b = kappa * change[:, term.first], kappa * change[:, term.second]
                yield number, 0, to_a * at_b + at_a * to_b
                yield from self._of_path(number, to_a[:, None] * b + to_b[:, None] * a, 1)
            for number, change in s.dM.items():
                to_a, to_b = self._rows(change, term)
                if not to_a.any() and not to_b.any():
                    continue
                means = at_a[:, None] * to_b + at_b[:, None] * to_a
                yield from self._of_path(number, kappa[:, None] * means, 1)
                yield from self._of_path(number, kappa[:, None] * (_outer(to_a, b) + _outer(a, to_b)), 1 + self.depth)

    @staticmethod
    def _of_path(number: int, values: np.ndarray, first: int) -> Iterator[tuple[int, int, np.ndarray]]:
        for k in range(values.shape[1]):
            yield number, first + k, values[:, k]
