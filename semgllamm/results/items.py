"""Items of a fitted model as functions of the latent variables: the numbers of item response theory.

An item of group g has, given the latent variables θ that the items load on,

    ν(θ) = (β + λ'θ) / e^α,     P(y = k | θ) of its family,     θ ~ N(μ, Σ),   Σ = AΨA',  μ = Aα,  A = (I − B)⁻¹,

a choice has one ν for each alternative. Fisher's information about θ is λ²Σ_k (∂P_k/∂ν)² / P_k with one ν
(Samejima 1969, equation 6-1), for all items (∂P_k/∂θ)² / P_k summed over k.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.responses.contract import Family

if TYPE_CHECKING:
    from semgllamm.results.fit import Fit

__all__ = ["Item", "ItemModel", "answers", "item_model", "log_probabilities", "one_dimension", "one_hot",
           "single_group", "trait_means", "whole"]  # fmt: skip

STEP = 2e-3  # of differences in θ, in prior standard deviations
FIVE = np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12.0  # the first derivative from five points
FIVE_TWICE = np.array([-1.0, 16.0, -30.0, 16.0, -1.0]) / 12.0


@dataclass(frozen=True)
class Item:
    """One item of one group.

    Attributes
    ----------
    name : str
    family : Family
    labels : tuple of str
        Of its categories.
    intercept : (A,) array
        One, or one for each alternative of a choice; over the scale of the latent response, as `slopes` and `own`.
    slopes : (A, K) array
    own : (m,) array
        Thresholds, or logits of asymptotes; empty without any.
    """

    name: str
    family: Family
    labels: tuple[str, ...]
    intercept: np.ndarray
    slopes: np.ndarray
    own: np.ndarray

    @property
    def n_categories(self) -> int:
        return len(self.labels)

    def probabilities(self, theta: np.ndarray) -> np.ndarray:
        """P(y = k | θ), (n, categories), at θ of shape (n, K)."""
        nu = self.intercept + theta @ self.slopes.T
        if self.family.is_joint:
            return self.family.probabilities(nu, None)
        own = None
        if len(self.own):
            own = np.broadcast_to(self.own, (len(theta), len(self.own)))
            if not self.family.thresholds and len(self.own) == 1:
                own = own[:, 0]
        return self.family.probabilities(nu[:, 0], own)


@dataclass(frozen=True)
class ItemModel:
    """The items of one group and the distribution of the latent variables that they load on.

    Attributes
    ----------
    latents : tuple of str
    items : tuple of Item
    mean, covariance : (K,) and (K, K) arrays
        Without the effects of covariates on the latent variables.
    """

    latents: tuple[str, ...]
    items: tuple[Item, ...]
    mean: np.ndarray
    covariance: np.ndarray

    @property
    def sd(self) -> float:
        """Of the only latent variable."""
        return float(np.sqrt(self.covariance[0, 0]))

    def slopes_in_theta(self, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """P, ∂P/∂θ and ∂²P/∂θ², (n, categories), of every item at values (n,) of the only latent variable.

        Differences of five points, whose error is of the order of `STEP`⁴.
        """
        h = STEP * self.sd
        points = theta[:, None] + h * np.arange(-2.0, 3.0)
        out = []
        for item in self.items:
            p = item.probabilities(points.reshape(-1, 1)).reshape(len(theta), 5, -1)
            out.append((p[:, 2], np.einsum("k,nkc->nc", FIVE, p) / h, np.einsum("k,nkc->nc", FIVE_TWICE, p) / h**2))
        return out

    def information(self, theta: np.ndarray) -> np.ndarray:
        """Fisher's information of each item about the only latent variable, (n, items)."""
        out = []
        for p, d1, _ in self.slopes_in_theta(theta):
            with np.errstate(invalid="ignore", divide="ignore"):
                part = d1**2 / p
            out.append(np.where(p > 0, part, 0.0).sum(axis=1))
        return np.stack(out, axis=1)

    def natural(self) -> list[np.ndarray]:
        """What determines each item's curves, with the latent variables standardised: slopes, steps, logits."""
        sd = np.sqrt(np.diag(self.covariance))
        out = []
        for item in self.items:
            slopes, at = item.slopes * sd, item.intercept + item.slopes @ self.mean
            if item.family.is_joint:
                out.append(np.concatenate([(slopes - slopes[:1]).ravel(), at - at[0]]))
            elif item.family.thresholds:
                out.append(np.concatenate([slopes.ravel(), at - item.own]))
            else:
                out.append(np.concatenate([slopes.ravel(), at, item.own]))
        return out


def item_model(fit: Fit, group: int = 0, cells: np.ndarray | None = None) -> ItemModel:
    """The items of one group at the estimates, or at other values of the cells.

    Raises
    ------
    ModelError
        Without categorical items that load on latent variables of the rows, with classes, and where covariates or
        units above enter an item.
    """
    model = fit.model
    if isinstance(fit.likelihood, GaussianLikelihood):
        raise ModelError("the model has no categorical items", remedy="Write @family(bernoulli) or @family(ordinal).")
    if isinstance(fit.likelihood, MixtureLikelihood) or model.classes:
        raise ModelError("items are not described by class yet")
    cells = fit._cells if cells is None else cells
    matrices = model.groups[group]
    if matrices.products:
        raise ModelError("items are not described in models with products of latent variables")
    if len(model.holes) > 1:
        raise ModelError("items are not described where covariates are integrated out")
    index = {name: k for k, name in enumerate(model.eta)}
    loads: dict[str, dict[str, float]] = {}
    for cell in matrices.Lambda:
        if cell.times is not None:
            raise ModelError(f"the loading of '{cell.row}' varies with '{cell.times}': it has no curve of its own")
        loads.setdefault(cell.row, {})[cell.column] = cell.at(cells)
    wanted = [r for r in model.responses if r.family.probabilities is not None and r.name in loads]
    wanted = [r for r in wanted if r.family.beside is None and r.level == 0 and r.answer != r.name]
    if not wanted:
        raise ModelError("the model has no categorical items that load on latent variables",
                         remedy="An item is a column with a loading: theta =~ y1 + y2 @family(bernoulli).")
    names = {r.name for r in wanted}
    for cell in (*matrices.beta, *matrices.auxiliary()):
        if cell.row in names and cell.column != "1":
            raise ModelError(f"'{cell.row}' depends on '{cell.column}' beside the latent variables, so that it has no "
                             "curve of its own")
    for cell in matrices.kappa:
        if cell.row in names and cell.times:
            raise ModelError(f"the thresholds of '{cell.row}' vary with '{cell.times}'")
    axes = [name for name in model.eta if any(name in loads[r.name] for r in wanted)]
    for name in axes:
        if model.eta_level[index[name]] != 0:
            raise ModelError(f"'{name}' varies over {model.levels[model.eta_level[index[name]]]}: items are described "
                             "by latent variables of the rows alone")
    mean, covariance = _distribution(model, matrices, cells, axes)
    grouped: dict[str, list] = {}
    for r in wanted:
        grouped.setdefault(r.answer or r.name, []).append(r)
    items = tuple(_item(fit, matrices, cells, name, parts, axes, loads) for name, parts in grouped.items())
    return ItemModel(tuple(axes), items, mean, covariance)


def _item(fit, matrices, cells, name, parts, axes, loads) -> Item:
    family = parts[0].family
    places = [r.name for r in parts]
    if parts[0].answer:
        # the first alternative is the one that the others are compared with
        known = {r.name for r in fit.model.responses if r.answer == name}
        places = [r.name for r in fit.model.responses if r.name in known]
    intercept, slopes = np.zeros(len(places)), np.zeros((len(places), len(axes)))
    for cell in matrices.beta:
        if cell.row in places:
            intercept[places.index(cell.row)] += cell.at(cells)
    for k, place in enumerate(places):
        for latent, value in loads.get(place, {}).items():
            slopes[k, axes.index(latent)] = value
    own = np.zeros(0)
    if family.thresholds:
        own = np.array([c.at(cells) for c in matrices.thresholds(name)])
    elif family.predictors:
        own = np.array([
            sum(c.at(cells) for c in matrices.own(kind) if c.row == name) for kind in family.predictors
        ])  # fmt: skip
    behind = "dispersion" not in family.predictors
    scale = np.exp(sum(c.at(cells) for c in matrices.alpha if c.row == name)) if behind else 1.0
    if scale != 1.0:
        intercept, slopes = intercept / scale, slopes / scale
        own = own / scale if family.thresholds else own
    if parts[0].answer:
        labels = tuple(place[len(name) + 1 : -1] for place in places)
    else:
        from semgllamm.results.predictions import category_labels

        labels = category_labels(fit, parts[0])
    return Item(name, family, labels, intercept, slopes, own)


def _distribution(model, matrices, cells, axes) -> tuple[np.ndarray, np.ndarray]:
    """μ and Σ of some latent variables."""
    index = {name: k for k, name in enumerate(model.eta)}
    n = len(index)
    B, Psi, alpha = np.zeros((n, n)), np.zeros((n, n)), np.zeros(n)
    for cell in matrices.B:
        if cell.times is not None:
            raise ModelError(f"the effect of '{cell.column}' on '{cell.row}' varies with '{cell.times}'")
        B[index[cell.row], index[cell.column]] = cell.at(cells)
    for cell in matrices.Psi:
        a, b = index[cell.row], index[cell.column]
        Psi[a, b] = Psi[b, a] = cell.at(cells)
    for cell in matrices.Gamma:
        if cell.column == "1":
            alpha[index[cell.row]] += cell.at(cells)
    A = np.linalg.inv(np.eye(n) - B)[[index[name] for name in axes]]
    covariance = A @ Psi @ A.T
    if not (np.diag(covariance) > 0).all():
        raise ModelError("a latent variable of the items has no variance, which leaves nothing to describe them by")
    return A @ alpha, covariance


def one_dimension(items: ItemModel, what: str) -> None:
    """Refuse several latent variables.

    Raises
    ------
    ModelError
    """
    if len(items.latents) > 1:
        raise ModelError(f"{what} are of one latent variable; the items load on {', '.join(items.latents)}")


def single_group(fit: Fit, what: str) -> None:
    """Refuse several groups.

    Raises
    ------
    ModelError
    """
    if len(fit.model.groups) > 1:
        raise ModelError(f"{what} of several groups are not available", remedy="Fit the groups one by one.")


def whole(fit: Fit, what: str, given: bool = False, several: bool = False) -> ItemModel:
    """The items of a model that has no other responses, of its first group.

    With `given`, for what is asked given the parameters: there may be several groups, weights, and covariates that
    predict the latent variables. With `several`, there may be several groups.

    Raises
    ------
    ModelError, DataError
    """
    if not given and not several:
        single_group(fit, what)
    items = item_model(fit)
    names = {item.name for item in items.items}
    for response in fit.model.responses:
        if (response.answer or response.name) not in names:
            raise ModelError(f"{what} are of models whose responses are all items; '{response.name}' is none")
    if len(fit.model.levels) > 1:
        raise ModelError(f"{what} are of models with one level")
    if any(np.any(block.offset) for block in fit.design.blocks):
        raise ModelError(f"{what} are not available with offsets")
    fit.binding.need_rows(what)
    if given:
        return items
    for cell in (cell for group in fit.model.groups for cell in group.Gamma):
        if cell.column != "1":
            raise ModelError(f"{what} need the same distribution for all; '{cell.row}' depends on '{cell.column}'")
    if fit.request.weighted:
        raise ModelError(f"{what} are not available with sampling weights")
    return items


def answers(fit: Fit, items: ItemModel) -> np.ndarray:
    """Category codes of the rows that the fit used, (n, items) floats; NaN where missing."""
    values, kept = fit.binding.values, fit.design.kept
    columns = []
    for item in items.items:
        if not item.family.is_joint:
            columns.append(values[item.name][kept])
            continue
        chosen = np.stack([values[f"{item.name}[{label}]"][kept] for label in item.labels], axis=1)
        columns.append(np.where(np.isnan(chosen).any(axis=1), np.nan, np.argmax(chosen, axis=1).astype(float)))
    return np.stack(columns, axis=1)


def one_hot(items: ItemModel, codes: np.ndarray) -> np.ndarray:
    """Which category each answer is, (n, categories of all items); all 0 for a missing one."""
    return np.concatenate(
        [codes[:, k, None] == np.arange(item.n_categories) for k, item in enumerate(items.items)], axis=1
    ).astype(float)


def log_probabilities(items: ItemModel, theta: np.ndarray) -> np.ndarray:
    """log P(y = k | θ), (categories of all items, n), at θ of shape (n, K); no less than the logarithm of 1e−300."""
    p = np.concatenate([item.probabilities(theta) for item in items.items], axis=1)
    return np.log(np.maximum(p, 1e-300)).T


def trait_means(fit: Fit, items: ItemModel) -> np.ndarray:
    """The mean of the latent variables of each row given its covariates, (n, K)."""
    predictor = fit.likelihood.predictor
    inner = predictor.working.inner(fit.free)
    return np.stack([predictor.latent(name, inner)[0] for name in items.latents], axis=1)
