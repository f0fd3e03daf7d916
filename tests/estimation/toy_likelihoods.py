"""Small likelihoods in plain NumPy, with exact total scores (complex steps through the search for the modes)."""

from __future__ import annotations

import numpy as np

TINY = 1e-30


def logistic(nu):
    return 0.5 + 0.5 * np.tanh(nu / 2)


class Toy:
    """A likelihood given by a function log L(free, points) that takes complex parameters."""

    levels: tuple[str, ...] = ()
    exact = False
    depth = 1
    has_louis = True
    blocks: tuple[np.ndarray, ...] = ()

    def __init__(self, names, signed=()):
        self.names, self.n_free = tuple(names), len(names)
        self.signed = np.array([name in signed for name in names])
        self.calls = 0

    def loglik(self, free, points):
        raise NotImplementedError

    def cold(self):
        """The modes are always searched from u = 0."""

    def value(self, free, points):
        self.calls += 1
        return float(np.real(self.loglik(np.asarray(free, dtype=complex), points)))

    def score(self, free, points):
        loglik = self.value(free, points)
        return loglik, np.array([self.loglik(free + 1j * TINY * e, points).imag / TINY for e in np.eye(self.n_free)])

    def hessian(self, free, points):
        """Differences of the exact score, of fourth order."""
        H = np.empty((self.n_free, self.n_free))
        for i in range(self.n_free):
            h = np.zeros(self.n_free)
            h[i] = 1e-3
            g = [self.score(free + k * h, points)[1] for k in (-2, -1, 1, 2)]
            H[i] = (g[0] - 8 * g[1] + 8 * g[2] - g[3]) / 12e-3
        return (H + H.T) / 2

    def louis(self, free, points):
        return *self.score(free, points), -self.hessian(np.asarray(free, dtype=float), points)


class Quadratic(Toy):
    """log L = −½(ϑ − centre)'J(ϑ − centre), in which parameters have very different units."""

    def __init__(self, centre, J):
        super().__init__([f"b{i}" for i in range(len(centre))])
        self.centre, self.J = np.asarray(centre, dtype=float), np.asarray(J, dtype=float)

    def loglik(self, free, points):
        d = free - self.centre
        return -0.5 * d @ self.J @ d

    def hessian(self, free, points):
        return -self.J


class BendingRidge(Toy):
    """log L = −½(b − a²)² − ½k(log a − log c)²: the maximum is at (c, c²), a long way up a ridge that bends."""

    def __init__(self, c, k):
        super().__init__(["a", "b"])
        self.c, self.k = c, k

    def loglik(self, free, points):
        if free[0].real <= 0:
            return -np.inf + 0j
        return -0.5 * (free[1] - free[0] ** 2) ** 2 - 0.5 * self.k * np.log(free[0] / self.c) ** 2


class EvenInSigma(Toy):
    """log L = −(β − 1)² − Σ(σ_k² − c_k)²: the maximum is at σ_k = √c_k, or at 0 for negative c_k."""

    def __init__(self, *c):
        names = [f"sigma{k}" for k in range(len(c))]
        super().__init__(["beta", *names], signed=names)
        self.c = np.array(c)

    def loglik(self, free, points):
        return -((free[0] - 1) ** 2) - ((free[1:] ** 2 - self.c) ** 2).sum()


class Logit(Toy):
    """A logistic regression without latent variables."""

    def __init__(self, X, y):
        super().__init__([f"x{i}" for i in range(X.shape[1])])
        self.X, self.y = X, y

    def loglik(self, free, points):
        nu = self.X @ free
        sign = np.where(nu.real > 0, 1, -1)
        return (self.y * nu - np.where(sign > 0, nu, 0) - np.log1p(np.exp(-sign * nu))).sum()

    def hessian(self, free, points):
        p = logistic(self.X @ free)
        return -(self.X * (p * (1 - p))[:, None]).T @ self.X


class RandomInterceptLogit(Toy):
    """logit P(y_ij = 1) = x_ij'β + σu_j, by adaptive quadrature at the mode of each cluster."""

    levels = ("cluster",)

    def __init__(self, X, y):
        super().__init__([*(f"x{i}" for i in range(X.shape[2])), "sigma"], signed=["sigma"])
        self.X, self.y = X, y

    def nodes(self, free, points):
        fixed = np.einsum("jix,x->ji", self.X, free[:-1])
        sigma = free[-1]
        u = np.zeros(len(self.y), dtype=fixed.dtype)
        for _ in range(60):
            p = logistic(fixed + sigma * u[:, None])
            curvature = 1 + sigma**2 * (p * (1 - p)).sum(axis=1)
            step = (sigma * (self.y - p).sum(axis=1) - u) / curvature
            u = u + step
            if np.abs(step.real).max() < 1e-13:
                break
        for _ in range(2):  # carries the imaginary part on to the solution
            p = logistic(fixed + sigma * u[:, None])
            curvature = 1 + sigma**2 * (p * (1 - p)).sum(axis=1)
            u = u + (sigma * (self.y - p).sum(axis=1) - u) / curvature
        z, w = np.polynomial.hermite_e.hermegauss(points[0])
        scale = 1 / np.sqrt(curvature)
        u = u[:, None] + scale[:, None] * z
        nu = fixed[:, None, :] + sigma * u[:, :, None]
        log_f = (self.y[:, None, :] * nu - np.log(1 + np.exp(nu))).sum(axis=2)
        logs = log_f + np.log(w) + z**2 / 2 - u**2 / 2 + np.log(scale)[:, None] - 0.5 * np.log(2 * np.pi)
        return u, nu, logs

    def loglik(self, free, points):
        _, _, logs = self.nodes(free, points)
        top = logs.real.max(axis=1, keepdims=True)
        return (top[:, 0] + np.log(np.exp(logs - top).sum(axis=1))).sum()

    def posterior(self, free, points):
        u, nu, logs = self.nodes(np.asarray(free, dtype=float), points)
        weight = np.exp(logs - logs.max(axis=1, keepdims=True))
        p = logistic(nu)
        Z = np.concatenate(
            [np.broadcast_to(self.X[:, None], (*p.shape, self.X.shape[2])),
             np.broadcast_to(u[:, :, None, None], (*p.shape, 1))], axis=3)  # fmt: skip
        return weight / weight.sum(axis=1, keepdims=True), p, Z

    def unit_scores(self, free, points):
        weight, p, Z = self.posterior(free, points)
        return np.einsum("jk,jki,jkix->jx", weight, self.y[:, None] - p, Z)

    def louis(self, free, points):
        loglik, gradient = self.score(free, points)
        weight, p, Z = self.posterior(free, points)
        s = np.einsum("jki,jkix->jkx", self.y[:, None] - p, Z)
        mean = np.einsum("jk,jkx->jx", weight, s)
        information = np.einsum("jk,jki,jkix,jkiz->xz", weight, p * (1 - p), Z, Z)
        information += mean.T @ mean - np.einsum("jk,jkx,jkz->xz", weight, s, s)
        return loglik, gradient, information

    @classmethod
    def simulated(cls, clusters, size, beta, sigma, seed):
        rng = np.random.default_rng(seed)
        X = np.stack([np.ones((clusters, size)), rng.normal(size=(clusters, size))], axis=2)
        nu = X @ np.array(beta) + sigma * rng.normal(size=(clusters, 1))
        return cls(X, (rng.random((clusters, size)) < 1 / (1 + np.exp(-nu))).astype(float))


class TwoLevels(Toy):
    """Two random-intercept logits with a common β and a σ each, which stand for two levels of a tree."""

    levels = ("row", "school")

    def __init__(self, lower, upper):
        super().__init__([*lower.names[:-1], "sigma_row", "sigma_school"], signed=["sigma_row", "sigma_school"])
        q = lower.n_free - 1
        self.parts = ((lower, [*range(q), q]), (upper, [*range(q), q + 1]))

    def loglik(self, free, points):
        return sum(part.loglik(free[at], (k,)) for (part, at), k in zip(self.parts, points))

    def louis(self, free, points):
        loglik, gradient = self.score(free, points)
        information = np.zeros((self.n_free, self.n_free))
        for (part, at), k in zip(self.parts, points):
            information[np.ix_(at, at)] += part.louis(free[at], (k,))[2]
        return loglik, gradient, information


class RandomInterceptGaussian(Toy):
    """y_ij = β + σu_j + e_ij with balanced clusters, in closed form.

    Louis' matrix is what it is in the engine: with one point the complete data's, with three or more exact.
    """

    levels = ("cluster",)
    exact = True

    def __init__(self, y, depth):
        super().__init__(["beta", "sigma", "log_theta"], signed=["sigma"])
        self.depth = depth
        self.n, self.m = y.shape
        self.mean = y.mean()
        self.means = y.mean(axis=1)
        self.within = ((y - self.means[:, None]) ** 2).sum()

    def loglik(self, free, points):
        beta, sigma, theta = free[0], free[1], np.exp(free[2])
        total = theta + self.m * sigma**2
        between = self.m * ((self.means - beta) ** 2).sum()
        return -0.5 * (
            self.n * (self.m * np.log(2 * np.pi) + (self.m - 1) * np.log(theta) + np.log(total))
            + self.within / theta
            + between / total
        )

    def louis(self, free, points):
        if points[0] >= 3:
            return super().louis(free, points)
        loglik, gradient = self.score(free, points)
        theta = np.exp(free[2])
        N = self.n * self.m
        return loglik, gradient, np.diag([N / theta, N / theta, N / 2])

    def solution(self):
        """β, σ, log θ and log L at the maximum."""
        within = self.within / (self.n * (self.m - 1))
        between = self.m * ((self.means - self.mean) ** 2).mean()
        if between > within:
            free = np.array([self.mean, np.sqrt((between - within) / self.m), np.log(within)])
        else:
            free = np.array([self.mean, 0.0, np.log((self.within + self.n * between) / (self.n * self.m))])
        return free, self.value(free, (1,))


class Covariance(Toy):
    """n draws from N(0, Ψ + I) with moment matrix S, Ψ = CC' of two variables."""

    blocks = (np.array([[0, -1], [1, 2]]),)

    def __init__(self, S, n):
        super().__init__(["C11", "C21", "C22"], signed=["C11", "C22"])
        self.S, self.n = np.asarray(S, dtype=float), n

    def loglik(self, free, points):
        a, b, c = free
        s11, s21, s22 = 1 + a * a, a * b, 1 + b * b + c * c
        det = s11 * s22 - s21 * s21
        trace = (s22 * self.S[0, 0] - 2 * s21 * self.S[0, 1] + s11 * self.S[1, 1]) / det
        return -0.5 * self.n * (np.log(det) + trace)


class Rescaled(Toy):
    """A random-intercept logit whose σ is a product λψ, of which only the product is identified."""

    levels = ("cluster",)

    def __init__(self, inner):
        super().__init__([*inner.names[:-1], "lambda", "psi"], signed=["psi"])
        self.inner = inner

    def reduced(self, free):
        return np.append(free[:-2], free[-2] * free[-1])

    def loglik(self, free, points):
        return self.inner.loglik(self.reduced(free), points)

    def unit_scores(self, free, points):
        s = self.inner.unit_scores(self.reduced(free), points)
        return np.column_stack([s[:, :-1], s[:, -1] * free[-1], s[:, -1] * free[-2]])
