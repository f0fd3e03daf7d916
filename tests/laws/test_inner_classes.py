"""Classes, and values of missing covariates, are summed over at each point of the latent variables above them."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_expit, logsumexp
from scipy.stats import norm, poisson

import semgllamm as sg
from semgllamm import api
from semgllamm.estimation.inner_classes import InnerClasses
from semgllamm.estimation.settings import Adaptive, Request, Settings
from semgllamm.estimation.start import start_values
from semgllamm.model.constraints import equality_map

U = np.linspace(-8, 8, 1201)
LOG_PRIOR = norm.logpdf(U) + np.log(U[1] - U[0])

CLASSES = """
@latent(c, classes(2))
c ~ w + eta
c =~ b + y + k
b ~ z     @family(bernoulli(logit))
y ~ 1     @family(gaussian)
k ~ 1     @family(poisson)
@class(c, 1)
b ~ z
@level(g)
eta =~ b + y + k
"""
COVARIATE = """
y ~ 1
b ~ x + w + (1 | g)     @family(bernoulli(logit))
x ~ z                   @family(bernoulli(logit))
"""
TWO_LOGITS = """
@latent(c, classes(3))
c ~ w + (1 | g)
c =~ b + x
@family(b + x, bernoulli(logit))
"""


def data(clusters=6, size=4, seed=1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = clusters * size
    u = np.repeat(rng.normal(size=clusters), size)
    z, w = rng.normal(size=(2, n))
    c = rng.random(n) < expit(0.3 + 0.5 * w + 0.7 * u)
    frame = pd.DataFrame({
        "g": np.repeat(np.arange(clusters), size), "z": z, "w": w, "x": 1.0 * (rng.random(n) < expit(0.3 + 0.5 * z)),
        "b": 1.0 * (rng.random(n) < expit(-0.5 + c + 0.4 * z + u)), "y": 1.5 * c + u + rng.normal(size=n),
        "k": 1.0 * rng.poisson(np.exp(0.5 - c + 0.3 * u)),
    })  # fmt: skip
    frame.loc[3, "b"] = np.nan
    return frame.assign(x=frame.x.mask(rng.random(n) < 0.4))


def likelihood(text: str, frame: pd.DataFrame) -> tuple[InnerClasses, np.ndarray]:
    """The likelihood, and parameters at which classes differ."""
    settings = {"family": None, "cluster": None, "group": None, "constraints": None, "ordered": (), "start": None}
    diagram, model, design, *_ = api._bound(text, frame, like="fit", missing="ml", switches={}, **settings)
    names = {name: number for name, number in api._names(diagram, model).items() if number >= 0}
    affine = equality_map(diagram, names, model.n_parameters)
    found, *_ = api._likelihood(diagram, model, design, affine, "auto", Settings(threads=1), Request.of("fit"))
    assert isinstance(found, InnerClasses)
    start = start_values(found.predictor, diagram)
    return found, start + 0.3 * np.random.default_rng(3).normal(size=len(start))


def cells(found: InnerClasses, free: np.ndarray) -> dict[str, float]:
    working = found.working
    return dict(zip(found.model.names, working.cells(working.inner(free))))


def by_hand(p: dict[str, float], frame: pd.DataFrame, parts) -> tuple[float, list[np.ndarray]]:
    """log L and the posterior probabilities of the parts, by sums over a fine grid of the coordinate of a cluster."""
    total, posterior = 0.0, []
    for _, rows in frame.groupby("g"):
        logs = [np.stack([one + 0 * U for one in parts(p, row)]) for row in rows.itertuples()]
        log = LOG_PRIOR + sum(logsumexp(one, axis=0) for one in logs)
        total += logsumexp(log)
        at = np.exp(log - logsumexp(log))
        posterior += [np.exp(one - logsumexp(one, axis=0)) @ at for one in logs]
    return total, posterior


def parts_of_classes(p, row):
    eta = np.sqrt(p["eta~~eta"]) * U
    logit = p["c[1]~1"] + p["c[1]~w"] * row.w + p["c[1]~eta"] * eta
    for k, log_share in enumerate((log_expit(logit), log_expit(-logit)), start=1):
        log = log_share + norm.logpdf(row.y, p[f"y~1.c{k}"] + p["eta=~y"] * eta, np.sqrt(p["y~~y"]))
        log = log + poisson.logpmf(row.k, np.exp(p[f"k~1.c{k}"] + p["eta=~k"] * eta))
        if not np.isnan(row.b):
            nu = p[f"b~1.c{k}"] + p["b~z.c1" if k == 1 else "b~z"] * row.z + eta
            log = log + log_expit((2 * row.b - 1) * nu)
        yield log


def parts_of_covariate(p, row):
    for x in (0, 1) if np.isnan(row.x) else (int(row.x),):
        log = log_expit((2 * x - 1) * (p["x~1"] + p["x~z"] * row.z)) + norm.logpdf(row.y, p["y~1"], np.sqrt(p["y~~y"]))
        if not np.isnan(row.b):
            nu = p["b~1"] + p["b~x"] * x + p["b~w"] * row.w + np.sqrt(p["g.intercept~~g.intercept"]) * U
            log = log + log_expit((2 * row.b - 1) * nu)
        yield log


@pytest.mark.parametrize(("text", "parts"), [(CLASSES, parts_of_classes), (COVARIATE, parts_of_covariate)])
def test_likelihood_is_that_of_sums_by_hand(text, parts):
    frame = data()
    found, free = likelihood(text, frame)
    value, posterior = by_hand(cells(found, free), frame, parts)
    assert found.value(free, (25,)) == pytest.approx(value, abs=1e-8)
    for share, expected in zip(found.class_probabilities(free, (25,)), posterior):
        if len(expected) == len(share):
            np.testing.assert_allclose(share, expected, atol=1e-8)
        else:
            assert sorted(share) == [0, 1]  # the value is known


@pytest.mark.parametrize("text", [CLASSES, COVARIATE, TWO_LOGITS])
@pytest.mark.parametrize("points", [1, 3])
def test_score_is_the_derivative(text, points):
    found, free = likelihood(text, data())
    points = (points,)
    score = found.score(free, points)[1]
    steps = 1e-5 * np.eye(len(free))
    slopes = [(found.value(free + h, points) - found.value(free - h, points)) / 2e-5 for h in steps]
    np.testing.assert_allclose(score, slopes, atol=1e-6)
    np.testing.assert_allclose(found.unit_scores(free, points).sum(axis=0), score, atol=1e-9)


@pytest.mark.parametrize("text", [CLASSES, COVARIATE])
def test_information_is_that_of_louis(text):
    found, free = likelihood(text, data())
    information = found.louis(free, (25,))[2]
    steps = 1e-5 * np.eye(len(free))
    slopes = [(found.score(free + h, (25,))[1] - found.score(free - h, (25,))[1]) / 2e-5 for h in steps]
    np.testing.assert_allclose(information, -np.array(slopes), atol=1e-5)


def test_probabilities_of_classes_average_to_their_prior_ones():
    found, free = likelihood(TWO_LOGITS, data())
    prior = found.prior_probabilities(free, 0)
    np.testing.assert_allclose(prior.sum(axis=1), 1.0, atol=1e-12)
    p = cells(found, free)
    L = np.linalg.cholesky([[p["c[1].g.intercept~~c[1].g.intercept"], p["c[1].g.intercept~~c[2].g.intercept"]],
                            [p["c[1].g.intercept~~c[2].g.intercept"], p["c[2].g.intercept~~c[2].g.intercept"]]])
    u = np.random.default_rng(2).normal(size=(400_000, 2)) @ L.T
    w = data().w.to_numpy()[0]
    logits = np.column_stack([p["c[1]~1"] + p["c[1]~w"] * w + u[:, 0], p["c[2]~1"] + p["c[2]~w"] * w + u[:, 1],
                              np.zeros(len(u))])  # fmt: skip
    np.testing.assert_allclose(prior[0], np.exp(logits - logsumexp(logits, axis=1)[:, None]).mean(axis=0), atol=3e-3)


def test_probabilities_of_classes_that_depend_on_others_are_summed_over_these():
    text = """
    @latent(c, classes(2))
    @latent(e, classes(2))
    c ~ w + (1 | g)
    e ~ c
    c =~ b
    e =~ x
    @family(b + x, bernoulli(logit))
    """
    found, free = likelihood(text, data())
    p, w = cells(found, free), found.design.column("w")
    weight = np.exp(LOG_PRIOR)
    c = expit(p["c[1]~1"] + p["c[1]~w"] * w[:, None] + np.sqrt(p["g.intercept~~g.intercept"]) * U) @ weight
    e = c * expit(p["e[1]~1"] + p["e[1]~c[1]"]) + (1 - c) * expit(p["e[1]~1"])
    for v, expected in ((0, c), (1, e)):
        prior = found.prior_probabilities(free, v)
        np.testing.assert_allclose(prior, np.column_stack([expected, 1 - expected]), atol=1e-6)


def test_order_of_rows_and_copies_change_nothing():
    frame = data()
    found, free = likelihood(COVARIATE, frame)
    shuffled, _ = likelihood(COVARIATE, frame.sample(frac=1.0, random_state=1))
    assert shuffled.value(free, (7,)) == pytest.approx(found.value(free, (7,)), abs=1e-10)
    twice = pd.concat([frame, frame.assign(g=frame.g + 100)])
    doubled, _ = likelihood(COVARIATE, twice)
    assert len(doubled.predictor.program.tree) == len(found.predictor.program.tree)
    assert doubled.value(free, (7,)) == pytest.approx(2 * found.value(free, (7,)), abs=1e-9)


def test_frequencies_are_copies():
    frame = data().assign(f=1 + np.arange(24) % 3)
    copies = frame.loc[frame.index.repeat(frame.f)]
    weighed, free = likelihood(f"{COVARIATE}@frequency(row, f)", frame)
    repeated, _ = likelihood(COVARIATE, copies)
    assert weighed.value(free, (3,)) == pytest.approx(repeated.value(free, (3,)), abs=1e-9)
    np.testing.assert_allclose(weighed.score(free, (3,))[1], repeated.score(free, (3,))[1], atol=1e-8)


def test_without_variance_above_it_is_the_mixture():
    frame = data(10, 5, 2)
    mixture = sg.fit(TWO_LOGITS.replace(" + (1 | g)", "").replace("3", "2"), frame, n_starts=4)
    text = TWO_LOGITS.replace("3", "2") + "g.intercept ~~ 1e-12*g.intercept"
    inside = sg.fit(text.replace("g.intercept ~~", "@level(g)\ng.intercept ~~"), frame, n_starts=4,
                    quadrature=Adaptive(points=3))  # fmt: skip
    assert inside.loglik == pytest.approx(mixture.loglik, abs=1e-5)


@pytest.mark.slow
def test_recovery():
    """Classes of pupils whose shares differ between schools."""
    rng = np.random.default_rng(8)
    J, size = 150, 15
    n = J * size
    u, w = np.repeat(rng.normal(size=J), size), rng.normal(size=n)
    c = rng.random(n) < expit(0.3 + 0.8 * w + u)
    answers = rng.random((n, 5)) < np.where(c[:, None], [0.85, 0.8, 0.9, 0.7, 0.75], [0.15, 0.25, 0.2, 0.3, 0.2])
    frame = pd.DataFrame(1 * answers, columns=list("abdef")).assign(w=w, g=np.repeat(np.arange(J), size))
    fit = sg.fit("""
        @latent(c, classes(2))
        c ~ w + (1 | g)
        c =~ a + b + d + e + f
        @family(a + b + d + e + f, bernoulli(logit))
        """, frame, n_starts=4)  # fmt: skip
    sign = 1.0 if fit.coef["a~1.c1"] > fit.coef["a~1.c2"] else -1.0
    se = dict(zip(fit.coef.index, np.sqrt(np.diag(fit.vcov()))))
    for name, truth in {"c[1]~1": 0.3 * sign, "c[1]~w": 0.8 * sign, "g.intercept~~g.intercept": 1.0}.items():
        assert abs(fit.coef[name] - truth) < 3.5 * se[name]


@pytest.mark.parametrize(("text", "said"), [
    ("@latent(c, classes(2))\nf =~ b + x + k\n@family(b + x, bernoulli(logit))\n@family(k, poisson)\n"
     "c =~ b + x\n@level(g)\neta =~ b + x", "'f' varies within units of 'c'"),
    ("@latent(c, classes(2))\nc ~ f\nf =~ b + x\nc =~ k\n@family(b + x, bernoulli(logit))\n@family(k, poisson)",
     "latent variables of higher levels alone"),
    ("@latent(c, classes(2))\nc =~ b + x\nb ~ (1 | g)\n@family(b + x, bernoulli(logit))\n@class(c, 1)\n"
     "g.intercept ~~ g.intercept", "cannot differ between classes"),
])  # fmt: skip
def test_what_is_refused(text, said):
    with pytest.raises(sg.ModelError, match=said):
        sg.fit(text, data())


def test_what_a_fit_has_and_has_not():
    frame = data(20, 6, 3)
    fit = sg.fit("""
        @latent(c, classes(2))
        c ~ w + (1 | g)
        c =~ b + x + y + k
        @family(b + x, bernoulli(logit))
        @family(k, poisson)
        """, frame, n_starts=4)  # fmt: skip
    assert fit.converged
    assert len(fit.class_probabilities()) == len(frame)
    assert len(fit.latent(level="g")) == 20
    assert "without the latent variables above the classes" in str(fit.summary())
    for call in (fit.predict, fit.class_profiles, fit.influence):
        with pytest.raises(sg.ModelError, match="yet"):
            call()
    samples = [sample for _, sample in fit.simulate(100, seed=1).groupby(level=0)]
    shares = fit.likelihood.prior_probabilities(fit.free, 0)
    expected = shares @ expit([fit.coef["x~1.c1"], fit.coef["x~1.c2"]])
    seen = frame.x.notna().to_numpy()
    drawn = np.array([sample.x.to_numpy()[seen].mean() for sample in samples])
    assert abs(drawn.mean() - expected[seen].mean()) < 4 * drawn.std() / np.sqrt(len(drawn))
    between = [sample.groupby("g").y.mean().var() for sample in samples]
    assert np.quantile(between, 0.01) < frame.groupby("g").y.mean().var() < np.quantile(between, 0.99)
