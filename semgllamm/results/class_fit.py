"""How well classes fit, and how clearly they are told apart.

With EN = −Σ_j Σ_c p_jc log p_jc the entropy of all posterior probabilities, q parameters and n rows,

    CAIC = −2 log L + q (log n + 1)                                    Bozdogan (1987)
    SABIC = −2 log L + q log((n + 2)/24)                               Sclove (1987)
    ICL  = BIC + 2 EN                                                  Biernacki, Celeux & Govaert (2000), as ICL-BIC
                                                                       in McLachlan & Peel (2000, section 6.10.3)

and of a contingency table with observed and expected numbers O and E of its cells

    X² = Σ (O − E)²/E,      G² = 2 Σ O log(O/E),      df = cells − groups − q.

Bivariate residuals are X² of the table of two items, collapsed over the others, over (K_1 − 1)(K_2 − 1) (Vermunt &
Magidson 2005); they have no known distribution: of items that are independent within classes they are about 1 or less.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data.made_rows import answered_rows
from semgllamm.errors import ModelError
from semgllamm.estimation.inner_classes import InnerClasses
from semgllamm.estimation.mixture import Members, MixtureLikelihood
from semgllamm.results.classes import entropy, membership_of, prior_and_posterior, variable_number

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = [
    "Contingency", "bivariate_residuals", "classification_entropy", "classification_table", "contingency",
    "mixture_measures", "why_no_table",
]  # fmt: skip

FEW = 5.0  # expected number of a cell below which χ² is a poor approximation (Koehler & Larntz 1980)


# ---- measures


def mixture_measures(fit: Fit) -> dict[str, float]:
    """CAIC, ICL, entropy R², and the tests of a contingency table where there is one."""
    bic = fit.bic
    out = {"caic": bic + fit.npar, "icl": bic + 2 * classification_entropy(fit)}
    variables = fit.model.classes
    for v, variable in enumerate(variables):
        out["entropy" if len(variables) == 1 else f"entropy.{variable.name}"] = entropy(fit, v)
    if why_no_table(fit) is None and fit.converged:
        table = contingency(fit)
        out |= {
            "pearson": table.pearson, "pearson.pvalue": table.pvalues[0], "g2": table.deviance,
            "g2.pvalue": table.pvalues[1], "table.df": table.df, "table.cells": table.cells,
            "table.patterns": table.patterns,
        }  # fmt: skip
    return out


def classification_entropy(fit: Fit) -> float:
    """EN, of all categorical variables at once: of classes within classes of the higher, and of the lower given it."""
    if isinstance(fit.likelihood, InnerClasses):
        p = fit.likelihood.class_probabilities(fit.free, fit.points)
        rows = fit.design.first_row[fit.model.classes[0].level]
        w = fit.design.weight(fit.model.classes[0].level, len(fit.design.codes), rows)
        return -float((w[:, None] * p * np.log(np.where(p > 0, p, 1.0))).sum())
    likelihood = membership_of(fit)
    _, members = likelihood.members(fit.free, fit.points)
    total = 0.0
    for share, p, w in zip(members.shares, members.posterior, likelihood.mixing.unit_weights()):
        total -= float((w[:, None] * p * np.log(np.where(share > 0, share, 1.0))).sum())
    return total


def classification_table(fit: Fit, name: str | None = None) -> pd.DataFrame:
    """See `Fit.classification_table`."""
    import pandas as pd

    v = variable_number(fit, name)
    variable = fit.model.classes[v]
    _, posterior = prior_and_posterior(fit, v)
    modal = posterior.argmax(axis=1)
    columns = [f"{variable.name}={k}" for k in variable.classes]
    units = np.bincount(modal, minlength=len(columns))
    sums = np.array([posterior[modal == k].sum(axis=0) for k in range(len(columns))])
    with np.errstate(invalid="ignore"):
        rows = [(n, *average) for n, average in zip(units, sums / units[:, None])]
    index = pd.Index(columns, name="most likely")
    return pd.DataFrame(rows, index=index, columns=["units", *columns]).astype({"units": int})


# ---- contingency tables


@dataclass(frozen=True)
class Contingency:
    """X² and G² of the table of all answers.

    Attributes
    ----------
    pearson, deviance, df, pvalues
        NaN for p-values without degrees of freedom.
    cells, patterns : int
        Cells of the table, of all groups, and those that somebody is in.
    sparse : bool
        There are on average fewer than five answers in a cell: the p-values mean little.
    """

    pearson: float
    deviance: float
    df: int
    pvalues: tuple[float, float]
    cells: int
    patterns: int
    sparse: bool


def why_no_table(fit: Fit, missing: bool = False) -> str | None:
    """What keeps the answers from being a contingency table with one probability for each cell; None if nothing does.

    Parameters
    ----------
    missing : bool
        Missing answers are no obstacle.
    """
    model, design = fit.model, fit.design
    for response in model.responses:
        if not (response.categories or response.answer or response.family.name == "bernoulli"):
            return f"'{response.name}' is not categorical"
        if response.answer == response.name:
            return f"'{response.name}' is a choice in long form"
    if len(model.levels) > 1:
        return "the data have several levels"
    if design.columns or any((block.offset != 0).any() for block in design.blocks):
        return "there are covariates"
    if design.known:
        return "some classes are known"
    counts = set(design.response_counts.values())
    if not missing and counts != {design.n_rows}:
        return "some answers are missing"
    return None


def contingency(fit: Fit) -> Contingency:
    """The tests of the fit against the saturated table.

    Raises
    ------
    ModelError
        If the answers are no contingency table.
    """
    from scipy.special import chdtrc

    reason = why_no_table(fit)
    if reason is not None:
        raise ModelError(f"X² and G² are of contingency tables, and {reason}")
    likelihood = membership_of(fit)
    group = fit.design.group_of
    _, members = likelihood.members(fit.free, fit.points)
    # units with the same answers in the same group are one
    observed = likelihood.mixing.weight
    first = np.unique(likelihood.stands_for, return_index=True)[1]
    size = np.bincount(group)
    n = size[group[first]]
    expected = n * np.exp(members.loglik)
    pearson = float(((observed - expected) ** 2 / expected).sum() + size.sum() - expected.sum())
    deviance = float(2 * (observed * np.log(observed / expected)).sum())
    kinds = [count for _, count in _items(fit)]
    cells = len(size) * int(np.prod(kinds))
    df = cells - len(size) - fit.npar
    pvalues = tuple(float(chdtrc(df, x)) if df > 0 else np.nan for x in (pearson, deviance))
    return Contingency(pearson, deviance, df, pvalues, cells, len(observed), bool(size.sum() < FEW * cells))


def _items(fit: Fit) -> list[tuple[str, int]]:
    """Each item by the name in the data, and its number of categories."""
    counts: dict[str, int] = {}
    for response in fit.model.responses:
        if response.answer:
            counts[response.answer] = counts.get(response.answer, 0) + 1
        else:
            counts[response.name] = response.categories or 2
    return list(counts.items())


def bivariate_residuals(fit: Fit) -> pd.DataFrame:
    """See `Fit.bivariate_residuals`."""
    import pandas as pd

    membership_of(fit)
    reason = why_no_table(fit, missing=True)
    if reason is not None:
        raise ModelError(f"bivariate residuals are of contingency tables, and {reason}")
    items, answers = _items(fit), _answers(fit)
    groups = len(fit.model.group_labels)
    pairs = list(combinations(range(len(items)), 2))
    asked, owner, cell, group = [], [], [], []
    for number, (i, j) in enumerate(pairs):
        a, b = (grid.ravel() for grid in np.meshgrid(*(np.arange(items[x][1]) for x in (i, j)), indexing="ij"))
        for g in range(groups):
            codes = np.full((len(a), len(items)), np.nan)
            codes[:, i], codes[:, j] = a, b
            asked.append(codes)
            owner += [number] * len(a)
            cell += range(len(a))
            group += [g] * len(a)
    if not pairs:
        raise ModelError("bivariate residuals need two items or more")
    probability = _probabilities(fit, np.concatenate(asked), np.array(group))
    owner, group = np.array(owner), np.array(group)
    rows = []
    for number, (i, j) in enumerate(pairs):
        both = ~np.isnan(answers[:, i]) & ~np.isnan(answers[:, j])
        width, statistic = items[j][1], 0.0
        for g in range(groups):
            mine = both & (fit.design.group_of == g)
            code = (answers[mine, i] * width + answers[mine, j]).astype(int)
            observed = np.bincount(code, minlength=items[i][1] * width)
            expected = mine.sum() * probability[(owner == number) & (group == g)]
            statistic += float(((observed - expected) ** 2 / expected).sum())
        df = groups * (items[i][1] - 1) * (width - 1)
        rows.append((items[i][0], items[j][0], int(both.sum()), statistic, df, statistic / df))
    return pd.DataFrame(rows, columns=["item1", "item2", "n", "x2", "df", "bvr"])


def _answers(fit: Fit) -> np.ndarray:
    """The codes of all answers, (rows, items); NaN where missing."""
    names = [name for name, _ in _items(fit)]
    codes = np.full((fit.design.n_rows, len(names)), np.nan)
    category, before = {}, dict.fromkeys(names, 0)
    for response in fit.model.responses:
        if response.answer:
            category[response.name] = before[response.answer]
            before[response.answer] += 1
    for block in fit.design.blocks:
        name = block.response.answer or block.response.name
        column = names.index(name)
        if block.response.answer:
            chosen = block.y == 1
            codes[block.rows[chosen], column] = category[block.response.name]
        elif not block.repeats:
            codes[block.rows, column] = block.y
    return codes


def _probabilities(fit: Fit, codes: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The probabilities of answers to some of the items, NaN for the others, (rows,)."""
    likelihood = membership_of(fit)
    model = fit.model
    names = [name for name, _ in _items(fit)]
    answers, before = {}, dict.fromkeys(names, 0)
    for response in model.responses:
        own = codes[:, names.index(response.answer or response.name)]
        if response.answer:
            own = np.where(np.isnan(own), np.nan, own == before[response.answer])
            before[response.answer] += 1
        answers[response.name] = own
    rows = answered_rows(model, group, answers, {})
    _, working, tree, _ = likelihood._walked
    asked = MixtureLikelihood(model, working, tree, rows, likelihood.ordinary, threads=1, collapse=False)
    members: Members | None = asked.expectation(fit.free, fit.points)[2]
    return np.exp(members.loglik)
