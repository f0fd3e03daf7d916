"""Working parameters: what the optimiser moves, and the cells that the user reads.

A free block of Ψ is moved through its Cholesky factor, Ψ = LL', with signs free, so that a variance can reach zero
(never through logarithms, for which zero is at infinity); a residual variance θ through log θ; all else as it is. A
block with fixed, labelled or constrained cells stays in its cells, and its factor is computed from them. Linear
equality constraints make the inner parameters an affine map of the free ones, inner = c + K free.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from semgllamm.model.matrices import Cell, Model

__all__ = ["Block", "Working", "working_parameters"]

CELL, LOG_VARIANCE, CHOLESKY = range(3)


@dataclass(frozen=True)
class Block:
    """A connected component of Ψ in one group: latent variables in tree order and the cells of its lower triangle."""

    latents: tuple[str, ...]
    cells: dict[tuple[int, int], Cell]
    cholesky: bool

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """L if `cholesky`, else Ψ, both k × k."""
        k = len(self.latents)
        out = np.zeros((k, k))
        for (a, b), cell in self.cells.items():
            out[a, b] = cell.at(values)
            if not self.cholesky:
                out[b, a] = out[a, b]
        return out


@dataclass(frozen=True)
class Working:
    """The map from free to inner parameters to cells.

    Attributes
    ----------
    kind : (q,) int array
        CELL, LOG_VARIANCE or CHOLESKY of each inner parameter.
    blocks : tuple (one a group) of tuples of Block
    K, c : (q, p) and (q,) arrays
        inner = c + K free.
    """

    kind: np.ndarray
    blocks: tuple[tuple[Block, ...], ...]
    K: np.ndarray
    c: np.ndarray
    names: tuple[str, ...]

    @property
    def n_free(self) -> int:
        return self.K.shape[1]

    def inner(self, free: np.ndarray) -> np.ndarray:
        return self.c + self.K @ free

    def cells(self, inner: np.ndarray) -> np.ndarray:
        """Values of the cells (q,)."""
        out = inner.copy()
        logs = self.kind == LOG_VARIANCE
        out[logs] = np.exp(inner[logs])
        for block in self._cholesky_blocks():
            L = block.matrix(inner)
            Psi = L @ L.T
            for (a, b), cell in block.cells.items():
                out[cell.number] = Psi[a, b]
        return out

    def jacobian(self, inner: np.ndarray) -> np.ndarray:
        """Derivative of the cells in the inner parameters, (q, q)."""
        J = np.eye(len(inner))
        logs = np.flatnonzero(self.kind == LOG_VARIANCE)
        J[logs, logs] = np.exp(inner[logs])
        for block in self._cholesky_blocks():
            L = block.matrix(inner)
            numbers = [cell.number for cell in block.cells.values()]
            J[np.ix_(numbers, numbers)] = 0.0
            for (i, j), moved in block.cells.items():
                for (a, b), cell in block.cells.items():
                    J[cell.number, moved.number] = (a == i) * L[b, j] + (b == i) * L[a, j]
        return J

    def inner_from_cells(self, cells: np.ndarray) -> np.ndarray:
        """Inner parameters at which the cells have these values (variances positive, blocks positive definite)."""
        out = cells.copy()
        logs = self.kind == LOG_VARIANCE
        out[logs] = np.log(np.maximum(cells[logs], 1e-8))
        for block in self._cholesky_blocks():
            k = len(block.latents)
            Psi = np.zeros((k, k))
            for (a, b), cell in block.cells.items():
                Psi[a, b] = Psi[b, a] = cells[cell.number]
            try:
                L = np.linalg.cholesky(Psi)
            except np.linalg.LinAlgError:
                L = np.diag(np.sqrt(np.maximum(np.diag(Psi), 1e-4)))
            for (a, b), cell in block.cells.items():
                out[cell.number] = L[a, b]
        return out

    def free_from_inner(self, inner: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(self.K, inner - self.c, rcond=None)[0]

    def signed(self) -> np.ndarray:
        """(p,) True where log L is even in the free parameter: a diagonal cell of a Cholesky factor."""
        out = np.zeros(len(self.kind), dtype=bool)
        for block in self._cholesky_blocks():
            for (a, b), cell in block.cells.items():
                out[cell.number] = a == b
        return np.array([out[np.flatnonzero(column)].any() for column in self.K.T], dtype=bool)

    def _cholesky_blocks(self):
        return [block for group in self.blocks for block in group if block.cholesky]


def working_parameters(
    model: Model, order: tuple[str, ...], constraint: tuple[np.ndarray, np.ndarray] | None
) -> Working:
    """Choose how each parameter is moved; `order` is the tree's order of the latent variables."""
    q = model.n_parameters
    kind = np.full(q, CELL)
    constrained = np.zeros(q, dtype=bool)
    K, c = np.eye(q), np.zeros(q)
    if constraint is not None:
        K, c = constraint
        constrained = ~np.array([np.count_nonzero(row) == 1 and row.max() == 1.0 for row in K]) | (c != 0)
        tied = K[constrained].any(axis=0)
        constrained |= K[:, tied].any(axis=1)
    uses: Counter[int] = Counter()
    residual: Counter[int] = Counter()
    for group in model.groups:
        for name, cells in group.items():
            for cell in cells:
                if cell.is_free:
                    uses[cell.number] += 1
                    if name == "Theta" and cell.row == cell.column:
                        residual[cell.number] += 1
    for number, count in residual.items():
        if count == uses[number] and not constrained[number]:
            kind[number] = LOG_VARIANCE
    raw = [_components(group.Psi, order) for group in model.groups]
    shapes = Counter(_shape(cells) for group in raw for _, cells in group)
    blocks = []
    for group in raw:
        here = []
        for latents, cells in group:
            numbers = [cell.number for cell in cells.values()]
            k = len(latents)
            free = (
                len(cells) == k * (k + 1) // 2
                and all(cell.is_free and not constrained[cell.number] for cell in cells.values())
                and len(set(numbers)) == len(numbers)
                and all(uses[number] == shapes[_shape(cells)] for number in numbers)
            )
            if k == 1 and not free:
                # a variance shared by several blocks of one variable each is one standard deviation
                cell = cells[0, 0]
                alone = sum(cell.number == c[0, 0].number for g in raw for latent, c in g if len(latent) == 1)
                free = cell.is_free and not constrained[cell.number] and alone == uses[cell.number]
            if free:
                kind[numbers] = CHOLESKY
            here.append(Block(latents, cells, free))
        blocks.append(tuple(here))
    names = tuple(model.names[np.flatnonzero(column)[0]] for column in K.T)
    return Working(kind, tuple(blocks), K, c, names)


def _shape(cells: dict[tuple[int, int], Cell]) -> tuple:
    return tuple(sorted((place, cell.number) for place, cell in cells.items()))


def _components(Psi: tuple[Cell, ...], order: tuple[str, ...]):
    """Connected components of Ψ, each with its latent variables in tree order and the cells of its lower triangle."""
    place = {name: k for k, name in enumerate(order)}
    home = {c.row: c.row for c in Psi if c.row == c.column}

    def find(name):
        while home[name] != name:
            name = home[name]
        return name

    for cell in Psi:
        if cell.row != cell.column and (cell.is_free or cell.value != 0.0):
            home[find(cell.row)] = find(cell.column)
    components: dict[str, list[str]] = {}
    for name in home:
        components.setdefault(find(name), []).append(name)
    out = []
    for names in components.values():
        latents = tuple(sorted(names, key=lambda name: place.get(name, -1)))
        index = {name: k for k, name in enumerate(latents)}
        cells = {}
        for cell in Psi:
            if cell.row in index and (cell.row == cell.column or cell.is_free or cell.value != 0.0):
                a, b = index[cell.row], index[cell.column]
                cells[max(a, b), min(a, b)] = cell
        if len(latents) > 1 or cells[0, 0].is_free or cells[0, 0].value != 0.0:
            out.append((latents, cells))
    return sorted(out, key=lambda item: place.get(item[0][0], -1))
