"""The exact likelihood of Gaussian responses with linear paths, from moments.

All variables of a group, observed or latent, are the nodes v of one graph, with paths B among them, covariances S of
what the paths leave over, and regressions Γ on covariates x (the constant 1 is the last of them):

    v = Bv + Γx + ε,   cov ε = Σ_l c_l S_l,   E = (I − B)⁻¹,   y = Fv  ~  N(Πx, Σ),
    Π = FEΓ,   P = E(Σ_l c_l S_l)E',   Σ = FPF'

(McArdle & McDonald 1984, equation 4). Rows with the same observed responses are one pattern o, known by its moments;
with W = Σ_o⁻¹ and T the mean of (y − Πx)(y − Πx)' over its n_o rows,

    log L = −½ Σ_o n_o (p_o log 2π + log|Σ_o| + tr WT) + constant.

The c_l are 1 for rows of one level. In clusters of size s with complete rows the deviations from the cluster's mean,
of which s − 1 are independent, have c = (1, 0), and the mean has c = (1/s, 1) (McDonald & Goldstein 1989), so that two
levels are patterns too.

Every cell j of B and S changes Σ by κ_j(a_j b_j' + b_j a_j'), a = FE_r and b = FP_c (B) or FE_c (S), κ = 1 or, on the
diagonal of S, ½; every cell of B and Γ changes Π by a_j h_j'. The derivatives below are sums of products of such forms,
a'Wa, a'Wb and b'Wb, which are looked up in X'WX, X being the columns of FE and those of FP that are causes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["COVARIANCE", "PATH", "REGRESSION", "Cells", "Evaluation", "Graph", "Moments", "moments_of"]

PATH, COVARIANCE, REGRESSION = range(3)
LOG_2PI = float(np.log(2 * np.pi))
MANY = 1 << 17  # numbers in a stack of matrices that are worked on together


def _weighted(n: np.ndarray, stack: np.ndarray) -> np.ndarray:
    """Σ_k n_k of a stack of matrices."""
    return (n @ stack.reshape(len(n), -1)).reshape(stack.shape[1:])


@dataclass(frozen=True)
class Cells:
    """The cells of B, S and Γ of a group.

    Attributes
    ----------
    kind : (c,) int array
        PATH, COVARIANCE or REGRESSION.
    row, column : (c,) int arrays
        Nodes; for REGRESSION the column is a covariate. S holds its lower triangle.
    level : (c,) int array
        Which S_l a COVARIANCE belongs to.
    number : (c,) int array
        Parameter number, −1 where fixed.
    value : (c,) array
        The value of a fixed cell.
    """

    kind: np.ndarray
    row: np.ndarray
    column: np.ndarray
    level: np.ndarray
    number: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Moments:
    """What a group's data say: the moments of each pattern, of responses and covariates less their `shift`.

    Attributes
    ----------
    n : (k,) array
        Rows, or their total weight, of each pattern.
    seen : (k, p) bool array
        Which responses a pattern has.
    scale : (k, levels) array
        c_l.
    yy, yx, xx : (k, p, p), (k, p, m), (k, m, m) arrays
        Means of products, 0 where a response is not seen. Without a mean structure they are central, and there is no
        constant among the covariates.
    shift_y, shift_x : (p,) and (m,) arrays
    has_means : bool
        The last covariate is the constant 1.
    constant : float
        Added to the log-likelihood.
    """

    n: np.ndarray
    seen: np.ndarray
    scale: np.ndarray
    yy: np.ndarray
    yx: np.ndarray
    xx: np.ndarray
    shift_y: np.ndarray
    shift_x: np.ndarray
    has_means: bool
    constant: float = 0.0

    @cached_property
    def both(self) -> np.ndarray:
        """(k, p, p): whether both responses are seen."""
        return self.seen[:, :, None] & self.seen[:, None, :]

    @cached_property
    def complete(self) -> bool:
        return bool(self.seen.all())

    @cached_property
    def turn(self) -> np.ndarray:
        """(m, m): Π of the covariates as they are, times it, is Π of the shifted ones, up to shift_y."""
        C = np.eye(len(self.shift_x))
        if self.has_means:
            C[:-1, -1] = self.shift_x[:-1]
        return C


def moments_of(
    y: np.ndarray, x: np.ndarray, weight: np.ndarray | None = None, has_means: bool = True
) -> tuple[Moments, np.ndarray]:
    """Moments of the rows of one level, by missing pattern.

    Parameters
    ----------
    y : (n, p) array
        NaN where missing.
    x : (n, m) array
        The constant last if `has_means`; without it the rows must be complete.
    weight : (n,) array, optional

    Returns
    -------
    moments : Moments
    pattern : (n,) int array
        The pattern of each row.
    """
    w = np.ones(len(y)) if weight is None else weight
    total = w.sum()
    observed = ~np.isnan(y)
    if observed.all():
        patterns, pattern = np.ones((1, y.shape[1]), dtype=bool), np.zeros(len(y), dtype=np.int64)
        shift_y = (w @ y) / total
        from_mean = y - shift_y
    else:
        patterns, pattern = np.unique(observed, axis=0, return_inverse=True)
        pattern = pattern.ravel()
        with np.errstate(invalid="ignore", divide="ignore"):
            shift_y = np.nan_to_num((w @ np.where(observed, y, 0.0)) / (w @ observed))
        from_mean = np.where(observed, y - shift_y, 0.0)
    shift_x = (w @ x) / total
    if has_means:
        shift_x[-1] = 0.0
    z = np.concatenate([from_mean, x - shift_x], axis=1) if x.shape[1] else from_mean
    p = y.shape[1]
    n = np.bincount(pattern, w, minlength=len(patterns))
    M = np.empty((len(patterns), z.shape[1], z.shape[1]))
    if len(patterns) == 1:
        M[0] = (z.T if weight is None else z.T * w) @ z / total
    else:
        order = np.argsort(pattern, kind="stable")
        ends = np.searchsorted(pattern[order], np.arange(len(patterns) + 1))
        for k in range(len(patterns)):
            mine = order[ends[k] : ends[k + 1]]
            M[k] = (z[mine].T * w[mine]) @ z[mine] / n[k]
    scale = np.ones((len(patterns), 1))
    return Moments(n, patterns, scale, M[:, :p, :p], M[:, :p, p:], M[:, p:, p:], shift_y, shift_x, has_means), pattern


class Graph:
    """The graph of a group: E, P, Σ, Π and the forms of their derivatives.

    Parameters
    ----------
    cells : Cells
    n_nodes, n_responses, n_covariates, n_levels : int
        The responses are the first nodes.
    n_parameters : int
    """

    def __init__(
        self, cells: Cells, n_nodes: int, n_responses: int, n_covariates: int, n_levels: int, n_parameters: int
    ):
        self.v, self.p, self.m, self.n_levels = n_nodes, n_responses, n_covariates, n_levels
        self.q = n_parameters
        self.cells = cells
        free = np.flatnonzero(cells.number >= 0)
        # paths, covariances, regressions: the free cells in this order
        self.free = free[np.argsort(cells.kind[free], kind="stable")]
        kind = cells.kind[self.free]
        self.row, self.column = cells.row[self.free], cells.column[self.free]
        self.number, self.level = cells.number[self.free], cells.level[self.free]
        self.n_path = int((kind == PATH).sum())
        self.n_moving = self.n_path + int((kind == COVARIANCE).sum())  # cells that change Σ
        self.paths, self.covariances = slice(0, self.n_path), slice(self.n_path, self.n_moving)
        self.regressions = slice(self.n_moving, len(self.free))
        self.a = self.row
        self.identity = np.eye(n_nodes)
        self._lay_out(cells)

    def _lay_out(self, cells: Cells) -> None:
        """The places of the cells in one vector that holds B, the S_l and Γ one after the other."""
        v, square = self.v, self.v**2
        self.ends = square, square * (1 + self.n_levels)
        first = np.array([0, *self.ends])[cells.kind]
        first = np.where(cells.kind == COVARIANCE, first + cells.level * square, first)
        place = first + cells.row * np.where(cells.kind == REGRESSION, self.m, v) + cells.column
        # S holds both triangles
        twice = (cells.kind == COVARIANCE) & (cells.row != cells.column)
        place = np.concatenate([place, (first + cells.column * v + cells.row)[twice]])
        number = np.concatenate([cells.number, cells.number[twice]])
        value = np.concatenate([cells.value, cells.value[twice]])
        fixed = number < 0
        self.constant = np.zeros(self.ends[1] + v * self.m)
        np.add.at(self.constant, place[fixed], value[fixed])
        self.place, self.source = place[~fixed], number[~fixed]

    @cached_property
    def kappa(self) -> np.ndarray:
        kappa = np.ones(self.n_moving)
        same = self.row[self.covariances] == self.column[self.covariances]
        kappa[self.covariances][same] = 0.5
        return kappa

    @cached_property
    def distinct(self) -> bool:
        """Whether no two free cells are equal."""
        return len(np.unique(self.number)) == len(self.number)

    @cached_property
    def _causes(self) -> tuple[np.ndarray, np.ndarray]:
        causes, cause = np.unique(self.column[self.paths], return_inverse=True)
        return causes, cause.ravel()

    @property
    def causes(self) -> np.ndarray:
        """The causes of free paths: a and b of the free cells are columns of (FE, FP), of FP those of the causes."""
        return self._causes[0]

    @cached_property
    def b(self) -> np.ndarray:
        return np.concatenate([self.v + self._causes[1], self.column[self.covariances]])

    def matrices(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """B (v, v), S (levels, v, v) and Γ (v, m)."""
        values = self.constant.copy()
        np.add.at(values, self.place, parameters[self.source])
        v, (first, second) = self.v, self.ends
        return values[:first].reshape(v, v), values[first:second].reshape(-1, v, v), values[second:].reshape(v, self.m)

    @cached_property
    def cells_of_parameters(self) -> tuple[np.ndarray, ...]:
        return np.ix_(self.number, self.number)

    @cached_property
    def pairs(self) -> np.ndarray:
        """κ_i κ_j."""
        return np.outer(self.kappa, self.kappa)

    @cached_property
    def products(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where in a flattened X'WX are a'Wa (all free cells), a'Wb and b'Wb (those that change Σ)."""
        width = self.v + len(self.causes)
        to_b = self.b[:, None] * width
        return self.a[:, None] * width + self.a, self.a[: self.n_moving, None] * width + self.b, to_b + self.b

    @cached_property
    def ends_of_paths(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the free paths."""
        return self.row[self.paths], self.column[self.paths]

    @cached_property
    def in_feedback(self) -> np.ndarray:
        """(v,): which nodes have both causes and effects when those that only cause or only are caused are left out."""
        paths = self.cells.kind == PATH
        causes = np.zeros((self.v, self.v), dtype=bool)
        causes[self.cells.row[paths], self.cells.column[paths]] = True
        kept = np.ones(self.v, dtype=bool)
        while True:
            inner = kept & causes[:, kept].any(axis=1) & causes[kept].any(axis=0)
            if (inner == kept).all():
                return kept
            kept = inner

    @property
    def has_feedback(self) -> bool:
        """Whether some node is among its own causes."""
        return bool(self.in_feedback.any())

    def orientation(self, parameters: np.ndarray) -> float:
        """The sign of det(I − B)."""
        return float(np.linalg.slogdet(np.eye(self.v) - self.matrices(parameters)[0])[0])

    def to_parameters(self, slope: np.ndarray) -> np.ndarray:
        """Sum the derivatives in the free cells, on the last axis, over the cells of each parameter."""
        out = np.zeros((*slope.shape[:-1], self.q))
        if self.distinct:
            out[..., self.number] = slope
        else:
            np.add.at(np.moveaxis(out, -1, 0), self.number, np.moveaxis(slope, -1, 0))
        return out

    def at(self, parameters: np.ndarray, moments: Moments) -> Evaluation:
        """Everything at one parameter vector.

        Raises
        ------
        LinAlgError
            If I − B is singular or Σ not positive definite.
        """
        return Evaluation(self, parameters, moments)


class Evaluation:
    """A group's likelihood at one parameter vector, computed no further than asked.

    Attributes
    ----------
    parameters : (q,) array
    E : (v, v) array
    P : (k or 1, v, v) array
        Covariances of all nodes.
    Pi : (p, m) array
    W : (k, p, p) array
        Σ_o⁻¹, 0 where a response is not seen.
    """

    def __init__(self, graph: Graph, parameters: np.ndarray, moments: Moments):
        self.graph, self.parameters, self.moments = graph, parameters, moments
        p = graph.p
        B, S, Gamma = graph.matrices(parameters)
        self.E = np.linalg.inv(graph.identity - B) if B.any() else graph.identity
        parts = self.E @ S @ self.E.T
        one = moments.scale.shape[1] == 1
        self.P = parts if one else np.tensordot(moments.scale, parts, 1)
        self.Sigma = self.P[:, :p, :p]
        shown = self.Sigma if moments.complete else np.where(moments.both, self.Sigma, np.eye(p))
        half = np.linalg.cholesky(shown)
        self.log_det = 2 * np.log(np.diagonal(half, axis1=1, axis2=2)).sum(axis=1)
        inverse = np.linalg.inv(half)
        W = inverse.swapaxes(1, 2) @ inverse
        self.W = W if moments.complete else W * moments.both
        self.nu = self.E @ Gamma  # (v, m)
        self.Pi = self.nu[:p]
        self.A, self.T = self._residual_moments() if graph.m else (moments.yx, moments.yy)

    def _residual_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Means of (y − Πx)x' and of (y − Πx)(y − Πx)'."""
        moments = self.moments
        Pi = self.nu_shifted[: self.graph.p].copy()
        if moments.has_means:
            Pi[:, -1] -= moments.shift_y
        A = moments.yx - Pi @ moments.xx
        if not moments.complete:
            A = A * moments.seen[:, :, None]
        T = moments.yy - A @ Pi.T - Pi @ moments.yx.swapaxes(1, 2)
        return A, T if moments.complete else T * moments.both

    @cached_property
    def nu_shifted(self) -> np.ndarray:
        """ν of the shifted covariates."""
        return self.nu @ self.moments.turn

    @cached_property
    def loglik(self) -> float:
        moments = self.moments
        seen = moments.seen.sum(axis=1)
        distance = (self.W * self.T).sum(axis=(1, 2))
        return float(-0.5 * (moments.n @ (seen * LOG_2PI + self.log_det + distance)) + moments.constant)

    @cached_property
    def U(self) -> np.ndarray:
        """WTW."""
        return self.W @ self.T @ self.W

    @cached_property
    def Q(self) -> np.ndarray:
        """W − WTW: −2/n times the derivative in Σ of a pattern's log-likelihood."""
        return self.W - self.U

    @cached_property
    def X(self) -> np.ndarray:
        """(k or 1, p, v + causes): FE, and the columns of FP that are causes of free paths."""
        g, p = self.graph, self.graph.p
        Ey = np.broadcast_to(self.E[:p], (len(self.P), p, g.v))
        return np.concatenate([Ey, self.P[:, :p, g.causes]], axis=2)

    @cached_property
    def pull(self) -> np.ndarray:
        """(k or 1, v + causes, v + causes): n X'QX, of all patterns together if X is the same for them."""
        n, X = self.moments.n, self.X
        weighted = _weighted(n, self.Q) if len(X) == 1 else n[:, None, None] * self.Q
        return X.swapaxes(1, 2) @ weighted @ X

    @cached_property
    def h(self) -> np.ndarray:
        """(m, all): how the free cells change the rows of Π."""
        g = self.graph
        h = np.zeros((g.m, len(g.free)))
        if h.size:
            h[:, g.paths] = self.nu_shifted[g.column[g.paths]].T
            h[:, g.regressions] = self.moments.turn[g.column[g.regressions]].T
        return h

    @cached_property
    def forms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """a (p, moving + regressions), b (k or 1, p, moving), h (m, all): the vectors of the free cells."""
        g, scale = self.graph, self.cell_scale
        a, b = self.X[0][:, g.a], self.X[:, :, g.b]
        return a, b if scale is None else b * scale[:, None, :], self.h

    @cached_property
    def cell_scale(self) -> np.ndarray | None:
        """(k, moving): the c_l of cells of S, 1 for those of B."""
        g = self.graph
        if g.n_levels == 1:
            return None
        scale = np.ones((len(self.P), g.n_moving))
        scale[:, g.covariances] = self.moments.scale[:, g.level[g.covariances]]
        return scale

    def score(self) -> np.ndarray:
        """∂ log L in the parameters, (q,)."""
        g, n, scale = self.graph, self.moments.n, self.cell_scale
        slope = np.zeros(len(g.free))
        along = self.pull[:, g.a[: g.n_moving], g.b]
        slope[: g.n_moving] = -g.kappa * (along if scale is None else along * scale).sum(axis=0)
        if self.h.size:
            J = _weighted(n, self.W @ self.A)
            slope += (self.X[0][:, g.a] * (J @ self.h)).sum(axis=0)
        return g.to_parameters(slope)

    def information(self, expected: bool = False, straight: bool = False) -> np.ndarray:
        """−∂² log L in the parameters, or its expectation given which responses are seen, (q, q).

        `straight` takes the moments of `implied` as if they were linear in the parameters: Δ'HΔ, H the second
        derivatives in the moments.
        """
        g = self.graph
        out = self._products[0 if expected else 1]
        if straight:
            out = out - self._bending_of_fitted()
        elif not expected:
            out = out - self._bending()
        if g.distinct:
            total = np.zeros((g.q, g.q))
            total[g.cells_of_parameters] = out
            return total
        return g.to_parameters(g.to_parameters(out).T)

    @cached_property
    def _products(self) -> tuple[np.ndarray, np.ndarray]:
        """−∂²ℓ/∂(Σ, Π)² along the forms of the free cells, expected and observed."""
        size = len(self.graph.free)
        expected, observed = np.zeros((2, size, size))
        # so many patterns at a time that their matrices stay in the cache
        step = max(1, MANY // max(expected.size, 1))
        for first in range(0, len(self.moments.n), step):
            self._add_products(expected, observed, slice(first, first + step))
        return expected, observed

    def _add_products(self, expected: np.ndarray, observed: np.ndarray, some: slice) -> None:
        """Add the products of forms over some of the patterns.

        Along i and j, tr WDWD' of the forms has W in both places where it is expected, and 2U − W in one of them where
        it is observed.
        """
        g, moments, n, h = self.graph, self.moments, self.moments.n[some], self.h
        c, scale = g.n_moving, self.cell_scale
        X = self.X[some] if len(self.X) > 1 else self.X
        Xt = X.swapaxes(1, 2)
        XWX, XUX = (Xt @ M[some] @ X for M in (self.W, self.U))
        (aWa, aWb, bWb), (aUa, aUb, bUb) = (
            [np.take(M.reshape(len(n), -1), where, axis=1) for where in g.products] for M in (XWX, XUX)
        )
        bWa, inner = aWb.swapaxes(1, 2), aWa[:, :c, :c]
        straight = aWb * bWa + bWb * inner
        turned = aUb * bWa + 0.5 * (bUb * inner + aUa[:, :c, :c] * bWb)
        if scale is not None:
            both = scale[some, :, None] * scale[some, None, :]
            straight, turned = both * straight, both * turned
        straight, turned = _weighted(n, straight), _weighted(n, turned)
        expected[:c, :c] += g.pairs * straight
        observed[:c, :c] += g.pairs * (turned + turned.T - straight)
        if h.size:
            along = _weighted(n, aWa * (h.T @ moments.xx[some] @ h))
            expected += along
            observed += along
            # Σ moves with i, Π with j
            XG = Xt @ (self.W[some] @ self.A[some] @ h)
            bWa = XWX[:, g.b[:, None], g.a]
            cross = aWa[:, :c] * XG[:, g.b] + bWa * XG[:, g.a[:c]]
            cross = cross if scale is None else scale[some, :, None] * cross
            cross = g.kappa[:, None] * _weighted(n, cross)
            observed[:c] += cross
            observed[:, :c] += cross.T

    def _bending(self) -> np.ndarray:
        """Σ ∂ℓ/∂Σ ∂²Σ + ∂ℓ/∂Π ∂²Π over the free cells."""
        g, moments, E = self.graph, self.moments, self.E
        out = np.zeros((len(g.free), len(g.free)))
        if g.n_path == 0:
            return out
        p, v, n = g.p, g.v, moments.n
        r, c = g.ends_of_paths
        r_r, c_c, r_c = (r[:, None], r), (c[:, None], c), (r[:, None], c)
        EQE = self.pull[:, :v, :v]
        twice = (self.P[:, *c_c] * EQE[:, *r_r]).sum(axis=0)
        EJ = E[:p].T @ _weighted(n, self.W @ self.A)
        # (v, causes): ∂ℓ along E_r and ν_c or P_c
        slope = EJ @ self.nu_shifted[g.causes].T - self.pull[:, :v, v:].sum(axis=0)
        once = E.T[r_c] * slope[r[:, None], g.b[g.paths] - v].T
        out[g.paths, g.paths] = once + once.T - twice
        if g.n_moving > g.n_path:
            s = g.covariances
            left, right, level = g.row[s], g.column[s], g.level[s]
            by_level = EQE if g.n_levels == 1 else np.tensordot(moments.scale.T, EQE, 1)
            one = by_level[level, r[:, None], left] * E[c[:, None], right]
            other = by_level[level, r[:, None], right] * E[c[:, None], left]
            mixed = -g.kappa[s] * (one + other)
            out[g.paths, s] = mixed
            out[s, g.paths] = mixed.T
        if len(g.free) > g.n_moving:
            to_x = EJ @ moments.turn.T
            row, column = g.row[g.regressions], g.column[g.regressions]
            mixed = E[c[:, None], row] * to_x[r[:, None], column]
            out[g.paths, g.regressions] = mixed
            out[g.regressions, g.paths] = mixed.T
        return out

    def _bending_of_fitted(self) -> np.ndarray:
        """−Σ ∂ℓ/∂Σ_yy ∂²(ΠΣ_xxΠ') over the free cells."""
        a, h, n = self.X[0][:, self.graph.a], self.h, self.moments.n
        slopes = h[:-1] if self.moments.has_means else h
        m = len(slopes)
        if not m:
            return np.zeros((a.shape[1], a.shape[1]))
        xx = _weighted(n, self.moments.xx)[:m, :m] / n.sum()
        return (a.T @ _weighted(n, self.Q) @ a) * (slopes.T @ xx @ slopes)

    def implied(self) -> np.ndarray:
        """Moments of responses and covariates given those of the covariates themselves, (m,).

        vech Σ_yy by rows of the lower triangle, then Σ_yx by rows, then the means of y less `shift_y`.
        """
        Pi, xx = self._slopes
        parts = [(self.Sigma[0] + Pi @ xx @ Pi.T)[np.tril_indices(self.graph.p)], (Pi @ xx).ravel()]
        if self.moments.has_means:
            parts.append(self.nu_shifted[: self.graph.p, -1] - self.moments.shift_y)
        return np.concatenate(parts)

    def jacobian(self) -> np.ndarray:
        """The derivatives of `implied` in the parameters, (m, q), of complete rows of one level.

        A cell changes Σ by κ(ab' + ba') and Π by ah', and so Σ_yy = Σ + ΠΣ_xxΠ' and Σ_yx = ΠΣ_xx.
        """
        g = self.graph
        a, b, h = self.forms
        row, column = np.tril_indices(g.p)
        Pi, xx = self._slopes
        yy = np.zeros((len(row), len(g.free)))
        moving = a[:, : g.n_moving]
        yy[:, : g.n_moving] = g.kappa * (moving[row] * b[0][column] + b[0][row] * moving[column])
        slopes = h[:-1] if self.moments.has_means else h
        along = xx @ slopes
        with_fitted = Pi @ along
        yy += a[row] * with_fitted[column] + with_fitted[row] * a[column]
        parts = [yy, (a[:, None, :] * along[None, :, :]).reshape(-1, len(g.free))]
        if self.moments.has_means:
            parts.append(a * h[-1])
        return g.to_parameters(np.concatenate(parts))

    @cached_property
    def _slopes(self) -> tuple[np.ndarray, np.ndarray]:
        """Π without its constant, and the central covariances of the covariates."""
        if self.moments.has_means:
            return self.Pi[:, :-1], self.moments.xx[0, :-1, :-1]
        return self.Pi, self.moments.xx[0]

    def row_scores(
        self, y: np.ndarray, x: np.ndarray, pattern: np.ndarray, share: np.ndarray | None = None
    ) -> np.ndarray:
        """∂ log L of single rows in the parameters, (n, q).

        Parameters
        ----------
        y : (n, p) array
            NaN where not seen.
        x : (n, m) array
        pattern : (n,) int array
        share : (n,) array, optional
            How much of log|Σ| is a row's: 1, but 1 − 1/s for deviations from the mean of s rows.
        """
        g, moments = self.graph, self.moments
        a, b, h = self.forms
        residual = np.nan_to_num(y - x @ self.Pi.T)
        out = np.empty((len(y), len(g.free)))
        for k in np.unique(pattern):
            mine = np.flatnonzero(pattern == k)
            W, bk = self.W[k], b[k if len(b) > 1 else 0]
            r = residual[mine] @ W
            along_a, along_b = r @ a, r @ bk
            width = (a[:, : g.n_moving] * (W @ bk)).sum(axis=0)
            part = np.zeros((len(mine), len(g.free)))
            portion = np.ones(len(mine)) if share is None else share[mine]
            part[:, : g.n_moving] = g.kappa * (along_a[:, : g.n_moving] * along_b - portion[:, None] * width)
            if h.size:
                z = x[mine] - moments.shift_x
                part += along_a * (z @ h)
            out[mine] = part
        return g.to_parameters(out)

    def posterior(self, y: np.ndarray, x: np.ndarray, pattern: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means of all nodes given the responses of each row, and their covariances in each pattern.

        The regression scores (Thomson 1939), νx + PF'W(y − Πx), and P − PF'WFP.

        Returns
        -------
        mean : (n, v) array
        covariance : (k, v, v) array
        """
        p = self.graph.p
        residual = np.nan_to_num(y - x @ self.Pi.T)
        to_nodes = self.W @ self.P[:, :p]  # (k, p, v)
        mean = x @ self.nu.T
        for k in np.unique(pattern):
            mine = pattern == k
            mean[mine] += residual[mine] @ to_nodes[k]
        return mean, self.P - self.P[:, :, :p] @ to_nodes
