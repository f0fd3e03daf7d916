"""Screens for differential item functioning: each item against anchors, all groups at once.

Of items of which the set S has parameters of its own in each group, all others being anchors that have the same in all,
item i is tested by

    M(S − i)   against   M(S + i),

the models in which it is an anchor, and in which it is not, by the likelihood ratio, by the score at the maximum of the
smaller, s'I⁻¹s, or by Wald's test at that of the larger. Named anchors make S all other items; without any S is empty,
and each item in turn is held against all others (Thissen, Steinberg & Wainer 1993). Purification tests all items, takes
the one that differs most out of the anchors, puts back those that do not differ any more, and tests all again until
nothing changes (Lord 1980; Kopf, Zeileis & Strobl 2015): as long as items that differ are among the anchors, others
that do not may seem to.

Adjusted p-values are Holm's (1979), p_(k) times m − k + 1, made to rise, or Benjamini and Hochberg's (1995), p_(k) m/k,
made to fall from the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import EstimationError, ModelError
from semgllamm.estimation.automatic import estimate
from semgllamm.estimation.information import observed
from semgllamm.estimation.opened import bound_like
from semgllamm.estimation.robust import cross_product
from semgllamm.model.lower import lower
from semgllamm.results.items import item_model, one_dimension

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.diagram.diagram import PathDiagram
    from semgllamm.diagram.parts import Parameter
    from semgllamm.results.fit import Fit

__all__ = ["ADJUSTMENTS", "METHODS", "adjusted", "screen"]

METHODS = ("wald", "lr", "score")
ADJUSTMENTS = (None, "holm", "bh")
MOST_ROUNDS = 100
POSITIVE = 1e-4  # least eigenvalue of a scaled information that is one


def adjusted(p: np.ndarray, how: str | None) -> np.ndarray:
    """p-values that may be held against a level as if there were one test; NaN stays."""
    out = np.array(p, dtype=float)
    known = np.flatnonzero(~np.isnan(out))
    order = known[np.argsort(out[known], kind="stable")]
    m, rank = len(order), np.arange(1, len(order) + 1)
    if how == "holm":
        out[order] = np.minimum(np.maximum.accumulate(out[order] * (m - rank + 1)), 1.0)
    elif how == "bh":
        out[order] = np.minimum(np.minimum.accumulate((out[order] * m / rank)[::-1])[::-1], 1.0)
    return out


@dataclass(frozen=True)
class _Fitted:
    """A model of the items and its maximum; `cells` by the place of their rows in the diagram."""

    likelihood: object
    points: tuple[int, ...]
    free: np.ndarray
    loglik: float
    cells: np.ndarray
    numbers: np.ndarray


class _Family:
    """The models in which a set of items differs between groups."""

    def __init__(self, fit: Fit):
        self.fit = fit
        self.items = [item.name for item in item_model(fit).items]
        rows = fit.diagram.parameters
        self.place = [self._item_of(row) for row in rows]
        shared: dict[int, set[str | None]] = {}
        for name, number in zip(self.place, fit.model.rows):
            shared.setdefault(number, set()).add(name)
        # what is the same in several items is no parameter of one
        self.own = [
            name is not None and number >= 0 and len(shared[number]) == 1
            for name, number in zip(self.place, fit.model.rows)
        ]
        self.known: dict[frozenset[str], _Fitted] = {}

    def _item_of(self, row: Parameter) -> str | None:
        if row.op == "=~":
            return row.rhs if row.rhs in self.items else None
        of_item = row.op in ("~1", "|") or row.op.startswith(("@guessing", "@ceiling"))
        return row.lhs if of_item and row.lhs in self.items else None

    def diagram(self, different: frozenset[str]) -> PathDiagram:
        rows = []
        for row, name, own in zip(self.fit.diagram.parameters, self.place, self.own):
            if own:
                group = row.group if name in different else 0
                row = replace(row, label=f".item.{row.lhs}{row.op}{row.rhs}.{group}")
            rows.append(row)
        return replace(self.fit.diagram, parameters=tuple(rows))

    def bound(self, different: frozenset[str], begin: np.ndarray):
        """Likelihood, points, the numbers of the rows, and the parameters at which the rows are as in `begin`."""
        fit, diagram = self.fit, self.diagram(different)
        model = lower(diagram, fit.model.levels, fit.model.responses, fit.model.group_labels)
        likelihood, points = bound_like(fit.likelihood, model, diagram, fit.binding, fit.request, fit.points)
        numbers = np.array(model.rows)
        cells = np.zeros(model.n_parameters)
        # of what is now equal the first group's; the search finds the rest
        for number, value in reversed(list(zip(numbers, begin))):
            if number >= 0:
                cells[number] = value
        working = likelihood.working
        return likelihood, points, numbers, working.free_from_inner(working.inner_from_cells(cells))

    def fitted(self, different: frozenset[str]) -> _Fitted:
        if different not in self.known:
            fit = self.fit
            near = min(self.known, key=lambda other: len(other ^ different), default=None)
            begin = self.known[near].cells if near is not None else np.array(
                [fit._cells[n] if n >= 0 else np.nan for n in fit.model.rows]
            )  # fmt: skip
            likelihood, points, numbers, free = self.bound(different, begin)
            solution = estimate(likelihood, free, points, fit.call.arguments["settings"])
            optimum = solution.optimum
            if not optimum.convergence.converged:
                which = ", ".join(sorted(different)) or "no item"
                raise EstimationError(f"the model in which {which} may differ: {optimum.convergence.message}")
            values = likelihood.working.cells(likelihood.working.inner(optimum.free))
            cells = np.array([values[n] if n >= 0 else np.nan for n in numbers])
            self.known[different] = _Fitted(likelihood, optimum.points, optimum.free, optimum.loglik, cells, numbers)
        return self.known[different]

    def test(self, method: str, name: str, different: frozenset[str]) -> tuple[float, int]:
        """The statistic of an item and its degrees of freedom."""
        without, beside = different - {name}, different | {name}
        if method == "wald":
            return self._wald(name, beside)
        small = self.fitted(without)
        df = self._size(beside) - small.likelihood.n_free
        if not df:
            return np.nan, 0
        if method == "lr":
            return max(2 * (self.fitted(beside).loglik - small.loglik), 0.0), df
        likelihood, points, _, free = self.bound(beside, small.cells)
        points = small.points if len(points) == len(small.points) else points
        score = likelihood.score(free, points)[1]
        information = observed(likelihood, free, points, met=True)
        scale = np.sqrt(np.abs(np.diag(information)))
        if np.linalg.eigvalsh(information / np.outer(scale, scale))[0] < POSITIVE:
            information = cross_product(likelihood.unit_scores(free, points))
        return float(score @ np.linalg.solve(information, score)), df

    def _size(self, different: frozenset[str]) -> int:
        model = self.fit.model
        diagram = self.diagram(different)
        return lower(diagram, model.levels, model.responses, model.group_labels).n_parameters

    def _wald(self, name: str, different: frozenset[str]) -> tuple[float, int]:
        large = self.fitted(different)
        likelihood = large.likelihood
        working = likelihood.working
        V = np.linalg.inv(observed(likelihood, large.free, large.points, met=True))
        jacobian = working.jacobian(working.inner(large.free)) @ working.K
        first: dict[tuple, tuple[int, float]] = {}
        h, J = [], []
        rows = zip(self.fit.diagram.parameters, self.place, self.own, large.numbers, large.cells)
        for row, item, own, number, value in rows:
            if own and item == name:
                number_first, value_first = first.setdefault((row.lhs, row.op, row.rhs), (number, value))
                if number != number_first:
                    h.append(value - value_first)
                    J.append(jacobian[number] - jacobian[number_first])
        if not h:
            return np.nan, 0
        h, J = np.array(h), np.array(J)
        return float(h @ np.linalg.solve(J @ V @ J.T, h)), len(h)


def screen(
    fit: Fit, method: str, items: Sequence[str] | None, anchors: Sequence[str] | None, purify: bool, alpha: float,
    adjust: str | None,
) -> pd.DataFrame:  # fmt: skip
    """The table of a screen; the arguments and columns are those of `Fit.dif`.

    Raises
    ------
    ModelError
        For one group, several latent variables, groups whose latent variable has one distribution, constraints and
        weights, unknown items, and purification that leaves no anchors.
    EstimationError
        If a model of the screen has no maximum.
    """
    import pandas as pd
    from scipy.stats import chi2

    family = _checked(fit)
    wanted = _known(family, items, "items") or list(family.items)
    fixed = _known(family, anchors, "anchors")
    if fixed and purify:
        raise ModelError("purification looks for anchors, which are given", remedy="Leave purify or anchors out.")
    if fixed:
        wanted = [name for name in wanted if name not in fixed]
        if not wanted:
            raise ModelError("all items are anchors, and none is left to test")
    different = frozenset(family.items) - set(fixed) if fixed else frozenset()
    rounds: list[frozenset[str]] = []
    while True:
        tested = wanted if not purify else family.items
        found = [family.test(method, name, different) for name in tested]
        p = np.array([chi2.sf(stat, df) if df else np.nan for stat, df in found])
        level = adjusted(p, adjust)
        table = pd.DataFrame({"item": tested, "stat": [s for s, _ in found], "df": [d for _, d in found], "pvalue": p})
        if adjust is not None:
            table["padj"] = level
        table["differs"] = level < alpha
        if not purify:
            break
        rounds.append(different)
        found = frozenset(table["item"][table["differs"]])
        new = table[table["item"].isin(found - different)]
        now = different & found
        if len(new):
            now |= {new["item"].iloc[int(new["pvalue"].argmin())]}
        if now == different or now in rounds or len(rounds) >= MOST_ROUNDS:
            break
        if len(now) == len(family.items):
            raise ModelError("all items differ from the others, and no anchor is left", remedy="Name anchors.")
        different = now
    table["anchor"] = [name not in different for name in tested]
    if purify:
        table = table[table["item"].isin(wanted)].reset_index(drop=True)
        table.attrs["rounds"] = len(rounds)
    return table


def _checked(fit: Fit) -> _Family:
    if len(fit.model.group_labels) < 2:
        raise ModelError("differential items are of several groups", remedy="Fit with group='COLUMN'.")
    if fit.request.weighted:
        raise ModelError("items are not screened with sampling weights", remedy="Use dif() with group_partial.")
    if fit.diagram.constraints or fit._restricted is not None:
        raise ModelError("items are not screened in models with written constraints or bounds")
    if not fit.converged:
        raise ModelError("a fit that has not converged has no screens")
    family = _Family(fit)
    model = item_model(fit)
    one_dimension(model, "screens of items")
    latent = model.latents[0]
    for group in range(2, len(fit.model.group_labels) + 1):
        for op, what in (("~1", "mean"), ("~~", "variance")):
            free = [
                number >= 0 for row, number in zip(fit.diagram.parameters, fit.model.rows)
                if row.group == group and row.lhs == latent and row.op == op and row.rhs in ("", latent)
            ]  # fmt: skip
            if not any(free):
                raise ModelError(
                    f"the {what} of '{latent}' is not free in group '{fit.model.group_labels[group - 1]}', so that its "
                    "difference would be taken for one of items",
                    remedy="Fit with group_equal=('loadings', 'thresholds', 'intercepts').",
                )
    if not any(family.own):
        raise ModelError("no item has parameters of its own")
    return family


def _known(family: _Family, names: Sequence[str] | None, what: str) -> list[str]:
    if names is None:
        return []
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name not in family.items:
            raise ModelError(f"{what} names '{name}', which is no item", remedy=f"Items: {', '.join(family.items)}.")
    return names
