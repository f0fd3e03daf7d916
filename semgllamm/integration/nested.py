"""The exact likelihood of Gaussian responses in units nested to any depth, whatever is missing, level by level.

The nodes v of a unit of level l are those of its level and of the levels above, of which it shares the latter with its
siblings. With paths B(z) that may depend on covariates z, disturbances u_l ~ N(0, S_l) of each unit of level l, and
E = (I − B)⁻¹, the responses y of a unit of level l are

    y = Π x + H_l u_l + H_> u_>,    H = F E,    Π = H Γ,

u_> the disturbances of the units above. What the units below say of (u_l, u_>) is exp(−½ u'Au + a'u). A level is left
behind in three steps: with C = H_l S_l H_l', G = S_l H_l'C⁻¹ and r = y − Πx,

    u_l | y  =  G(r − H_> u_>) + u*,    u* ~ N(0, S*),    S* = S_l − GCG',
    log f(y | u_>)  =  −½ (p log 2π + log|C| + (r − H_>u_>)'C⁻¹(r − H_>u_>)),
    ∫ exp(−½ u*'A u* + u*'(a − A_> u_>)) dN(u*; 0, S*)  =  |I + S*A|^(−½) exp(½ (a − A_>u_>)'K(a − A_>u_>)),

K = (I + S*A)⁻¹S*, so that no S is ever inverted: variances may be zero or negative, as long as the responses'
covariance matrix is positive definite. The top level leaves log L. Siblings with the same responses and the same z
differ in r only: they are one cell, known by their number, their mean and what they deviate from it.

On the way back the posterior moments û and Cov(u | data) of all disturbances follow, and with them the derivatives of
log L in H, S and Π (Fisher's identity, without S⁻¹): in C, for one, ½(ee' − C⁻¹ + C⁻¹H_> Cov(u_>) H_>'C⁻¹), where
e = C⁻¹(r − H_>û_>).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.integration.gaussian import LOG_2PI, Graph

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["Nested", "NestedEvaluation", "Stratum", "nest"]


@dataclass(frozen=True)
class Stratum:
    """The units of one level of a group, siblings of one kind together.

    Attributes
    ----------
    nodes : (v_l,) int array
        Nodes of this level.
    responses : (p_l,) int array
        Which of the nodes are responses.
    kind : (n,) int array
        Ascending: which responses are seen, under which z.
    seen : (K, p_l) bool array
    z : (K, t) array
        Covariates that coefficients are multiplied with.
    y : (n, p_l) array
        Means of the cell, 0 where not seen.
    x : (n, m) array
        Means of the covariates.
    size : (n,) array
        Units in the cell.
    spread : (K, p_l + m, p_l + m) array or None
        Sums of products of what responses and covariates deviate from the means of the cells; None where all cells
        have a single unit.
    parent : (n,) int array
        The unit above; all 0 for the highest level.
    top : (n,) int array
        The unit of the highest level.
    unit : (units,) int array
        The cell of each unit of the design's numbering in the group.
    """

    nodes: np.ndarray
    responses: np.ndarray
    kind: np.ndarray
    seen: np.ndarray
    z: np.ndarray
    y: np.ndarray
    x: np.ndarray
    size: np.ndarray
    spread: np.ndarray | None
    parent: np.ndarray
    top: np.ndarray
    unit: np.ndarray

    @property
    def n(self) -> int:
        return len(self.kind)

    @property
    def n_kinds(self) -> int:
        return len(self.seen)

    @cached_property
    def starts(self) -> np.ndarray:
        """The first cell of each kind."""
        return np.searchsorted(self.kind, np.arange(self.n_kinds))

    @cached_property
    def kind_size(self) -> np.ndarray:
        """Units of each kind."""
        return np.add.reduceat(self.size, self.starts)

    @cached_property
    def to_parents(self) -> sparse.csr_array:
        """(parents, n): sums over siblings."""
        return self._sums(np.ones(self.n), np.arange(self.n), self.n)

    @cached_property
    def kinds_to_parents(self) -> sparse.csr_array:
        """(parents, K): how many units of each kind a parent has."""
        return self._sums(self.size, self.kind, self.n_kinds)

    @property
    def n_parents(self) -> int:
        return int(self.parent.max()) + 1

    def _sums(self, weight: np.ndarray, column: np.ndarray, width: int) -> sparse.csr_array:
        from scipy import sparse  # models of one level do without

        return sparse.csr_array((weight, (self.parent, column)), (self.n_parents, width))

    def of_cells(self, stack: np.ndarray) -> np.ndarray:
        """A stack over kinds as one over cells; of a single kind, to be broadcast."""
        return stack if len(stack) == 1 else stack[self.kind]

    def by_kind(self, values: np.ndarray) -> np.ndarray:
        """Sums over the cells of each kind."""
        if self.n_kinds == self.n:
            return values
        return np.add.reduceat(values, self.starts, axis=0)

    def products(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Σ a b' over the cells of each kind, (K, i, j)."""
        if self.n_kinds == self.n:
            return a[:, :, None] * b[:, None, :]
        ends = [*self.starts[1:], self.n]
        return np.stack([a[i:j].T @ b[i:j] for i, j in zip(self.starts, ends)])


@dataclass(frozen=True)
class Nested:
    """The units of a group, lowest level first.

    Attributes
    ----------
    strata : tuple of Stratum
    times : (cells,) int array
        For each cell of the graph the column of z that its path is multiplied with, −1 if none.
    """

    strata: tuple[Stratum, ...]
    times: np.ndarray


def nest(
    nodes: Sequence[np.ndarray], responses: Sequence[np.ndarray], y: np.ndarray, x: np.ndarray, z: np.ndarray,
    z_level: np.ndarray, codes: Sequence[np.ndarray], times: np.ndarray, together: bool = True,
) -> Nested:  # fmt: skip
    """Arrange rows as strata.

    Parameters
    ----------
    nodes, responses : sequence of int arrays
        One a level.
    y : (rows, p) array
        NaN where missing; responses of units hold their value in the first row of the unit with one.
    x : (rows, m) array
    z : (rows, t) array
    z_level : (t,) int array
        The level at which a column of z is used; it is constant in the units of that level.
    codes : sequence of (rows,) int arrays
        Unit of each row at each level; the first numbers the rows.
    times : (cells,) int array
        See `Nested`.
    together : bool
        Whether siblings of a kind are one cell, and units of a kind share their matrices.
    """
    above = [np.unique(code, return_inverse=True)[1].ravel() for code in codes]
    first = [np.unique(code, return_index=True)[1] for code in above]
    strata: list[Stratum] = []
    place = np.zeros(1, dtype=np.int64)  # the cell of each unit of the level above
    top = above[-1]
    for level in reversed(range(len(codes))):
        rows = first[level]
        mine = _values_of_units(y[:, responses[level]], above[level], level)
        z_here = np.where(z_level >= level, z[rows], 0.0)
        parent = np.zeros(len(rows), np.int64) if level == len(codes) - 1 else place[above[level + 1][rows]]
        stratum = _stratum(nodes[level], responses[level], mine, x[rows], z_here, parent, top[rows], together,
                           level == 0 and len(codes) > 1)  # fmt: skip
        strata.append(stratum)
        place = stratum.unit
    return Nested(tuple(reversed(strata)), times)


def _values_of_units(y: np.ndarray, code: np.ndarray, level: int) -> np.ndarray:
    """The value of each unit: that of its first row that has one."""
    if level == 0:
        return y
    out = np.full((int(code.max()) + 1, y.shape[1]), np.nan)
    for k in range(y.shape[1]):
        rows = np.flatnonzero(~np.isnan(y[:, k]))
        units, index = np.unique(code[rows], return_index=True)
        out[units, k] = y[rows[index], k]
    return out


def _stratum(nodes, responses, y, x, z, parent, top, together, compress) -> Stratum:
    observed = ~np.isnan(y)
    kinds, kind = np.unique(np.concatenate([observed, z], axis=1), axis=0, return_inverse=True)
    kind = kind.ravel()
    p = len(responses)
    if not together:
        kinds, kind = np.concatenate([observed, z], axis=1), np.arange(len(y))
    values = np.where(observed, y, 0.0)
    pairs, cell = np.arange(len(y)), np.arange(len(y))
    if together and compress:
        _, pairs, cell = np.unique(kind * (int(parent.max()) + 1) + parent, return_index=True, return_inverse=True)
        cell = cell.ravel()
    else:
        pairs = np.argsort(kind, kind="stable")
        cell = np.empty(len(y), np.int64)
        cell[pairs] = np.arange(len(y))
    size = np.bincount(cell).astype(float)
    spread = None
    joint = np.concatenate([values, x], axis=1)
    mean = np.zeros((len(size), joint.shape[1]))
    if len(size) < len(y):
        np.add.at(mean, cell, joint)
        mean /= size[:, None]
        deviation = joint - mean[cell]
        spread = np.zeros((len(kinds), joint.shape[1], joint.shape[1]))
        for k in range(len(kinds)):
            here = deviation[kind == k]
            spread[k] = here.T @ here
    else:
        mean = joint[pairs]
    return Stratum(
        nodes, responses, kind[pairs], kinds[:, :p].astype(bool), kinds[:, p:], mean[:, :p], mean[:, p:], size, spread,
        parent[pairs], top[pairs], cell,
    )  # fmt: skip


class _Level:
    """One level at one parameter vector: what is handed up, and, on the way back, the derivatives."""

    def __init__(self, units: Stratum, E: np.ndarray, S: np.ndarray, Gamma: np.ndarray, above: np.ndarray):
        self.units, self.E, self.Gamma = units, E, Gamma
        self.here, self.above, self.p = units.nodes, above, len(units.responses)
        self.S = S[np.ix_(self.here, self.here)]
        self.loglik = 0.0
        H = E[:, units.responses] * units.seen[:, :, None]
        self.H = H[:, :, self.here]
        self.H_up = H[:, :, above]
        if self.p:
            self._condition(H)
        else:
            self.S_left = self.S[None]

    def _condition(self, H: np.ndarray) -> None:
        """On the responses of the level itself."""
        units = self.units
        self.Pi = H @ self.Gamma
        C = self.H @ self.S @ self.H.swapaxes(1, 2)
        diagonal = np.arange(self.p)
        C[:, diagonal, diagonal] += ~units.seen
        half = np.linalg.cholesky(C)
        inverse = np.linalg.inv(half)
        self.C_inv = inverse.swapaxes(1, 2) @ inverse
        log_det = 2 * np.log(np.diagonal(half, axis1=1, axis2=2)).sum(axis=1)
        HS = self.H @ self.S
        self.G = HS.swapaxes(1, 2) @ self.C_inv
        self.S_left = self.S - self.G @ HS
        self.r = units.y - (units.of_cells(self.Pi) @ units.x[:, :, None])[:, :, 0]
        self.r *= units.of_cells(units.seen)
        self.Cr = (units.of_cells(self.C_inv) @ self.r[:, :, None])[:, :, 0]
        self.loglik -= 0.5 * (units.kind_size @ (units.seen.sum(axis=1) * LOG_2PI + log_det))
        self.loglik -= 0.5 * (units.size @ (self.r * self.Cr).sum(axis=1))
        if units.spread is not None:
            p, Pi = self.p, self.Pi
            yy, yx, xx = units.spread[:, :p, :p], units.spread[:, :p, p:], units.spread[:, p:, p:]
            self.D_x = (yx - Pi @ xx) * units.seen[:, :, None]
            D = yy - self.D_x @ Pi.swapaxes(1, 2) - Pi @ yx.swapaxes(1, 2)
            self.D = D * units.seen[:, :, None] * units.seen[:, None, :]
            self.loglik -= 0.5 * float((self.C_inv * self.D).sum())

    def absorb(self, A: np.ndarray | None, a: np.ndarray | None) -> tuple[np.ndarray, np.ndarray] | None:
        """Leave the level behind, given what the units below say; what the units say to those above, summed."""
        units, v = self.units, len(self.here)
        d = len(self.above)
        self.A = A
        say_A, say_a = None, None
        if A is not None:
            self.A_here, A_up, A_top = A[:, :v, :v], A[:, :v, v:], A[:, v:, v:]
            a_here, a_top = a[:, :v], a[:, v:]
            if self.p:
                G = units.of_cells(self.G)
                self.g = (G @ self.r[:, :, None])[:, :, 0]
                moved = (self.A_here @ self.g[:, :, None])[:, :, 0]
                self.loglik -= 0.5 * float((self.g * (moved - 2 * a_here)).sum())
                a_here = a_here - moved
                a_top = a_top - (A_up.swapaxes(1, 2) @ self.g[:, :, None])[:, :, 0]
                if d:
                    self.T = G @ units.of_cells(self.H_up)
                    T_t = self.T.swapaxes(1, 2)
                    a_top = a_top - (T_t @ a_here[:, :, None])[:, :, 0]
                    crossed = T_t @ A_up
                    AT = self.A_here @ self.T
                    A_top = A_top - crossed - crossed.swapaxes(1, 2) + T_t @ AT
                    A_up = A_up - AT
            self.A_up, self.a_here = A_up, a_here
            S_left = units.of_cells(self.S_left)
            M = np.eye(v) + S_left @ self.A_here
            sign, log_det = np.linalg.slogdet(M)
            if (sign <= 0).any() or not self._is_positive(S_left):
                raise np.linalg.LinAlgError("covariance matrix of the responses is not positive definite")
            self.K = np.linalg.solve(M, np.broadcast_to(S_left, M.shape))
            self.K = 0.5 * (self.K + self.K.swapaxes(1, 2))
            Ka = (self.K @ a_here[:, :, None])[:, :, 0]
            self.loglik += 0.5 * float((a_here * Ka).sum()) - 0.5 * float(log_det.sum())
            if d:
                up_t = A_up.swapaxes(1, 2)
                say_A = A_top - up_t @ self.K @ A_up
                say_a = a_top - (up_t @ Ka[:, :, None])[:, :, 0]
        if not d:
            return None
        parents = units.n_parents
        total_A, total_a = np.zeros((parents, d, d)), np.zeros((parents, d))
        if self.p:
            CH = self.C_inv @ self.H_up
            self.CH = CH
            own = self.H_up.swapaxes(1, 2) @ CH
            total_A += (units.kinds_to_parents @ own.reshape(len(own), -1)).reshape(parents, d, d)
            say = (units.of_cells(CH).swapaxes(1, 2) @ (units.size[:, None] * self.r)[:, :, None])[:, :, 0]
            total_a += units.to_parents @ say
        if say_A is not None:
            total_A += (units.to_parents @ say_A.reshape(len(say_A), -1)).reshape(parents, d, d)
            total_a += units.to_parents @ say_a
        return total_A, total_a

    def _is_positive(self, S_left: np.ndarray) -> bool:
        """Whether I + S*A has positive eigenvalues, which it need not have where S* has negative ones."""
        values = np.linalg.eigvalsh(S_left)
        if (values[:, 0] >= -1e-12 * np.abs(values[:, -1])).all():
            return True
        a, V = np.linalg.eigh(self.A_here)
        root = V * np.sqrt(np.maximum(a, 0.0))[:, None, :]
        inner = np.eye(len(self.here)) + root.swapaxes(1, 2) @ S_left @ root
        return bool((np.linalg.eigvalsh(inner)[:, 0] > 0).all())

    def descend(self, u_up: np.ndarray, C_up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posterior means and covariances of (u_l, u_>) of each cell, given those of u_> of its parent."""
        units, d = self.units, len(self.above)
        u_up, C_up = u_up[units.parent], C_up[units.parent]
        self.u_up, self.C_up = u_up, C_up
        v, n = len(self.here), units.n
        if self.A is not None:
            missing = self.a_here - (self.A_up @ u_up[:, :, None])[:, :, 0]
            u = (self.K @ missing[:, :, None])[:, :, 0]
            KA = self.K @ self.A_up
            cross = -KA @ C_up
            C_here = self.K - cross @ KA.swapaxes(1, 2)
            self.q = missing - (self.A_here @ u[:, :, None])[:, :, 0]
            self.Y_up = self.A_here @ cross + self.A_up @ C_up
            Y_here = self.A_here @ C_here + self.A_up @ cross.swapaxes(1, 2)
            self.Q = self.A_here - Y_here @ self.A_here - self.Y_up @ self.A_up.swapaxes(1, 2)
        else:
            u = np.zeros((n, v))
            cross = np.zeros((n, v, d))
            C_here = np.broadcast_to(units.of_cells(self.S_left), (n, v, v))
        if self.p:
            G = units.of_cells(self.G)
            T = G @ units.of_cells(self.H_up)
            u = u + (G @ self.r[:, :, None])[:, :, 0] - (T @ u_up[:, :, None])[:, :, 0]
            turned = cross @ T.swapaxes(1, 2)
            C_here = C_here - turned - turned.swapaxes(1, 2) + T @ C_up @ T.swapaxes(1, 2)
            cross = cross - T @ C_up
        mean = np.concatenate([u, u_up], axis=1)
        cov = np.empty((n, v + d, v + d))
        cov[:, :v, :v], cov[:, :v, v:], cov[:, v:, :v], cov[:, v:, v:] = C_here, cross, cross.swapaxes(1, 2), C_up
        return mean, cov

    def slopes(self) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Derivatives of log L in S_l, H (over all nodes) and Π, summed over the cells of each kind."""
        units, v = self.units, len(self.here)
        D_left = None
        if self.A is not None:
            D_left = 0.5 * (units.products(self.q, self.q) - units.by_kind(self.Q))
        if not self.p:
            return D_left, None, None
        C_inv, H_up = self.C_inv, self.H_up
        up = units.of_cells(H_up)
        e = self.Cr - (units.of_cells(C_inv @ H_up) @ self.u_up[:, :, None])[:, :, 0]
        sized = units.size[:, None] * e
        C_up = units.by_kind(units.size[:, None, None] * self.C_up)
        CHC = C_inv @ H_up @ C_up
        D_C = units.products(sized, e) - units.kind_size[:, None, None] * C_inv
        D_C += CHC @ H_up.swapaxes(1, 2) @ C_inv
        if units.spread is not None:
            D_C += C_inv @ self.D @ C_inv
        D_C *= 0.5
        D_S = self.H.swapaxes(1, 2) @ D_C @ self.H
        D_H = np.zeros((units.n_kinds, self.p, len(self.E[0])))
        HS = self.H @ self.S
        D_H[:, :, self.here] = 2 * D_C @ HS
        D_H[:, :, self.above] = units.products(sized, self.u_up) - CHC
        if D_left is not None:
            G = self.G
            left = self.r - (up @ self.u_up[:, :, None])[:, :, 0]
            Y = units.by_kind(self.Y_up)
            D_G = units.products(self.q, left) + Y @ H_up.swapaxes(1, 2)
            N = np.eye(v) - G @ self.H
            D_S = D_S + N.swapaxes(1, 2) @ D_left @ N
            turned = N.swapaxes(1, 2) @ D_G @ C_inv @ self.H
            D_S = D_S + 0.5 * (turned + turned.swapaxes(1, 2))
            G_t = G.swapaxes(1, 2)
            D_H[:, :, self.here] += (
                C_inv @ D_G.swapaxes(1, 2) @ self.S_left - G_t @ D_G @ G_t - 2 * G_t @ D_left @ self.S_left
            )
            D_H[:, :, self.above] -= G_t @ (units.products(self.q, self.u_up) - Y)
            sized = sized - (units.of_cells(G_t) @ self.q[:, :, None])[:, :, 0]
        D_Pi = units.products(sized, units.x)
        if units.spread is not None:
            D_Pi = D_Pi + C_inv @ self.D_x
        return D_S, D_H, D_Pi


class NestedEvaluation:
    """A group's likelihood at one parameter vector.

    Attributes
    ----------
    loglik : float

    Raises
    ------
    LinAlgError
        If an I − B is singular or the covariance matrix of the responses not positive definite.
    """

    def __init__(self, graph: Graph, parameters: np.ndarray, nested: Nested):
        self.graph, self.parameters, self.nested = graph, parameters, nested
        B, self.S, self.Gamma = graph.matrices(parameters)
        self.B = self._without_varying(B)
        self.levels: list[_Level] = []
        height = len(nested.strata)
        above = [np.concatenate([s.nodes for s in nested.strata[k + 1 :]] or [np.zeros(0, np.int64)])
                 for k in range(height)]  # fmt: skip
        say: tuple = (None, None)
        for k, units in enumerate(nested.strata):
            level = _Level(units, self._paths(units), self.S[k], self.Gamma, above[k])
            self.levels.append(level)
            say = level.absorb(*say)
        self.loglik = float(sum(level.loglik for level in self.levels))

    def _without_varying(self, B: np.ndarray) -> np.ndarray:
        cells, times = self.graph.cells, self.nested.times
        out = B.copy()
        for j in np.flatnonzero(times >= 0):
            out[cells.row[j], cells.column[j]] -= self._value(j)
        return out

    def _value(self, j: int) -> float:
        cells = self.graph.cells
        return float(self.parameters[cells.number[j]] if cells.number[j] >= 0 else cells.value[j])

    def _paths(self, units: Stratum) -> np.ndarray:
        """E of each kind; one for all if no coefficient varies."""
        one = np.eye(len(self.B))
        if not (self.nested.times >= 0).any() or not units.z.any():
            return (np.linalg.inv(one - self.B) if self.B.any() else one)[None]
        return np.linalg.inv(one - self.paths_of(units))

    def paths_of(self, units: Stratum) -> np.ndarray:
        """B of each kind, (K, v, v)."""
        cells, times = self.graph.cells, self.nested.times
        B = np.repeat(self.B[None], units.n_kinds, axis=0)
        for j in np.flatnonzero(times >= 0):
            B[:, cells.row[j], cells.column[j]] += self._value(j) * units.z[:, times[j]]
        return B

    @cached_property
    def E(self) -> np.ndarray:
        """(I − B)⁻¹ where covariates that multiply coefficients are zero."""
        return np.linalg.inv(np.eye(len(self.B)) - self.B)

    @cached_property
    def nu(self) -> np.ndarray:
        """(v, m): means of the nodes, on the covariates."""
        return self.E @ self.Gamma

    @property
    def Pi(self) -> np.ndarray:
        return self.nu[: self.graph.p]

    @cached_property
    def P(self) -> np.ndarray:
        """(1, v, v): covariances of all nodes, over all levels."""
        return (self.E @ self.S.sum(axis=0) @ self.E.T)[None]

    @property
    def Sigma(self) -> np.ndarray:
        return self.P[:, : self.graph.p, : self.graph.p]

    @cached_property
    def posterior(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each level the posterior means, (n, d), and covariances, (n, d, d), of the disturbances of its cells:
        those of their nodes, then those of the levels above."""
        out: list[tuple[np.ndarray, np.ndarray]] = []
        mean, cov = np.zeros((1, 0)), np.zeros((1, 0, 0))
        for level in reversed(self.levels):
            mean, cov = level.descend(mean, cov)
            out.append((mean, cov))
        return out[::-1]

    def nodes(self, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Posterior means and variances of the nodes of a level, a row for each of its cells, both (n, v_l)."""
        mean, cov = self.posterior[level]
        here = self.levels[level]
        units = here.units
        every = np.concatenate([here.here, here.above])
        E = here.E[:, here.here][:, :, every]
        fixed = here.E[:, here.here] @ self.Gamma
        value = (units.of_cells(fixed) @ units.x[:, :, None])[:, :, 0]
        loads = units.of_cells(E)
        value = value + (loads @ mean[:, :, None])[:, :, 0]
        return value, ((loads @ cov) * loads).sum(axis=2)

    def score(self) -> np.ndarray:
        """∂ log L in the parameters, (q,)."""
        out = np.zeros(len(self.graph.free))
        for k in range(len(self.levels)):
            out += self._cell_slopes(k).sum(axis=0)
        return self.graph.to_parameters(out)

    def top_scores(self) -> np.ndarray:
        """∂ log L of the units of the highest level in the parameters, (units, q), if each is a kind of its own."""
        out = np.zeros((self.nested.strata[-1].n, len(self.graph.free)))
        for k, units in enumerate(self.nested.strata):
            np.add.at(out, units.top, self._cell_slopes(k))
        return self.graph.to_parameters(out)

    def _cell_slopes(self, k: int) -> np.ndarray:
        """The derivatives in the free cells of B, S and Γ through the units of a level, a row for each of their kinds
        (or one row, where all share E and only sums are asked)."""
        _ = self.posterior
        g, level, units = self.graph, self.levels[k], self.nested.strata[k]
        D_S, D_H, D_Pi = level.slopes()
        alone = units.n_kinds == units.n and units.n > 1
        shared = len(level.E) == 1 and not alone
        rows = 1 if shared else units.n_kinds
        out = np.zeros((rows, len(g.free)))
        mine = np.flatnonzero(g.level[g.covariances] == k) + g.n_path
        if D_S is not None and len(mine):
            place = np.full(g.v, -1)
            place[level.here] = np.arange(len(level.here))
            r, c = place[g.row[mine]], place[g.column[mine]]
            D = D_S.sum(axis=0)[None] if shared else D_S
            slope = D[:, r, c] + D[:, c, r]
            out[:, mine] = np.where(r == c, 0.5 * slope, slope)
        if D_H is None:
            return out
        D_H = D_H + D_Pi @ self.Gamma.T
        if shared:
            D_H, D_Pi = D_H.sum(axis=0)[None], D_Pi.sum(axis=0)[None]
        Ey = level.E[:, units.responses]
        # ∂B = E'(∂E)E', ∂E = F'∂H
        D_B = Ey.swapaxes(1, 2) @ (D_H @ level.E.swapaxes(1, 2))
        paths = g.paths
        out[:, paths] = D_B[:, g.row[paths], g.column[paths]]
        times = self.nested.times[g.free[paths]]
        varying = np.flatnonzero(times >= 0)
        if len(varying):
            out[:, varying] *= units.z[:rows, times[varying]]
        D_Gamma = Ey.swapaxes(1, 2) @ D_Pi
        out[:, g.regressions] = D_Gamma[:, g.row[g.regressions], g.column[g.regressions]]
        return out

