"""Three-step analysis of an outcome that the classes may predict, with what assignment to classes gets wrong put right.

Each unit is assigned to its likeliest class W, wrongly with probabilities (Bolck, Croon & Hagenaars 2004)

    D_ts = P(W = s | c = t) = Σ_j p_jt 1[W_j = s] / Σ_j p_jt.

bch   Means of class t with the weights w_jt = [D⁻¹]_{W_j t} of every unit in every class (Vermunt 2010, section 3.1),
      the covariances of their weighted deviations by units, which each have a row in every class.
ml    log L = Σ_j log Σ_t π_t f(z_j; μ_t) D_{t W_j} with D held (Vermunt 2010, section 3.2; Asparouhov & Muthén 2014):
      f is normal, with a variance for each class, or multinomial. Standard errors are A⁻¹BA⁻¹ (White 1982).
modal What they put right: means of those who are assigned to a class, which are too close to each other.

That D is estimated adds nothing to the standard errors. The test is Wald's of equal means, or proportions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semgllamm.errors import DataError, EstimationError, ModelError
from semgllamm.results.classes import prior_and_posterior, variable_number

if TYPE_CHECKING:
    from semgllamm.results.fit import Fit

__all__ = ["Distal", "distal"]

METHODS = ("bch", "ml", "modal")
EM_STEPS, ENOUGH = 2000, 1e-10
STEP = 1e-5


@dataclass(frozen=True)
class Distal:
    """An outcome in each class.

    Attributes
    ----------
    table : DataFrame
        `class`, `category` ("" for means), `estimate`, `se`.
    stat, df, pvalue : float, int, float
        Wald's test that all classes are alike.
    method, outcome, variable : str
    n : int
        Units with a value.
    """

    table: pd.DataFrame
    stat: float
    df: int
    pvalue: float
    method: str
    outcome: str
    variable: str
    n: int

    def __repr__(self) -> str:
        what = f"{self.outcome} by class of {self.variable} ({self.method}, n = {self.n})"
        test = f"Wald test of no difference: chi2 = {self.stat:.3f}, df = {self.df}, p = {self.pvalue:.3f}"
        return f"{what}\n{self.table.to_string(index=False, float_format='{:.3f}'.format)}\n{test}"


def distal(
    fit: Fit, outcome: str, method: str = "bch", name: str | None = None, categorical: bool | None = None
) -> Distal:
    """See `Fit.distal`.

    Raises
    ------
    ModelError
        For an unknown method or variable.
    DataError
        For an outcome that is not there, has one value, or is not numeric where it has to be.
    EstimationError
        If the classes cannot be told apart.
    """
    if method not in METHODS:
        raise ModelError(f"method '{method}' is unknown", remedy=f"Known: {', '.join(METHODS)}.")
    v = variable_number(fit, name)
    variable = fit.model.classes[v]
    fit.binding.need_rows("outcomes of classes")
    values = _outcome(fit, outcome, variable)
    seen = values.notna().to_numpy()
    if values[seen].nunique() < 2:
        raise DataError(f"column '{outcome}' has one value: there is nothing to compare")
    if categorical is None:
        categorical = not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)
    if not categorical and not pd.api.types.is_numeric_dtype(values):
        raise DataError(f"column '{outcome}' is not numeric", remedy="Use categorical=True.")
    categories = sorted(values[seen].unique().tolist(), key=str) if categorical else [""]
    columns = values[seen].to_numpy()
    z = np.stack([columns == k for k in categories], axis=1).astype(float) if categorical else (
        columns.astype(float)[:, None]
    )  # fmt: skip
    _, posterior = prior_and_posterior(fit, v)
    modal = posterior.argmax(axis=1)
    K = posterior.shape[1]
    W = np.eye(K)[modal]
    D = posterior.T @ W / posterior.sum(axis=0)[:, None]
    if method != "modal" and np.linalg.cond(D) > 1e8:
        raise EstimationError("the classes are not told apart well enough: some class is nobody's likeliest")
    if method == "ml":
        estimates, V = _by_likelihood(z, W[seen] @ D.T, posterior[seen].mean(axis=0), categorical)
    else:
        w = W[seen] if method == "modal" else W[seen] @ np.linalg.inv(D)
        estimates, V = _weighted(z, w)
    rows = [
        (k, category, estimates[t, m], np.sqrt(V[t, m, t, m]))
        for t, k in enumerate(variable.classes) for m, category in enumerate(categories)
    ]  # fmt: skip
    stat, df, pvalue = _wald(estimates, V, categorical)
    table = pd.DataFrame(rows, columns=["class", "category", "estimate", "se"])
    return Distal(table, stat, df, pvalue, method, outcome, variable.name, int(seen.sum()))


def _outcome(fit: Fit, outcome: str, variable) -> pd.Series:
    """A value for each unit of the variable's level."""
    frame, design = fit.binding.frame, fit.design
    if outcome not in frame:
        raise DataError(f"there is no column '{outcome}'")
    values = frame[outcome].iloc[design.kept].reset_index(drop=True)
    if variable.level == 0:
        return values
    code, level = design.codes[variable.level], fit.model.levels[variable.level]
    if values.groupby(code).nunique(dropna=True).max() > 1:
        raise DataError(f"column '{outcome}' varies within units of '{level}', of which '{variable.name}' has classes")
    return values.groupby(code).first()


# ---- the second and third step


def _weighted(z: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (classes, columns) of z with weights, and their covariances."""
    total = w.sum(axis=0)
    if (total <= 0).any():
        raise EstimationError("some class has no weight among the units with an outcome")
    means = w.T @ z / total[:, None]
    influence = w[:, :, None] * (z[:, None, :] - means) / total[:, None]
    return means, np.einsum("nta,nsb->tasb", influence, influence)


def _by_likelihood(z: np.ndarray, of_assigned: np.ndarray, start: np.ndarray, categorical: bool):
    """Maximum likelihood with the probabilities of the assigned class given; `of_assigned` holds D_{t W_j}."""
    pi, p = start, start * of_assigned
    p = p / p.sum(axis=1, keepdims=True)
    before = -np.inf
    for _ in range(EM_STEPS):
        pi, means = p.mean(axis=0), p.T @ z / p.sum(axis=0)[:, None]
        variance = None if categorical else np.einsum("nt,nt->t", p, (z - means.T) ** 2) / p.sum(axis=0)
        if variance is not None and (variance < 1e-10 * z.var()).any():
            raise EstimationError("the variance of the outcome vanishes in a class", remedy="Use method='bch'.")
        log_f = _log_density(z, means, variance)
        joint = np.log(pi) + log_f + np.log(np.maximum(of_assigned, 1e-300))
        top = joint.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(joint - top).sum(axis=1))
        p = np.exp(joint - total[:, None])
        if total.sum() - before < ENOUGH * abs(total.sum()):
            break
        before = total.sum()
    theta = _packed(pi, means, variance)

    def scores(x: np.ndarray) -> np.ndarray:
        return _scores(x, z, of_assigned, categorical)

    live = _interior(pi, means, variance)
    h = STEP * (1 + np.abs(theta))
    S = scores(theta)[:, live]
    A = np.array([
        (scores(theta + e)[:, live].sum(axis=0) - scores(theta - e)[:, live].sum(axis=0)) / (2 * e.max())
        for e in np.diag(h)[live]
    ])  # fmt: skip
    try:
        bread = np.linalg.inv(-(A + A.T) / 2)
    except np.linalg.LinAlgError as failure:
        raise EstimationError("the information on the outcome is singular", remedy="Use method='bch'.") from failure
    covariance = np.zeros((len(theta), len(theta)))
    covariance[np.ix_(live, live)] = bread @ (S.T @ S) @ bread
    K, M = means.shape
    G = _slopes(theta, K, M, categorical)
    return means, (G @ covariance @ G.T).reshape(K, M, K, M)


def _log_density(z: np.ndarray, means: np.ndarray, variance: np.ndarray | None) -> np.ndarray:
    if variance is None:
        return z @ np.log(np.maximum(means, 1e-300)).T
    return -0.5 * (np.log(2 * np.pi * variance) + (z - means.T) ** 2 / variance)


def _packed(pi: np.ndarray, means: np.ndarray, variance: np.ndarray | None) -> np.ndarray:
    """Logits of classes against the last; means and log variances, or logits of categories against the last."""
    logits = np.log(pi[:-1] / pi[-1])
    if variance is None:
        safe = np.maximum(means, 1e-12)
        return np.concatenate([logits, np.log(safe[:, :-1] / safe[:, -1:]).ravel()])
    return np.concatenate([logits, means[:, 0], np.log(variance)])


def _interior(pi: np.ndarray, means: np.ndarray, variance: np.ndarray | None) -> np.ndarray:
    """Which parameters are not logits of a probability of zero."""
    free = np.ones(len(pi) - 1, dtype=bool)
    if variance is None:
        return np.concatenate([free, ((means[:, :-1] > 1e-8) & (means[:, -1:] > 1e-8)).ravel()])
    return np.concatenate([free, np.ones(2 * len(pi), dtype=bool)])


def _shares(logits: np.ndarray) -> np.ndarray:
    e = np.exp(np.concatenate([logits, np.zeros((*logits.shape[:-1], 1))], axis=-1))
    return e / e.sum(axis=-1, keepdims=True)


def _scores(theta: np.ndarray, z: np.ndarray, of_assigned: np.ndarray, categorical: bool) -> np.ndarray:
    """The scores of the units, (n, parameters)."""
    K = of_assigned.shape[1]
    pi, rest = _shares(theta[: K - 1]), theta[K - 1 :]
    if categorical:
        means, variance = _shares(rest.reshape(K, -1)), None
    else:
        means, variance = rest[:K, None], np.exp(rest[K:])
    p = pi * np.exp(_log_density(z, means, variance)) * of_assigned
    p = p / p.sum(axis=1, keepdims=True)
    if categorical:
        own = p[:, :, None] * (z[:, None, :-1] - means[:, :-1])
        return np.concatenate([p[:, :-1] - pi[:-1], own.reshape(len(z), -1)], axis=1)
    off = z - means.T
    return np.concatenate([p[:, :-1] - pi[:-1], p * off / variance, p * (off**2 / variance - 1) / 2], axis=1)


def _slopes(theta: np.ndarray, K: int, M: int, categorical: bool) -> np.ndarray:
    """Slopes of the means, or proportions, in the parameters, (K M, parameters)."""
    G = np.zeros((K, M, len(theta)))
    for t in range(K):
        if not categorical:
            G[t, 0, K - 1 + t] = 1.0
            continue
        at = K - 1 + t * (M - 1)
        q = _shares(theta[at : at + M - 1])
        G[t, :, at : at + M - 1] = (np.diag(q) - np.outer(q, q))[:, :-1]
    return G.reshape(K * M, -1)


def _wald(estimates: np.ndarray, V: np.ndarray, categorical: bool) -> tuple[float, int, float]:
    """Differences of every class from the last; the last category follows from the others."""
    from scipy.special import chdtrc

    K, M = estimates.shape
    used = M - 1 if categorical else 1
    contrast = np.concatenate([np.eye(K - 1), -np.ones((K - 1, 1))], axis=1)
    C = np.kron(contrast, np.eye(M)[:used])
    d, S = C @ estimates.ravel(), C @ V.reshape(K * M, K * M) @ C.T
    inverse = np.linalg.pinv(S, hermitian=True)
    df = int(np.linalg.matrix_rank(S, hermitian=True))
    stat = float(d @ inverse @ d)
    return stat, df, float(chdtrc(df, stat))
