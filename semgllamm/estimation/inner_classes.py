"""The likelihood of models whose classes vary below a continuous latent variable: the sum over them is inside.

    log L = Σ_j w_j log ∫ φ(u) Π_i Σ_c π_ic(u) f(y_i | u, c) du,

units i of the level of the classes within units j of higher ones. The answers of a unit i are one answer of several
cells (`semgllamm.integration.inner_classes`), whose choice between classes is a multinomial response with the logits of
membership for its linear predictors. Everything else is as in a model without classes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semgllamm.data.classes import in_parts
from semgllamm.data.design import Design
from semgllamm.errors import ModelError
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.predictor import Predictor, plan_tree
from semgllamm.integration.tree import Tree
from semgllamm.model.matrices import Cell, Matrices, Model, Response
from semgllamm.model.transforms import Working
from semgllamm.responses.contract import MANY
from semgllamm.responses.registry import lookup

__all__ = ["InnerClasses", "sums_inside", "tree_of_parts", "with_memberships"]


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


class InnerClasses(Likelihood):
    """log L(free) with classes summed over at each point, its total derivative, and Louis' information.

    Parameters
    ----------
    model, working, tree, design
        The objects of the walk; the design is that of the data.
    ordinary : bool
    threads : int, optional
    """

    def __init__(
        self, model: Model, working: Working, tree: Tree, design: Design, ordinary: bool = False,
        threads: int | None = None,
    ):  # fmt: skip
        check_parts(model, tree)
        full = with_memberships(model)
        super().__init__(Predictor(full, working, tree, in_parts(design, full)), ordinary, threads)
        self.model, self.design, self.exact = model, design, False

    def class_probabilities(self, free, points) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of the patterns of classes of each unit without and with the answers, (units, patterns)."""
        raise NotImplementedError
