"""Units that are in the data only if some answer of theirs is not 0: animals caught at least once.

Given that it was seen, a unit with the likelihood F_i, and F_i⁰ the same with all its answers 0, contributes

    log L_i = log F_i − log(1 − F_i⁰)                                       (Sanathanan 1972; Coull & Agresti 1999),

so with the odds o_i = F_i⁰/(1 − F_i⁰) of not being seen, s_i⁰ and J_i⁰ the score and the observed information of F_i⁰,

    score  s_i + o_i s_i⁰,        information  J_i + o_i J_i⁰ − o_i (1 + o_i) s_i⁰ s_i⁰'.

The number of units, seen or not, is estimated by Σ_i 1/(1 − F_i⁰), with variance Σ_i F_i⁰/(1 − F_i⁰)² + g'Vg, where V
is the covariance matrix of the estimates and g = Σ_i F_i⁰ s_i⁰/(1 − F_i⁰)²     (Horvitz & Thompson 1952; Huggins 1989).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from semgllamm.data.design import Design
from semgllamm.errors import DataError, EstimationError, ModelError
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.predictor import Predictor
from semgllamm.integration.arrays import END, FIRST, LAST
from semgllamm.integration.program import Program, Workspace
from semgllamm.model.matrices import Model

__all__ = ["SeenLikelihood", "check_unseen", "drawn_until_seen"]

MOST_DRAWS = 1000  # of a unit that is not seen
WITH_ZEROS = ("bernoulli", "binomial", "poisson", "nbinom1", "nbinom2")  # answers that may be 0


def check_unseen(model: Model, role, text: str) -> None:
    """Refuse @unseen where no unit's likelihood could be told apart, or no answer is 0.

    Raises
    ------
    ModelError
    """
    def refused(message, remedy):
        return ModelError(message, text=text, span=role.span, remedy=remedy)

    if model.classes:
        raise refused(f"@unseen cannot be fitted with the classes of '{model.classes[0].name}' yet",
                      "Where counts by pattern will do, @composite sums over kinds of units.")  # fmt: skip
    for response in model.responses:
        if response.family.name not in WITH_ZEROS or response.family.is_joint:
            raise refused(f"@unseen, but the response '{response.name}' is {response.family.name}",
                          f"Families with @unseen: {', '.join(WITH_ZEROS)}.")  # fmt: skip
    heights = [level for name, level in zip(model.eta, model.eta_level) if model.varies(name)]
    if not heights or model.levels[max(heights)] != role.target:
        found = model.levels[max(heights)] if heights else None
        raise refused(f"@unseen speaks of units of '{role.target}', at which nothing latent varies" if not heights else
                      f"@unseen speaks of units of '{role.target}', but latent variables vary up to '{found}'",
                      "It speaks of the highest level with latent variables.")  # fmt: skip


def seen_units(design: Design, level: int) -> np.ndarray:
    """Whether some answer of each unit of a level is not 0, (units,)."""
    seen = np.zeros(len(design.first_row[level]), dtype=bool)
    for block in design.blocks:
        seen[design.codes[level][block.rows[block.y > 0]]] = True
    return seen


def drawn_until_seen(draw: Callable[[], Design], level: int) -> Design:
    """A draw of the answers given that every unit of a level is seen: units are drawn again until they are.

    Raises
    ------
    EstimationError
        If some unit is not seen in a thousand draws.
    """
    found = draw()
    for _ in range(MOST_DRAWS):
        seen = seen_units(found, level)
        if seen.all():
            return found
        code = found.codes[level]
        blocks = (
            replace(block, y=np.where(seen[code[block.rows]], block.y, other.y))
            for block, other in zip(found.blocks, draw().blocks)
        )
        found = replace(found, blocks=tuple(blocks))
    raise EstimationError(f"{int((~seen).sum())} units are not seen in {MOST_DRAWS} draws: all their answers are 0")


def without_answers(design: Design) -> Design:
    """The design with all answers 0."""
    return replace(design, blocks=tuple(replace(block, y=np.zeros(len(block.y))) for block in design.blocks))


class SeenLikelihood(Likelihood):
    """log L of units that are in the data because some answer of theirs is not 0.

    Parameters
    ----------
    predictor : Predictor
    ordinary : bool
        Ordinary instead of adaptive Gauss–Hermite quadrature.

    Raises
    ------
    DataError
        If all answers of a unit are 0.
    """

    def __init__(self, predictor: Predictor, ordinary: bool = False, threads: int | None = None):
        super().__init__(predictor, ordinary, threads)
        self.threads = threads
        self._refuse_the_unseen()
        self.unseen = Predictor(
            predictor._whole, predictor.working, predictor.tree, without_answers(self.design), predictor.collapse
        )
        self.unseen_workspace = Workspace(self.unseen.program, threads)

    def _refuse_the_unseen(self) -> None:
        level = self.predictor.highest
        seen = seen_units(self.design, level)
        if not seen.all():
            row = self.design.kept[self.design.first_row[level][int(np.argmin(seen))]]
            raise DataError(
                f"all answers of {int((~seen).sum())} units of '{self.predictor.model.levels[level]}' are 0, of the "
                f"first of them in row {row}, but @unseen says that such units are not in the data",
                remedy="Leave them out, or leave @unseen out.",
            )

    def cold(self) -> None:
        """Forget the modes: the next evaluation starts them at u = 0."""
        super().cold()
        self.unseen_workspace.reset()

    def _none(self, free, points, moments):
        """State, evaluation and, by root, 1 − F⁰ of the units with all answers 0."""
        state = self.unseen.at(self.working.inner(np.asarray(free, dtype=float)))
        found = self.unseen.program.evaluate(
            state.lin, state.D, (*points, 1), ordinary=self.ordinary, moments=moments, workspace=self.unseen_workspace
        )
        return state, found, -np.expm1(np.minimum(found.roots_loglik, 0.0))

    def _weights(self) -> np.ndarray:
        program = self.unseen.program
        return program.weight[program.roots]

    def _roots_of_cells(self) -> np.ndarray:
        program = self.unseen.program
        ends = program.tree[program.tree[program.roots, END] - 1, LAST]
        return np.repeat(np.arange(len(program.roots)), ends - program.tree[program.roots, FIRST])

    def _seen(self, rest: np.ndarray) -> float:
        """−Σ log(1 − F⁰); −inf where a unit is never seen."""
        return -np.inf if not (rest > 0).all() else float(-(self._weights() * np.log(rest)).sum())

    def value(self, free, points) -> float:
        """log L, every constant included; −inf outside the parameter space."""
        value = super().value(free, points)
        if not np.isfinite(value):
            return value
        seen = self._seen(self._none(free, points, 0)[2])
        return value + seen if np.isfinite(seen) else -np.inf

    def score(self, free, points) -> tuple[float, np.ndarray]:
        """log L and its total derivative, the points moving with the parameters."""
        value, gradient = super().score(free, points)
        if not np.isfinite(value):
            return value, gradient
        state, found, rest = self._none(free, points, 2)
        if found.R is None or not np.isfinite(self._seen(rest)):
            return -np.inf, np.full(self.n_free, np.nan)
        odds = (1.0 - rest) / rest
        return value + self._seen(rest), gradient + self._of_the_unseen(state, found.R, odds)

    def _of_the_unseen(self, state, R, scale) -> np.ndarray:
        """Σ scale_r s_r⁰ over the roots, in the free parameters."""
        return self._to_free(self.unseen.pull_back(state, R * scale[self._roots_of_cells(), None]))

    def louis(self, free, points) -> tuple[float, np.ndarray, np.ndarray]:
        """log L, its total derivative and the observed information of the likelihood with fixed points."""
        value, gradient, information = super().louis(free, points)
        if not np.isfinite(value):
            return value, gradient, information
        state, found, rest = self._none(free, points, 2)
        if found.R is None or not np.isfinite(self._seen(rest)):
            return -np.inf, np.full(self.n_free, np.nan), np.full((self.n_free, self.n_free), np.nan)
        odds = (1.0 - rest) / rest
        unseen, roots = self.unseen, self._roots_of_cells()
        held = unseen.program.evaluate(
            state.lin, state.D, (*points, 1), ordinary=self.ordinary, moments=1, workspace=self.unseen_workspace
        ).R
        J = unseen.jacobian(state)
        q = unseen.model.n_parameters
        _, more = self._reweighted(odds).louis(
            state.lin, state.D, (*points, 1), J, q, ordinary=self.ordinary, workspace=self.unseen_workspace
        )
        if unseen.bending.any():
            more = more - unseen.curvature(state, held * odds[roots, None])
        scores = self._scores_of_roots(J, held, roots, q)
        more = more - (scores * (odds * (1.0 + odds) / self._weights())[:, None]).T @ scores
        gradient = gradient + self._of_the_unseen(state, found.R, odds)
        return value + self._seen(rest), gradient, information + self.K.T @ more @ self.K

    def _scores_of_roots(self, J, R, roots, q) -> np.ndarray:
        """Of each kept root its weight times its score, (roots, q)."""
        ptr, par, feature, value = J
        cell = np.repeat(np.arange(len(roots)), np.diff(ptr))
        out = np.zeros((len(self.unseen.program.roots), q))
        np.add.at(out, (roots[cell], par), value * R[cell, feature])
        return out

    def _reweighted(self, scale: np.ndarray) -> Program:
        """The program of the units with all answers 0, with the weights of its roots times `scale`."""
        program = self.unseen.program
        size = program.tree[program.roots, END] - program.roots
        weight = program.weight.copy()
        weight[program.roots] *= scale
        return replace(program, weight=weight, share=program.share * np.repeat(scale, size))

    def unit_scores(self, free, points) -> np.ndarray:
        """Total-derivative scores of the units, (units, n_free)."""
        if self.predictor.collapse:
            return self._apart.unit_scores(free, points)
        scores = super().unit_scores(free, points)
        state, found, rest = self._none(free, points, 2)
        if found.R is None:
            return np.full((1, self.n_free), np.nan)
        odds = ((1.0 - rest) / rest)[self._roots_of_cells(), None]
        return scores + self.unseen.unit_scores(state, found.R * odds) @ self.K

    @cached_property
    def _apart(self) -> SeenLikelihood:
        """The same with identical units kept apart."""
        return SeenLikelihood(self.predictor.apart, self.ordinary, self.threads)

    @property
    def n_seen(self) -> int:
        """The number of units in the data."""
        return len(self.design.first_row[self.predictor.highest])

    def population(self, free, points) -> tuple[float, float, np.ndarray]:
        """The number of units, seen or not, its variance at known parameters, and its derivative in `free`."""
        state, found, rest = self._none(free, points, 2)
        weight, none = self._weights(), 1.0 - rest
        slope = self._of_the_unseen(state, found.R, none / rest**2)
        return float((weight / rest).sum()), float((weight * none / rest**2).sum()), slope
