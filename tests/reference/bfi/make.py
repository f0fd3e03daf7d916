"""The graded response model (logit) of agreeableness A1 to A5 and conscientiousness C1 to C5, two correlated factors.

    python tests/reference/bfi/make.py

maximises the log-likelihood, an integral by ordinary sums over a dense grid in both factors, in plain NumPy with
SciPy's optimiser, and writes values.json. Some ten minutes. `make.R` writes data.csv.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from scipy.optimize import minimize
from scipy.special import expit

HERE = Path(__file__).parent
SIZE, REACH = 61, 6.5
NAMES = [f"{factor}{k}" for factor in "AC" for k in range(1, 6)]
SOURCE = (
    "Revelle, W. (2022). psych: Procedures for Psychological, Psychometric, and Personality Research. Northwestern "
    "University, Evanston, Illinois. R package; its data set bfi, 25 items of the International Personality Item Pool "
    "(ipip.ori.org), collected by the SAPA project: Revelle, W., Wilt, J., & Rosenthal, A. (2010). Individual "
    "differences in cognition: New methods for examining the personality-cognition link. In Gruszka, Matthews & "
    "Szymura (eds.), Handbook of Individual Differences in Cognition, chapter 2. Springer."
)

answers = pd.read_csv(HERE / "data.csv")[NAMES].to_numpy(dtype=float) - 1
answers = answers[~np.isnan(answers).all(axis=1)]
node = np.linspace(-REACH, REACH, SIZE)
# 0 to 5 for the answers of each item, none where missing
one_hot = [(answers[:, j, None] == np.arange(6)).astype(float) for j in range(10)]


def probabilities(loading, threshold):
    """P(y = k | η) over the nodes, (SIZE, 6), and its derivatives in loading and thresholds, (6, SIZE, 6)."""
    at_most = expit(threshold - loading * node[:, None])
    slope = at_most * (1 - at_most)
    edge = np.zeros((SIZE, 1))
    p = np.diff(np.concatenate([edge, at_most, edge + 1], axis=1), axis=1)
    change = np.zeros((6, SIZE, 6))
    change[0] = np.diff(np.concatenate([edge, -node[:, None] * slope, edge], axis=1), axis=1)
    for k in range(5):
        change[1 + k, :, k] += slope[:, k]
        change[1 + k, :, k + 1] -= slope[:, k]
    return p, change


def objective(parameters):
    """−log L and its gradient in 10 loadings, 50 thresholds and artanh of the correlation."""
    loading, threshold, rho = parameters[:10], parameters[10:60].reshape(10, 5), np.tanh(parameters[60])
    if (np.diff(threshold, axis=1) <= 0).any():
        return np.inf, np.full(61, np.nan)
    tables = [probabilities(l, t) for l, t in zip(loading, threshold)]
    logs = [o @ np.log(p.T) for o, (p, _) in zip(one_hot, tables)]
    a, c = np.exp(sum(logs[:5])), np.exp(sum(logs[5:]))
    x, y = node[:, None], node[None, :]
    form = (x * x - 2 * rho * x * y + y * y) / (1 - rho**2)
    prior = np.exp(-0.5 * form) / (2 * np.pi * np.sqrt(1 - rho**2)) * (node[1] - node[0]) ** 2
    inside = c @ prior.T
    L = (a * inside).sum(axis=1)
    by_a, by_c = a * inside / L[:, None], c * (a @ prior) / L[:, None]
    gradient = np.zeros(61)
    for j, (o, (p, change)) in enumerate(zip(one_hot, tables)):
        counts = (by_a if j < 5 else by_c).T @ o
        g = (change * (counts / p)).sum(axis=(1, 2))
        gradient[j], gradient[10 + 5 * j : 15 + 5 * j] = g[0], g[1:]
    joint = prior * ((a / L[:, None]).T @ c)
    change = rho / (1 - rho**2) + (x * y - rho * form) / (1 - rho**2)
    gradient[60] = (joint * change).sum() * (1 - rho**2)
    return -np.log(L).sum(), -gradient


def main():
    margins = np.array([[np.nanmean(answers[:, j] <= k) for k in range(5)] for j in range(10)])
    thresholds = 1.3 * np.log(margins / (1 - margins))
    start = np.concatenate([[-1, 1.5, 2, 1, 1.5, 1.5, 1.5, 1.5, -1.5, -1.5], thresholds.ravel(), [0.3]])
    found = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-3, "maxiter": 500})

    def information(at):
        J = np.zeros((61, 61))
        for k in range(61):
            h = 1e-4 * max(1, abs(at[k]))
            up, down = at.copy(), at.copy()
            up[k], down[k] = at[k] + h, at[k] - h
            J[k] = (objective(up)[1] - objective(down)[1]) / (2 * h)
        return (J + J.T) / 2

    J, best = information(found.x), found.x
    for _ in range(4):
        best = best - np.linalg.solve(J, objective(best)[1])
    value, gradient = objective(best)
    se = np.sqrt(np.diag(np.linalg.inv(information(best))))
    names = [f"{'agree' if j < 5 else 'conscience'}=~{n}" for j, n in enumerate(NAMES)]
    names += [f"{n}|t{k}" for n in NAMES for k in range(1, 6)] + ["agree~~conscience"]
    rho = np.tanh(best[60])
    estimates, errors = [*best[:60], rho], [*se[:60], se[60] * (1 - rho**2)]
    stored = {
        "data": "data.csv", "source": SOURCE, "loglik": -value, "largest_gradient": float(np.abs(gradient).max()),
        "software": f"NumPy {np.__version__}, SciPy {scipy.__version__}; {SIZE} x {SIZE} nodes, +-{REACH} deviations",
        "estimates": dict(zip(names, map(float, estimates))), "se": dict(zip(names, map(float, errors))),
    }  # fmt: skip
    (HERE / "values.json").write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
    print(-value, np.abs(gradient).max())


if __name__ == "__main__":
    main()
