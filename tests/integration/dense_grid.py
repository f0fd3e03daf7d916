"""The likelihood of a forest from the model's definition, by the trapezoidal rule on a dense grid, in plain NumPy."""

import numpy as np
from scipy import stats
from scipy.special import expit, gammaln, logsumexp, ndtr

GAUSSIAN, LOGIT, PROBIT, CLOGLOG, POISSON, ORDINAL_LOGIT, ORDINAL_PROBIT, ORDINAL_CLOGLOG = range(8)


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
    return np.log(distribution(code, tau2 - nu) - distribution(code, tau1 - nu))


def log_constant(code, y, n):
    """What the kernels leave out of log f."""
    out = np.zeros(len(y))
    out[code == GAUSSIAN] = -0.5 * np.log(2 * np.pi)
    counts = code == POISSON
    out[counts] = -gammaln(y[counts] + 1)
    binary = (code >= LOGIT) & (code <= CLOGLOG)
    out[binary] = gammaln(n[binary] + 1) - gammaln(y[binary] + 1) - gammaln(n[binary] - y[binary] + 1)
    return out


def log_integrals(forest, lin, D, size=61, half_width=7.0):
    """log F of each root; `forest` has parent, cell_node, code, y, trials, node_weight, cell_weight."""
    u = np.linspace(-half_width, half_width, size)
    log_prior = stats.norm.logpdf(u) + np.log(u[1] - u[0])
    path = {}

    def log_F(n):
        above = path.get(forest.parent[n], ())
        path[n] = (*above, n)
        o = len(above)
        axes = [u.reshape((-1,) + (1,) * (o - a)) for a in range(o + 1)]
        total = np.broadcast_to(log_prior, (size,) * (o + 1)).copy()
        for i in np.flatnonzero(forest.cell_node == n):
            nu = lin[i, 0] + sum(D[i, a] * axes[a] for a in range(o + 1))
            total += forest.cell_weight[i] * log_density(
                forest.code[i], forest.y[i], forest.trials[i], nu, lin[i, 1], lin[i, 2]
            )
        for c in np.flatnonzero(forest.parent == n):
            total += forest.node_weight[c] * log_F(c)
        return logsumexp(total, axis=-1)

    return np.array([log_F(r) for r in np.flatnonzero(forest.parent < 0)])
