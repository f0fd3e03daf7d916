"""Mixtures: the likelihood of the definition written out, its derivatives, and what must not change it."""

import numpy as np
import pandas as pd
import pytest
from brute_force import Unit, log_density, log_integral
from mixtures import walk_mixture, with_known_classes
from scipy.special import expit, log_expit, logsumexp
from scipy.stats import multivariate_normal, norm, poisson
from walk import differences
from zoo import pupils, with_missing_cells

import semgllamm as sg
from semgllamm.estimation.mixture_search import search
from semgllamm.estimation.settings import Settings

BINARY = "@family(bernoulli(logit))"
MODELS = {
    "binary items": f"@latent(c, classes(2))\nc =~ b1 + b2 + b3 + b4 {BINARY}\nc ~ w",
    "profiles, one variance": "@latent(c, classes(3))\nc =~ g1 + g2 + g3\n@class(c, 1)\ng1 ~~ g1",
    "residuals that covary": "@latent(c, classes(2))\nc =~ g1 + g2 + g3\ng1 ~~ g2\n@class(c, 1)\ng1 ~~ g1\ng1 ~~ g2",
    "residuals that covary beside a factor": "@latent(c, classes(2))\nf =~ g1 + g2 + 0.5*b1\ng1 ~~ g2\nf ~ c + w\n"
                                             f"b1 ~ 1 {BINARY}",
    "ordinal items": "@latent(c, classes(2))\nc =~ o1 + o2 + o3 @family(ordinal(logit))",
    "a regression in one class": "@latent(c, classes(2), known=known)\nc1 ~ c + w @family(poisson)\n"
                                 "@class(c, 2)\nc1 ~ w",
    "a factor in classes": f"@latent(c, classes(2))\nf =~ b1 + b2 + b3 {BINARY}\nf ~ c\nb1 ~ c\nc ~ x",
    "a variance in one class": f"@latent(c, classes(2))\nf =~ b1+b2+b3 {BINARY}\nf ~ c + w\n@class(c, 2)\nf ~~ f",
    "classes that cause classes": f"@latent(c, classes(2))\n@latent(d, classes(3))\nc =~ b1 + b2 + b3 {BINARY}\n"
                                  f"d =~ b4 + b5 + b6 {BINARY}\nd ~ c + w",
    "classes within classes": f"@latent(c, classes(2))\nc =~ b1 + b2 + b3 {BINARY}\nc ~ C\n"
                              "@level(class)\n@latent(C, classes(2), known=cluster_known)\nC ~ x",
    "classes of clusters": "g1 ~ C + w\n@level(class)\n@latent(C, classes(2))\nC =~ k1",
    "classes and a random intercept": "g1 ~ C + w + (1 | class)\n@level(class)\n@latent(C, classes(2))",
    "factors of two levels": f"f =~ b1 + b2 + b3 {BINARY}\nf ~ C\n@level(class)\n@latent(C, classes(2))\n"
                             f"fc =~ k1 + k2 + k3\nf ~ fc\nC =~ k4 {BINARY}",
    "groups": f"@latent(c, classes(2))\nc =~ b1 + b2 + b3 {BINARY}\nc ~ w",
}  # fmt: skip
EXACT_LOUIS = [name for name in MODELS if "factor" not in name and "variance in" not in name]


def walked(name):
    data = with_known_classes(with_missing_cells(pupils(12)))
    return walk_mixture(MODELS[name], data, group="half" if name == "groups" else None)


@pytest.mark.parametrize("name", MODELS)
def test_score_is_the_derivative(name):
    walk = walked(name)
    likelihood, points = walk.likelihood, walk.points(9)
    at = walk.somewhere(1)
    score = likelihood.score(at, points)[1]
    np.testing.assert_allclose(score, differences(lambda x: likelihood.value(x, points), at), atol=2e-6, rtol=1e-6)
    np.testing.assert_allclose(likelihood.unit_scores(at, points).sum(axis=0), score, atol=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_louis_information_is_the_second_derivative(name):
    walk = walked(name)
    likelihood, points = walk.likelihood, walk.points(15)
    at = walk.somewhere(2)
    information = likelihood.louis(at, points)[2]
    columns = [
        (likelihood.score(at + h, points)[1] - likelihood.score(at - h, points)[1]) / 2e-4
        for h in 1e-4 * np.eye(len(at))
    ]
    # with latent variables inside, the points are fixed in one and move in the other
    np.testing.assert_allclose(information, -np.array(columns), atol=1e-5 if name in EXACT_LOUIS else 2e-3, rtol=1e-5)


# ---- the definition


def toy(n=30, seed=5):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({f"u{k}": rng.integers(0, 2, n).astype(float) for k in range(1, 5)})
    data[["y1", "y2"]] = rng.normal(size=(n, 2))
    data["x"] = rng.normal(size=n)
    data["school"] = np.repeat(np.arange(n // 5), 5)
    return data.mask(rng.random(data.shape) < 0.1).assign(x=data.x, school=data.school)


def bernoulli(y, nu):
    return np.where(np.isnan(y), 0.0, log_expit(np.where(y == 1, nu, -nu)))


def test_classes_with_predictors_by_hand():
    data = toy()
    walk = walk_mixture(f"@latent(c, classes(3))\nc =~ u1 + u2 + u3 + u4 {BINARY}\nc ~ x", data)
    rng = np.random.default_rng(1)
    values = {name: rng.normal() for name in walk.likelihood.model.names}
    logits = np.zeros((len(data), 3))
    for k in (1, 2):
        logits[:, k - 1] = values[f"c[{k}]~1"] + values[f"c[{k}]~x"] * data.x
    log_pi = logits - logsumexp(logits, axis=1, keepdims=True)
    for k in (1, 2, 3):
        log_pi[:, k - 1] += sum(bernoulli(data[f"u{j}"], values[f"u{j}~1.c{k}"]) for j in range(1, 5))
    assert walk.likelihood.value(walk.free(values), ()) == pytest.approx(logsumexp(log_pi, axis=1).sum(), abs=1e-10)


def test_profiles_with_covariances_in_classes_by_hand():
    data = toy().dropna(subset=["y1", "y2"])
    walk = walk_mixture("@latent(c, classes(2))\nc =~ y1 + y2\ny1 ~~ y2\n@class(c, 2)\ny1 ~~ y1 + y2\ny2 ~~ y2", data)
    values = {
        "y1~1.c1": 0.3, "y1~1.c2": -0.5, "y2~1.c1": 1.0, "y2~1.c2": 0.1, "y1~~y1": 1.2, "y2~~y2": 0.8, "y1~~y2": 0.3,
        "y1~~y1.c2": 0.6, "y2~~y2.c2": 0.9, "y1~~y2.c2": -0.2, "c[1]~1": 0.4,
    }  # fmt: skip
    one = multivariate_normal([0.3, 1.0], [[1.2, 0.3], [0.3, 0.8]]).logpdf(data[["y1", "y2"]])
    two = multivariate_normal([-0.5, 0.1], [[0.6, -0.2], [-0.2, 0.9]]).logpdf(data[["y1", "y2"]])
    found = logsumexp([one + log_expit(0.4), two + log_expit(-0.4)], axis=0).sum()
    assert walk.likelihood.value(walk.free(values), ()) == pytest.approx(found, abs=1e-10)


def test_a_factor_within_classes_by_the_dense_grid():
    data = toy(15)
    text = f"@latent(c, classes(2))\nf =~ u1 + u2 + u3 {BINARY}\nf ~ c\n@class(c, 2)\nf ~~ f\nu1 ~ x"
    walk = walk_mixture(text, data)
    values = {
        "f=~u2": 0.8, "f=~u3": 1.3, "f~~f": 0.7, "f~~f.c2": 1.4, "f~1.c1": 0.9, "u1~1": 0.1, "u2~1": -0.3, "u3~1": 0.2,
        "u1~x.c2": 0.6, "c[1]~1": -0.3,
    }  # fmt: skip
    total = 0.0
    for row in data.itertuples():
        parts = []
        for k, log_pi in ((1, log_expit(-0.3)), (2, log_expit(0.3))):
            psi, mean, slope = (0.7, 0.9, 0.0) if k == 1 else (1.4, 0.0, 0.6)
            responses = [
                lambda f, y=y, m=m, loading=loading, nu=nu: log_density("bernoulli(logit)", y, nu + loading * (f + m))
                for y, loading, nu, m in (
                    (row.u1, 1.0, 0.1 + slope * row.x, mean), (row.u2, 0.8, -0.3, mean), (row.u3, 1.3, 0.2, mean)
                ) if not np.isnan(y)
            ]  # fmt: skip
            parts.append(log_pi + log_integral(Unit(np.array([[psi]]), responses), (), 201))
        total += logsumexp(parts)
    assert walk.likelihood.value(walk.free(values), (25,)) == pytest.approx(float(total), abs=1e-7)


def test_classes_of_rows_within_classes_of_clusters_by_hand():
    data = toy()
    text = f"@latent(c, classes(2))\nc =~ u1 + u2 + u3 {BINARY}\nc ~ C\n@level(school)\n@latent(C, classes(2))"
    walk = walk_mixture(text, data)
    rng = np.random.default_rng(2)
    values = {name: rng.normal() for name in walk.likelihood.model.names}
    log_f = np.column_stack([
        sum(bernoulli(data[f"u{j}"], values[f"u{j}~1.c{k}"]) for j in (1, 2, 3)) for k in (1, 2)
    ])  # fmt: skip
    total, high = 0.0, next(name for name in values if name.startswith("C[1]~1"))
    for _, rows in data.groupby("school"):
        parts = []
        for C, log_pi in ((1, log_expit(values[high])), (2, log_expit(-values[high]))):
            logit = values["c[1]~1"] + (values["c[1]~C[1]"] if C == 1 else 0.0)
            own = np.array([log_expit(logit), log_expit(-logit)])
            parts.append(log_pi + logsumexp(log_f[rows.index] + own, axis=1).sum())
        total += logsumexp(parts)
    assert walk.likelihood.value(walk.free(values), ()) == pytest.approx(total, abs=1e-10)


def test_a_known_class_contributes_its_probability():
    data = toy().assign(known=lambda d: np.where(d.index % 3 == 0, 1 + d.index % 2, np.nan))
    walk = walk_mixture(f"@latent(c, classes(2), known=known)\nc =~ u1 + u2 + u3 {BINARY}", data)
    rng = np.random.default_rng(4)
    values = {name: rng.normal() for name in walk.likelihood.model.names}
    log_f = np.column_stack([
        sum(bernoulli(data[f"u{j}"], values[f"u{j}~1.c{k}"]) for j in (1, 2, 3)) for k in (1, 2)
    ])  # fmt: skip
    both = log_f + np.array([log_expit(values["c[1]~1"]), log_expit(-values["c[1]~1"])])
    at = data.known.to_numpy()
    found = np.where(at == 1, both[:, 0], np.where(at == 2, both[:, 1], logsumexp(both, axis=1))).sum()
    assert walk.likelihood.value(walk.free(values), ()) == pytest.approx(found, abs=1e-10)


def test_rows_in_another_order_and_copies_kept_apart():
    data = pd.concat([toy()] * 3, ignore_index=True)
    text = f"@latent(c, classes(2))\nc =~ u1 + u2 + u3 {BINARY}\nc ~ x"
    walk, other = walk_mixture(text, data), walk_mixture(text, data.sample(frac=1.0, random_state=1))
    at = walk.somewhere(3)
    value = walk.likelihood.value(at, ())
    assert other.likelihood.value(at, ()) == pytest.approx(value, abs=1e-10)
    assert walk.likelihood.mixing.levels[0].n < len(data)
    assert walk.likelihood.apart.value(at, ()) == pytest.approx(value, abs=1e-10)


def test_one_class_known_for_all_is_a_regression():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=60), "known": np.repeat([1, 2], 30)})
    data["y"] = rng.normal(size=60) + np.where(data.known == 1, 1.0 + data.x, -data.x)
    apart = "@class(c, 1)\ny ~ x\ny ~~ y\n@class(c, 2)\ny ~ x\ny ~~ y"
    mixed = sg.fit(f"@latent(c, classes(2), known=known)\ny ~ c\n{apart}", data)
    parts = [sg.fit("y ~ x", data[data.known == k]) for k in (1, 2)]
    assert mixed.loglik == pytest.approx(sum(part.loglik for part in parts) + 60 * np.log(0.5), abs=1e-7)
    assert mixed.coef["y~x.c1"] == pytest.approx(parts[0].coef["y~x"], abs=1e-6)


def test_em_and_newton_agree():
    rng = np.random.default_rng(7)
    kind = rng.random(400) < 0.4
    data = pd.DataFrame({f"u{k}": 1.0 * (rng.random(400) < np.where(kind, 0.85, 0.2)) for k in range(1, 6)})
    fit = sg.fit(f"@latent(c, classes(2))\nc =~ {' + '.join(data)} {BINARY}", data)
    # EM in closed form, from the other side
    p, P = np.array([0.5, 0.5]), np.array([[0.6] * 5, [0.3] * 5])
    y = data.to_numpy()
    for _ in range(3000):
        log_f = np.log(p) + y @ np.log(P.T) + (1 - y) @ np.log1p(-P.T)
        r = np.exp(log_f - logsumexp(log_f, axis=1, keepdims=True))
        p, P = r.mean(axis=0), (r.T @ y) / r.sum(axis=0)[:, None]
    assert fit.loglik == pytest.approx(logsumexp(log_f, axis=1).sum(), abs=1e-8)
    order = np.argsort(-p)
    found = [[expit(fit.coef[f"u{k}~1.c{c}"]) for k in range(1, 6)] for c in (1, 2)]
    np.testing.assert_allclose(found, P[order], atol=1e-6)
    np.testing.assert_allclose(fit.class_sizes()["share"], p[order], atol=1e-6)
    np.testing.assert_allclose(fit.class_probabilities().to_numpy(), r[:, order], atol=1e-6)


def test_classes_may_be_called_otherwise():
    """The likelihood of a point is that of the point with the classes' parameters exchanged."""
    data = toy()
    walk = walk_mixture(f"@latent(c, classes(3))\nc =~ u1 + u2 + u3 + u4 {BINARY}\nc ~ x", data)
    rng = np.random.default_rng(6)
    values = {name: rng.normal() for name in walk.likelihood.model.names}
    turned = {}
    order = {1: 2, 2: 3, 3: 1}  # old class to new
    for name, value in values.items():
        if name.startswith("u"):
            item, klass = name.split(".c")
            turned[f"{item}.c{order[int(klass)]}"] = value
    for what in ("1", "x"):
        logits = {1: values[f"c[1]~{what}"], 2: values[f"c[2]~{what}"], 3: 0.0}
        moved = {order[k]: logit for k, logit in logits.items()}
        turned |= {f"c[{k}]~{what}": moved[k] - moved[3] for k in (1, 2)}
    value = walk.likelihood.value(walk.free(values), ())
    assert walk.likelihood.value(walk.free(turned), ()) == pytest.approx(value, abs=1e-10)


def test_a_fit_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(9)
    kind = rng.random(200) < 0.35
    data = pd.DataFrame({f"u{k}": 1.0 * (rng.random(200) < np.where(kind, 0.85, 0.2)) for k in range(1, 6)})
    text = f"@latent(c, classes(2))\nc =~ u1 + u2 + u3 + u4 + u5 {BINARY}"
    order = rng.permutation(200)
    fit, other = (sg.fit(text, frame, n_starts=3) for frame in (data, data.iloc[order]))
    assert other.loglik == pytest.approx(fit.loglik, abs=1e-8)
    np.testing.assert_allclose(other.coef, fit.coef, atol=1e-5)
    np.testing.assert_allclose(other.class_probabilities(), fit.class_probabilities().iloc[order], atol=1e-5)


def test_starts_do_not_know_of_each_other():
    data = pd.concat([toy(), toy()], ignore_index=True)
    walk = walk_mixture(f"@latent(c, classes(3))\nc =~ u1 + u2 + u3 + u4 {BINARY}\nc ~ x", data)
    found = []
    for threads in (1, 3):
        walk.likelihood.workspace.threads = threads
        found.append(search(walk.likelihood, walk.diagram, Settings(threads=threads, seed=4), 5, ()))
    (free, one), (other, same) = found
    assert one == same
    np.testing.assert_array_equal(free, other)


def test_a_dispersion_of_one_class_by_hand():
    data = toy()
    text = "@latent(c, classes(2))\ny1 ~ c\n@dispersion(y1 ~ 1 + x)\n@class(c, 1)\n@dispersion(y1 ~ 1)"
    walk = walk_mixture(text, data)
    values = {"y1~1.c1": 0.4, "y1~1.c2": -0.5, "y1@dispersion~1.c1": -0.7, "y1@dispersion~1": 0.2,
              "y1@dispersion~x": 0.3, "c[1]~1": 0.6}  # fmt: skip
    log_f = [
        norm.logpdf(data.y1, 0.4, np.exp(0.5 * (-0.7 + 0.3 * data.x))) + log_expit(0.6),
        norm.logpdf(data.y1, -0.5, np.exp(0.5 * (0.2 + 0.3 * data.x))) + log_expit(-0.6),
    ]
    assert walk.likelihood.value(walk.free(values), ()) == pytest.approx(np.nansum(logsumexp(log_f, axis=0)), abs=1e-10)


def test_a_zero_inflation_of_one_class_by_hand():
    data = toy().assign(k=lambda d: np.arange(len(d)) % 4)
    text = "@latent(c, classes(2))\nk ~ c @family(poisson)\n@class(c, 1)\n@inflation(k ~ 1)"
    walk = walk_mixture(text, data)
    values = dict.fromkeys(walk.likelihood.model.names, 0.0)
    values |= {"k~1.c1": 0.8, "k~1.c2": 0.1, "c[1]~1": -0.4, "k@inflation~1.c1": -0.6}
    free = walk.free(values)
    counts = [poisson.logpmf(data.k, np.exp(f)) for f in (0.8, 0.1)]
    parts = []
    for log_f, name, log_pi in zip(counts, ("k@inflation~1.c1", "k@inflation~1"), (log_expit(-0.4), log_expit(0.4))):
        with_zeros = log_expit(-values.get(name, -np.inf)) + log_f
        zero = np.where(data.k == 0, log_expit(values.get(name, -np.inf)), -np.inf)
        parts.append(log_pi + np.logaddexp(with_zeros, zero))
    assert walk.likelihood.value(free, ()) == pytest.approx(logsumexp(parts, axis=0).sum(), abs=1e-10)


def test_a_random_term_of_one_class_is_a_factor_that_loads_there():
    data = toy(60)
    classes = "@level(school)\n@latent(C, classes(2))"
    term = walk_mixture(f"y1 ~ C\n{classes}\n@level(row) @class(C, 1)\ny1 ~ x + (1 | school)", data)
    load = walk_mixture(f"y1 ~ C + 0*f\n{classes}\nf =~ 0\n@level(row) @class(C, 1)\ny1 ~ x + 1*f", data)
    rng = np.random.default_rng(3)
    values = {name: 0.4 * rng.normal() for name in term.likelihood.model.names}
    values |= {"school.intercept~~school.intercept": 0.7, "y1~~y1": 0.9}
    same = {name.replace("school.intercept", "f"): value for name, value in values.items()}
    value = term.likelihood.value(term.free(values), (15,))
    assert load.likelihood.value(load.free(same), (15,)) == pytest.approx(value, abs=1e-10)


def test_a_free_distribution_makes_its_variable():
    data = toy(60)
    text = "y1 ~ x + 1*eta\n@level(school)\n@latent(eta, npml(2))"
    alone, written = (walk_mixture(one, data) for one in (text, f"{text}\neta =~ 0"))
    at = alone.somewhere(1)
    assert alone.likelihood.names == written.likelihood.names
    assert alone.likelihood.value(at, ()) == pytest.approx(written.likelihood.value(at, ()), abs=1e-12)
