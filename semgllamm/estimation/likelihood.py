"""The likelihood of a model bound to data, as the optimiser sees it: a function of free parameters and points."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from semgllamm.estimation.predictor import Predictor
from semgllamm.integration.program import Workspace

__all__ = ["Likelihood"]


class Likelihood:
    """log L(free), its total derivative, and Louis' information, by the recursion over the integration tree.

    Parameters
    ----------
    predictor : Predictor
    ordinary : bool
        Ordinary instead of adaptive Gauss–Hermite quadrature.

    Attributes
    ----------
    n_free : int
    names : tuple of str
    levels : tuple of str
        The classes of quadrature rules, lowest first; `points` everywhere holds one number for each.
    exact : bool
        Every response is Gaussian, so that one adaptive point is exact.
    signed : (n_free,) bool array
        Where the log-likelihood is even in the parameter (standard deviations of random effects).
    shared : bool
        All units share their points, whose number is counted otherwise (`GridLikelihood`).
    depth : int
        Most latent variables on one path of the tree.
    evaluations : int
    """

    shared = False

    def __init__(self, predictor: Predictor, ordinary: bool = False, threads: int | None = None):
        self.predictor, self.ordinary = predictor, ordinary
        self.working = working = predictor.working
        self.design = predictor.design
        self.n_free, self.names = working.n_free, working.names
        self.levels = predictor.rule_levels
        self.signed = working.signed()
        linear = all(r.family.is_linear for r in predictor.model.responses)
        self.exact = linear and not ordinary and not predictor.program.bends
        # residuals that covary with disturbances, or beside products, turn more than the cells that they whiten
        plainly = not any(predictor.shares) and not predictor.program.bends
        self.has_louis = (plainly or not predictor.whitening) and not predictor.feedback
        self.depth = predictor.P
        self.blocks = self._cholesky_blocks()
        self.spheres = [at for _, _, at in working.spheres()]
        self.K = working.K
        self.identity = bool(self.K.shape[0] == self.K.shape[1] and np.array_equal(self.K, np.eye(len(self.K))))
        self.nonlinear = (self.K[predictor.curved] != 0).any(axis=0)
        self.workspace = Workspace(predictor.program, threads)
        self.evaluations = 0

    def _cholesky_blocks(self) -> list[np.ndarray]:
        """Positions of the cells of each Cholesky factor among the free parameters, −1 above the diagonal."""
        working = self.working
        out = {}
        for group in working.blocks:
            for block in group:
                if block.cholesky:
                    k = len(block.latents)
                    where = np.full((k, k), -1)
                    for (a, b), cell in block.cells.items():
                        where[a, b] = working.position(cell)
                    out[where[0, 0]] = where
        return list(out.values())

    def on_equator(self, free: np.ndarray, near: list[int]) -> np.ndarray:
        """Parameters where these of the spheres' points (places in `spheres`) have gone on to the equator."""
        working = self.working
        rows: dict[int, tuple] = {}
        for block, a, _ in (working.spheres()[k] for k in near):
            rows.setdefault(id(block), (block, set()))[1].add(a)
        inner = working.inner(free)
        for block, found in rows.values():
            for number, x in block.on_equator(inner, found).items():
                inner[number] = x
        return working.free_from_inner(inner)

    def cold(self) -> None:
        """Forget the modes: the next evaluation starts them at u = 0."""
        self.workspace.reset()

    def side(self, free) -> tuple[bool, ...]:
        """Whether det(I − B) of responses that cause each other is positive, for each group that has some."""
        feedback = self.predictor.feedback
        return feedback.sides(self.working.inner(np.asarray(free, dtype=float))) if feedback else ()

    def _evaluate(self, free, points, moments):
        self.evaluations += 1
        state = self.predictor.at(self.predictor.working.inner(np.asarray(free, dtype=float)))
        if not state.possible:
            return state, None
        result = self.predictor.program.evaluate(
            state.lin, state.D, self.predictor.rules(points, 2 if moments else 1), ordinary=self.ordinary,
            moments=moments, workspace=self.workspace,
        )
        return state, result

    def _loglik(self, state, result) -> float:
        # the program adds its own constant; whitening changes it by −log|L|
        return float(result.loglik + state.constant - self.predictor.program.constant)

    def value(self, free, points) -> float:
        """log L, every constant included; −inf outside the parameter space."""
        state, result = self._evaluate(free, points, 0)
        return -np.inf if result is None else self._loglik(state, result)

    def score(self, free, points) -> tuple[float, np.ndarray]:
        """log L and its total derivative, the points moving with the parameters."""
        state, result = self._evaluate(free, points, 2)
        if result is None or not np.isfinite(result.loglik):
            return -np.inf, np.full(self.n_free, np.nan)
        return self._loglik(state, result), self._to_free(self.predictor.pull_back(state, result.R))

    def _to_free(self, gradient):
        return gradient if self.identity else self.K.T @ gradient

    def unit_scores(self, free, points) -> np.ndarray:
        """Total-derivative scores of the units of the highest level with latent variables, times their weights, (units,
        n_free)."""
        if self.predictor.collapse:
            return self._apart.unit_scores(free, points)
        state, result = self._evaluate(free, points, 2)
        if result is None or result.R is None:
            return np.full((1, self.n_free), np.nan)
        return self.predictor.unit_scores(state, result.R) @ self.K

    @property
    def unit_level(self) -> int:
        """The level of the independent units."""
        return self.predictor.highest

    @cached_property
    def _apart(self) -> Likelihood:
        """The same with identical units kept apart."""
        return Likelihood(self.predictor.apart, self.ordinary)

    def louis(self, free, points) -> tuple[float, np.ndarray, np.ndarray]:
        """log L, its total derivative and the observed information of the likelihood with fixed points (Louis 1982)."""
        # where the points are exact, moving them changes nothing
        state, result = self._evaluate(free, points, 2 if self.exact else 3)
        if result is None or not np.isfinite(result.loglik):
            return -np.inf, np.full(self.n_free, np.nan), np.full((self.n_free, self.n_free), np.nan)
        predictor = self.predictor
        gradient = self._to_free(predictor.pull_back(state, result.R))
        information = self._at_fixed_points(state, points)
        if predictor.bending.any():
            # E[s_i] and E[s_i u], the adjoints of f and d with the points held
            held = result.R if self.exact else result.held
            information = information - predictor.curvature(state, held)
        return self._loglik(state, result), gradient, self.K.T @ information @ self.K

    def _at_fixed_points(self, state, points) -> np.ndarray:
        """Louis' information in parameters on which f, d and τ depend linearly."""
        predictor = self.predictor
        return predictor.program.louis(
            state.lin, state.D, predictor.rules(points), predictor.jacobian(state), predictor.model.n_parameters,
            ordinary=self.ordinary, workspace=self.workspace,
        )[1]
