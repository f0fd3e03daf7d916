"""The probabilities of classes, multinomial logits of covariates and of other classes:

    π_j(c = k | h) = exp(v_jk'ϱ) / Σ_d exp(v_jd'ϱ),      the last class the reference,

for each categorical latent variable c, given the classes h of its level and of those above. An unknown class has this
probability; a class that is known not to be k has none, and what is left is not scaled up: a known class contributes
log π + log f (Skrondal & Rabe-Hesketh 2004, section 4.3.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from semgllamm.data.design import Design
from semgllamm.model.matrices import Cell, Model

__all__ = ["Membership"]


@dataclass(frozen=True, eq=False)
class _Term:
    """One cell of a logit: its class, the units and classes that it is about, and its covariate there."""

    cell: Cell
    klass: int
    x: np.ndarray  # (n,) covariate, 0 for units of other groups
    under: np.ndarray  # (contexts,) 1 under the classes of other variables that it is about


class Membership:
    """log π_j(k | h') of the variables of one level, and its derivatives.

    Parameters
    ----------
    model : Model
    design : Design
        Of the data, not in patterns.
    level : int
        Index into the model's levels.
    classes : (h, variables) int array
        The class of every categorical latent variable under each h of this level; −1 for those of levels below.
    kept : (n,) int array
        The units that are kept of those that are identical.
    """

    def __init__(self, model: Model, design: Design, level: int, classes: np.ndarray, kept: np.ndarray):
        self.n, self.width = len(kept), len(classes)
        self.variables = [v for v, variable in enumerate(model.classes) if variable.level == level]
        self.classes = classes
        # values of missing covariates, whose probabilities are densities of responses
        self.summed = {v for v in self.variables if model.classes[v].summed}
        self.counts = {v: len(model.classes[v].classes) for v in self.variables}
        rows = design.first_row[level][kept]
        group_of = design.group_of[rows]
        place = {
            f"{variable.name}[{name}]": (v, k)
            for v, variable in enumerate(model.classes) for k, name in enumerate(variable.classes)
        }  # fmt: skip
        terms: dict[int, list[_Term]] = {v: [] for v in self.variables}
        P = len(model.patterns)
        for g in range(len(model.group_labels)):
            mine = (group_of == g).astype(float)
            for cell in model.groups[g * P].membership:
                v, k = place[cell.row]
                if v not in terms:
                    continue
                under = np.ones(self.width)
                x = mine
                if cell.column in place:
                    d, m = place[cell.column]
                    under = (classes[:, d] == m).astype(float)
                elif cell.column != "1":
                    x = mine * design.column(cell.column)[rows]
                terms[v].append(_Term(cell, k, x, under))
        self.terms: dict[int, list[_Term]] = {}
        self.context: dict[int, np.ndarray] = {}
        for v, found in terms.items():
            # logits are the same under many h: one context for each that differs
            under = np.array([np.ones(self.width), *(term.under for term in found)])
            _, first, context = np.unique(under, axis=1, return_index=True, return_inverse=True)
            self.context[v] = context.ravel()
            self.terms[v] = [replace(term, under=term.under[first]) for term in found]
        self.known = np.zeros((self.n, self.width))
        for v in self.variables:
            codes = design.known.get(model.classes[v].name)
            if codes is not None:
                at = codes[rows]
                self.known[(at[:, None] >= 0) & (at[:, None] != classes[None, :, v])] = -np.inf

    @staticmethod
    def data(model: Model, design: Design, level: int) -> np.ndarray:
        """All data of the units of a level by which their probabilities differ, (units, columns)."""
        rows = design.first_row[level]
        here = [variable.name for variable in model.classes if variable.level == level]
        logits = {f"{variable.name}[{name}]" for variable in model.classes for name in variable.classes}
        used = {
            cell.column for group in model.groups for cell in group.membership
            if cell.row.rpartition("[")[0] in here and cell.column not in logits
        }  # fmt: skip
        known = [design.known[name][rows] for name in here if name in design.known]
        return np.column_stack([design.group_of[rows], *known, *(design.column(name)[rows] for name in sorted(used))])

    def logits(self, v: int, values: np.ndarray) -> np.ndarray:
        """(K, contexts, n) linear predictors of the classes of one variable."""
        out = np.zeros((self.counts[v], self.context[v].max(initial=0) + 1, self.n))
        for term in self.terms[v]:
            for c in np.flatnonzero(term.under):
                out[term.klass, c] += term.cell.at(values) * term.x
        return out

    def log_probabilities(self, values: np.ndarray) -> np.ndarray:
        """Σ over the level's variables of log π, (n, h); −∞ where a class is known to be another."""
        return self.known + self.unknown_log_probabilities(values)

    def unknown_log_probabilities(self, values: np.ndarray) -> np.ndarray:
        """The same whatever is known of the classes."""
        total = np.zeros((self.n, self.width))
        for v in self.variables:
            if v in self.summed:
                continue
            eta = self.logits(v, values)
            total += (eta - _log_sum(eta))[self.classes[:, v], self.context[v]].T
        return total

    def slopes(self, values: np.ndarray) -> np.ndarray:
        """∂ log π, (n, h, q)."""
        out = np.zeros((self.n, self.width, len(values)))
        for v in self.variables:
            p = self._probabilities(v, values)
            for term in self.terms[v]:
                if term.cell.is_free:
                    context = self.context[v]
                    own = (self.classes[:, v] == term.klass)[:, None] - p[term.klass, context]
                    out[:, :, term.cell.number] += term.x[:, None] * term.under[context] * own.T
        return out

    def pull_back(self, values: np.ndarray, weights: np.ndarray, gradient: np.ndarray) -> None:
        """Add Σ w_j(h) ∂ log π_j to a gradient."""
        for v in self.variables:
            p, own = self._probabilities(v, values), self._by_class(v, weights)
            off = own - p * own.sum(axis=0)
            for term in self.terms[v]:
                if term.cell.is_free:
                    gradient[term.cell.number] += term.under @ (off[term.klass] @ term.x)

    def information(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """−Σ w_j(h) ∂² log π_j, (q, q)."""
        out = np.zeros((len(values), len(values)))
        for v in self.variables:
            p, total = self._probabilities(v, values), self._by_class(v, weights).sum(axis=0)
            free = [term for term in self.terms[v] if term.cell.is_free]
            for a, one in enumerate(free):
                for other in free[: a + 1]:
                    under = one.under * other.under
                    if not under.any():
                        continue
                    both = p[one.klass] * ((one.klass == other.klass) - p[other.klass]) * total
                    value = under @ (both @ (one.x * other.x))
                    out[one.cell.number, other.cell.number] += value
                    if one is not other:
                        out[other.cell.number, one.cell.number] += value
        return out

    def _by_class(self, v: int, weights: np.ndarray) -> np.ndarray:
        """Weights of h added up over those of the same class of a variable in the same context, (K, contexts, n)."""
        out = np.zeros((self.counts[v], self.context[v].max(initial=0) + 1, self.n))
        for h, (k, c) in enumerate(zip(self.classes[:, v], self.context[v])):
            out[k, c] += weights[:, h]
        return out

    def _probabilities(self, v: int, values: np.ndarray) -> np.ndarray:
        eta = self.logits(v, values)
        return np.exp(eta - _log_sum(eta))


def _log_sum(eta: np.ndarray) -> np.ndarray:
    """log Σ exp over the first axis, of finite numbers."""
    top = eta.max(axis=0)
    return np.log(np.exp(eta - top).sum(axis=0)) + top
