"""Simulated data whose truth is known, and their log-likelihoods at the truth by brute force.

Plain NumPy, written from the definitions of the models. Each generator gives (columns, truth); the parameters in
`truth` are named as in a parameter table.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

GRID = np.linspace(-8.5, 8.5, 171)  # in standard deviations; the trapezoidal rule is exact to 1e-12 here
LOG_WEIGHT = -(GRID**2) / 2 - 0.5 * np.log(2 * np.pi) + np.log(GRID[1] - GRID[0])


def logit_draws(rng, nu):
    return (rng.random(np.shape(nu)) < 1 / (1 + np.exp(-nu))).astype(int)


def log_bernoulli(y, nu):
    return y * nu - np.logaddexp(0, nu)


def log_normal(y, mean, variance):
    return -0.5 * (np.log(2 * np.pi * variance) + (y - mean) ** 2 / variance)


def log_sum_exp(values, axis):
    top = values.max(axis=axis, keepdims=True)
    return (top + np.log(np.exp(values - top).sum(axis=axis, keepdims=True))).squeeze(axis)


def random_intercept_logit(n_clusters=10_000, size=10, seed=20_260_101):
    """y ~ 1 + x + (1 | id), bernoulli(logit)."""
    truth = {"y~1": -0.5, "y~x": 1.0, "id.intercept~~id.intercept": 1.0}
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(n_clusters), size)
    x = rng.normal(size=cluster.size).round(4)
    nu = truth["y~1"] + truth["y~x"] * x + rng.normal(size=n_clusters)[cluster]
    return {"id": cluster, "x": x, "y": logit_draws(rng, nu)}, truth


def mimic_dif(n=2000, seed=20_260_102):
    """Five binary items of one latent variable, three covariates, and a direct effect of the third on item 1."""
    truth = {
        "eta=~y2": 0.8, "eta=~y3": 1.2, "eta=~y4": 1.0, "eta=~y5": 0.7,
        "eta~w1": 0.5, "eta~w2": -0.4, "eta~w3": 0.3, "y1~w3": 0.6, "eta~~eta": 1.2,
        "y1~1": -0.5, "y2~1": 0.0, "y3~1": 0.4, "y4~1": 0.8, "y5~1": -1.0,
    }  # fmt: skip
    rng = np.random.default_rng(seed)
    w = {"w1": rng.normal(size=n).round(4), "w2": rng.integers(0, 2, n), "w3": rng.integers(0, 2, n)}
    eta = sum(truth[f"eta~{name}"] * w[name] for name in w) + rng.normal(0, np.sqrt(truth["eta~~eta"]), n)
    items = {}
    for k in range(1, 6):
        nu = truth[f"y{k}~1"] + truth.get(f"eta=~y{k}", 1.0) * eta + (truth["y1~w3"] * w["w3"] if k == 1 else 0)
        items[f"y{k}"] = logit_draws(rng, nu)
    return items | w, truth


def mimic_dif_loglik(data, truth):
    eta = sum(truth[f"eta~{name}"] * data[name] for name in ("w1", "w2", "w3"))[:, None]
    eta = eta + np.sqrt(truth["eta~~eta"]) * GRID
    terms = LOG_WEIGHT + np.zeros_like(eta)
    for k in range(1, 6):
        nu = truth[f"y{k}~1"] + truth.get(f"eta=~y{k}", 1.0) * eta
        if k == 1:
            nu = nu + truth["y1~w3"] * data["w3"][:, None]
        terms = terms + log_bernoulli(data[f"y{k}"][:, None], nu)
    return log_sum_exp(terms, 1).sum()


MULTILEVEL_TRUTH = {
    "eta=~y2": 0.9, "eta=~y3": 1.1, "eta~w1": 0.5, "eta~eta_class": 0.7, "eta~~eta": 1.0,
    "eta_class=~y5": 0.8, "eta_class=~y6": 1.2, "eta_class~w2": 0.6, "eta_class~~eta_class": 1.5,
    "class_effect~~class_effect": 0.5,
    "y1~1": 0.2, "y2~1": -0.3, "y3~1": 0.5, "y4~1": 0.0, "y5~1": 0.4, "y6~1": -0.2,
}  # fmt: skip
RESIDUALS = {"y1~~y1": 0.6, "y2~~y2": 0.8, "y3~~y3": 0.7, "y4~~y4": 0.5, "y5~~y5": 0.6, "y6~~y6": 0.4}


def multilevel_sem(family="gaussian", n_classes=8, largest=6, seed=20_260_103):
    """Students in classes of different sizes: y1 to y3 measure a student, y4 to y6 the class."""
    truth = MULTILEVEL_TRUTH | (RESIDUALS if family == "gaussian" else {})
    rng = np.random.default_rng(seed)
    in_class = np.repeat(np.arange(n_classes), rng.integers(largest // 2, largest + 1, n_classes))
    n = in_class.size
    w1, w2 = rng.normal(size=n).round(4), rng.normal(size=n_classes).round(4)
    eta_class = truth["eta_class~w2"] * w2 + rng.normal(0, np.sqrt(truth["eta_class~~eta_class"]), n_classes)
    class_effect = rng.normal(0, np.sqrt(truth["class_effect~~class_effect"]), n_classes)
    between = truth["eta~eta_class"] * eta_class + class_effect
    eta = truth["eta~w1"] * w1 + between[in_class] + rng.normal(0, np.sqrt(truth["eta~~eta"]), n)

    def draw(name, nu):
        if family == "bernoulli":
            return logit_draws(rng, nu)
        return rng.normal(nu, np.sqrt(truth[f"{name}~~{name}"])).round(6)

    data = {"class": in_class + 1, "w1": w1, "w2": w2[in_class]}
    for k in (1, 2, 3):
        data[f"y{k}"] = draw(f"y{k}", truth[f"y{k}~1"] + truth.get(f"eta=~y{k}", 1.0) * eta)
    for k in (4, 5, 6):
        data[f"y{k}"] = draw(f"y{k}", truth[f"y{k}~1"] + truth.get(f"eta_class=~y{k}", 1.0) * eta_class)[in_class]
    return data, truth


def multilevel_sem_loglik(data, truth):
    """Students integrated out given their class, classes over the grid of eta_class and class_effect.

    The log density is that of the family whose parameters `truth` holds: normal if there are residual variances.
    """

    total = 0.0
    for unit in np.unique(data["class"]):
        rows = np.flatnonzero(data["class"] == unit)
        eta_class = truth["eta_class~w2"] * data["w2"][rows[0]] + np.sqrt(truth["eta_class~~eta_class"]) * GRID
        class_effect = np.sqrt(truth["class_effect~~class_effect"]) * GRID
        terms = LOG_WEIGHT[:, None] + LOG_WEIGHT[None, :]
        for k in (4, 5, 6):
            nu = truth[f"y{k}~1"] + truth.get(f"eta_class=~y{k}", 1.0) * eta_class
            terms = terms + _log_answer(data, truth, f"y{k}", rows[0], nu)[:, None]
        between = truth["eta~eta_class"] * eta_class[:, None] + class_effect[None, :]
        for row in rows:
            eta = truth["eta~w1"] * data["w1"][row] + between[..., None] + np.sqrt(truth["eta~~eta"]) * GRID
            answers = LOG_WEIGHT
            for k in (1, 2, 3):
                nu = truth[f"y{k}~1"] + truth.get(f"eta=~y{k}", 1.0) * eta
                answers = answers + _log_answer(data, truth, f"y{k}", row, nu)
            terms = terms + log_sum_exp(answers, 2)
        total += log_sum_exp(terms.ravel(), 0)
    return float(total)


def _log_answer(data, truth, name, row, nu):
    variance = truth.get(f"{name}~~{name}")
    return log_bernoulli(data[name][row], nu) if variance is None else log_normal(data[name][row], nu, variance)


def multilevel_sem_normal_loglik(data, truth):
    """The Gaussian version in closed form: each class is one draw of a normal vector."""
    lam = np.array([1.0, truth["eta=~y2"], truth["eta=~y3"]])
    lam_class = np.array([1.0, truth["eta_class=~y5"], truth["eta_class=~y6"]])
    total = 0.0
    for unit in np.unique(data["class"]):
        rows = np.flatnonzero(data["class"] == unit)
        n = rows.size
        # latent vector: the etas of the students, then eta_class
        b = truth["eta~eta_class"]
        Phi = np.eye(n + 1) * truth["eta~~eta"]
        Phi[:n, :n] += b**2 * truth["eta_class~~eta_class"] + truth["class_effect~~class_effect"]
        Phi[:n, n] = Phi[n, :n] = b * truth["eta_class~~eta_class"]
        Phi[n, n] = truth["eta_class~~eta_class"]
        mean_class = truth["eta_class~w2"] * data["w2"][rows[0]]
        mean = np.append(truth["eta~w1"] * data["w1"][rows] + b * mean_class, mean_class)
        Lambda = np.zeros((3 * n + 3, n + 1))
        Lambda[: 3 * n, :n] = np.kron(np.eye(n), lam[:, None])
        Lambda[3 * n :, n] = lam_class
        Theta = np.array([truth[f"y{k}~~y{k}"] for k in (1, 2, 3)] * n + [truth[f"y{k}~~y{k}"] for k in (4, 5, 6)])
        nu = np.array([truth[f"y{k}~1"] for k in (1, 2, 3)] * n + [truth[f"y{k}~1"] for k in (4, 5, 6)])
        y = np.append(
            np.column_stack([data[f"y{k}"][rows] for k in (1, 2, 3)]).ravel(),
            [data[f"y{k}"][rows[0]] for k in (4, 5, 6)],
        )
        Sigma = Lambda @ Phi @ Lambda.T + np.diag(Theta)
        residual = y - nu - Lambda @ mean
        _, log_det = np.linalg.slogdet(Sigma)
        total -= 0.5 * (y.size * np.log(2 * np.pi) + log_det + residual @ np.linalg.solve(Sigma, residual))
    return float(total)


def store(folder, generator, data, truth, loglik, seed):
    """Write data.csv and values.json beside the model of a folder."""
    here = Path(__file__).parent / folder
    rows = zip(*(values.tolist() for values in data.values()))
    with open(here / "data.csv", "w") as file:
        file.write(",".join(data) + "\n")
        file.writelines(",".join(map(str, row)) + "\n" for row in rows)
    values = {
        "data": "data.csv",
        "source": f"simulated: {generator}() of tests/reference/simulate.py with seed {seed}",
        "truth": truth,
        "results": {
            "at_truth": {
                "software": [f"numpy {np.__version__}"],
                "quadrature": "converged",
                "loglik": round(float(loglik), 9),
                "tolerance": {"loglik": 1e-7},
                "note": "the log-likelihood at the true parameters, by brute force",
            }
        },
    }
    (here / "values.json").write_text(json.dumps(values, indent=2) + "\n")


def main():
    """Make all stored data anew: python tests/reference/simulate.py."""
    data, truth = mimic_dif()
    store("mimic_dif", "mimic_dif", data, truth, mimic_dif_loglik(data, truth), 20_260_102)
    data, truth = multilevel_sem("gaussian")
    loglik = multilevel_sem_normal_loglik(data, truth)
    store("multilevel_sem_gaussian", "multilevel_sem", data, truth, loglik, 20_260_103)
    data, truth = multilevel_sem("bernoulli")
    store("multilevel_sem_binary", "multilevel_sem", data, truth, multilevel_sem_loglik(data, truth), 20_260_103)


if __name__ == "__main__":
    main()
