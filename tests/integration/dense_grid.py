"""Likelihood and posterior moments of a forest from the model's definition: the trapezoidal rule on a dense grid."""

import numpy as np
from scipy import stats
from scipy.special import expit, gammaln, logsumexp, ndtr

from semgllamm.responses import registry

CODES = tuple(
    registry.lookup(name, link).code
    for name, link in (
        ("gaussian", "identity"), ("binomial", "logit"), ("binomial", "probit"), ("binomial", "cloglog"),
        ("poisson", "log"), ("ordinal", "logit"), ("ordinal", "probit"), ("ordinal", "cloglog"),
    )
)  # fmt: skip
GAUSSIAN, LOGIT, PROBIT, CLOGLOG, POISSON, ORDINAL_LOGIT, ORDINAL_PROBIT, ORDINAL_CLOGLOG = CODES


def distribution(code, x):
    if code in (LOGIT, ORDINAL_LOGIT):
        return expit(x)
    if code in (PROBIT, ORDINAL_PROBIT):
        return ndtr(x)
    return -np.expm1(-np.exp(x))


def log_density(code, y, n, nu, tau1, tau2):
    """log f with all constants."""
    if code == GAUSSIAN:
        return stats.norm.logpdf(y, nu, np.exp(tau1 / 2))
    if code == POISSON:
        return stats.poisson.logpmf(y, np.exp(nu))
    if code in (LOGIT, PROBIT, CLOGLOG):
        return stats.binom.logpmf(y, n, distribution(code, nu))
    with np.errstate(divide="ignore"):
        return np.log(distribution(code, tau2 - nu) - distribution(code, tau1 - nu))


def log_constant(code, y, n):
    """The terms of log f without parameters."""
    out = np.zeros(len(y))
    out[code == GAUSSIAN] = -0.5 * np.log(2 * np.pi)
    counts = code == POISSON
    out[counts] = -gammaln(y[counts] + 1)
    binary = np.isin(code, (LOGIT, PROBIT, CLOGLOG))
    out[binary] = gammaln(n[binary] + 1) - gammaln(y[binary] + 1) - gammaln(n[binary] - y[binary] + 1)
    return out


def grid(size, half_width=7.0):
    u = np.linspace(-half_width, half_width, size)
    return u, stats.norm.logpdf(u) + np.log(u[1] - u[0])


def log_integrands(forest, size):
    """log of each node's integrand over the grid of the coordinates on its path, by node."""
    u, log_prior = grid(size)
    lin, D = forest.lin, forest.D
    depth = forest.depth
    out = {}
    for n in np.argsort(-depth, kind="stable"):
        o = depth[n]
        axes = [u.reshape((-1,) + (1,) * (o - a)) for a in range(o + 1)]
        out[n] = np.broadcast_to(log_prior, (size,) * (o + 1)).copy()
        for i in np.flatnonzero(forest.cell_node == n):
            nu = lin[i, 0] + sum(D[i, a] * axes[a] for a in range(o + 1))
            out[n] += forest.cell_weight[i] * log_density(
                forest.code[i], forest.y[i], forest.trials[i], nu, lin[i, 1], lin[i, 2]
            )
        for child in np.flatnonzero(forest.parent == n):
            out[n] += forest.node_weight[child] * logsumexp(out[child], axis=-1)
    return out


def log_likelihood(forest, size=61):
    """Σ_roots w log F."""
    integrands = log_integrands(forest, size)
    roots = np.flatnonzero(forest.parent < 0)
    return sum(forest.node_weight[r] * logsumexp(integrands[r]) for r in roots)


def posterior(forest, size=61):
    """Posterior mean and covariance of the coordinates on the path to each node, by node."""
    u, _ = grid(size)
    integrands = log_integrands(forest, size)
    depth = forest.depth
    log_posterior, moments = {}, {}
    for n in np.argsort(depth, kind="stable"):
        log_F = logsumexp(integrands[n], axis=-1, keepdims=True)
        # far out on the grid the density of an ordinal answer underflows
        given = integrands[n] - np.where(log_F > -np.inf, log_F, 0.0)
        above = log_posterior[forest.parent[n]][..., None] if depth[n] else 0.0
        log_posterior[n] = above + given
        p = np.exp(log_posterior[n])
        coordinates = np.stack(np.meshgrid(*[u] * (depth[n] + 1), indexing="ij")).reshape(depth[n] + 1, -1)
        mean = coordinates @ p.ravel()
        moments[n] = mean, (coordinates * p.ravel()) @ coordinates.T - np.outer(mean, mean)
    return moments
