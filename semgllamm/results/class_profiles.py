"""What members of each class answer: probabilities of categories, and means, with standard errors.

    P(y = k | c) = ∫ P(y = k | ν = f_c + d_c z) φ(z) dz,        E(y | c) = ∫ E(y | ν = f_c + d_c z) φ(z) dz,

f_c with covariates at their means (products at the product of means), and d_c the standard deviation of what continuous
latent variables add within the class. Standard errors are by the delta method, with slopes in the free parameters by
central differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data.classes import in_patterns
from semgllamm.data.made_rows import answered_rows
from semgllamm.estimation.predictor import Predictor
from semgllamm.responses import adjacent, ordinal, sequential
from semgllamm.responses.contract import Family
from semgllamm.results.classes import membership_of
from semgllamm.results.plots import axes_for

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from semgllamm.results.fit import Fit

__all__ = ["Profile", "class_profiles", "plot_profiles", "profiles"]

NODES = 31  # of the integral over one normal variable
NODES_OF_CHOICE, MOST_DIMENSIONS = 11, 4  # of each of several, for choices
STEP = 1e-5


@dataclass(frozen=True)
class Profile:
    """One number of one class: a category's probability, or a mean (`category` is "")."""

    variable: str
    klass: str
    group: int
    response: str
    category: str
    estimate: float
    se: float


def class_profiles(fit: Fit) -> pd.DataFrame:
    """See `Fit.class_profiles`."""
    import pandas as pd

    found = profiles(fit)
    out = pd.DataFrame(
        [(p.variable, p.klass, p.group, p.response, p.category, p.estimate, p.se) for p in found],
        columns=["variable", "class", "group", "response", "category", "estimate", "se"],
    )  # fmt: skip
    if len(fit.model.group_labels) == 1:
        return out.drop(columns="group")
    return out.assign(group=[fit.model.group_labels[g] for g in out["group"]])


def profiles(fit: Fit, se: bool = True) -> list[Profile]:
    """All of them: by group, response, class and category; of responses that differ between classes.

    Raises
    ------
    ModelError
        If the model has no categorical latent variable.
    """
    asked = _Asked(fit)
    values = asked.values(fit.free)
    errors = [np.full(value.shape, np.nan) for value in values]
    V = fit._vcov_free
    if se and V is not None:
        errors = _errors(asked, fit.free, V, values)
    model, out = fit.model, []
    for entry, value, error in zip(asked.entries, values, errors):
        number, chosen = _depends_on(value, model.patterns)
        if not chosen or np.isnan(value).any():
            continue
        variable = ", ".join(model.classes[v].name for v in chosen)
        for p in number:
            klass = ", ".join(model.classes[v].classes[model.patterns[p][v]] for v in chosen)
            out += [
                Profile(variable, klass, entry.group, entry.response, category, float(x), float(s))
                for category, x, s in zip(entry.categories, value[p], error[p])
            ]  # fmt: skip
    return out


def _errors(asked: _Asked, free: np.ndarray, V: np.ndarray, values: list[np.ndarray]) -> list[np.ndarray]:
    slopes = [np.zeros((*value.shape, len(free))) for value in values]
    for k in range(len(free)):
        h = STEP * (1 + abs(free[k]))
        moved = np.zeros(len(free))
        moved[k] = h
        for slope, up, down in zip(slopes, asked.values(free + moved), asked.values(free - moved)):
            slope[..., k] = (up - down) / (2 * h)
    known = ~np.isnan(np.diag(V))
    out = []
    for slope in slopes:
        G = slope[..., known]
        variance = np.einsum("pka,ab,pkb->pk", G, V[np.ix_(known, known)], G)
        variance[(np.abs(slope[..., ~known]) > 1e-12).any(axis=2)] = np.nan
        out.append(np.sqrt(np.maximum(variance, 0.0)))
    return out


def _depends_on(value: np.ndarray, patterns) -> tuple[list[int], tuple[int, ...]]:
    """The fewest variables that tell the rows of `value` apart, and a pattern for each combination of their classes."""
    several = range(len(patterns[0]))
    for size in range(len(several) + 1):
        for chosen in combinations(several, size):
            first: dict[tuple[int, ...], int] = {}
            for p, pattern in enumerate(patterns):
                first.setdefault(tuple(pattern[v] for v in chosen), p)
            alike = [first[tuple(pattern[v] for v in chosen)] for pattern in patterns]
            if (value == value[alike]).all():
                return list(first.values()), chosen
    return list(range(len(patterns))), tuple(several)


@dataclass(frozen=True)
class _Entry:
    """What is asked of one response in one group."""

    group: int
    response: str
    categories: tuple[str, ...]
    names: tuple[str, ...]  # of its linear predictors: several, the reference first, of a choice


class _Asked:
    """One row for each group, with covariates at their means, in every pattern of classes."""

    def __init__(self, fit: Fit):
        likelihood = membership_of(fit)
        model, design, binding = fit.model, fit.design, fit.binding
        groups = len(model.group_labels)
        self.working, self.patterns = likelihood.working, len(model.patterns)
        members = [design.group_of == g for g in range(groups)]
        columns = {
            name: np.array([x[mine].mean() for mine in members]) for name, x in design.columns.items()
        }  # fmt: skip
        answers, self.entries, done = {}, [], set()
        for response in model.responses:
            if response.answer == response.name or response.name in model.hidden:
                continue
            seen = {b.group: float(b.y[0]) for b in design.blocks if b.response.name == response.name}
            answers[response.name] = np.array([seen.get(g, np.nan) for g in range(groups)])
            if response.answer:
                labels = binding.nominal[response.answer]
                names = tuple(r.name for r in model.responses if r.answer == response.answer)
                if response.answer in done:
                    continue
                done.add(response.answer)
                for at, name in enumerate(names):
                    # the first is chosen: any answer will do
                    answers[name] = np.where(np.isnan(answers[response.name]), np.nan, float(at == 0))
                entries = [(response.answer, labels, names)]
            else:
                entries = [(response.name, _categories(response, binding), (response.name,))]
            self.entries += [
                _Entry(g, name, tuple(map(str, labels)), names)
                for g in range(groups) if g in seen for name, labels, names in entries
            ]  # fmt: skip
        for response in model.responses:
            if response.answer and response.answer != response.name:
                first = next(r.name for r in model.responses if r.answer == response.answer)
                asked = ~np.isnan(answers[first])
                answers[response.name] = np.where(asked, float(response.name == first), np.nan)
        rows = answered_rows(model, np.arange(groups), answers, columns)
        _, self.working, tree, _ = likelihood._walked
        lowest = likelihood.class_levels[0]
        self.predictor = Predictor(model, self.working, tree, in_patterns(rows, model), False, lowest)
        self.block = {
            (b.source.group, b.source.response.name): b for b in self.predictor.blocks if not b.source.repeats
        }  # fmt: skip

    def values(self, free: np.ndarray) -> list[np.ndarray]:
        """(patterns, categories) of every entry."""
        state = self.predictor.before_whitening(self.working.inner(free))
        out = []
        for entry in self.entries:
            rows = []
            for p in range(self.patterns):
                found = [self.block[entry.group * self.patterns + p, name] for name in entry.names]
                f = np.array([state.lin[b.cells, 0][0] for b in found])
                D = np.array([state.D[b.cells][0] for b in found])
                if len(entry.names) > 1:
                    rows.append(_choice(found[0].source.response.family, f, D))
                else:
                    rows.append(_answer(found[0].source.response, f[0], D[0], self.predictor.own_of(found[0], state)))
            out.append(np.array(rows))
        return out


def _categories(response, binding) -> tuple[str, ...]:
    if response.categories:
        return binding.labels.get(response.name, tuple(map(str, range(response.categories))))
    if response.family.name == "bernoulli":
        return ("0", "1")
    return ("",)


def _answer(response, f: float, d: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Probabilities of categories, or the mean, with what is normal within the class integrated out."""
    from numpy.polynomial.hermite_e import hermegauss

    z, w = hermegauss(NODES) if d.any() else (np.zeros(1), np.ones(1))
    nu, w = f + np.sqrt(d @ d) * z, w / w.sum()
    if response.categories:
        return w @ category_probabilities(response.family, nu, own)
    mean = float(w @ response.family.mean(nu, own))
    return np.array([1.0 - mean, mean]) if response.family.name == "bernoulli" else np.array([mean])


def _choice(family: Family, f: np.ndarray, D: np.ndarray) -> np.ndarray:
    """The same of a choice; NaN where it depends on too many latent variables."""
    from numpy.polynomial.hermite_e import hermegauss

    live = np.flatnonzero(D.any(axis=0))
    if len(live) > MOST_DIMENSIONS:
        return np.full(len(f), np.nan)
    if not len(live):
        return family.mean(f[None, :])[0]
    z, w = hermegauss(NODES_OF_CHOICE)
    grid = np.array(list(product(z, repeat=len(live))))
    weight = np.array([np.prod(ws) for ws in product(w / w.sum(), repeat=len(live))])
    return weight @ family.mean(f + grid @ D[:, live].T)


def category_probabilities(family: Family, nu: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """P(y = k | ν) of an ordered response, categories along the last axis."""
    if family.name == "adjacent":
        return adjacent.probabilities(nu, thresholds)
    kind = sequential if family.name == "sequential" else ordinal
    return kind.probabilities(nu, thresholds, family.link)


def plot_profiles(fit: Fit, ax: Axes | None = None) -> Axes:
    """See `Fit.plot_profiles`."""
    found = [p for p in profiles(fit) if p.category != "0" or _more_than_two(fit, p)]
    ax = axes_for(ax)
    places = list(dict.fromkeys((p.group, p.response, p.category) for p in found))
    labels = [f"{response}={category}" if category not in ("", "1") else response for _, response, category in places]
    for variable, klass in dict.fromkeys((p.variable, p.klass) for p in found):
        mine = {(p.group, p.response, p.category): p for p in found if (p.variable, p.klass) == (variable, klass)}
        at = [k for k, place in enumerate(places) if place in mine]
        points = [mine[places[k]] for k in at]
        bars = [0.0 if np.isnan(p.se) else p.se for p in points]
        ax.errorbar(at, [p.estimate for p in points], bars, marker="o", capsize=2, label=f"{variable}={klass}")
    ax.set_xticks(range(len(places)), labels, rotation=90 if len(places) > 8 else 0)
    ax.set_ylabel("mean" if all(p.category == "" for p in found) else "probability")
    ax.legend()
    return ax


def _more_than_two(fit: Fit, profile: Profile) -> bool:
    family = next((r for r in fit.model.responses if r.name == profile.response), None)
    return family is None or family.family.name != "bernoulli"
