"""Expectations of functions of the linear predictor over latent variables, at any values of the parameters.

A cell of a target design has ν = f + Σ_a d_a u_a over the coordinates on its path, and where products of latent
variables are among the causes Σ_{b≤a} q_ab u_a u_b more. Each coordinate is one of: known by
its posterior, of a unit of the fit; drawn anew from the prior, of a new unit; integrated over the population; held at
zero. With σ² = Σ d_a² of the coordinates that are integrated,

    E h(ν) = Σ_k w_k ∫ h(ν_k + σz) φ(z) dz,      var = Σ_k w_k (∫ h(ν_k + σz) φ(z) dz)² − (E h)²,

the sum over the points of the posterior (and of the prior of new units; with products ν is not normal given these, and
the coordinates have points of their own): posterior means, not functions of posterior
means (Skrondal & Rabe-Hesketh 2009, sections 4 to 6). ∫ φ is the trapezoidal rule, whose error is of the size of
exp(−2π²/h²) for functions of the smoothness of a distribution function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from semgllamm.data.classes import in_patterns
from semgllamm.data.design import Design
from semgllamm.errors import ModelError
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.inner_classes import InnerClasses, refused
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.estimation.predictor import Predictor, State, plan_tree
from semgllamm.estimation.products import bent_part
from semgllamm.integration.gauss_hermite import rule
from semgllamm.integration.posterior_points import PosteriorPoints
from semgllamm.model.matrices import Model, Response
from semgllamm.model.transforms import working_parameters

__all__ = ["Answer", "Engine", "Over", "answers_of", "by_pattern", "engine_of", "expectation"]

Z = np.arange(-10.0, 10.01, 0.25)
PHI = np.exp(-0.5 * Z**2) / np.exp(-0.5 * Z**2).sum()
AT_ONCE = 4_000_000  # values of h in memory
IMPROPER = 1e-6  # relative distance of parameters from the nearest that the engine has


@dataclass(frozen=True)
class Over:
    """How the latent variables of each level are taken.

    Attributes
    ----------
    posterior : frozenset of int
        Levels whose units have their posterior, or the prior if they are new.
    prior : frozenset of int
        Levels over whose population the function is averaged.
    plug_in : bool
        The posterior mean instead of the posterior.
    """

    posterior: frozenset[int] = frozenset()
    prior: frozenset[int] = frozenset()
    plug_in: bool = False


class Engine:
    """A fitted model bound to the engine, however it was fitted.

    Parameters
    ----------
    predictor : Predictor
        Of the fitted data.
    inner : callable (free,) -> inner parameters of the predictor
    points : tuple of int
        Of each class of rules.
    ordinary : bool
    mixture : MixtureLikelihood, optional
        That of a model with classes, the predictor's rows being those of the data in every pattern of classes.
    mixture_points : tuple of int
        With which it was fitted.
    """

    def __init__(
        self, predictor: Predictor, inner: Callable[[np.ndarray], np.ndarray], points, ordinary: bool = False,
        mixture: MixtureLikelihood | None = None, mixture_points: tuple[int, ...] = (),
    ):  # fmt: skip
        self.predictor, self.inner, self.points, self.ordinary = predictor, inner, points, ordinary
        self.mixture, self.mixture_points = mixture, mixture_points
        self.workspace = predictor.program.workspace()

    @property
    def patterns(self) -> int:
        """The number of patterns of classes, in each of which every row is a row of its own."""
        return 1 if self.mixture is None else len(self.mixture.model.patterns)

    def units(self, unit: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        """The fitted units of the rows of a target in all patterns, those of the first pattern first."""
        if self.mixture is None:
            return unit
        counts = [len(first) for first in self.mixture.design.first_row]
        return tuple(
            np.concatenate([np.where(of_row >= 0, of_row + p * n, -1) for p in range(self.patterns)])
            for of_row, n in zip(unit, counts)
        )

    def posterior(self, inner: np.ndarray) -> PosteriorPoints:
        """The posterior of the fitted units' coordinates.

        Raises
        ------
        ModelError
            Where the parameters leave the model without a density.
        """
        predictor = self.predictor
        state = predictor.at(inner)
        if not state.possible:
            raise ModelError("the latent variables have no posterior at these parameters")
        rules = predictor.rules(self.points)
        if predictor.program.bends:
            # leaves that are placed exactly: functions of them are no polynomials
            rules = (*rules[:-1], 7)
        return predictor.program.posterior_points(
            state.lin, state.D, rules, self.workspace, ordinary=self.ordinary
        )

    def bound_to(self, design: Design) -> Predictor:
        """The same model at the cells of another design, in every pattern of classes."""
        if self.mixture is not None:
            design = in_patterns(design, self.mixture.model)
        return Predictor(self.predictor._whole, self.predictor.working, self.predictor.tree, design, collapse=False)


def engine_of(likelihood: Likelihood | GaussianLikelihood, free: np.ndarray, points: tuple[int, ...] = ()) -> Engine:
    """The engine for predictions of a fit.

    Raises
    ------
    ModelError
        For what the engine does not have: classes below continuous latent variables, missing covariates that are summed
        over, models without means, improper solutions, covariates with a part at each level, responses that cause each
        other or are missing where they are causes, residuals that covary with disturbances.
    """
    if isinstance(likelihood, InnerClasses):
        raise refused(likelihood, "predictions and draws are")
    mixture = likelihood if isinstance(likelihood, MixtureLikelihood) else None
    if mixture is not None and any(variable.summed for variable in mixture.model.classes):
        raise ModelError(f"predictions are not averaged over {mixture.model.what_is_summed} yet")
    of_mixture = tuple(points)
    if isinstance(likelihood, GaussianLikelihood):
        predictor, inner = _of_closed_form(likelihood, free)
        ordinary, exact = False, True
    else:
        predictor, ordinary, exact = likelihood.predictor, likelihood.ordinary, likelihood.exact
        inner = predictor.working.inner
    if predictor.feedback:
        raise ModelError("predictions are not available where responses cause each other")
    if predictor.share_causes:
        raise ModelError("predictions are not available where residuals covary with disturbances")
    least = 3 if exact else {1: 21, 2: 11, 3: 9}.get(predictor.P, 7)
    if ordinary or (points and not getattr(likelihood, "shared", False)):
        points = tuple(max(k, 0 if ordinary else least) for k in points)
    else:
        points = (least,) * len(predictor.rule_levels)
    return Engine(predictor, inner, points, ordinary, mixture, of_mixture)


def _of_closed_form(likelihood: GaussianLikelihood, free: np.ndarray):
    """Predictor of the fitted data, and the map from the closed form's parameters to its own."""
    model, design = likelihood.model, likelihood.design
    if not likelihood.has_means:
        raise ModelError("predictions of responses need their means", remedy="Fit with meanstructure=True.")
    if design.held or design.given:
        raise ModelError("predictions are not available where a covariate has a part at each level")
    design = replace(design, columns={**_responses_as_covariates(model, design), **design.columns})
    tree = plan_tree(model, design)
    working = working_parameters(model, tuple(model.eta[k] for k in tree.order), None)

    def inner(free: np.ndarray) -> np.ndarray:
        return working.inner_from_cells(likelihood.working.cells(likelihood.working.inner(free)))

    cells = likelihood.working.cells(likelihood.working.inner(free))
    if not np.allclose(working.cells(inner(free)), cells, rtol=IMPROPER, atol=IMPROPER):
        raise ModelError("the solution is improper (a variance that is not positive): there is no distribution to "
                         "predict from", remedy="Constrain the variance, or take it out of the model.")
    try:
        return Predictor(model, working, tree, design), inner
    except KeyError as failure:
        raise ModelError(f"predictions are not available: {failure} is no column of the data") from failure


def _responses_as_covariates(model: Model, design: Design) -> dict[str, np.ndarray]:
    """The columns of responses that cause others."""
    causes = {part for group in model.groups for cell in group.beta for part in cell.column.split(":")}
    out = {}
    for response in model.responses:
        if response.name in causes:
            out[response.name] = np.full(design.n_rows, np.nan)
            for block in design.blocks:
                if block.response.name == response.name:
                    out[response.name][block.rows] = block.y
            if np.isnan(out[response.name]).any():
                raise ModelError(f"predictions are not available where '{response.name}' is missing, which is a cause "
                                 "of another response", remedy="Use missing='listwise'.")
    return out


# ---------------------------------------------------------------------------------------------- cells of the target


@dataclass(frozen=True)
class Answer:
    """The cells of one response in one group; of a choice, those of all its alternatives.

    Attributes
    ----------
    responses : tuple of Response
        One, or those of the alternatives of a choice in wide form.
    rows : (n, A) int array
        Rows of the target design, −1 where a choice has no such alternative.
    f : (n, A) array
        −∞ where there is no alternative.
    D : (n, A, depth) array
    own : array or None
    path : tuple of int
        Of latent variables, root first.
    Q : (n, A, pairs) array
        q by the rows of its lower triangle; without columns where no product bends a predictor.
    """

    responses: tuple[Response, ...]
    rows: np.ndarray
    f: np.ndarray
    D: np.ndarray
    own: np.ndarray
    path: tuple[int, ...]
    Q: np.ndarray

    def of(self, some: np.ndarray) -> Answer:
        """Some of the answers."""
        return replace(
            self, rows=self.rows[some], f=self.f[some], D=self.D[some], own=self.own[some], Q=self.Q[some]
        )


def answers_of(
    target: Predictor, state: State, values: Mapping[str, np.ndarray] | None = None
) -> Iterator[Answer]:
    """The answers of a target design; `values` holds latent variables at given values, and the rest without error."""
    wide: dict[tuple[int, str], list] = {}
    for b in target.blocks:
        response, rows = b.source.response, b.source.rows[b.keep]
        depth = len(b.path)
        f = state.lin[b.cells, 0] if values is None else target.held(b, state, values)
        D = state.D[b.cells, :depth] if values is None else np.zeros((b.n, depth))
        bends = values is None and target.program.bends
        Q = state.D[b.cells][:, target.P : target.P + bends * depth * (depth + 1) // 2]
        if response.answer and response.answer != response.name:
            order = np.argsort(rows)
            found = wide.setdefault((b.source.group, response.answer), [])
            found.append((b, rows[order], f[order], D[order], Q[order]))
        elif response.answer:
            yield _in_long_form(b, rows, f, D, Q)
        else:
            own = target.own_of(b, state)
            yield Answer((response,), rows[:, None], f[:, None], D[:, None], own, b.path, Q[:, None])
    for parts in wide.values():
        blocks, rows, f, D, Q = zip(*parts)
        yield Answer(
            tuple(b.source.response for b in blocks), np.stack(rows, axis=1), np.stack(f, axis=1), np.stack(D, axis=1),
            np.zeros(len(rows[0])), blocks[0].path, np.stack(Q, axis=1),
        )  # fmt: skip


def by_pattern(answers: Iterator[Answer], patterns: int) -> Iterator[tuple[Answer, ...]]:
    """The answers of a target in all patterns of classes, those of the same rows together."""
    found = list(answers)
    for k in range(0, len(found), patterns):
        yield tuple(found[k : k + patterns])


def _in_long_form(b, rows: np.ndarray, f: np.ndarray, D: np.ndarray, Q: np.ndarray) -> Answer:
    choice = b.source.choice[b.keep]
    order = np.lexsort((rows, choice))
    choice, rows, f, D, Q = choice[order], rows[order], f[order], D[order], Q[order]
    first = np.flatnonzero(np.diff(choice, prepend=-1))
    size = np.diff(first, append=len(choice))
    number = np.repeat(np.arange(len(first)), size)
    place = np.arange(len(choice)) - np.repeat(first, size)
    shape = len(first), int(size.max())
    of, at = np.full(shape, -1), np.full(shape, -np.inf)
    slopes, bends = (np.zeros((*shape, x.shape[1])) for x in (D, Q))
    of[number, place], at[number, place], slopes[number, place], bends[number, place] = rows, f, D, Q
    return Answer((b.source.response,), of, at, slopes, np.zeros(len(first)), b.path, bends)


# ---------------------------------------------------------------------------------------------- expectations


def expectation(
    engine: Engine, answer: Answer, unit: tuple[np.ndarray, ...], posterior: PosteriorPoints | None, over: Over,
    h: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Mean of h(ν) and its variance over posteriors and new units.

    Parameters
    ----------
    engine : Engine
    answer : Answer
    unit : tuple of (rows,) int arrays
        The fitted unit of each row of the target at each level, −1 for new ones.
    posterior : PosteriorPoints or None
        Of the engine; None if no level has one in `over`.
    over : Over
    h : callable (nu, own, at) -> array
        `at` are the places of the n answers; nu is (n, S) and the result (n, S) or (n, S, K); of choices nu is
        (n, S, A) and the result too. `own` broadcasts against nu as the contract of families has it.

    Returns
    -------
    mean, variance : (n, K) arrays
    """
    model = engine.predictor.model
    levels = [model.eta_level[k] for k in answer.path]
    row = answer.rows[:, 0]
    known = np.zeros(len(row), dtype=np.int64)
    if posterior is not None:
        for level in levels:
            known += unit[level][row] >= 0
    kinds = [0 if v in over.prior else 1 if v in over.posterior else 2 for v in levels]
    mean, variance = None, None
    for m in np.unique(known):
        mine = np.flatnonzero(known == m)
        node = None
        if m > 0:
            k = answer.path[m - 1]
            program, start = engine.predictor.program, engine.predictor.node_start
            node = program.representative[start[k] + unit[model.eta_level[k]][row[mine]]]
        parts = _expectation(answer, mine, int(m), node, kinds, posterior, over.plug_in, h)
        for at, e, v in parts:
            if mean is None:
                mean, variance = (np.zeros((len(row), e.shape[1])) for _ in range(2))
            mean[at], variance[at] = e, v
    return mean, variance


def _expectation(answer: Answer, mine, m, node, kinds, posterior, plug_in, h):
    """(answers, mean, variance) of pieces of the answers `mine`, whose first m coordinates are of known units."""
    joint = answer.f.shape[1] > 1 or answer.responses[0].family.is_joint
    averaged = [a for a, kind in enumerate(kinds) if kind == 0]
    drawn = [a for a in range(m, len(kinds)) if kinds[a] == 1]
    # the posterior mean of what is drawn anew is zero
    drawn = [] if plug_in else drawn
    bent = bool(answer.Q[mine].any())
    outer, inner = (_grid(axes) if bent else _spread(answer.D[mine], axes, joint) for axes in (drawn, averaged))
    S = int(posterior.size[node[0]]) if m and 1 in kinds[:m] else 1
    width = max(1, answer.own.shape[-1] + 1 if answer.own.ndim > 1 else 1) * answer.f.shape[1]
    step = max(1, AT_ONCE // (S * len(outer[0]) * len(inner[0]) * width))
    for lo in range(0, len(mine), step):
        at = mine[lo : lo + step]
        w, u = np.ones((len(at), 1)), np.zeros((len(kinds), len(at), 1))
        if m and 1 in kinds[:m]:
            w, found = posterior.path(node[lo : lo + step])
            if plug_in:
                found, w = (found * w).sum(axis=2, keepdims=True), w.sum(axis=1, keepdims=True)
            u = np.zeros((len(kinds), *w.shape))
            for a in range(m):
                if kinds[a] == 1:
                    u[a] = found[a]
        if bent:
            nu, w = _bent(answer.of(at), w, u, (drawn, *outer), (averaged, *inner))
            points = w.shape[1]
        else:
            nu = answer.f[at][:, None, :] + np.einsum("dns,nad->nsa", u, answer.D[at])
            nu, w = _widened(nu, w, outer, lo, lo + step)
            points = nu.shape[1]
            nu, _ = _widened(nu, w, inner, lo, lo + step)
        own = answer.own[at]
        own = own[:, None] if own.ndim == 1 else own[:, None, :]
        values = np.asarray(h(nu if joint else nu[..., 0], own, at), dtype=float)
        values = values.reshape(*values.shape[:2], -1)
        values = np.einsum("nszk,z->nsk", values.reshape(len(at), points, len(inner[0]), -1), inner[0])
        e = np.einsum("ns,nsk->nk", w, values)
        yield at, e, np.maximum(np.einsum("ns,nsk->nk", w, values**2) - e**2, 0.0)


def _bent(answers: Answer, w: np.ndarray, u: np.ndarray, outer, inner) -> tuple[np.ndarray, np.ndarray]:
    """ν (n, S, A) and the weights of all but the innermost points, where products bend ν.

    Of the coordinates u, those of `outer` and of `inner` (axes, weights, points) move over points of their own.
    """
    u = np.broadcast_to(u[..., None, None], (*u.shape, len(outer[1]), len(inner[1]))).copy()
    for along, (axes, _, z) in zip(((..., None), (None, ...)), (outer, inner)):
        for a, points in zip(axes, z):
            u[a] = points[along]
    u = u.reshape(*u.shape[:2], -1)
    alternatives = [
        f[:, None] + np.einsum("dns,nd->ns", u, D) + bent_part(Q[..., None], u)
        for f, D, Q in zip(answers.f.T, np.moveaxis(answers.D, 1, 0), np.moveaxis(answers.Q, 1, 0))
    ]
    return np.stack(alternatives, axis=-1), (w[:, :, None] * outer[1]).reshape(len(w), -1)


def _grid(axes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Weights (Q,) and points (axes, Q) of standard normal coordinates."""
    if len(axes) < 2:
        return (PHI, Z[None]) if axes else (np.ones(1), np.zeros((0, 1)))
    z, logw = rule({2: 21, 3: 13}.get(len(axes), 7))
    weight = np.exp(logw - 0.5 * z**2)  # the engine's weights are of ∫ dz
    weights = np.array([np.prod(w) for w in product(weight, repeat=len(axes))])
    return weights, np.array(list(product(z, repeat=len(axes)))).T


def _spread(D: np.ndarray, axes: list[int], joint: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weights (Q,) and what is added to ν, (n, Q, A), by standard normal coordinates."""
    axes = [a for a in axes if D[:, :, a].any()]
    if not axes:
        return np.ones(1), np.zeros((len(D), 1, D.shape[1]))
    if not joint:
        return PHI, Z[None, :, None] * np.sqrt((D[:, :, axes] ** 2).sum(axis=2))[:, None, :]
    weights, points = _grid(axes)
    return weights, np.einsum("xq,nax->nqa", points, D[:, :, axes])


def _widened(nu: np.ndarray, w: np.ndarray, spread, lo: int, hi: int):
    """Points and weights with those of a spread, the latter fastest."""
    weights, added = spread
    added = added[lo:hi]
    nu = (nu[:, :, None, :] + added[:, None]).reshape(len(nu), -1, nu.shape[-1])
    return nu, (w[:, :, None] * weights).reshape(len(w), -1)
