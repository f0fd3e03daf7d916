"""Products of latent variables behind Gaussian responses: a mixture of normal distributions over the factors alone.

Given the coordinates u of the factors of products all responses are normal (Klein & Moosbrugger 2000). Those that the
products do not reach are linear in u, y_1 = f + Du + e, and tell where u is, exactly:

    Λ = I + D'Θ⁻¹D,   u | y_1 ~ N(m, Λ⁻¹),   m = Λ⁻¹D'Θ⁻¹(y_1 − f),
    log L = log p(y_1) + log Σ_q w_q p(y_2 | u_q),   u_q = m + C⁻ᵀz_q,   Λ = CC',

with (z_q, w_q) the Gauss–Hermite rule. A latent variable v that is no factor, measured by ν = a(u) + h(u) v, is
integrated in closed form, given the points,

    H = 1 + Σ h²/θ,   v | y, u ~ N(v̂, 1/H),   v̂ = Σ h (y − a)/θ / H,   ∫ = −½ Σ (y − a)²/θ − ½ log H + ½ H v̂².

No mode is searched, all is sums of matrix products over units and points, and the points' own derivatives are those of
m and C. Louis' information (information.py) takes v = v̂ + z/√H, in which scores are of degree 2, t_0 + t_1 z + t_2 z²,
and have the variance t_1 t_1' + 2 t_2 t_2' given u.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.moment_start import moment_start_values
from semgllamm.estimation.optimise import maximise
from semgllamm.estimation.predictor import Predictor
from semgllamm.estimation.settings import Settings
from semgllamm.estimation.start import start_values
from semgllamm.integration.arrays import BENT, DEPTH, END, FIRST, LAST, PARENT, RULE, WEIGHT, Y
from semgllamm.integration.gauss_hermite import rule
from semgllamm.integration.program import Evaluation

__all__ = ["NormalProducts", "has_normal_products"]

MOST_FACTORS = 3  # coordinates that products of matrices are worth their room for
COARSE, ROUGH = 3, 0.1  # points of the first steps, and the decrement at which they end
REACHING, NEAR = (7, 11), 0.02  # points whose log-likelihoods are no further apart where they are well placed
AT_ONCE = 12_000  # points of units that are worked on together


def has_normal_products(predictor: Predictor) -> bool:
    """Whether all responses are Gaussian, of one level, and the factors of products have linear measures."""
    program, model = predictor.program, predictor.model
    if not program.bends or len(model.levels) > 1 or predictor.whitening or predictor.feedback:
        return False
    if len(model.holes) > 1:
        return False
    if any((r.family.name, r.family.link) != ("gaussian", "identity") for r in model.responses):
        return False
    tree, is_root = program.tree, program.tree[:, DEPTH] == 0
    if (program.cell[:, WEIGHT] != 1.0).any() or (program.weight[~is_root] != 1.0).any():
        return False
    bare, exact = len(predictor.rule_levels), len(predictor.rule_levels) + 1
    unit = np.cumsum(is_root) - 1
    outer = tree[:, RULE] < bare
    # the nodes of factors are a chain, one on each depth
    key = unit[outer] * (program.depth + 1) + tree[outer, DEPTH]
    if len(np.unique(key)) != len(key) or (outer[1:] & ~is_root[1:] & ~outer[tree[1:, PARENT]]).any():
        return False
    count = np.bincount(unit[outer], minlength=len(program.roots))
    count = count[tree[program.roots, RULE] != bare]
    if not len(count) or (count != count[0]).any() or not 0 < count[0] <= MOST_FACTORS:
        return False
    if (tree[tree[:, RULE] == exact, END] != np.flatnonzero(tree[:, RULE] == exact) + 1).any():
        return False
    return _factors_are_measured(predictor)


def _factors_are_measured(predictor: Predictor) -> bool:
    """Or the measures that are linear would not tell where the points belong."""
    for g, group in enumerate(predictor.model.groups):
        reached: set[str] = set()
        for b in predictor.blocks:
            if b.source.group == g and b.n and not predictor.program.cell[b.at[0], BENT]:
                reached |= b.reach
        if {f for c in group.products for f in (c.column, c.times)} - reached:
            return False
    return True


class _Cells:
    """The cells of one block: the units they are of, and what they have of the factors and of a latent variable v.

    Attributes
    ----------
    bent : bool
        Whether they are conditioned on the points, not part of y_1.
    leaf : int
        The depth of v on their path, −1 if they have none.
    factors : int
        Coordinates of factors on their path.
    """

    def __init__(self, block, program, node, exact: int, factors: int, unit: np.ndarray):
        self.block, self.at, self.unit = block, block.at, unit[block.at]
        own = program.tree[node[block.at[0]]]
        self.leaf = int(own[DEPTH]) if own[RULE] == exact else -1
        self.factors = factors if self.leaf < 0 else self.leaf
        self.bent = self.leaf >= 0 or bool(program.cell[block.at[0], BENT])
        self.y = program.cell[block.at, Y]
        pairs = self.factors * (self.factors + 1) // 2
        P = program.depth
        self.linear, self.squares = slice(0, self.factors), slice(P, P + pairs)
        first = P + self.leaf * (self.leaf + 1) // 2
        self.crossed = slice(first, first + self.leaf)


class _Here:
    """A range of the units at some parameters: points, posteriors, and what its blocks of cells contribute."""

    def __init__(self, likelihood: NormalProducts, state, lo: int, hi: int, z: np.ndarray, w: np.ndarray):
        self.state, self.lo, self.n = state, lo, hi - lo
        self.z, self.m = z, likelihood.factors
        self.weight = likelihood.predictor.program.weight[likelihood.predictor.program.roots[lo:hi]]
        self.parts = [(c, slice(*np.searchsorted(c.unit, (lo, hi)))) for c in likelihood.cells]
        self._locate()
        self._condition(w)

    def rows(self, c: _Cells, some: slice) -> np.ndarray | slice:
        """The units of the cells among those of the range."""
        unit = c.unit[some] - self.lo
        whole = len(unit) == self.n and np.array_equal(unit, np.arange(self.n))
        return slice(None) if whole else unit

    def add(self, out: np.ndarray, rows, values: np.ndarray) -> None:
        if isinstance(rows, slice):
            out += values
        else:
            np.add.at(out, rows, values)

    def given(self, c: _Cells, some: slice):
        """y − f, D, 1/θ and τ of the cells."""
        at = c.at[some]
        lin = self.state.lin[at]
        return c.y[some] - lin[:, 0], self.state.D[at], np.exp(-lin[:, 1]), lin[:, 1]

    def _locate(self) -> None:
        """log p(y_1), and the points."""
        n, m = self.n, self.m
        self.Lambda, self.b, self.F = np.tile(np.eye(m), (n, 1, 1)), np.zeros((n, m)), np.zeros(n)
        for c, some in self.parts:
            if not c.bent:
                e, D, precision, tau = self.given(c, some)
                D, rows = D[:, c.linear], self.rows(c, some)
                self.add(self.Lambda, rows, precision[:, None, None] * D[:, :, None] * D[:, None, :])
                self.add(self.b, rows, (precision * e)[:, None] * D)
                self.add(self.F, rows, -0.5 * (tau + precision * e * e))
        chol = np.linalg.cholesky(self.Lambda)
        self.L = np.swapaxes(np.linalg.inv(chol), 1, 2)
        self.V = self.L @ np.swapaxes(self.L, 1, 2)
        self.mean = np.einsum("nij,nj->ni", self.V, self.b)
        self.F += 0.5 * (self.b * self.mean).sum(axis=1)
        self.F -= np.log(np.diagonal(chol, axis1=1, axis2=2)).sum(axis=1)
        self.u = self.mean[:, None, :] + np.einsum("qk,nik->nqi", self.z, self.L)
        a, b = np.tril_indices(m)
        self.uu = self.u[:, :, a] * self.u[:, :, b]

    def _condition(self, w: np.ndarray) -> None:
        """log p(y_2 | u) at the points, and the posteriors."""
        n, Q = self.n, len(self.z)
        log = np.zeros((n, Q))
        self.residual, self.slope = {}, {}
        self.H: dict[int, np.ndarray] = {}
        self.v: dict[int, np.ndarray] = {}
        for c, some in self.parts:
            if not c.bent:
                continue
            e, D, precision, tau = self.given(c, some)
            rows = self.rows(c, some)
            u, uu = self.u[rows][:, :, c.linear], self.uu[rows][:, :, : c.squares.stop - c.squares.start]
            e = e[:, None] - (u @ D[:, c.linear, None])[:, :, 0] - (uu @ D[:, c.squares, None])[:, :, 0]
            self.residual[c] = e
            self.add(log, rows, -0.5 * (tau[:, None] + precision[:, None] * e * e))
            if c.leaf >= 0:
                h = D[:, c.leaf, None] + (u @ D[:, c.crossed, None])[:, :, 0]
                self.slope[c] = h
                if c.leaf not in self.H:
                    self.H[c.leaf], self.v[c.leaf] = np.ones((n, Q)), np.zeros((n, Q))
                self.add(self.H[c.leaf], rows, precision[:, None] * h * h)
                self.add(self.v[c.leaf], rows, precision[:, None] * h * e)
        for leaf, H in self.H.items():
            self.v[leaf] /= H
            log += 0.5 * (H * self.v[leaf] ** 2 - np.log(H))
        top = log.max(axis=1, initial=-np.inf)
        p = np.exp(log - top[:, None]) * w
        mass = p.sum(axis=1)
        self.p = p / mass[:, None]
        self.F += top + np.log(mass)

    def moments(self, c: _Cells, some: slice):
        """E[s], E[s v] and E[e²]/θ at the points, of cells beside the factors."""
        precision = self.given(c, some)[2][:, None]
        e = self.residual[c]
        if c.leaf < 0:
            return precision * e, None, precision * e * e
        rows, h = self.rows(c, some), self.slope[c]
        v, H = self.v[c.leaf][rows], self.H[c.leaf][rows]
        e = e - h * v
        return precision * e, precision * (e * v - h / H), precision * (e * e + h * h / H)

    def fill(self, R: np.ndarray, held: np.ndarray | None) -> None:
        """The derivatives of log L in f, D and τ, total in R and with the points held in `held`."""
        W = self.state.D.shape[1]
        ubar = np.zeros_like(self.u)
        for c, some in self.parts:
            if not c.bent:
                continue
            at, rows = c.at[some], self.rows(c, some)
            weight = self.weight[rows][:, None]
            p, u = self.p[rows], self.u[rows][:, :, c.linear]
            uu = self.uu[rows][:, :, : c.squares.stop - c.squares.start]
            s, sv, ee = self.moments(c, some)
            D = self.state.D[at]
            x = (p * s)[:, None, :]
            R[at, 0] = x.sum(axis=2)[:, 0] * weight[:, 0]
            R[at, 1 : 1 + c.factors] = (x @ u)[:, 0] * weight
            R[at, 1 + c.squares.start : 1 + c.squares.stop] = (x @ uu)[:, 0] * weight
            R[at, 1 + W] = (p * (0.5 * ee - 0.5)).sum(axis=1) * weight[:, 0]
            # j = ∂ν/∂u: D and what the squares have
            slopes = np.repeat(D[:, None, c.linear], len(self.z), axis=1)
            a, b = np.tril_indices(c.factors)
            for k, (i, j) in enumerate(zip(a, b)):
                q = D[:, c.squares.start + k, None]
                slopes[:, :, i] += q * u[:, :, j]
                slopes[:, :, j] += q * u[:, :, i]
            along = (p * s)[:, :, None] * slopes
            if c.leaf >= 0:
                x = (p * sv)[:, None, :]
                R[at, 1 + c.leaf] = x.sum(axis=2)[:, 0] * weight[:, 0]
                R[at, 1 + c.crossed.start : 1 + c.crossed.stop] = (x @ u)[:, 0] * weight
                along += (p * sv)[:, :, None] * D[:, None, c.crossed]
            if held is not None:
                held[at] = R[at]
            if isinstance(rows, slice):
                ubar[:, :, c.linear] += along
            else:
                np.add.at(ubar[:, :, c.linear], rows, along)
        self._fill_linear(R, held, ubar, W)

    def _fill_linear(self, R, held, ubar: np.ndarray, W: int) -> None:
        """The same for the cells of y_1, which place the points."""
        L, V = self.L, self.V
        mbar = ubar.sum(axis=1)
        Lbar = np.einsum("nqi,qk->nik", ubar, self.z)
        Lt = np.swapaxes(L, 1, 2)
        Cbar = np.tril(-L @ np.swapaxes(Lbar, 1, 2) @ L)
        inside = np.tril(np.swapaxes(np.linalg.inv(Lt), 1, 2) @ Cbar)
        inside[:, range(self.m), range(self.m)] *= 0.5
        along = L @ inside @ Lt
        bbar = np.einsum("nij,nj->ni", V, mbar)
        along -= bbar[:, :, None] * self.mean[:, None, :]
        along = 0.5 * (along + np.swapaxes(along, 1, 2))
        eu = np.einsum("nq,nqi->ni", self.p, self.u)
        euu = np.einsum("nq,nqi,nqj->nij", self.p, self.u, self.u) if held is not None else None
        prior = V + self.mean[:, :, None] * self.mean[:, None, :]
        for c, some in self.parts:
            if c.bent:
                continue
            at, rows = c.at[some], self.rows(c, some)
            e, D, precision, _ = self.given(c, some)
            D, weight = D[:, c.linear], self.weight[rows]
            for out, first, second in ((R, self.mean[rows], prior[rows]), (held, eu[rows], euu)):
                if out is None:
                    continue
                second = second if out is R else second[rows]
                d1, d2 = (D * first).sum(axis=1), np.einsum("ni,nij->nj", D, second)
                out[at, 0] = weight * precision * (e - d1)
                out[at, 1 : 1 + self.m] = (weight * precision)[:, None] * (e[:, None] * first - d2)
                out[at, 1 + W] = weight * 0.5 * (precision * (e * e - 2 * e * d1 + (d2 * D).sum(axis=1)) - 1.0)
            scale, to_b = weight * precision, (D * bbar[rows]).sum(axis=1)
            to_D = np.einsum("nij,nj->ni", along[rows], D)
            R[at, 0] -= scale * to_b
            R[at, 1 : 1 + self.m] += scale[:, None] * (2 * to_D + e[:, None] * bbar[rows])
            R[at, 1 + W] -= scale * ((to_D * D).sum(axis=1) + e * to_b)


class NormalProducts(Likelihood):
    """`Likelihood` of such models, with points that the linear measures place."""

    def __init__(self, predictor: Predictor, threads: int | None = None):
        super().__init__(predictor, threads=threads)
        program = predictor.program
        tree = program.tree
        node = np.repeat(np.arange(len(tree)), tree[:, LAST] - tree[:, FIRST])
        unit = (np.cumsum(tree[:, DEPTH] == 0) - 1)[node]
        exact, outer = len(predictor.rule_levels) + 1, tree[:, RULE] < len(predictor.rule_levels)
        self._start: np.ndarray | None = None
        self.factors = int(tree[outer, DEPTH].max()) + 1
        self.cells = [_Cells(b, program, node, exact, self.factors, unit) for b in predictor.blocks if b.n]

    @cached_property
    def _apart(self) -> NormalProducts:
        """The same with identical units kept apart."""
        return NormalProducts(self.predictor.apart)

    def start_values(self, diagram: PathDiagram) -> np.ndarray:
        """Free parameters to start from: those of the model without its products, from the covariances, and a few steps
        with few points.

        Of normal factors the products are uncorrelated with them, and the other coefficients estimated without bias.
        """
        if self._start is None:
            self._start = self._search(diagram)
        return self._start

    def reaches(self, start: np.ndarray) -> bool:
        """Whether the points, which know of the linear measures alone, are where the integrands are."""
        few, more = (self.value(start, (k,) * len(self.levels)) for k in REACHING)
        return bool(abs(more - few) < NEAR)

    def _search(self, diagram: PathDiagram) -> np.ndarray:
        predictor, working = self.predictor, self.working
        groups = tuple(replace(group, products=()) for group in predictor.whole.groups)
        linear = GaussianLikelihood(replace(predictor.whole, groups=groups), self.design)
        cells = moment_start_values(linear, diagram)
        inner = working.inner_from_cells(cells)
        if not predictor.at(inner).possible:
            return start_values(predictor, diagram)
        start = working.free_from_inner(inner)
        coarse = (COARSE,) * len(self.levels)
        if not np.isfinite(self.value(start, coarse)):
            return start
        return maximise(self, start, coarse, Settings(first_points=(COARSE, COARSE), tolerance=ROUGH)).free

    def _ranges(self, state, points) -> Iterator[tuple[slice, _Here]]:
        z, log = rule(int(points[0]))
        w = np.exp(log - 0.5 * z * z)
        grid = np.stack([x.ravel() for x in np.meshgrid(*[z] * self.factors, indexing="ij")], axis=1)
        weights = np.prod([x.ravel() for x in np.meshgrid(*[w] * self.factors, indexing="ij")], axis=0)
        n = len(self.predictor.program.roots)
        step = max(AT_ONCE // len(grid), 1)
        for lo in range(0, n, step):
            hi = min(lo + step, n)
            yield slice(lo, hi), _Here(self, state, lo, hi, grid, weights)

    def _evaluate(self, free, points, moments):
        self.evaluations += 1
        predictor = self.predictor
        state = predictor.at(predictor.working.inner(np.asarray(free, dtype=float)))
        if not state.possible:
            return state, None
        program = predictor.program
        F = np.empty(len(program.roots))
        R = np.zeros((len(program.cells), 1 + program.width + state.lin.shape[1] - 1)) if moments else None
        held = np.zeros_like(R) if moments > 2 else None
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            try:
                for units, here in self._ranges(state, points):
                    F[units] = here.F
                    if moments:
                        here.fill(R, held)
            except np.linalg.LinAlgError:
                F[:] = np.nan
        loglik = float(program.weight[program.roots] @ F) + program.constant
        if not np.isfinite(loglik):
            return state, Evaluation(-np.inf, F, None)
        return state, Evaluation(loglik, F, R, held)

    def _at_fixed_points(self, state, points) -> np.ndarray:
        entries = {}
        for c in self.cells:
            b = c.block
            mine = [(int(number), 0, b.X[:, k]) for k, number in enumerate(b.beta)]
            entries[c] = mine + [(int(number), what, v) for number, what, v in self.predictor._live_entries(b, state)]
        q = self.predictor.model.n_parameters
        out = np.zeros((q, q))
        for _, here in self._ranges(state, points):
            _add_information(out, here, entries)
        return out


def _slopes(c: _Cells, entries, here: _Here, some: slice, P: int, W: int):
    """∂ν/∂ϑ = G_0 + G_1 v at the points, (n, parameters, Q); the parameters; (number, ∂τ/∂ϑ) of those of τ."""
    rows = here.rows(c, some)
    u, uu = (np.ascontiguousarray(np.moveaxis(x[rows], 2, 0)) for x in (here.u, here.uu))
    numbers = list(dict.fromkeys(number for number, what, _ in entries if what <= W))
    place = {number: k for k, number in enumerate(numbers)}
    G0 = np.zeros((u.shape[1], len(numbers), u.shape[2]))
    G1 = np.zeros_like(G0) if c.leaf >= 0 else None
    of_tau = []
    for number, what, values in entries:
        values = values[some] if len(values) > 1 else values
        if what > W:
            of_tau.append((number, values))
            continue
        k, values = place[number], values[:, None]
        if what == 0:
            G0[:, k] += values
        elif what - 1 == c.leaf:
            G1[:, k] += values
        elif what <= P:
            G0[:, k] += values * u[what - 1]
        elif what - 1 < c.squares.stop:
            G0[:, k] += values * uu[what - 1 - P]
        else:
            G1[:, k] += values * u[what - 1 - c.crossed.start]
    return G0, G1, numbers, of_tau


def _add_information(out: np.ndarray, here: _Here, entries) -> None:
    """out += Σ w (E[−∂² of the complete data] − Var(S)) of the units of a range."""
    n, Q, q = here.n, len(here.z), len(out)
    W = here.state.D.shape[1]
    P = here.parts[0][0].squares.start
    root = np.sqrt(here.weight[:, None] * here.p)
    t = np.zeros((n, q, Q))
    beside: dict[int, list] = {}
    for c, some in here.parts:
        if some.stop == some.start:
            continue
        rows = here.rows(c, some)
        G0, G1, numbers, of_tau = _slopes(c, entries[c], here, some, P, W)
        e, D, precision, _ = here.given(c, some)
        precision, r = precision[:, None], root[rows]
        if c.bent:
            s, sv, ee = here.moments(c, some)
        else:
            e = e[:, None] - (here.u[rows] @ D[:, c.linear, None])[:, :, 0]
            s, sv, ee = precision * e, None, precision * e * e
        score, G = s[:, None] * G0, G0
        if c.leaf >= 0:
            v, H, h = here.v[c.leaf][rows], here.H[c.leaf][rows], here.slope[c]
            e, sd = here.residual[c] - h * v, 1.0 / np.sqrt(H)
            score += sv[:, None] * G1
            G = G0 + v[:, None] * G1
            _add_square(out, (r * np.sqrt(precision) * sd)[:, None] * G1, numbers)
            t1 = (precision * sd * (e - h * v))[:, None] * G1 - (precision * sd * h)[:, None] * G0
            of_v = [(rows, numbers, t1, -(precision * h / H)[:, None] * G1)]
            for number, values in of_tau:
                x = values[:, None] * precision * h
                of_v.append((rows, [number], (-x * e * sd)[:, None], (0.5 * x * h / H)[:, None]))
            beside.setdefault(c.leaf, []).extend(of_v)
        _add_square(out, (r * np.sqrt(precision))[:, None] * G, numbers)
        _add_rows(t, rows, numbers, score)
        wp = r * r
        crossed = (score @ wp[:, :, None])[:, :, 0]
        for number, values in of_tau:
            values = np.broadcast_to(values, (len(crossed),))
            both = values @ crossed
            np.add.at(out, (numbers, number), both)
            np.add.at(out, (number, numbers), both)
            _add_rows(t, rows, [number], (values[:, None] * (0.5 * ee - 0.5))[:, None])
            for other, more in of_tau:
                out[number, other] += ((values * more)[:, None] * wp * 0.5 * ee).sum()
    # Var(S) over the points, then what v adds to it
    means = np.sqrt(here.weight)[:, None] * (t @ here.p[:, :, None])[:, :, 0]
    out += means.T @ means
    t *= root[:, None]
    _add_square(out, t, list(range(q)), -1.0)
    for parts in beside.values():
        numbers = sorted({number for _, mine, *_ in parts for number in mine})
        place = {number: k for k, number in enumerate(numbers)}
        for which, factor in ((2, 1.0), (3, np.sqrt(2.0))):
            total = np.zeros((n, len(numbers), Q))
            for part in parts:
                _add_rows(total, part[0], [place[number] for number in part[1]], part[which])
            total *= factor * root[:, None]
            _add_square(out, total, numbers, -1.0)


def _add_rows(out: np.ndarray, rows, numbers: list[int], values: np.ndarray) -> None:
    for k, number in enumerate(numbers):
        if isinstance(rows, slice):
            out[:, number] += values[:, k]
        else:
            np.add.at(out, (rows, number), values[:, k])


def _add_square(out: np.ndarray, X: np.ndarray, numbers: list[int], sign: float = 1.0) -> None:
    """out += Σ XX' over units; small products have no threads of their own."""
    out[np.ix_(numbers, numbers)] += sign * (X @ np.swapaxes(X, 1, 2)).sum(axis=0)
