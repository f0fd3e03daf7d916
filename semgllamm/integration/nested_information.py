"""The expected information of Gaussian responses in nested units.

Of y ~ N(μ, Σ) of a unit of the highest level it is, about cells a and b,

    μ_a'Σ⁻¹μ_b + ½ tr Σ⁻¹Σ_aΣ⁻¹Σ_b,

subscripts being derivatives. Given all disturbances u ~ N(0, V) above the rows, rows are independent, with covariance
matrices C_i = W_i⁻¹ and loadings Z_i on u; responses y_h = Hu of units above are known with u. With C = HVH' and
G = VH'C⁻¹ of these and N = I − GH, u given y_h has the covariance matrix U = NV, and y_h and y_i − Z_i G y_h are
independent. With Z_i G held, derivatives are

    C_a = H_aVH' + HV_aH' + HVH_a',   D_a = V_aH' + VH_a' − GC_a,   U_a = NV_aN' − GH_aU − UH_a'G'

of the covariances of y_h, of u − Gy_h with y_h, and of u − Gy_h, and Z_aGC + ZD_a of those of y_i − Z_i G y_h with y_h.
Sums over rows, Σ_i, with K = (I + UA)⁻¹U the posterior covariances,

    A = Σ Z'WZ,   N_a = Σ Z'WZ_a,   Y_a = Σ Z'WC_aWZ − N_a − N_a',   L = I − KA,

leave of tr Σ⁻¹Σ_aΣ⁻¹Σ_b, by Σ⁻¹ = W − WZKZ'W and K = UL (Woodbury 1950),

    Σ tr WC_aWC_b − 2 tr K Z'WC_aWC_bWZ + 2 tr K (Z'WC_aWZ_b + Z'WC_bWZ_a) + 2 tr (V − K) Z_a'WZ_b
    + tr KY_aKY_b − 2 tr VN_b'KN_a + tr U_a(L'Y_bL + L'N_b + N_b'L) + tr U_b(L'Y_aL + L'N_a + N_a'L)
    + tr U_aL'AU_bL'A + tr C⁻¹C_aC⁻¹C_b + 2 tr C⁻¹D_a'L'AD_b + 2 tr G'(N_a'LD_b + N_b'LD_a).

The first line is summed over kinds of rows, each with the sum of its units' K, so that units may have any number of
rows; the others are of matrices as large as the number of disturbances above the rows of a unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semgllamm.errors import EstimationError
from semgllamm.integration.gaussian import MANY
from semgllamm.integration.nested import Nested, NestedEvaluation

__all__ = ["expected_information", "fits_in_memory"]

LARGEST = 20_000_000  # numbers in a stack of one matrix a cell of the disturbances above the rows of a unit


def fits_in_memory(nested: Nested, n_cells: int) -> bool:
    """Whether no unit has more disturbances above its rows than the matrices allow."""
    return not len(nested.strata) > 1 or n_cells * int(_disturbances(nested).max()) ** 2 <= LARGEST


def _disturbances(nested: Nested) -> np.ndarray:
    """Of each unit of the highest level, those above the rows."""
    return sum(_counts(nested, k) * len(s.nodes) for k, s in enumerate(nested.strata) if k)


def _counts(nested: Nested, level: int) -> np.ndarray:
    return np.bincount(nested.strata[level].top, minlength=nested.strata[-1].n)


def expected_information(evaluation: NestedEvaluation) -> np.ndarray:
    """The expected information about the parameters, given which responses are seen, (q, q).

    Raises
    ------
    EstimationError
        If a unit of the highest level has too many units of the levels between.
    """
    g, nested = evaluation.graph, evaluation.nested
    if not fits_in_memory(nested, g.n_moving):
        raise EstimationError(
            f"the expected information needs matrices of {int(_disturbances(nested).max())} disturbances, as many as "
            f"the largest unit has above its rows, for each of {g.n_moving} cells: too large",
            remedy="Use information='observed'.",
        )
    about_moments, about_means = np.zeros((2, len(g.free), len(g.free)))
    posterior = prior = None
    if len(nested.strata) > 1:
        above = _Above(evaluation)
        above.add(about_moments, about_means)
        posterior, prior = above.of_rows
    _add_rows(evaluation, posterior, prior, about_moments, about_means)
    total = 0.5 * about_moments + about_means
    return g.to_parameters(g.to_parameters(total).T)


@dataclass(frozen=True)
class _Forms:
    """How the free cells change what some kinds of a level's units have: C by κ(ab' + ba') through their own
    disturbances, H by ag', Π by ah'."""

    a: np.ndarray  # (k, p, all)
    b: np.ndarray  # (k, p, moving)
    g: np.ndarray  # (k, paths, nodes)
    h: np.ndarray  # (k, all, m)

    @classmethod
    def of(cls, evaluation: NestedEvaluation, level: int, some: np.ndarray) -> _Forms:
        graph, here, units = evaluation.graph, evaluation.levels[level], evaluation.nested.strata[level]
        shared = len(here.E) == 1
        E = np.broadcast_to(here.E, (len(some), *here.E.shape[1:])) if shared else here.E[some]
        Ey = E[:, units.responses] * units.seen[some][:, :, None]
        c, rest = graph.n_moving, graph.regressions
        causes, fixed = graph.column[graph.paths], graph.column[graph.covariances]
        times = evaluation.nested.times[graph.free[graph.paths]]
        factor = np.where(times >= 0, units.z[some][:, np.maximum(times, 0)], 1.0) if units.z.shape[1] else 1.0
        g = E[:, causes] * np.asarray(factor)[..., None]
        b = np.empty((len(some), len(units.responses), c))
        HS = Ey[:, :, here.here] @ here.S
        b[:, :, graph.paths] = HS @ g[:, :, here.here].swapaxes(1, 2)
        b[:, :, graph.covariances] = Ey[:, :, fixed]
        h = np.zeros((len(some), len(graph.free), graph.m))
        h[:, graph.paths] = g @ evaluation.Gamma
        h[:, rest] = np.eye(graph.m)[graph.column[rest]]
        return cls(Ey[:, :, graph.row], b, g, h)


def _kappa(evaluation: NestedEvaluation) -> np.ndarray:
    """κ of the cells that change rows given the disturbances above, 0 of covariances above."""
    graph = evaluation.graph
    kappa = graph.kappa.copy()
    kappa[graph.covariances][graph.level[graph.covariances] > 0] = 0.0
    return kappa


def _add_rows(evaluation, posterior, prior, about_moments, about_means) -> None:
    """Add the sums over the rows.

    Parameters
    ----------
    posterior, prior : (kinds, d, d) arrays or None
        Sums over the rows of each kind of K and of V.
    """
    graph, units, here = evaluation.graph, evaluation.nested.strata[0], evaluation.levels[0]
    c, paths, kappa = graph.n_moving, graph.n_path, _kappa(evaluation)
    pairs = np.outer(kappa, kappa)
    xx = units.by_kind((units.size[:, None] * units.x)[:, :, None] * units.x[:, None, :])
    if units.spread is not None:
        p = len(units.responses)
        xx = xx + units.spread[:, p:, p:]
    step = max(1, MANY // max(len(graph.free) ** 2, 1))
    for first in range(0, units.n_kinds, step):
        some = np.arange(first, min(first + step, units.n_kinds))
        f, W, n = _Forms.of(evaluation, 0, some), here.C_inv[some], units.kind_size[some][:, None, None]
        Wa, Wb = W @ f.a, W @ f.b
        at = f.a.swapaxes(1, 2)
        aWa, aWb, bWb = at @ Wa, at @ Wb, f.b.swapaxes(1, 2) @ Wb
        about_means += (aWa * (f.h @ xx[some] @ f.h.swapaxes(1, 2))).sum(axis=0)
        own, cross = aWa[:, :c, :c], aWb[:, :c]
        bWa = cross.swapaxes(1, 2)
        found = 2 * (n * (cross * bWa + own * bWb)).sum(axis=0)
        if posterior is None:
            about_moments[:c, :c] += pairs * found
            continue
        Zt = here.H_up[some].swapaxes(1, 2)
        alpha, beta, g = Zt @ Wa[:, :, :c], Zt @ Wb, f.g[:, :, here.above]
        Ka, Kb = posterior[some] @ alpha, posterior[some] @ beta
        alpha_t, beta_t = alpha.swapaxes(1, 2), beta.swapaxes(1, 2)
        bKa = beta_t @ Ka
        half = bKa * cross
        found -= 2 * (half + half.swapaxes(1, 2) + alpha_t @ Ka * bWb + beta_t @ Kb * own).sum(axis=0)
        about_moments[:c, :c] += pairs * found
        # the paths b change Z, the cells a change C
        through = ((g @ Ka) * cross[:, :paths] + (g @ Kb) * own[:, :paths]).sum(axis=0)
        about_moments[:paths, :c] += 2 * through * kappa
        about_moments[:c, :paths] += 2 * (through * kappa).T
        left = (g @ (prior[some] - posterior[some]) @ g.swapaxes(1, 2)) * own[:, :paths, :paths]
        about_moments[:paths, :paths] += 2 * left.sum(axis=0)


class _Above:
    """The matrices of the disturbances above the rows, of units of the highest level with as many units between."""

    def __init__(self, evaluation: NestedEvaluation):
        self.evaluation, self.graph = evaluation, evaluation.graph
        self.strata, self.levels = evaluation.nested.strata, evaluation.levels
        lowest = self.strata[1]
        width = len(self.levels[0].above)
        self.K, self.V = np.zeros((2, lowest.n, width, width))
        self.place, self.columns = self._places()

    def _places(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """For each level the place of its units among those of the level in their unit of the highest level, and where
        the disturbances of them and of those above stand."""
        height = len(self.strata)
        nested = self.evaluation.nested
        counts = [_counts(nested, k) for k in range(height)]
        place: list[np.ndarray] = [np.zeros(0, np.int64)] * height
        columns = list(place)
        for k in range(1, height):
            units = self.strata[k]
            order = np.argsort(units.top, kind="stable")
            starts = np.cumsum(counts[k]) - counts[k]
            place[k] = np.empty(units.n, np.int64)
            place[k][order] = np.arange(units.n) - np.repeat(starts, counts[k])
        for k in reversed(range(1, height)):
            units, v = self.strata[k], len(self.strata[k].nodes)
            before = sum(counts[j] * len(self.strata[j].nodes) for j in range(1, k)) + np.zeros_like(counts[k])
            mine = (before[units.top] + place[k] * v)[:, None] + np.arange(v)
            columns[k] = mine if k == height - 1 else np.concatenate([mine, columns[k + 1][units.parent]], axis=1)
        self.shape = np.stack(counts[1:], axis=1)
        return place, columns

    @property
    def of_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums of K and of V over the rows of each kind."""
        to_kinds = self.strata[0].kinds_to_parents.T
        shape = (-1, *self.K.shape[1:])
        return tuple((to_kinds @ M.reshape(len(M), -1)).reshape(shape) for M in (self.K, self.V))

    def add(self, about_moments: np.ndarray, about_means: np.ndarray) -> None:
        """Add what is not summed over rows, and keep K and V of each unit above rows."""
        c = max(self.graph.n_moving, 1)
        for shape in np.unique(self.shape, axis=0):
            tops = np.flatnonzero((self.shape == shape).all(axis=1))
            size = sum(n * len(s.nodes) for n, s in zip(shape, self.strata[1:]))
            step = max(1, MANY // max(c * size * size, 1))
            for first in range(0, len(tops), step):
                self._add(tops[first : first + step], shape, size, about_moments, about_means)

    def _add(self, tops, shape, size: int, about_moments, about_means) -> None:
        where = np.full(self.strata[-1].n, -1)
        where[tops] = np.arange(len(tops))
        mine = [np.flatnonzero(where[s.top] >= 0) if k else np.zeros(0, np.int64) for k, s in enumerate(self.strata)]
        index = [(where[s.top[mine[k]]], self.columns[k][mine[k]]) if k else None for k, s in enumerate(self.strata)]
        count, graph = len(tops), self.graph
        c, paths = graph.n_moving, graph.n_path
        V, V_a = self._prior(shape, size)
        A, Y, N, f = self._of_rows(count, size, mine[1], *index[1])
        U, U_a = V[None], V_a[None]
        heights = [k for k in range(1, len(self.strata)) if len(self.strata[k].responses)]
        known = None
        if heights:
            known = _Known(self, count, size, heights, shape, mine, index, V, V_a)
            U, U_a = known.U, known.U_a
        M = np.eye(size) + U @ A
        K = np.linalg.solve(M, np.broadcast_to(U, M.shape))
        K = 0.5 * (K + K.swapaxes(1, 2))
        L = np.eye(size) - K @ A
        left = A @ L
        left = 0.5 * (left + left.swapaxes(1, 2))
        KY = K[:, None] @ Y
        out = _traces(KY, KY)
        KN, NV = K[:, None] @ N, N @ V
        out[:paths, :paths] -= 2 * _traces(KN.swapaxes(2, 3), NV)
        L4 = L[:, None]
        turned = L4.swapaxes(2, 3) @ Y @ L4
        LN = L4.swapaxes(2, 3) @ N
        turned[:, :paths] += LN + LN.swapaxes(2, 3)
        U_a = np.broadcast_to(U_a, (count, *U_a.shape[1:]))
        mixed = _traces(U_a, turned)
        out += mixed + mixed.T
        UA = U_a @ left[:, None]
        out += _traces(UA, UA)
        means = np.zeros_like(about_means)
        if known is not None:
            QC = known.Q[:, None] @ known.C_a
            out += _traces(QC, QC)
            DQ = known.D_a @ known.Q[:, None]
            out += 2 * _traces((left[:, None] @ known.D_a).swapaxes(2, 3), DQ)
            GN = known.G.swapaxes(1, 2)[:, None] @ LN.swapaxes(2, 3)
            crossed = _traces(GN, known.D_a)
            out[:paths] += 2 * crossed
            out[:, :paths] += 2 * crossed.T
            t = known.G @ known.means
            means += (known.means.swapaxes(1, 2) @ known.Q @ known.means).sum(axis=0)
            At = A @ t
            crossed = (t.swapaxes(1, 2) @ f).sum(axis=0)
            means += (t.swapaxes(1, 2) @ At).sum(axis=0) - crossed - crossed.T
            f = f - At
        means -= (f.swapaxes(1, 2) @ K @ f).sum(axis=0)
        about_moments[:c, :c] += out
        about_means += means
        unit, column = index[1]
        pick = unit[:, None, None], column[:, :, None], column[:, None, :]
        self.K[mine[1]] = K[pick]
        self.V[mine[1]] = V[pick[1:]]

    def _prior(self, shape, size: int) -> tuple[np.ndarray, np.ndarray]:
        """V and its derivatives in the moving cells."""
        graph = self.graph
        V, V_a = np.zeros((size, size)), np.zeros((graph.n_moving, size, size))
        first = 0
        for k in range(1, len(self.strata)):
            v = len(self.strata[k].nodes)
            place = np.full(graph.v, -1)
            place[self.strata[k].nodes] = np.arange(v)
            cells = np.flatnonzero(graph.level[graph.covariances] == k) + graph.n_path
            r, s = place[graph.row[cells]], place[graph.column[cells]]
            for unit in range(int(shape[k - 1])):
                start = first + unit * v
                V[start : start + v, start : start + v] = self.levels[k].S
                V_a[cells, start + r, start + s] = 1.0
                V_a[cells, start + s, start + r] = 1.0
            first += int(shape[k - 1]) * v
        return V, V_a

    def _of_rows(self, count: int, size: int, parents: np.ndarray, top, column):
        """A, Y_a, N_a and Σ Z'Wμ_a of the rows below some units of the level above them."""
        evaluation, graph = self.evaluation, self.graph
        rows, here = self.strata[0], self.levels[0]
        c, paths, kappa, d = graph.n_moving, graph.n_path, _kappa(evaluation), len(here.above)
        sums = rows.kinds_to_parents[parents]
        some = np.unique(sums.indices)
        f, Zt, W = _Forms.of(evaluation, 0, some), here.H_up[some].swapaxes(1, 2), here.C_inv[some]
        alpha, beta, g = Zt @ (W @ f.a), Zt @ (W @ f.b), f.g[:, :, here.above]
        first = (alpha[:, :, :c] * kappa).swapaxes(1, 2)[:, :, :, None]
        B = first * beta.swapaxes(1, 2)[:, :, None, :]
        B = B + B.swapaxes(2, 3)
        change = alpha[:, :, :paths].swapaxes(1, 2)[:, :, :, None] * g[:, :, None, :]
        B[:, :paths] -= change + change.swapaxes(2, 3)
        weights = sums[:, some]
        Y_here = (weights @ B.reshape(len(some), c * d * d)).reshape(len(parents), c, d, d)
        N_here = (weights @ change.reshape(len(some), paths * d * d)).reshape(len(parents), paths, d, d)
        place = np.full(self.strata[1].n, -1)
        place[parents] = np.arange(len(parents))
        cells = np.flatnonzero(place[rows.parent] >= 0)
        which = np.full(rows.n_kinds, -1)
        which[some] = np.arange(len(some))
        which = which[rows.kind[cells]]
        sized = rows.size[cells][:, None] * (f.h[which] @ rows.x[cells][:, :, None])[:, :, 0]
        f_here = np.zeros((len(parents), d, len(graph.free)))
        np.add.at(f_here, place[rows.parent[cells]], alpha[which] * sized[:, None, :])
        A = np.zeros((count, size, size))
        Y, N = np.zeros((count, c, size, size)), np.zeros((count, paths, size, size))
        f_all = np.zeros((count, size, len(graph.free)))
        r, s = column[:, :, None], column[:, None, :]
        np.add.at(A, (top[:, None, None], r, s), self.levels[1].A[parents])
        np.add.at(f_all, (top[:, None], column), f_here)
        for whole, part in ((Y, Y_here), (N, N_here)):
            number = np.arange(part.shape[1])[None, :, None, None]
            np.add.at(whole, (top[:, None, None, None], number, r[:, None], s[:, None]), part)
        return A, Y, N, f_all


class _Known:
    """Responses of units above the rows: what they say of the disturbances."""

    def __init__(self, above: _Above, count, size, heights, shape, mine, index, V, V_a):
        graph, evaluation = above.graph, above.evaluation
        paths = graph.n_path
        total = sum(int(shape[k - 1]) * len(above.strata[k].responses) for k in heights)
        H, H_a = np.zeros((count, total, size)), np.zeros((count, paths, total, size))
        self.means = np.zeros((count, total, len(graph.free)))
        absent = np.zeros((count, total))
        first = 0
        for k in heights:
            units, level, (top, column) = above.strata[k], above.levels[k], index[k]
            p = len(units.responses)
            kind = units.kind[mine[k]]
            row = first + (above.place[k][mine[k]] * p)[:, None] + np.arange(p)
            some, which = np.unique(kind, return_inverse=True)
            f = _Forms.of(evaluation, k, some)
            loads = np.concatenate([level.H, level.H_up], axis=2)[kind]
            H[top[:, None, None], row[:, :, None], column[:, None, :]] = loads
            g = f.g[:, :, np.concatenate([level.here, level.above])]
            change = f.a[:, :, :paths].swapaxes(1, 2)[:, :, :, None] * g[:, :, None, :]
            at = top[:, None, None, None], np.arange(paths)[None, :, None, None], row[:, None, :, None]
            H_a[(*at, column[:, None, None, :])] = change[which]
            along = (f.h[which] @ units.x[mine[k]][:, :, None])[:, :, 0]
            self.means[top[:, None], row] = f.a[which] * along[:, None, :]
            absent[top[:, None], row] = ~units.seen[kind]
            first += int(shape[k - 1]) * p
        Ht = H.swapaxes(1, 2)
        C = H @ V @ Ht
        C[:, np.arange(total), np.arange(total)] += absent
        self.Q = np.linalg.inv(C)
        self.G = V @ Ht @ self.Q
        N = np.eye(size) - self.G @ H
        U = N @ V
        self.U = 0.5 * (U + U.swapaxes(1, 2))
        VH_a = V @ H_a.swapaxes(2, 3)
        self.D_a = np.broadcast_to(V_a @ Ht[:, None], (count, len(V_a), size, total)).copy()
        self.D_a[:, :paths] += VH_a
        C_a = H[:, None] @ V_a @ Ht[:, None]
        turned = H[:, None] @ VH_a
        C_a[:, :paths] += turned + turned.swapaxes(2, 3)
        self.C_a = C_a
        self.D_a -= self.G[:, None] @ C_a
        self.U_a = N[:, None] @ V_a @ N.swapaxes(1, 2)[:, None]
        moved = self.G[:, None] @ H_a @ self.U[:, None]
        self.U_a[:, :paths] -= moved + moved.swapaxes(2, 3)


def _traces(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Σ tr L_a R_b over a stack, (a, b), of (n, a, i, j) and (n, b, j, i)."""
    n, a, i, j = left.shape
    b = right.shape[1]
    one = left.swapaxes(0, 1).reshape(a, n * i * j)
    return one @ right.swapaxes(2, 3).swapaxes(0, 1).reshape(b, n * i * j).T
