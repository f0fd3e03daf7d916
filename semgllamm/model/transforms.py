"""Working parameters: what the optimiser moves, and the cells that the user reads.

A free block of Ψ is moved through its Cholesky factor, Ψ = LL', with signs free, so that a variance can reach zero
(never through logarithms, for which zero is at infinity); a residual variance θ through log θ; all else as it is.

Where the covariances of a block are free but its variances are not, being fixed (``std_lv``) or equal to others, row a
of L is a point of a sphere,

    L_a = r (x sin|x|/|x|, cos|x|),     x ∈ R^a, r² the variance (r is what moves a free one),

the exponential map at the pole that stands for no correlation. Ψ is singular on the equator, |x| = π/2, which the map
crosses smoothly, log L being even about it as it is about a standard deviation of zero. Any other block with fixed,
labelled or constrained cells stays in its cells, and its factor is computed from them.

Linear equality constraints make the inner parameters an affine map of the free ones, inner = c + K free; of the mass
points of a free distribution the last is then where the mean of all is zero, m_K = −Σ_{k<K} (π_k/π_K) m_k.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.model.matrices import FIXED, Cell, Model

__all__ = ["Block", "Centring", "Working", "working_parameters"]

CELL, LOG_VARIANCE, CHOLESKY, SPHERE = range(4)
EQUATOR = np.pi / 2


@dataclass(frozen=True)
class Block:
    """A connected component of Ψ in one group: latent variables in tree order and the cells of its lower triangle.

    It is moved through its Cholesky factor if `cholesky`, through points of spheres if `spherical`, else in its cells.
    """

    latents: tuple[str, ...]
    cells: dict[tuple[int, int], Cell]
    cholesky: bool
    spherical: bool = False

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """L if `cholesky` or `spherical`, else Ψ, all k × k."""
        k = len(self.latents)
        out = np.zeros((k, k))
        for (a, b), cell in self.cells.items():
            out[a, b] = cell.at(values)
            if not (self.cholesky or self.spherical):
                out[b, a] = out[a, b]
        if self.spherical:
            for a in range(k):
                n = np.linalg.norm(out[a, :a])
                radius = out[a, a] if self.cells[a, a].is_free else np.sqrt(out[a, a])
                out[a, :a] *= radius * np.sinc(n / np.pi)
                out[a, a] = radius * np.cos(n)
        return out

    def slopes(self, values: np.ndarray) -> dict[int, np.ndarray]:
        """Derivative of L in each inner parameter of a `cholesky` or `spherical` block."""
        k = len(self.latents)
        out = {cell.number: np.zeros((k, k)) for cell in self.cells.values() if cell.is_free}
        if self.cholesky:
            for (a, b), cell in self.cells.items():
                out[cell.number][a, b] = 1.0
            return out
        for a in range(k):
            variance = self.cells[a, a]
            radius = variance.at(values) if variance.is_free else np.sqrt(variance.value)
            x = np.array([self.cells[a, b].at(values) for b in range(a)])
            n = np.linalg.norm(x)
            sinc = np.sinc(n / np.pi)
            bend = (np.cos(n) - sinc) / n**2 if n > 1e-4 else -1.0 / 3.0
            for b in range(a):
                slope = out[self.cells[a, b].number]
                slope[a, :a] = radius * bend * x[b] * x
                slope[a, b] += radius * sinc
                slope[a, a] = -radius * sinc * x[b]
            if variance.is_free:
                out[variance.number][a, :a] = sinc * x
                out[variance.number][a, a] = np.cos(n)
        return out

    def points(self, L: np.ndarray) -> dict[int, float]:
        """The inner parameters of a `spherical` block at which its factor is L, diagonal not negative."""
        out = {}
        for a in range(len(self.latents)):
            if self.cells[a, a].is_free:
                out[self.cells[a, a].number] = float(np.linalg.norm(L[a]))
            size = np.linalg.norm(L[a, :a])
            stretch = np.arctan2(size, L[a, a]) / size if size > 0 else 0.0
            out |= {self.cells[a, b].number: float(stretch * L[a, b]) for b in range(a)}
        return out

    def on_equator(self, values: np.ndarray, rows: set[int]) -> dict[int, float]:
        """The inner parameters of a `spherical` block where these rows have gone on to the equator.

        A column with a zero on the diagonal is zero, so that what later rows had in it goes to their diagonals.
        """
        moved = values.copy()
        for a in rows:
            numbers = [self.cells[a, b].number for b in range(a)]
            n = np.linalg.norm(values[numbers])
            moved[numbers] *= EQUATOR * max(1.0, 2 * np.round((n / EQUATOR - 1) / 2) + 1) / n
        L = self.matrix(moved)
        rest = L @ L.T
        L = np.zeros_like(L)
        for a in range(len(L)):
            if a not in rows and rest[a, a] > 0:
                L[:, a] = rest[:, a] / np.sqrt(rest[a, a])
                rest = rest - np.outer(L[:, a], L[:, a])
        return self.points(L)


@dataclass(frozen=True)
class Centring:
    """The last mass point of a free distribution, the others, and the logits of their masses, by parameter number."""

    last: int
    locations: tuple[int, ...]
    logits: tuple[int, ...]

    def value(self, inner: np.ndarray) -> float:
        return float(-(np.exp(inner[list(self.logits)]) @ inner[list(self.locations)]))

    def slope(self, inner: np.ndarray) -> np.ndarray:
        """Its derivative in the inner parameters, (q,)."""
        out = np.zeros(len(inner))
        odds, m = np.exp(inner[list(self.logits)]), inner[list(self.locations)]
        np.add.at(out, list(self.locations), -odds)
        np.add.at(out, list(self.logits), -odds * m)
        return out

    def curvature(self, inner: np.ndarray) -> np.ndarray:
        """Its second derivatives, (q, q)."""
        out = np.zeros((len(inner), len(inner)))
        for location, logit in zip(self.locations, self.logits):
            odds = np.exp(inner[logit])
            out[logit, logit] -= odds * inner[location]
            out[logit, location] -= odds
            out[location, logit] -= odds
        return out


@dataclass(frozen=True)
class Working:
    """The map from free to inner parameters to cells.

    Attributes
    ----------
    kind : (q,) int array
        CELL, LOG_VARIANCE, CHOLESKY or SPHERE of each inner parameter.
    blocks : tuple (one a group) of tuples of Block
    K, c : (q, p) and (q,) arrays
        inner = c + K free.
    centred : tuple of Centring
    """

    kind: np.ndarray
    blocks: tuple[tuple[Block, ...], ...]
    K: np.ndarray
    c: np.ndarray
    names: tuple[str, ...]
    centred: tuple[Centring, ...] = ()

    @property
    def n_free(self) -> int:
        return self.K.shape[1]

    def position(self, cell: Cell) -> int:
        """The free parameter that moves a cell alone, or together with its equals; −1 if the cell is fixed."""
        return int(np.flatnonzero(self.K[cell.number])[0]) if cell.is_free else -1

    def inner(self, free: np.ndarray) -> np.ndarray:
        out = self.c + self.K @ free
        for centring in self.centred:
            out[centring.last] = centring.value(out)
        return out

    def pull_back(self, inner: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """The gradient in the free parameters, (p,), from that in the inner ones, or its rows for several, (…, q)."""
        for centring in self.centred:
            gradient = gradient + gradient[..., centring.last, None] * centring.slope(inner)
        return gradient @ self.K

    def pull_back_information(self, inner: np.ndarray, gradient: np.ndarray, information: np.ndarray) -> np.ndarray:
        """The information in the free parameters, (p, p), from gradient and information in the inner ones."""
        for centring in self.centred:
            chain = np.eye(len(inner))
            chain[centring.last] = centring.slope(inner)
            bend = gradient[centring.last] * centring.curvature(inner)
            information = chain.T @ information @ chain - bend
        return self.K.T @ information @ self.K

    def cells(self, inner: np.ndarray) -> np.ndarray:
        """Values of the cells (q,)."""
        out = inner.copy()
        logs = self.kind == LOG_VARIANCE
        out[logs] = np.exp(inner[logs])
        for block in self._factored():
            L = block.matrix(inner)
            Psi = L @ L.T
            for (a, b), cell in block.cells.items():
                if cell.is_free:
                    out[cell.number] = Psi[a, b]
        return out

    def jacobian(self, inner: np.ndarray) -> np.ndarray:
        """Derivative of the cells in the inner parameters, (q, q)."""
        J = np.eye(len(inner))
        logs = np.flatnonzero(self.kind == LOG_VARIANCE)
        J[logs, logs] = np.exp(inner[logs])
        for block in self._factored():
            L = block.matrix(inner)
            for number, slope in block.slopes(inner).items():
                change = slope @ L.T + L @ slope.T
                for (a, b), cell in block.cells.items():
                    if cell.is_free:
                        J[cell.number, number] = change[a, b]
        for centring in self.centred:
            J[centring.last] = centring.slope(inner)
        return J

    def curvature(self, inner: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Σ_k w_k ∂²cell_k/∂inner∂inner', (q, q)."""
        H = np.zeros((len(inner), len(inner)))
        logs = np.flatnonzero(self.kind == LOG_VARIANCE)
        for number in sorted({cell.number for block in self._factored() for cell in block.cells.values()} - {FIXED}):
            # the Jacobian of a factor is smooth and its entries few: central differences give its curvature to 1e-10
            h = 1e-5 * max(1.0, abs(inner[number]))
            sides = []
            for sign in (1.0, -1.0):
                moved = inner.copy()
                moved[number] += sign * h
                sides.append(weights @ self.jacobian(moved))
            H[number] = (sides[0] - sides[1]) / (2 * h)
            H[:, number] = H[number]
        H[logs, logs] = weights[logs] * np.exp(inner[logs])
        return H

    def positive(self) -> np.ndarray:
        """(q,) True where a cell cannot be negative: a variance moved through its logarithm or a Cholesky factor."""
        out = self.kind == LOG_VARIANCE
        for block in self._factored():
            out[[cell.number for (a, b), cell in block.cells.items() if a == b and cell.is_free]] = True
        return out

    def inner_from_cells(self, cells: np.ndarray) -> np.ndarray:
        """Inner parameters at which the cells have these values (variances positive, blocks positive definite)."""
        out = cells.copy()
        logs = self.kind == LOG_VARIANCE
        out[logs] = np.log(np.maximum(cells[logs], 1e-8))
        for block in self._factored():
            k = len(block.latents)
            Psi = np.zeros((k, k))
            for (a, b), cell in block.cells.items():
                Psi[a, b] = Psi[b, a] = cell.at(cells)
            try:
                L = np.linalg.cholesky(Psi)
            except np.linalg.LinAlgError:
                L = np.diag(np.sqrt(np.maximum(np.diag(Psi), 1e-4)))
            if block.spherical:
                for number, x in block.points(L).items():
                    out[number] = x
                continue
            for (a, b), cell in block.cells.items():
                out[cell.number] = L[a, b]
        return out

    def free_from_inner(self, inner: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(self.K, inner - self.c, rcond=None)[0]

    def signed(self) -> np.ndarray:
        """(p,) True where log L is even in the free parameter: a diagonal cell of a Cholesky factor."""
        out = np.zeros(len(self.kind), dtype=bool)
        for block in self._factored():
            alike = {self.position(cell) for (a, b), cell in block.cells.items() if a == b}
            for (a, b), cell in block.cells.items():
                if cell.is_free:
                    # one standard deviation of all rows turns the signs of all
                    out[cell.number] = a == b and (block.cholesky or len(alike) == 1)
        return (self.K[out] != 0.0).any(axis=0)

    def spheres(self) -> list[tuple[Block, int, np.ndarray]]:
        """(block, row, positions of x among the free parameters) of each row that is a point of a sphere."""
        out = {}
        for block in self._factored():
            if block.spherical:
                for a in range(1, len(block.latents)):
                    at = np.array([self.position(block.cells[a, b]) for b in range(a)])
                    out[at[0]] = (block, a, at)
        return list(out.values())

    def normals(self, free: np.ndarray) -> np.ndarray:
        """Orthonormal directions, (p, m), that leave the boundary on which rows of two and more coordinates lie.

        They leave the equator itself, and a column of L that is zero as its diagonal cell is.
        """
        out = []
        spheres = self.spheres()
        for block, a, at in spheres:
            x = free[at]
            if not np.isclose(np.linalg.norm(x), EQUATOR, rtol=0.0, atol=1e-12):
                continue
            if a > 1:
                out.append(np.zeros(len(free)))
                out[-1][at] = x / np.linalg.norm(x)
            for other, d, later in spheres:
                if other is block and d > a and not any(direction[later].any() for direction in out):
                    out.append(np.zeros(len(free)))
                    out[-1][later[a]] = 1.0
        return np.array(out).reshape(len(out), len(free)).T

    def _factored(self):
        return [block for group in self.blocks for block in group if block.cholesky or block.spherical]


def working_parameters(
    model: Model, order: tuple[str, ...], constraint: tuple[np.ndarray, np.ndarray] | None
) -> Working:
    """Choose how each parameter is moved; `order` is the tree's order of the latent variables."""
    q = model.n_parameters
    kind = np.full(q, CELL)
    constrained = np.zeros(q, dtype=bool)
    K, c = np.eye(q), np.zeros(q)
    same = np.arange(q)  # the first of the parameters that a constraint a == b makes equal to each
    if constraint is not None:
        K, c = constraint
        constrained = ~np.array([np.count_nonzero(row) == 1 and row.max() == 1.0 for row in K]) | (c != 0)
        tied = K[constrained].any(axis=0)
        constrained |= K[:, tied].any(axis=1)
        first: dict[int, int] = {}
        for number in np.flatnonzero(~constrained):
            same[number] = first.setdefault(int(np.flatnonzero(K[number])[0]), number)
    uses: Counter[int] = Counter()
    residual: Counter[int] = Counter()
    for group in model.groups:
        for name, cells in group.items():
            for cell in cells:
                if cell.is_free:
                    uses[same[cell.number]] += 1
                    if name == "Theta" and cell.row == cell.column:
                        residual[same[cell.number]] += 1
    for number, count in residual.items():
        if count == uses[number] and not constrained[number]:
            kind[same == number] = LOG_VARIANCE
    raw = [_components(group.Psi, order) for group in model.groups]
    shapes = Counter(_shape(cells, same) for group in raw for _, cells in group)
    blocks = []
    on_spheres = _with_free_covariances(raw, same, uses, shapes, constrained)
    for group in raw:
        here = []
        for latents, cells in group:
            numbers = [same[cell.number] for cell in cells.values() if cell.is_free]
            k = len(latents)
            free = (
                len(cells) == k * (k + 1) // 2
                and all(cell.is_free and not constrained[cell.number] for cell in cells.values())
                and len(set(numbers)) == len(numbers)
                and all(uses[number] == shapes[_shape(cells, same)] for number in numbers)
            )
            spherical = not free and id(cells) in on_spheres
            if free or spherical:
                kind[[cell.number for (a, b), cell in cells.items() if cell.is_free and (free or a == b)]] = CHOLESKY
            if spherical:
                kind[[cell.number for (a, b), cell in cells.items() if a != b]] = SPHERE
            # a variance shared by several blocks of one variable each is one standard deviation
            here.append(Block(latents, cells, free or (spherical and k == 1), spherical and k > 1))
        blocks.append(tuple(here))
    centred = _centred(model)
    last = [centring.last for centring in centred]
    held = [k for k in range(K.shape[1]) if K[last, k].any() and not np.delete(K[:, k], last).any()]
    K = np.delete(K, held, axis=1)
    if K[last].any() or c[last].any():
        raise ModelError("the last mass point is where the mean of all is zero, and cannot be held or equal to another")
    names = tuple(model.names[np.flatnonzero(column)[0]] for column in K.T)
    return Working(kind, tuple(blocks), K, c, names, centred)


def _centred(model: Model) -> tuple[Centring, ...]:
    out, P = [], len(model.patterns)
    for v, variable in enumerate(model.classes):
        for name in variable.masses_of:
            for g in range(len(model.group_labels)):
                points: dict[int, Cell] = {}
                for pattern, group in zip(model.patterns, model.groups[g * P : (g + 1) * P]):
                    for cell in group.Gamma:
                        if (cell.row, cell.column) == (name, "1"):
                            points[pattern[v]] = cell
                rows = [f"{variable.name}[{k}]" for k in variable.classes[:-1]]
                logits = {cell.row: cell.number for cell in model.groups[g * P].membership if cell.column == "1"}
                *others, last = (points[k] for k in range(len(variable.classes)))
                out.append(Centring(last.number, tuple(c.number for c in others), tuple(logits[r] for r in rows)))
    return tuple(out)


def _with_free_covariances(raw, same, uses, shapes, constrained) -> set[int]:
    """Blocks (by the id of their cells) whose covariances are free, and whose variances are fixed, free or equal to
    others of such blocks alone, so that a radius can stand for each."""
    found = {}
    for group in raw:
        for latents, cells in group:
            k = len(latents)
            outside = [cell for (a, b), cell in cells.items() if a != b]
            variances = [cells[a, a] for a in range(k) if (a, a) in cells]
            if (
                len(cells) == k * (k + 1) // 2
                and all(cell.is_free and not constrained[cell.number] for cell in outside)
                and len({same[cell.number] for cell in outside}) == len(outside)
                and all(uses[same[cell.number]] == shapes[_shape(cells, same)] for cell in outside)
                and all(not constrained[cell.number] if cell.is_free else cell.value > 0 for cell in variances)
                and any(cell.is_free for cell in cells.values())
            ):
                found[id(cells)] = [same[cell.number] for cell in variances if cell.is_free]
    while True:
        count = Counter(number for numbers in found.values() for number in numbers)
        shared = [key for key, numbers in found.items() if any(count[number] != uses[number] for number in numbers)]
        if not shared:
            return set(found)
        for key in shared:
            del found[key]


def _shape(cells: dict[tuple[int, int], Cell], same: np.ndarray) -> tuple:
    """What two blocks have in common that are one matrix: the parameter, or the constant, in each place."""
    return tuple(sorted((p, *((same[c.number], 0.0) if c.is_free else (-1, c.value))) for p, c in cells.items()))


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
