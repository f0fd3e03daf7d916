"""The likelihood of models whose classes vary below a continuous latent variable: the sum over them is inside.

    log L = Σ_j w_j log ∫ φ(u) Π_i Σ_c π_ic(u) f(y_i | u, c) du,

units i of the level of the classes within units j of higher ones. The answers of a unit i are one answer of several
cells (`semgllamm.integration.inner_classes`), whose choice between classes is a multinomial response with the logits of
membership for its linear predictors. Everything else is as in a model without classes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import softmax

from semgllamm.data.classes import in_parts
from semgllamm.data.design import Design
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.errors import ModelError
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.estimation.mixture_search import Search, search
from semgllamm.estimation.predictor import Predictor, plan_tree
from semgllamm.estimation.settings import Settings
from semgllamm.estimation.start import start_values
from semgllamm.integration.tree import Tree
from semgllamm.model.matrices import Cell, Matrices, Model, Response
from semgllamm.model.transforms import Working, working_parameters
from semgllamm.responses.contract import MANY
from semgllamm.responses.registry import lookup

__all__ = ["InnerClasses", "refused", "start_of_parts", "sums_inside", "tree_of_parts"]

PRIOR_POINTS = 15  # a coordinate, for probabilities without the answers


def sums_inside(model: Model, tree: Tree) -> bool:
    """Whether a continuous latent variable varies at a level above that of some classes."""
    lowest = min(variable.level for variable in model.classes)
    return any(model.eta_level[k] > lowest for k in tree.order)


def with_memberships(model: Model) -> Model:
    """The model with a response for each class, an alternative among those of its variable."""
    level = model.classes[0].level
    family = lookup("multinomial")
    logits = tuple(
        Response(f"{v.name}[{k}]", family, v.level, answer=v.name)
        for v in model.classes if not v.summed for k in v.classes
    )  # fmt: skip
    P = len(model.patterns)
    groups = []
    for g, group in enumerate(model.groups):
        membership = model.groups[g - g % P].membership
        latent = tuple(cell for cell in membership if cell.column in model.eta)
        seen = tuple(cell for cell in membership if cell.column not in model.eta)
        groups.append(replace(group, beta=(*group.beta, *seen), Lambda=(*group.Lambda, *latent)))
    responses = (*model.responses, *logits)
    together = frozenset(r.name for r in responses if r.level <= level)
    return replace(model, responses=responses, groups=tuple(groups), together=together)


def check_parts(model: Model, tree: Tree) -> None:
    """Refuse what cannot be summed over below a continuous latent variable.

    Raises
    ------
    ModelError
    """
    def refuse(what: str, remedy: str | None = None):
        above = next(model.eta[k] for k in tree.order if model.eta_level[k] > model.classes[0].level)
        raise ModelError(f"{what} below the latent variable '{above}' of a higher level yet", remedy=remedy)

    level = model.classes[0].level
    names = ", ".join(f"'{variable.name}'" for variable in model.classes)
    if any(variable.level != level for variable in model.classes):
        refuse(f"{names} vary at different levels, and their classes cannot be summed over")
    for k in tree.order:
        if model.eta_level[k] <= level:
            refuse(f"'{model.eta[k]}' varies within units of {names}, and the sum over {model.what_is_summed} cannot "
                   "be taken around it", "Let it vary at the higher level alone, or leave that out.")  # fmt: skip
    if any(variable.masses_of for variable in model.classes):
        refuse("a free distribution cannot be fitted")
    if any(group.Omega or group.products or any(c.row != c.column for c in group.Theta) for group in model.groups):
        refuse(f"products and covariances of residuals cannot be fitted beside {model.what_is_summed}")
    for response in model.responses:
        if response.family.own == MANY or response.family.is_composite or response.answer == response.name:
            refuse(f"{model.what_is_summed} cannot be summed over with the {response.family.name} response "
                   f"'{response.name}'")  # fmt: skip
    latent = set(model.eta)
    P = len(model.patterns)
    for g, group in enumerate(model.groups):
        first = model.groups[g - g % P]
        for matrix in ("Psi", "B", "Gamma"):
            if _about(group, matrix, latent) != _about(first, matrix, latent):
                refuse(f"what is said of latent variables cannot differ between {model.what_is_summed}",
                       "Let classes differ in loadings and intercepts of responses.")  # fmt: skip
        for response in model.responses:
            if response.level > level and _of_response(group, response.name) != _of_response(first, response.name):
                refuse(f"'{response.name}' of a higher level cannot differ between {model.what_is_summed}")


def _about(group: Matrices, matrix: str, latent: set[str]) -> set[Cell]:
    return {cell for cell in getattr(group, matrix) if cell.row in latent}


def _of_response(group: Matrices, name: str) -> set[tuple[str, Cell]]:
    return {(matrix, cell) for matrix, cells in group.items() for cell in cells if cell.row == name}


def tree_of_parts(model: Model, design: Design) -> Tree:
    """The integration tree where the answers of units are summed over classes: all of a unit are on one path."""
    return plan_tree(with_memberships(model), design)


def refused(likelihood: InnerClasses, what: str) -> ModelError:
    """The error of what there is not for classes below a continuous latent variable; `what` is the subject and verb."""
    above = likelihood.model.eta[likelihood.predictor.tree.order[0]]
    return ModelError(
        f"{what} not available yet with {likelihood.model.what_is_summed} below the latent variable '{above}' of a "
        "higher level"
    )


class InnerClasses(Likelihood):
    """log L(free) with classes summed over at each point, its total derivative, and Louis' information.

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
        check_parts(model, tree)
        self._walked = model, working, tree, design
        self.model, below = model, [k for k in design.weights.levels if k < model.classes[0].level]
        full = with_memberships(model)
        super().__init__(Predictor(full, working, tree, in_parts(design, full), collapse), ordinary, threads)
        if below:
            raise refused(self, f"weights of '{model.levels[below[0]]}' are")
        self.design, self.exact = design, False

    @cached_property
    def apart(self) -> InnerClasses:
        """The same with identical units kept apart."""
        return InnerClasses(*self._walked, self.ordinary, collapse=False)

    def class_probabilities(self, free: np.ndarray, points) -> np.ndarray:
        """Posterior probabilities of the patterns of classes of each unit, (units, patterns)."""
        model, design, predictor = self.model, self.design, self.predictor.apart
        program, level = predictor.program, model.classes[0].level
        state = predictor.at(self.working.inner(np.asarray(free, dtype=float)))
        posterior = program.posterior_points(state.lin, state.D, predictor.rules(points), ordinary=self.ordinary)
        first, found = program.posterior_of_parts(state.lin, state.D, posterior)
        row = np.zeros(len(program.code), dtype=np.int64)
        for block in predictor.blocks:
            row[block.at] = block.source.rows[block.keep]
        # where nothing is summed over the classes are known
        rows = design.first_row[level]
        out = np.ones((len(rows), len(model.patterns)))
        for v, variable in enumerate(model.classes):
            known = design.known.get(variable.name, np.full(design.n_rows, -1))[rows]
            out *= (known[:, None] < 0) | (known[:, None] == np.array([pattern[v] for pattern in model.patterns]))
        out[design.codes[level][row[first] % design.n_rows]] = found
        return out

    def prior_probabilities(self, free: np.ndarray, v: int) -> np.ndarray:
        """Probabilities of the classes of the v-th variable without the answers, averaged over the latent variables
        above and summed over the classes of the others, whatever is known of them, (units, classes)."""
        model, working, tree, design = self._walked
        known = {variable.name: design.known[variable.name] for variable in model.classes if variable.summed}
        full = with_memberships(model)
        predictor = Predictor(full, working, tree, in_parts(replace(design, known=known), full), collapse=False)
        state = predictor.at(working.inner(np.asarray(free, dtype=float)))
        P, units = len(model.patterns), len(design.first_row[model.classes[v].level])
        place = {f"{one.name}[{k}]": (j, m) for j, one in enumerate(model.classes) for m, k in enumerate(one.classes)}
        f = [np.full((P, units, len(one.classes)), -np.inf) for one in model.classes]
        D = [np.zeros((P, units, len(one.classes), predictor.P)) for one in model.classes]
        for block in predictor.blocks:
            if block.source.response.name in place:
                j, m = place[block.source.response.name]
                at = block.source.part, block.source.unit[block.keep], m
                f[j][at], D[j][at] = state.lin[block.at, 0], state.D[block.at, : predictor.P]
        z, w = _prior_points(np.concatenate([one.reshape(-1, predictor.P) for one in D]))
        out = np.zeros((units, len(model.classes[v].classes)))
        for p, pattern in enumerate(model.patterns):
            joint = np.ones((units, len(w)))
            for j, one in enumerate(model.classes):
                if not one.summed:
                    joint *= softmax(f[j][p, :, :, None] + D[j][p] @ z, axis=1)[:, pattern[j]]
            out[:, pattern[v]] += joint @ w
        return out


def _prior_points(D: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of the standard normal coordinates that D uses, (P, S), and their weights."""
    used = np.flatnonzero((D != 0).any(axis=tuple(range(D.ndim - 1))))
    z, w = hermegauss(PRIOR_POINTS)
    grid = np.stack(np.meshgrid(*[z] * len(used), indexing="ij")).reshape(len(used), -1) if len(used) else None
    weights = np.ones(1)
    for _ in used:
        weights = np.multiply.outer(weights, w / w.sum()).ravel()
    out = np.zeros((D.shape[-1], len(weights)))
    if grid is not None:
        out[used] = grid
    return out, weights


def start_of_parts(
    likelihood: InnerClasses, diagram: PathDiagram, settings: Settings, n_starts: int, progress=None,
    begin: dict[str, float] | None = None,
) -> tuple[np.ndarray, Search]:  # fmt: skip
    """Where the search starts: at the best of the starts of the mixture without the latent variables above its classes.

    Raises
    ------
    EstimationError
        As `semgllamm.estimation.mixture_search.search`.
    """
    start = start_values(likelihood.predictor, diagram)
    if all(variable.summed for variable in likelihood.model.classes):
        return start, None
    model, design = without_latents_above(likelihood.model), likelihood.design
    tree = plan_tree(model, design)
    working = working_parameters(model, tuple(model.eta[k] for k in tree.order), None)
    mixture = MixtureLikelihood(model, working, tree, design, threads=likelihood.workspace.threads)
    free, found = search(mixture, diagram, settings, n_starts, None, progress, begin)
    values = dict(zip(model.names, working.cells(working.inner(free))))
    full = likelihood.working
    cells = full.cells(full.inner(start))
    cells = np.array([values.get(name, value) for name, value in zip(likelihood.model.names, cells)])
    return full.free_from_inner(full.inner_from_cells(cells)), found


def without_latents_above(model: Model) -> Model:
    """The model without the latent variables, and the responses, that vary above its classes."""
    level = model.classes[0].level
    eta = {name: height for name, height in zip(model.eta, model.eta_level) if height <= level}
    responses = tuple(response for response in model.responses if response.level <= level)
    logits = {f"{variable.name}[{name}]" for variable in model.classes for name in variable.classes}
    kept = {*eta, *logits, *(response.name for response in responses)}
    gone = {*model.eta, *(response.name for response in model.responses)} - kept

    def stays(cell: Cell) -> bool:
        return cell.row in kept and cell.column not in gone

    groups = [{name: [c for c in cells if stays(c)] for name, cells in group.items()} for group in model.groups]
    used = sorted({c.number for group in groups for cells in group.values() for c in cells if c.is_free})
    number = {old: new for new, old in enumerate(used)}

    def renumbered(cells: list[Cell]) -> tuple[Cell, ...]:
        return tuple(replace(c, number=number[c.number]) if c.is_free else c for c in cells)

    return replace(
        model, eta=tuple(eta), eta_level=tuple(eta.values()), responses=responses,
        groups=tuple(Matrices(**{name: renumbered(cells) for name, cells in group.items()}) for group in groups),
        names=tuple(model.names[old] for old in used), rows=tuple(number.get(row, -1) for row in model.rows),
    )  # fmt: skip
