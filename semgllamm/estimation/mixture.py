"""The likelihood of models with categorical latent variables: integrals inside, sums over classes outside.

    log L = Σ_j w_j log Σ_c π_jc exp F_jc,

with F_jc the log-likelihood of the answers of unit j in class c by the recursion over the integration tree, and for
classes of units within classes of clusters the sum over the levels of `semgllamm.integration.mixing`. With p_jc the
posterior probabilities, score and observed information are (Louis 1982)

    Σ w p (∂F + ∂log π),        Σ w p (−∂²F − ∂²log π) − Σ w [Σ_c p g g' − s s'],

g the scores of a unit in a class and s = Σ p g.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from semgllamm.data.classes import in_patterns
from semgllamm.data.design import Design
from semgllamm.errors import ModelError
from semgllamm.estimation.information import louis_points
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.membership import Membership
from semgllamm.estimation.predictor import Predictor, State, hash_columns
from semgllamm.integration.arrays import END, FIRST, LAST
from semgllamm.integration.collapse import mix
from semgllamm.integration.mixing import ClassLevel, Mixing
from semgllamm.integration.program import Program, Workspace
from semgllamm.integration.tree import Tree
from semgllamm.model.matrices import Model
from semgllamm.model.transforms import Working

__all__ = ["Members", "MixtureLikelihood", "check_mixture"]

NOBODY = 1e-100  # the weight of a component without members, which the engine divides by


def check_mixture(model: Model) -> None:
    """Refuse mixtures that cannot be fitted.

    Raises
    ------
    ModelError
    """
    if any(group.Omega for group in model.groups):
        raise ModelError("residuals that covary with disturbances cannot be fitted with classes yet")


class Members(NamedTuple):
    """Posterior probabilities of classes: of each level exp(A − S) and p (units, h), and the weights of components; the
    log-likelihoods of the top units, where the probabilities are their own."""

    shares: list[np.ndarray]
    posterior: list[np.ndarray]
    weights: np.ndarray
    loglik: np.ndarray | None = None


class MixtureLikelihood(Likelihood):
    """log L(free) of a model with categorical latent variables, its total derivative, and Louis' information.

    Parameters
    ----------
    model, working, tree, design
        The objects of the walk; the design is that of the data.
    ordinary : bool
    threads : int, optional
    collapse : bool
        Identical units are integrated once.
    """

    def __init__(
        self, model: Model, working: Working, tree: Tree, design: Design, ordinary: bool = False,
        threads: int | None = None, collapse: bool = True,
    ):  # fmt: skip
        self._walked = model, working, tree, design
        self.class_levels = sorted({variable.level for variable in model.classes})
        predictor = Predictor(model, working, tree, in_patterns(design, model), collapse, self.class_levels[0])
        if predictor.feedback:
            raise ModelError("responses that cause each other cannot be fitted with classes yet")
        if predictor.program.bends:
            raise ModelError(
                "products of latent variables cannot be fitted yet beside classes and covariates that are summed over"
            )
        super().__init__(predictor, ordinary, threads)
        # without continuous latent variables there is nothing to place
        self.held = ordinary or not predictor.rule_levels
        self.design, self.model = design, model
        self._bind()

    # ---- who is where --------------------------------------------------------------------------------------------

    def _bind(self) -> None:
        model, design, program = self.model, self.design, self.predictor.program
        self.of_root = np.repeat(np.arange(len(program.roots)), self._cells_of_roots())
        self.root_weight = program.weight[program.roots]
        place = np.full(len(program.tree), -1, dtype=np.int64)
        place[program.roots] = np.arange(len(program.roots))
        patterns = np.array(model.patterns, dtype=np.int64).reshape(len(model.patterns), len(model.classes))
        tops = [level for level, _, _ in self.predictor.root_nodes]
        heights = sorted({*self.class_levels, *(level for level in tops if level > self.class_levels[0])})
        levels, memberships, self.class_of = [], [], []
        for a, level in enumerate(heights):
            here = [v for v, variable in enumerate(model.classes) if variable.level >= level]
            number, classes = _numbered(patterns, model, level, here)
            if a == 0:
                self.pattern_classes = number
            own = int(np.prod([len(model.classes[v].classes) for v in here if model.classes[v].level == level]))
            units = len(design.first_row[level])
            highest = a == len(heights) - 1
            # log densities of the units of this level, and at the lowest of all below
            unit, under, component = [], [], []
            for root_level, start, count in self.predictor.root_nodes:
                if next(h for h in heights if h >= min(root_level, heights[-1])) != level:
                    continue
                n = count // len(patterns)
                row = design.first_row[root_level]
                for p in _first_of_each(number):
                    nodes = program.representative[start + p * n + np.arange(n)]
                    unit.append(design.codes[level][row])
                    under.append(np.full(n, number[p]))
                    component.append(place[nodes])
            inside = None if highest else design.codes[heights[a + 1]][design.first_row[level]]
            entries = [np.concatenate(x) if x else np.zeros(0, dtype=np.int64) for x in (unit, under, component)]
            kept, weight = np.arange(units), design.weight(level, len(design.codes), design.first_row[level])
            self.stands_for = kept
            if self.predictor.collapse and len(heights) == 1:
                data = Membership.data(model, design, level)
                kept, self.stands_for, weight = _collapsed(units, *entries, data, weight)
                entries = _of_kept(kept, *entries)
            levels.append(ClassLevel(len(kept), len(classes) // own, own, inside, *entries))
            memberships.append(Membership(model, design, level, classes, kept))
            self.class_of.append(classes)
        self.heights = tuple(heights)
        self._check_weights(min(heights[0], *(level for level, _, _ in self.predictor.root_nodes)))
        self.mixing = Mixing(levels, len(program.roots), weight)
        self.memberships = memberships
        self.n_units = len(self.stands_for)
        self.constant = program.constant / len(patterns)

    def _check_weights(self, lowest: int) -> None:
        """Weights multiply log-densities; those of components are added up as they are, so only the top has some."""
        for level in self.design.weights.levels:
            if lowest <= level < self.heights[-1]:
                names = self.model.levels
                raise ModelError(
                    f"weights of '{names[level]}' below classes of '{names[self.heights[-1]]}' cannot be fitted yet, "
                    f"where '{names[level]}' has latent variables of its own, or classes",
                    remedy=f"Give weights to '{names[self.heights[-1]]}'.",
                )

    def kept_of(self, a: int) -> np.ndarray:
        """The unit that is kept for each unit of the a-th level with classes."""
        return self.stands_for if len(self.heights) == 1 else np.arange(self.mixing.levels[a].n)

    def _cells_of_roots(self) -> np.ndarray:
        program = self.predictor.program
        ends = program.tree[program.roots, END]
        return program.tree[ends - 1, LAST] - program.tree[program.roots, FIRST]

    # ---- evaluation ----------------------------------------------------------------------------------------------

    def _components(self, free, points, moments: int = 0) -> tuple[State, np.ndarray | None, np.ndarray | None]:
        """The predictors, log F of every component with all that depends on parameters, and its derivatives in them."""
        self.evaluations += 1
        state = self.predictor.at(self.working.inner(np.asarray(free, dtype=float)))
        return state, *self._densities(state, points, moments)

    def log_densities(self, inner: np.ndarray, points) -> np.ndarray | None:
        """log F of every component at inner parameters; None where they are impossible."""
        return self._densities(self.predictor.at(inner), points)[0]

    def _densities(self, state: State, points, moments: int = 0) -> tuple[np.ndarray | None, np.ndarray | None]:
        if not state.possible:
            return None, None
        result = self.predictor.program.evaluate(
            state.lin, state.D, (*points, 1), ordinary=self.held, moments=moments, workspace=self.workspace
        )
        F = result.roots_loglik.copy()
        share = self.predictor.share_of_cells
        for (_, _, at, _), (L, *_) in zip(self.predictor.whitening, state.whitening or ()):
            root = self.of_root[at[:, 0]]
            np.add.at(F, root, -share[at[:, 0]] / self.root_weight[root] * np.log(np.diag(L)).sum())
        return F, result.R

    def _members(self, inner: np.ndarray, F: np.ndarray) -> tuple[float, Members]:
        S, shares = self.mixing.up(F, [m.log_probabilities(inner) for m in self.memberships])
        loglik = float(self.mixing.weight @ S + self.constant)
        posterior = self.mixing.down(shares)
        return loglik, Members(shares, posterior, self.mixing.component_weights(posterior), S)

    def members(self, free, points) -> tuple[float, Members]:
        """log L, and the posterior probabilities of all classes."""
        _, loglik, members = self.expectation(free, points)
        if members is None:
            raise np.linalg.LinAlgError("impossible parameters")
        return loglik, members

    def expectation(self, free, points) -> tuple[State, float, Members | None]:
        """The predictors, log L and the posterior probabilities there; −∞ and None where it is impossible."""
        state, F, _ = self._components(free, points)
        if F is None:
            return state, -np.inf, None
        loglik, members = self._members(state.inner, F)
        return (state, loglik, members) if np.isfinite(loglik) else (state, -np.inf, None)

    def expected(self, free, members: Members, points) -> tuple[State, float]:
        """The predictors, and Σ p (F + log π) with the posterior probabilities held."""
        state, F, _ = self._components(free, points)
        if F is None:
            return state, -np.inf
        live = members.weights > 0
        value = float(members.weights[live] @ F[live])
        for membership, w, p in zip(self.memberships, self.mixing.unit_weights(), members.posterior):
            log_pi = membership.log_probabilities(state.inner)
            value += float((w[:, None] * p * np.where(p > 0, log_pi, 0.0)).sum())
        return state, value if np.isfinite(value) else -np.inf

    def value(self, free, points) -> float:
        """log L, every constant included; −inf outside the parameter space."""
        state, F, _ = self._components(free, points)
        if F is None:
            return -np.inf
        S, _ = self.mixing.up(F, [m.log_probabilities(state.inner) for m in self.memberships])
        loglik = float(self.mixing.weight @ S + self.constant)
        return loglik if np.isfinite(loglik) else -np.inf

    def score(self, free, points) -> tuple[float, np.ndarray]:
        """log L and its total derivative, the points moving with the parameters."""
        state, F, R = self._components(free, points, 2)
        loglik, members = (-np.inf, None) if R is None else self._members(state.inner, F)
        if not np.isfinite(loglik):
            return -np.inf, np.full(self.n_free, np.nan)
        return loglik, self.working.pull_back(state.inner, self._gradient(state, members, R))

    def score_given(self, state: State, members: Members, points) -> np.ndarray:
        """The derivative of Σ p (F + log π) with p held, which is that of log L where p are its own."""
        _, R = self._densities(state, points, 2)
        if R is None:
            return np.full(self.n_free, np.nan)
        return self.working.pull_back(state.inner, self._gradient(state, members, R))

    def _gradient(self, state: State, members: Members, R: np.ndarray) -> np.ndarray:
        """The same in the inner parameters, from the derivatives of the components."""
        ratio = self._ratio(members)
        share = self.predictor.share_of_cells * ratio[self.of_root]
        gradient = self.predictor.pull_back(state, self._weighed(R, ratio), share)
        for membership, w, p in zip(self.memberships, self.mixing.unit_weights(), members.posterior):
            membership.pull_back(state.inner, w[:, None] * p, gradient)
        return gradient

    def _ratio(self, members: Members) -> np.ndarray:
        """The weights of the components given their members, in units of those of the program."""
        return np.maximum(members.weights, NOBODY) / self.root_weight

    def _weighed(self, R: np.ndarray, ratio: np.ndarray) -> np.ndarray:
        return R * ratio[self.of_root, None]

    def _with_members(self, ratio: np.ndarray) -> Program:
        """The program with these weights of its roots."""
        program = self.predictor.program
        sizes = program.tree[program.roots, END] - program.roots
        weight = program.weight.copy()
        weight[program.roots] *= ratio
        return replace(program, weight=weight, share=program.share * np.repeat(ratio, sizes))

    def complete(self, state: State, members: Members, points) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and information of Σ p (F + log π) with p held, in the free parameters: what EM's M-step solves.

        The gradient is that with points held: EM's steps need a way up, and Newton's have the last word. The
        information of residual covariances is the expected one, with which one step leads from any Θ to the
        covariances of the residuals.
        """
        predictor, ratio, held = self.predictor, self._ratio(members), None
        if predictor.bending.any():
            held = self._densities(state, points, 1)[1]
            if held is None:
                return np.full(self.n_free, np.nan), np.full((self.n_free, self.n_free), np.nan)
        if predictor.whitening:
            gradient = self._gradient(state, members, held)
            _, information = self._with_members(ratio).louis(
                state.lin, state.D, (*louis_points(self, points), 1), predictor.jacobian(state, residuals=False),
                len(gradient), ordinary=self.held, workspace=self.workspace,
            )  # fmt: skip
            information += predictor.residual_information(state, predictor.share_of_cells * ratio[self.of_root])
            information += self._of_memberships(state, members)
        else:
            gradient, information = self._given_members(state, members, points, held)
            for membership, w, p in zip(self.memberships, self.mixing.unit_weights(), members.posterior):
                membership.pull_back(state.inner, w[:, None] * p, gradient)
        working = self.working
        return (
            working.pull_back(state.inner, gradient),
            working.pull_back_information(state.inner, gradient, information),
        )

    def _complete(self, state: State, members: Members, points, R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same with the total derivative, R as it comes with log L."""
        gradient = self._gradient(state, members, R)
        held = None
        if self.predictor.bending.any():
            held = R if self.exact else self._densities(state, points, 1)[1]
        _, information = self._given_members(state, members, points, held)
        working = self.working
        return (
            working.pull_back(state.inner, gradient),
            working.pull_back_information(state.inner, gradient, information),
        )

    def _given_members(self, state: State, members: Members, points, held: np.ndarray | None):
        """The score of Σ p F with points held, without that of memberships, and the information of Σ p (F + log π), in
        the inner parameters; `held` is R with points held."""
        inner, ratio = state.inner, self._ratio(members)
        gradient, information = self._with_members(ratio).louis(
            state.lin, state.D, (*louis_points(self, points), 1), self.predictor.jacobian(state), len(inner),
            ordinary=self.held, workspace=self.workspace,
        )  # fmt: skip
        if held is not None:
            share = self.predictor.share_of_cells * ratio[self.of_root]
            information = information - self.predictor.curvature(state, self._weighed(held, ratio), share)
        return gradient, information + self._of_memberships(state, members)

    def _of_memberships(self, state: State, members: Members) -> np.ndarray:
        """The information of Σ p log π, (q, q)."""
        found = zip(self.memberships, self.mixing.unit_weights(), members.posterior)
        return sum(membership.information(state.inner, w[:, None] * p) for membership, w, p in found)

    def louis(self, free, points) -> tuple[float, np.ndarray, np.ndarray]:
        """log L, its total derivative and the observed information with fixed points."""
        state, F, R = self._components(free, points, 2)
        loglik, members = (-np.inf, None) if R is None else self._members(state.inner, F)
        if not np.isfinite(loglik):
            return -np.inf, np.full(self.n_free, np.nan), np.full((self.n_free, self.n_free), np.nan)
        gradient, information = self._complete(state, members, points, R)
        lost, _ = self._lost(state, members, R)
        lost = self.working.pull_back_information(state.inner, np.zeros(len(lost)), lost)
        return loglik, gradient, information - lost

    def _lost(self, state: State, members: Members, R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What not knowing the classes takes from the information, and the scores of the top units."""
        roots = len(self.predictor.program.roots)
        scores = self.predictor.scores_of(self.of_root, roots, state, R) / self.root_weight[:, None]
        slopes = [membership.slopes(state.inner) for membership in self.memberships]
        return self.mixing.louis(members.shares, members.posterior, scores, slopes)

    def unit_scores(self, free, points) -> np.ndarray:
        """Total-derivative scores of the top units of the classes, times their weights, (units, n_free)."""
        if self.predictor.collapse:
            return self.apart.unit_scores(free, points)
        return self.distinct_scores(free, points) * self.mixing.weight[:, None]

    @property
    def unit_level(self) -> int:
        return self.heights[-1]

    def distinct_scores(self, free, points) -> np.ndarray:
        """Those of the units that are kept, one of each that are identical."""
        state, F, R = self._components(free, points, 2)
        if R is None:
            return np.full((1, self.n_free), np.nan)
        _, members = self._members(state.inner, F)
        return self.working.pull_back(state.inner, self._lost(state, members, R)[1])

    @cached_property
    def may_be_infinite(self) -> np.ndarray:
        """Logits, thresholds and the like, which have no bound where a class has probabilities of 0 or 1, (n_free,)."""
        model = self.model
        curved = {r.name for r in model.responses if not r.family.is_linear}
        found = [
            cell.number for group in model.groups for cell in (*group.beta, *group.kappa, *group.membership)
            if cell.is_free and (cell.row in curved or cell in group.membership)
        ]  # fmt: skip
        return (self.working.K[found] != 0).any(axis=0)

    @cached_property
    def spread(self) -> dict[str, float]:
        """The standard deviation of the answers to each response, 1 where they are all the same."""
        found: dict[str, list[np.ndarray]] = {}
        for block in self.design.blocks:
            if not block.repeats:
                found.setdefault(block.response.name, []).append(block.y)
        return {name: float(np.std(np.concatenate(y))) or 1.0 for name, y in found.items()}

    def beside(self) -> MixtureLikelihood:
        """The same for one thread, to be evaluated while others are."""
        other = copy(self)
        other.workspace = Workspace(self.predictor.program, 1)
        return other

    @cached_property
    def apart(self) -> MixtureLikelihood:
        """The same with identical units kept apart."""
        return MixtureLikelihood(*self._walked, self.ordinary, collapse=False)


def _numbered(patterns: np.ndarray, model: Model, level: int, here: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The number h of each pattern at a level, and the classes of every h; classes of higher levels change slowest."""
    order = sorted(here, key=lambda v: (-model.classes[v].level, v))
    number = np.zeros(len(patterns), dtype=np.int64)
    for v in order:
        number = number * len(model.classes[v].classes) + patterns[:, v]
    classes = np.full((int(number.max(initial=0)) + 1, len(model.classes)), -1, dtype=np.int64)
    for v in here:
        classes[number, v] = patterns[:, v]
    return number, classes


def _first_of_each(number: np.ndarray) -> np.ndarray:
    return np.unique(number, return_index=True)[1]


def _collapsed(n: int, unit, classes, component, data, weight) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units of which others are copies, the kept one (by number) that stands for each unit, and their weight."""
    number = classes.astype(np.uint64) * np.uint64(int(component.max(initial=0)) + 1) + component.astype(np.uint64)
    total = hash_columns(data)[:, 0]
    np.add.at(total, unit, mix(number))
    _, first, stands_for = np.unique(total, return_index=True, return_inverse=True)
    return first, stands_for.ravel(), np.bincount(stands_for.ravel(), weight)


def _of_kept(kept: np.ndarray, unit, classes, component) -> list[np.ndarray]:
    """The entries of the units that are kept, which are numbered anew."""
    place = np.full(int(unit.max(initial=0)) + 1, -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    own = place[unit] >= 0
    return [place[unit[own]], classes[own], component[own]]
