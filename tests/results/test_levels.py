"""Two levels: tests, scores, residuals and reliability by the dense normal density of each cluster.

The rows of a cluster of size s, one after the other, have the covariances I ⊗ Σ_w + 11' ⊗ Σ_b.
"""

import numpy as np
import pytest

import semgllamm as sg

ITEMS, OF_ROWS, OF_CLUSTERS = ["y1", "y2", "y3"], ["x1", "x2"], ["w1"]
MODEL = """
level: 1
    fw =~ y1 + y2 + y3
    fw ~ x1 + x2
level: 2
    fb =~ y1 + y2 + y3
    fb ~ w1
"""
FACTORS = """
level: within
    f1 =~ y1 + y2 + y3
    f2 =~ y4 + y5 + y6
level: between
    g1 =~ y1 + y2 + y3
    g2 =~ y4 + y5 + y6
"""
LOWER = np.tril_indices(3)


@pytest.fixture(scope="module")
def rows():
    """Sixty of the clusters."""
    return sg.load_dataset("demo_twolevel").query("60 < cluster <= 120")


@pytest.fixture(scope="module")
def robust(rows):
    return sg.sem(MODEL, rows, cluster="cluster", estimator="MLR")


@pytest.fixture(scope="module")
def clusters(rows):
    """y, x, w of each cluster."""
    return [tuple(c[part].to_numpy() for part in (ITEMS, OF_ROWS, OF_CLUSTERS)) for _, c in rows.groupby("cluster")]


def symmetric(values):
    out = np.zeros((3, 3))
    out[LOWER] = values
    return out + np.tril(out, -1).T


def matrices_of_model(theta):
    """Slopes on x and w, intercepts, Σ_w and Σ_b."""
    within, between = np.r_[1.0, theta[:2]], np.r_[1.0, theta[8:10]]
    return (
        np.outer(within, theta[2:4]), np.outer(between, theta[10:11]), theta[15:18],
        theta[7] * np.outer(within, within) + np.diag(theta[4:7]),
        theta[14] * np.outer(between, between) + np.diag(theta[11:14]),
    )  # fmt: skip


def matrices_of_saturated(theta):
    by_x, by_w, constant, within, between = np.split(theta, (6, 9, 12, 18))
    return by_x.reshape(3, 2), by_w.reshape(3, 1), constant, symmetric(within), symmetric(between)


def residuals_of(matrices, cluster):
    (by_x, by_w, constant, _, _), (y, x, w) = matrices, cluster
    return (y - x @ by_x.T - w @ by_w.T - constant).ravel()


def covariances(matrices, size):
    _, _, _, within, between = matrices
    return np.kron(np.eye(size), within) + np.kron(np.ones((size, size)), between)


def logliks(matrices, clusters):
    """A row of residuals a cluster: those of one size have the same covariances."""
    out = np.empty(len(clusters))
    sizes = np.array([len(y) for y, _, _ in clusters])
    for size in np.unique(sizes):
        mine = np.flatnonzero(sizes == size)
        e, V = np.array([residuals_of(matrices, clusters[k]) for k in mine]), covariances(matrices, size)
        distance = (e * np.linalg.solve(V, e.T).T).sum(axis=1)
        out[mine] = -0.5 * (e.shape[1] * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + distance)
    return out


def trace_of_clusters(matrices, theta, clusters):
    """tr A⁻¹B by differences of the clusters' log-likelihoods, Richardson's of two steps."""

    def at(h):
        q = len(theta)
        steps = h * np.eye(q)
        here = logliks(matrices(theta), clusters)
        up = np.array([logliks(matrices(theta + d), clusters) for d in steps])
        down = np.array([logliks(matrices(theta - d), clusters) for d in steps])
        scores = (up - down) / (2 * h)
        A = np.empty((q, q))
        for i in range(q):
            A[i, i] = -(up[i] - 2 * here + down[i]).sum() / h**2
            for j in range(i):
                both = logliks(matrices(theta + steps[i] + steps[j]), clusters)
                none = logliks(matrices(theta - steps[i] - steps[j]), clusters)
                A[i, j] = A[j, i] = -(both - up[i] - up[j] + 2 * here - down[i] - down[j] + none).sum() / (2 * h**2)
        return np.trace(np.linalg.solve(A, scores @ scores.T))

    return (4 * at(1e-3) - at(2e-3)) / 3


def saturated_theta(fit):
    full = fit.sample_moments()
    (within, low), (between, high) = ((block["cov"], block["mean"]) for block in full.values())

    def regressed(cov, names):
        slopes = np.linalg.solve(cov.loc[names, names], cov.loc[names, ITEMS]).T
        return slopes, cov.loc[ITEMS, ITEMS].to_numpy() - slopes @ cov.loc[names, ITEMS].to_numpy()

    (by_x, left_w), (by_w, left_b) = regressed(within, OF_ROWS), regressed(between, OF_CLUSTERS)
    constant = low[ITEMS] + high[ITEMS] - by_x @ low[OF_ROWS] - by_w @ high[OF_CLUSTERS]
    return np.concatenate([by_x.ravel(), by_w.ravel(), constant, left_w[LOWER], left_b[LOWER]])


def test_scaling_factor_is_that_of_the_clusters_scores(robust, clusters):
    theta, free = robust.coef.to_numpy(), saturated_theta(robust)
    assert logliks(matrices_of_model(theta), clusters).sum() == pytest.approx(robust.loglik, rel=1e-10)
    unrestricted = robust.fit_measures()["unrestricted.logl"]
    assert logliks(matrices_of_saturated(free), clusters).sum() == pytest.approx(unrestricted, rel=1e-10)
    traces = [
        trace_of_clusters(matrices_of_saturated, free, clusters), trace_of_clusters(matrices_of_model, theta, clusters),
    ]  # fmt: skip
    assert robust.scaled_test.trace == pytest.approx(traces[0] - traces[1], rel=1e-5)


def test_robust_errors_do_not_depend_on_the_origin_of_covariates(robust, rows):
    """lavaan's do: its scores of clusters leave out the means within, of which the slopes are a part."""
    moved = sg.sem(MODEL, rows.assign(x1=rows.x1 + 3, x2=rows.x2 - 2), cluster="cluster", estimator="MLR")
    assert moved.scaled_test.statistic == pytest.approx(robust.scaled_test.statistic, rel=1e-6)
    still = robust.parameters["op"] != "~1"
    np.testing.assert_allclose(moved.parameters["se"][still], robust.parameters["se"][still], rtol=1e-5)


def test_scores_of_clusters_are_posterior_means(robust, clusters):
    theta = robust.coef.to_numpy()
    matrices = matrices_of_model(theta)
    loading, slope, variance = np.r_[1.0, theta[8:10]], theta[10], theta[14]
    expected = []
    for cluster in clusters:
        e, V = residuals_of(matrices, cluster), covariances(matrices, len(cluster[0]))
        to_factor = variance * np.tile(loading, len(cluster[0]))
        gain = np.linalg.solve(V, to_factor)
        expected.append((slope * cluster[2][0, 0] + gain @ e, np.sqrt(variance - gain @ to_factor)))
    np.testing.assert_allclose(robust.latent(level=2)[["fb", "fb.se"]], expected, rtol=1e-8, atol=1e-10)


def test_residual_means_do_not_depend_on_the_origin_of_responses(robust, rows):
    moved = sg.sem(MODEL, rows.assign(**{name: rows[name] + 5 for name in ITEMS}), cluster="cluster", estimator="MLR")
    for here, there in zip(robust.residuals().values(), moved.residuals().values()):
        np.testing.assert_allclose(here["mean"], there["mean"], atol=1e-7)


@pytest.fixture(scope="module")
def balanced():
    """Five rows of each cluster: the saturated moments are in closed form."""
    return sg.load_dataset("demo_twolevel").groupby("cluster").head(5)


def closed_form(data, items):
    """S_w and S_b of clusters of five: the means have covariances S_w/5 + S_b (McDonald & Goldstein 1989)."""
    means = data.groupby("cluster")[items].mean()
    inside = data[items].to_numpy() - means.loc[data["cluster"]].to_numpy()
    within = inside.T @ inside / (len(data) - len(means))
    return within, np.cov(means.to_numpy().T, bias=True) - within / 5


def alpha(S):
    return len(S) / (len(S) - 1) * (1 - np.trace(S) / S.sum())


def correlations(S):
    return S / np.sqrt(np.outer(np.diag(S), np.diag(S)))


def test_reliability_of_each_level(balanced):
    fit = sg.sem(FACTORS, balanced, cluster="cluster")
    found = fit.reliability()
    for factor, items in {"1": ITEMS, "2": ["y4", "y5", "y6"]}.items():
        for level, S in zip("fg", closed_form(balanced, items)):
            row = found.loc[level + factor]
            assert row["alpha"] == pytest.approx(alpha(S), rel=1e-7)
            assert row["alpha_standardized"] == pytest.approx(alpha(correlations(S)), rel=1e-7)
    value = fit.coef
    shared = (1 + value["g1=~y2"] + value["g1=~y3"]) ** 2 * value["g1~~g1"]
    left = sum(value[f"{name}~~{name}.l2"] for name in ITEMS)
    assert found.loc["g1", "omega"] == pytest.approx(shared / (shared + left))
    share = fit.standardized().query("lhs == 'g1' and op == '=~'")["est.std"]
    assert found.loc["g1", "ave"] == pytest.approx((share**2).mean())


@pytest.mark.parametrize(("level", "at"), [(None, 0), ("within", 0), (2, 1), ("between", 1), ("cluster", 1)])
def test_heterotrait_monotrait_of_each_level(balanced, level, at):
    R = correlations(closed_form(balanced, [f"y{k}" for k in range(1, 7)])[at])
    within = [R[k : k + 3, k : k + 3][np.tril_indices(3, -1)].mean() for k in (0, 3)]
    found = sg.sem(FACTORS, balanced, cluster="cluster").htmt(level=level)
    assert found.iloc[0, 1] == pytest.approx(R[:3, 3:].mean() / np.sqrt(within[0] * within[1]), rel=1e-7)


def test_reliability_of_one_hole_is_near_that_of_complete_clusters(balanced):
    holed = balanced.copy()
    holed.loc[holed.index[5], "y2"] = np.nan
    complete, incomplete = (sg.sem(FACTORS, data, cluster="cluster", missing="ml") for data in (balanced, holed))
    numbers = ["alpha", "alpha_standardized", "omega", "ave", "ave_unstandardized"]
    found, near = incomplete.reliability()[numbers], complete.reliability()[numbers]
    np.testing.assert_allclose(found, near, rtol=5e-3)
    assert (found.loc[["f1", "g1"]] != near.loc[["f1", "g1"]]).all(axis=None)
    np.testing.assert_allclose(incomplete.htmt(level=2), complete.htmt(level=2), rtol=5e-2)
